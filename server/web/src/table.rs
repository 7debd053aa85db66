//! What can be asked on the client port, as one table: the OpenAPI document is made from it, and from that the client
//! in `clients/`; a test walks it with a stranger. Schemas come from the types themselves.

use crate::route::{Method, Route, call, delete, either, get, post, public};
use crate::routes::{
    catalog::HarvestAsk, demand::DemandsAsk, exchange, federation, identity, log, objection, registry,
};
use ::exchange::{
    AgreementView, CorrectionView, Notice, ObjectionView, PlanView, Pull, Receipt, ReceiptView, RecordView, RequestView,
};
use ::identity::Scope::{Exchange, Record};
use ::registry::RowsDigest;
use catalog::{
    compile::{Compiled, DemandAct},
    propose::{Proposal, SecondSource},
    report::{ReportView, ReportsAsk},
    search::Found,
    template::Imported,
};
use node::{
    Accounts, AccountsAsk, ActsAsk, ActsPage, AnswerDraft, ApplicationView, CloseAsk, CompilationLine, CompilationView,
    CompileAsk, ConfirmationDraft, Credentials, DcatAsk, DemandView, DigestAsk, DossiersAsk, Enrolled, Enrolling,
    ExportActsAsk, ExportAsk, ExportBegun, Exported, ExportedAsk, Followed, ImportAsk, ImportReport, InstalledPack,
    IssuedToken, LevelsAsk, ListAsk, ListPage, MomentAsk, NewApplication, NewToken, NewUser, NumberAsk, Numbered,
    ObjectionDraft, ObjectionsAsk, OfferView, OpenedUser, Page, PageAsk, PlanAsk, Proof, ProofAsk, ProposeAsk, PullAsk,
    PutAsk, PutReport, QueryAnswer, QueryAsk, RemoveAsk, ReportAct, RequestDraft, RequestsAsk, RulingDraft, RunAsk,
    SearchAsk, SourceCheck, SourceView, SystemLine, SystemsAsk, TakeAsk, TakingView, TemplateAsk, ThingLine, ThingView,
    ThingsAsk, TokenView, TypeView, UserView,
};

const HTML: &str = "text/html";
const TEXT: &str = "text/plain";
/// Excel workbooks.
pub(crate) const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const BYTES: &str = "application/octet-stream";

/// Every route of the client port.
pub const ROUTES: &[Route] = &[
    public(get("/", "home", "转到接口页面", "leads to the page of this interface").gives_bytes(HTML)),
    public(get("/api", "apiPage", "接口页面", "the page of this interface").gives_bytes(HTML)),
    public(get("/api/{file}", "apiFile", "接口页面所需的文件", "what that page needs").gives_bytes(BYTES)),
    public(get("/health", "health", "节点是否正常", "whether the node serves and its databases answer")),
    public(
        get("/metrics", "metrics", "运行指标（Prometheus 文本）", "figures in Prometheus' text format")
            .gives_bytes(TEXT),
    ),
    public(get("/openapi.json", "openapi", "本接口说明", "this description")),
    public(get("/v1/node", "node", "节点属于哪个机构", "whose node this is")),
    get("/v1/packs", "packs", "已安装的数据包", "installed packs").of_all_three().gives::<Vec<InstalledPack>>(),
    post("/v1/packs", "installPack", "安装数据包", "installs a pack")
        .of_system()
        .takes::<registry::PackFiles>()
        .gives::<InstalledPack>(),
    post("/v1/imports", "import", "导入文件（正文即文件）", "imports a file: the body")
        .scope(Record)
        .asks::<ImportAsk>()
        .takes_bytes()
        .gives::<ImportReport>(),
    get("/v1/imports/{id}", "importProgress", "导入进度", "how far an import is").scope(Record).gives::<ImportReport>(),
    get("/v1/imports/{id}/rejects", "importRejects", "被拒绝的行（CSV）", "the rows turned away, as CSV")
        .scope(Record)
        .gives_bytes("text/csv"),
    get("/v1/records", "recordTypes", "记录类型与行数", "record types with their counts")
        .scope(Record)
        .gives::<Vec<TypeView>>(),
    get("/v1/records/{name}", "records", "前若干行，可指定历史时刻", "the first rows, now or as of a time")
        .scope(Record)
        .asks::<registry::FirstAsk>()
        .gives::<Page>(),
    post(
        "/v1/records/{name}/pages",
        "recordPage",
        "按主键、条件取一页记录，可指定历史时刻",
        "a page of rows by key, condition and where the last ended, now or as of a time",
    )
    .scope(Record)
    .looks()
    .takes::<PageAsk>()
    .gives::<Page>(),
    post("/v1/records/{name}", "putRow", "写入一行记录", "writes one row")
        .scope(Record)
        .takes::<PutAsk>()
        .gives::<PutReport>(),
    post("/v1/records/{name}/removals", "removeRow", "移除一行记录，历史保留", "takes one row out; its history stays")
        .scope(Record)
        .takes::<RemoveAsk>(),
    get(
        "/v1/records/{name}/digest",
        "rowsDigest",
        "全部记录的摘要，可跨库比对",
        "a digest over all rows, the same on every database",
    )
    .audited()
    .scope(Record)
    .asks::<DigestAsk>()
    .gives::<RowsDigest>(),
    post("/v1/records/{name}/history", "recordHistory", "一行的全部版本", "every version of a row")
        .scope(Record)
        .looks()
        .takes::<registry::KeyAsk>(),
    get(
        "/v1/sources",
        "sources",
        "数据源（对方的表）及最近一次取数",
        "tables of others that feed our records, with their latest runs",
    )
    .audited()
    .scope(Record)
    .gives::<Vec<SourceView>>(),
    get(
        "/v1/sources/{name}/check",
        "checkSource",
        "检查数据源能否读取、行是否合乎类型",
        "whether a source can be read and its rows fit",
    )
    .scope(Record)
    .gives::<SourceCheck>(),
    get("/v1/sources/{name}/runs", "sourceRuns", "数据源的历次取数", "the runs of a source, newest first")
        .audited()
        .scope(Record)
        .gives::<Vec<TakingView>>(),
    post("/v1/sources/{name}/runs", "takeSource", "开始或继续取数", "begins to take a source over, or goes on with it")
        .scope(Record)
        .takes::<TakeAsk>()
        .gives::<TakingView>(),
    get("/v1/changes", "changes", "变更流", "a page of a change feed")
        .audited()
        .scope(Record)
        .asks::<registry::FeedAsk>(),
    get("/v1/catalog", "searchCatalog", "检索目录", "searches the catalogue")
        .shown_to_audit()
        .asks::<SearchAsk>()
        .gives::<Found>(),
    post("/v1/catalog", "publishEntry", "发布目录条目", "publishes a catalogue entry").takes_any(),
    either(
        get(
            "/v1/catalog/dcat",
            "catalogDcat",
            "目录（DCAT-AP 3，JSON-LD）；无令牌者只见对社会开放的条目",
            "the catalogue as DCAT-AP 3; without a token only what is open to the public",
        )
        .shown_to_audit()
        .asks::<DcatAsk>()
        .gives_json("application/ld+json"),
    ),
    get("/v1/catalog/{code}", "catalogEntry", "一个目录条目", "one catalogue entry").shown_to_audit(),
    delete("/v1/catalog/{code}", "withdrawEntry", "撤销本机构的目录条目", "withdraws an entry of our own"),
    post("/v1/catalog/harvest", "harvest", "采集成员目录", "takes over a member's catalogue").takes::<HarvestAsk>(),
    post("/v1/catalog/levels", "followLevels", "向上下级取报告和意见", "asks other levels for reports and rulings now")
        .takes::<LevelsAsk>()
        .gives::<Followed>(),
    get(
        "/v1/catalog/reports",
        "reports",
        "上报的目录条目及各级意见",
        "entries that were reported up, and what each level said",
    )
    .audited()
    .asks::<ReportsAsk>()
    .gives::<Vec<ReportView>>(),
    get(
        "/v1/catalog/reports/{organisation}/{entry}",
        "report",
        "一个上报条目及各级意见",
        "one entry that was reported up, and what each level said",
    )
    .audited()
    .gives::<ReportView>(),
    post(
        "/v1/catalog/reports/{organisation}/{entry}/acts",
        "actOnReport",
        "退回上报的条目，或给出本级编号",
        "returns an entry that was reported up, or gives it this level's number",
    )
    .takes::<ReportAct>()
    .gives::<ReportView>(),
    get("/v1/compilations", "compilations", "编制中的目录条目", "catalogue entries on their way")
        .audited()
        .asks::<DossiersAsk>()
        .gives::<Vec<CompilationLine>>(),
    get("/v1/compilations/{name}", "compilation", "一个条目的编制与经过", "an entry's compilation and its history")
        .audited()
        .gives::<CompilationView>(),
    post(
        "/v1/compilations/{name}/acts",
        "compile",
        "编制、提交、审核、退回、发布、变更、撤销、放弃",
        "drafts, submits, checks, returns, publishes, changes, revokes or discards an entry",
    )
    .takes::<CompileAsk>()
    .gives::<Compiled>(),
    post("/v1/chain", "putChain", "登记职责、事项、信息系统", "registers duties, matters, information systems")
        .takes::<ThingsAsk>(),
    get("/v1/chain/{kind}", "chain", "职责、事项或信息系统清单", "duties, matters or information systems")
        .audited()
        .asks::<DossiersAsk>()
        .gives::<Vec<ThingLine>>(),
    get("/v1/chain/{kind}/{name}", "chainThing", "一项职责、事项或系统", "a duty, a matter or a system")
        .audited()
        .asks::<MomentAsk>()
        .gives::<ThingView>(),
    delete("/v1/chain/{kind}/{name}", "closeChain", "关闭职责、事项或系统", "closes a duty, a matter or a system")
        .asks::<CloseAsk>(),
    get(
        "/v1/systems",
        "systems",
        "政务信息系统台账：未接入、沉睡、在用",
        "information systems: unconnected, sleeping, in use",
    )
    .asks::<SystemsAsk>()
    .gives::<Vec<SystemLine>>(),
    get("/v1/demands", "demands", "需求清单", "demands for data that are in no catalogue")
        .asks::<DemandsAsk>()
        .gives::<Vec<DemandView>>(),
    get("/v1/demands/{name}", "demand", "一项需求及其经过", "a demand and its history").gives::<DemandView>(),
    post(
        "/v1/demands/{name}/acts",
        "doDemand",
        "提出、交办、认领、拒绝、知悉",
        "asks, assigns, accepts, refuses, hears",
    )
    .takes::<DemandAct>()
    .gives::<DemandView>(),
    get("/v1/template", "exportTemplate", "以指南的 Excel 模板导出目录", "the catalogue in the guide's Excel template")
        .asks::<ExportAsk>()
        .gives_bytes(XLSX),
    post("/v1/template", "importTemplate", "导入指南的 Excel 模板（正文即文件）", "imports the guide's Excel template")
        .asks::<TemplateAsk>()
        .takes_bytes()
        .gives::<Vec<Imported>>(),
    post("/v1/proposals", "propose", "由数据源的说明建议目录条目", "proposes entries from a source's description")
        .takes::<ProposeAsk>()
        .gives::<Vec<Proposal>>(),
    get("/v1/lists/{list}", "legalList", "供给清单或负面清单", "the list of supplies, or the negative list")
        .asks::<ListAsk>()
        .gives::<ListPage>(),
    get("/v1/second-sources", "secondSources", "一数多源的冲突清单", "what is collected a second time")
        .gives::<Vec<SecondSource>>(),
    get("/v1/offers", "offers", "本机构的提供", "what this organisation offers")
        .of_all_three()
        .scope(Exchange)
        .gives::<Vec<OfferView>>(),
    get("/v1/members/{id}/offers", "offersOf", "某成员的提供", "what a member offers")
        .shown_to_audit()
        .scope(Exchange)
        .gives::<Vec<OfferView>>(),
    get(
        "/v1/requests",
        "requests",
        "申请列表：最新的，或待办、逾期的",
        "requests: the newest, or those that wait or are late",
    )
    .audited()
    .scope(Exchange)
    .asks::<RequestsAsk>()
    .gives::<Vec<RequestView>>(),
    post("/v1/requests", "request", "提出共享申请", "asks for access")
        .scope(Exchange)
        .takes::<RequestDraft>()
        .gives::<RequestView>(),
    get("/v1/requests/{id}", "requestView", "申请及其最新经过", "a request with its latest news")
        .audited()
        .scope(Exchange)
        .gives::<RequestView>(),
    get("/v1/requests/{id}/attachments/{number}", "requestAttachment", "申请的附件", "a file of a request")
        .audited()
        .scope(Exchange)
        .gives_bytes(BYTES),
    post("/v1/requests/{id}/answers", "answerRequest", "答复申请", "answers a request on one step")
        .scope(Exchange)
        .takes::<AnswerDraft>()
        .gives::<RequestView>(),
    post("/v1/requests/{id}/supplements", "supplementRequest", "补正申请", "supplements a request")
        .scope(Exchange)
        .takes::<exchange::Note>()
        .gives::<RequestView>(),
    post("/v1/requests/{id}/agreement", "signAgreement", "签署协议", "signs the agreement")
        .scope(Exchange)
        .gives::<AgreementView>(),
    get("/v1/agreements", "agreements", "协议列表", "agreements")
        .audited()
        .scope(Exchange)
        .gives::<Vec<AgreementView>>(),
    get("/v1/agreements/{id}", "agreement", "一份协议", "one agreement")
        .audited()
        .scope(Exchange)
        .gives::<AgreementView>(),
    post("/v1/agreements/{id}/revocation", "revokeAgreement", "撤销协议，立即生效", "revokes an agreement at once")
        .scope(Exchange)
        .takes::<exchange::Reason>()
        .gives::<AgreementView>(),
    get("/v1/objections", "objections", "异议列表", "objections, raised by us and to us")
        .audited()
        .scope(Exchange)
        .asks::<ObjectionsAsk>()
        .gives::<Vec<ObjectionView>>(),
    post("/v1/objections", "raiseObjection", "提出异议：某行、某格或某列有误", "marks what was delivered as wrong")
        .scope(Exchange)
        .takes::<ObjectionDraft>()
        .gives::<ObjectionView>(),
    get("/v1/objections/{id}", "objection", "一件异议及其更正", "an objection, and whom its correction reached")
        .audited()
        .scope(Exchange)
        .gives::<ObjectionView>(),
    post("/v1/objections/{id}/rulings", "ruleOnObjection", "对异议作出处理意见", "rules on an objection")
        .scope(Exchange)
        .takes::<RulingDraft>()
        .gives::<ObjectionView>(),
    get("/v1/corrections", "corrections", "更正通知", "corrections, told by us and to us")
        .audited()
        .scope(Exchange)
        .asks::<objection::CorrectionsAsk>()
        .gives::<Vec<CorrectionView>>(),
    post("/v1/corrections/{id}/confirmation", "confirmCorrection", "确认更正", "confirms a correction")
        .scope(Exchange)
        .takes::<ConfirmationDraft>()
        .gives::<CorrectionView>(),
    get("/v1/notices", "notices", "给本人各角色的通知", "notices to the caller's roles")
        .scope(Exchange)
        .gives::<Vec<Notice>>(),
    post("/v1/queries", "query", "依协议查询并取得回执", "one receipted query under an agreement")
        .scope(Exchange)
        .takes::<QueryAsk>()
        .gives::<QueryAnswer>(),
    call(Method::Get, "callGet").acts(),
    call(Method::Post, "callPost").takes_bytes(),
    call(Method::Put, "callPut").takes_bytes(),
    call(Method::Patch, "callPatch").takes_bytes(),
    call(Method::Delete, "callDelete"),
    post("/v1/pulls", "pull", "开始批量获取", "begins to fetch a batch")
        .scope(Exchange)
        .takes::<PullAsk>()
        .gives::<Pull>(),
    get("/v1/pulls/{id}", "pullState", "批量获取进度", "how far a batch is").scope(Exchange).gives::<Pull>(),
    get("/v1/pulls/{id}/parts/{number}", "pulledPart", "已取得的分片", "a part that is here")
        .scope(Exchange)
        .gives_bytes(BYTES),
    get("/v1/deliveries", "deliveries", "入表交付计划", "deliveries into tables")
        .audited()
        .scope(Exchange)
        .gives::<Vec<PlanView>>(),
    post("/v1/deliveries", "planDelivery", "新建入表交付计划", "plans a delivery into a table")
        .scope(Exchange)
        .takes::<PlanAsk>()
        .gives::<PlanView>(),
    get("/v1/deliveries/{name}", "delivery", "一个交付计划及其近期运行", "a delivery with its last runs")
        .audited()
        .scope(Exchange)
        .gives::<PlanView>(),
    post("/v1/deliveries/{name}/run", "runDelivery", "立即运行，可要求全量重做", "runs it now, anew if so wanted")
        .scope(Exchange)
        .takes::<RunAsk>()
        .gives::<PlanView>(),
    post("/v1/deliveries/{name}/pause", "pauseDelivery", "暂停", "lets it rest").scope(Exchange).gives::<PlanView>(),
    post("/v1/deliveries/{name}/resume", "resumeDelivery", "恢复", "lets it go on").scope(Exchange).gives::<PlanView>(),
    post("/v1/deliveries/{name}/end", "endDelivery", "结束；表中数据保留", "ends it; the table stays as it is")
        .scope(Exchange)
        .gives::<PlanView>(),
    get("/v1/receipts", "receipts", "回执列表", "receipts, newest first")
        .audited()
        .scope(Exchange)
        .asks::<log::ReceiptsAsk>()
        .gives::<Vec<ReceiptView>>(),
    post("/v1/receipts/acknowledge", "acknowledge", "立即确认应确认的回执", "countersigns what is due now")
        .scope(Exchange),
    get("/v1/receipts/{id}", "receipt", "回执文件", "a receipt as a file").audited().scope(Exchange).gives::<Receipt>(),
    get("/v1/numbers", "numbered", "按平台编号查找", "what bears a number that a platform gave")
        .audited()
        .scope(Exchange)
        .asks::<NumberAsk>()
        .gives::<Numbered>(),
    get("/v1/recorded", "recorded", "枢纽所录的申请、协议与回执", "what the hub recorded of deliveries")
        .audited()
        .scope(Exchange)
        .asks::<log::ReceiptsAsk>()
        .gives::<Vec<RecordView>>(),
    get(
        "/v1/accounts",
        "accounts",
        "某月的账：各项数字及其依据",
        "the accounts of a month, each figure with its proof",
    )
    .audited()
    .scope(Exchange)
    .asks::<AccountsAsk>()
    .gives::<Accounts>(),
    get("/v1/accounts/proof", "accountProof", "某个数字由哪些件计得", "exactly what a figure was counted from")
        .audited()
        .scope(Exchange)
        .asks::<ProofAsk>()
        .gives::<Proof>(),
    public(get("/v1/log", "log", "存证日志现状", "where the log stands")),
    public(
        get("/log/{path}", "logFile", "存证日志文件（C2SP tlog-tiles）", "the log's files (C2SP tlog-tiles)")
            .gives_bytes(BYTES),
    ),
    public(get("/v1/federation", "federation", "联邦成员", "the members of the federation")),
    post("/v1/federation", "joinFederation", "加入联邦（固定创世文件）", "pins the federation's genesis")
        .of_system()
        .takes::<federation::Join>(),
    public(get("/v1/federation/log", "membershipLog", "成员日志", "the membership log")),
    post("/v1/federation/entries", "adoptEntries", "采纳成员日志条目", "takes over membership entries")
        .of_system()
        .takes::<federation::Entries>(),
    get("/v1/audit", "acts", "管理员操作记录", "acts of administrators, newest first")
        .audited()
        .asks::<ActsAsk>()
        .gives::<ActsPage>(),
    post("/v1/audit/exports", "exportActs", "开始导出一段时期的操作记录", "begins an export of a period's acts")
        .audited()
        .takes::<ExportActsAsk>()
        .gives::<ExportBegun>(),
    get(
        "/v1/audit/exports/{number}",
        "exportedActs",
        "导出的一页，附日志证明",
        "a page of it, each act with its proof",
    )
    .audited()
    .asks::<ExportedAsk>()
    .gives::<Exported>(),
    get("/v1/users", "users", "账户列表", "accounts").of_all_three().gives::<Vec<UserView>>(),
    post("/v1/users", "createUser", "开立账户，不含角色", "opens an account, without roles")
        .of_system()
        .takes::<NewUser>()
        .gives::<OpenedUser>(),
    post("/v1/users/{name}/roles", "setRoles", "授予账户角色", "gives an account exactly these roles")
        .of_security()
        .takes::<identity::Roles>(),
    post("/v1/users/{name}/state", "setUserState", "停用或启用账户", "disables an account, or enables it again")
        .of_system()
        .takes::<identity::State>(),
    post("/v1/users/{name}/password", "resetPassword", "重置账户密码，待解锁后生效", "gives an account a new password")
        .of_system()
        .takes::<identity::NewPassword>(),
    post("/v1/users/{name}/unlock", "unlockUser", "解锁账户", "unlocks an account").of_security(),
    delete(
        "/v1/users/{name}/second-factor",
        "resetSecondFactor",
        "撤销账户的动态口令",
        "takes an account's second factor away",
    )
    .of_security(),
    public(
        post("/v1/sessions", "signIn", "以密码（和动态码）登录", "signs in with a password, and a code")
            .takes::<Credentials>()
            .gives::<IssuedToken>(),
    ),
    delete("/v1/sessions", "signOut", "退出登录", "signs out: the token that is shown ends").of_all_three(),
    public(
        post("/v1/passwords", "changePassword", "修改自己的密码", "changes one's own password").takes::<Credentials>(),
    ),
    public(
        post("/v1/second-factors", "enrolSecondFactor", "绑定自己的动态口令", "begins one's own second factor")
            .takes::<Credentials>()
            .gives::<Enrolling>(),
    ),
    public(
        post("/v1/second-factors/confirmation", "confirmSecondFactor", "确认动态口令", "confirms a second factor")
            .takes::<Credentials>()
            .gives::<Enrolled>(),
    ),
    get("/v1/applications", "applications", "应用系统列表", "application systems")
        .of_all_three()
        .gives::<Vec<ApplicationView>>(),
    post("/v1/applications", "registerApplication", "登记应用系统", "registers an application system")
        .of_system()
        .takes::<NewApplication>(),
    delete("/v1/applications/{name}", "retireApplication", "注销应用系统", "retires an application system").of_system(),
    get("/v1/tokens", "tokens", "令牌列表", "tokens, never their secrets")
        .of_all_three()
        .asks::<identity::TokensAsk>()
        .gives::<Vec<TokenView>>(),
    post("/v1/tokens", "createToken", "签发令牌：本人的，或应用系统的", "issues a token: one's own, or a program's")
        .of_security()
        .takes::<NewToken>()
        .gives::<IssuedToken>(),
    delete("/v1/tokens/{id}", "revokeToken", "撤销令牌", "takes a token back").of_security(),
];

//! What can be asked on the client port, as one table: the OpenAPI document is made from it, and a test walks it with a
//! stranger. Schemas come from the types themselves.

use identity::Scope;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// HTTP methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Acts.
    Post,
    /// Takes away.
    Delete,
}

/// Who may call a route at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Anyone: health, descriptions, the log.
    Public,
    /// Whoever shows a token.
    Token,
}

/// One route of the client port.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{…}` for its parameters.
    pub path: &'static str,
    /// Who may call it.
    pub port: Port,
    /// What it does, in Chinese.
    pub zh: &'static str,
    /// What it does, in English.
    pub en: &'static str,
    /// The type of its answer, if it has a published schema.
    pub answer: Option<&'static str>,
    /// Which scope of a token covers it, besides `all`; looking is covered by `read` as well.
    pub scope: Option<Scope>,
}

impl Route {
    /// The scopes any of which covers it, besides `all`.
    pub fn scopes(&self) -> Vec<Scope> {
        let read = (self.method == Method::Get).then_some(Scope::Read);
        self.scope.into_iter().chain(read).collect()
    }

    /// The route of a method and a path as the router matched it.
    pub(crate) fn find(method: &http::Method, path: &str) -> Option<&'static Self> {
        ROUTES.iter().find(|it| it.method.word() == method.as_str() && it.path == path)
    }
}

impl Method {
    fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

const fn route(method: Method, path: &'static str, port: Port, zh: &'static str, en: &'static str) -> Route {
    Route { method, path, port, zh, en, answer: None, scope: None }
}

const fn scoped(scope: Scope, route: Route) -> Route {
    Route { scope: Some(scope), ..route }
}

const fn typed(route: Route, answer: &'static str) -> Route {
    Route { answer: Some(answer), ..route }
}

use Method::{Delete, Get, Post};
use Port::{Public, Token};
use Scope::{Exchange, Record};

/// Every route of the client port.
pub const ROUTES: &[Route] = &[
    route(Get, "/", Public, "转到接口页面", "leads to the page of this interface"),
    route(Get, "/api", Public, "接口页面", "the page of this interface"),
    route(Get, "/api/{file}", Public, "接口页面所需的文件", "what that page needs"),
    route(Get, "/health", Public, "节点是否正常", "whether the node serves and its databases answer"),
    route(Get, "/metrics", Public, "运行指标（Prometheus 文本）", "figures in Prometheus' text format"),
    route(Get, "/openapi.json", Public, "本接口说明", "this description"),
    route(Get, "/v1/node", Public, "节点属于哪个机构", "whose node this is"),
    route(Get, "/v1/packs", Token, "已安装的数据包", "installed packs"),
    route(Post, "/v1/packs", Token, "安装数据包", "installs a pack"),
    scoped(Record, route(Post, "/v1/imports", Token, "导入文件（正文即文件）", "imports a file: the body")),
    scoped(Record, route(Get, "/v1/imports/{id}", Token, "导入进度", "how far an import is")),
    scoped(Record, route(Get, "/v1/imports/{id}/rejects", Token, "被拒绝的行（CSV）", "the rows turned away, as CSV")),
    scoped(Record, route(Get, "/v1/records", Token, "记录类型与行数", "record types with their counts")),
    scoped(
        Record,
        route(Get, "/v1/records/{name}", Token, "一页记录，可指定历史时刻", "a page of rows, now or as of a time"),
    ),
    scoped(Record, route(Get, "/v1/records/{name}/history", Token, "一行的全部版本", "every version of a row")),
    scoped(Record, route(Get, "/v1/changes", Token, "变更流", "a page of a change feed")),
    route(Get, "/v1/catalog", Token, "检索目录", "searches the catalogue"),
    route(Post, "/v1/catalog", Token, "发布目录条目", "publishes a catalogue entry"),
    route(Get, "/v1/catalog/{code}", Token, "一个目录条目", "one catalogue entry"),
    route(Delete, "/v1/catalog/{code}", Token, "撤销本机构的目录条目", "withdraws an entry of our own"),
    route(Post, "/v1/catalog/harvest", Token, "采集成员目录", "takes over a member's catalogue"),
    scoped(Exchange, route(Get, "/v1/offers", Token, "本机构的提供", "what this organisation offers")),
    scoped(Exchange, route(Get, "/v1/members/{id}/offers", Token, "某成员的提供", "what a member offers")),
    scoped(Exchange, route(Get, "/v1/requests", Token, "申请列表", "requests known here")),
    scoped(Exchange, typed(route(Post, "/v1/requests", Token, "提出共享申请", "asks for access"), "RequestView")),
    scoped(
        Exchange,
        typed(
            route(Get, "/v1/requests/{id}", Token, "申请及其最新经过", "a request with its latest news"),
            "RequestView",
        ),
    ),
    scoped(
        Exchange,
        typed(
            route(Post, "/v1/requests/{id}/answers", Token, "答复申请", "answers a request on one step"),
            "RequestView",
        ),
    ),
    scoped(
        Exchange,
        typed(route(Post, "/v1/requests/{id}/supplements", Token, "补正申请", "supplements a request"), "RequestView"),
    ),
    scoped(
        Exchange,
        typed(route(Post, "/v1/requests/{id}/agreement", Token, "签署协议", "signs the agreement"), "AgreementView"),
    ),
    scoped(Exchange, route(Get, "/v1/agreements", Token, "协议列表", "agreements")),
    scoped(Exchange, typed(route(Get, "/v1/agreements/{id}", Token, "一份协议", "one agreement"), "AgreementView")),
    scoped(
        Exchange,
        typed(
            route(Post, "/v1/agreements/{id}/revocation", Token, "撤销协议，立即生效", "revokes an agreement at once"),
            "AgreementView",
        ),
    ),
    scoped(
        Exchange,
        route(Post, "/v1/queries", Token, "依协议查询并取得回执", "one receipted query under an agreement"),
    ),
    scoped(Exchange, typed(route(Post, "/v1/pulls", Token, "开始批量获取", "begins to fetch a batch"), "Pull")),
    scoped(Exchange, typed(route(Get, "/v1/pulls/{id}", Token, "批量获取进度", "how far a batch is"), "Pull")),
    scoped(Exchange, route(Get, "/v1/pulls/{id}/parts/{number}", Token, "已取得的分片", "a part that is here")),
    scoped(Exchange, route(Get, "/v1/receipts", Token, "回执列表", "receipts, newest first")),
    scoped(
        Exchange,
        route(Post, "/v1/receipts/acknowledge", Token, "立即确认应确认的回执", "countersigns what is due now"),
    ),
    scoped(Exchange, typed(route(Get, "/v1/receipts/{id}", Token, "回执文件", "a receipt as a file"), "Receipt")),
    route(Get, "/v1/log", Public, "存证日志现状", "where the log stands"),
    route(Get, "/log/{path}", Public, "存证日志文件（C2SP tlog-tiles）", "the log's files (C2SP tlog-tiles)"),
    route(Get, "/v1/federation", Public, "联邦成员", "the members of the federation"),
    route(Post, "/v1/federation", Token, "加入联邦（固定创世文件）", "pins the federation's genesis"),
    route(Get, "/v1/federation/log", Public, "成员日志", "the membership log"),
    route(Post, "/v1/federation/entries", Token, "采纳成员日志条目", "takes over membership entries"),
    route(Get, "/v1/users", Token, "账户列表", "accounts"),
    route(Post, "/v1/users", Token, "开立账户", "opens an account"),
    route(Post, "/v1/users/{name}/password", Token, "重置账户密码", "gives an account a new password"),
    route(Post, "/v1/sessions", Public, "以密码登录", "signs in with a password"),
    route(Delete, "/v1/sessions", Token, "退出登录", "signs out: the token that is shown ends"),
    route(Post, "/v1/passwords", Public, "修改自己的密码", "changes one's own password"),
    route(Get, "/v1/tokens", Token, "令牌列表", "tokens, never their secrets"),
    route(Post, "/v1/tokens", Token, "签发令牌", "issues a token"),
    route(Delete, "/v1/tokens/{id}", Token, "撤销令牌", "takes a token back"),
];

fn operation(route: &Route) -> Value {
    let parameters: Vec<Value> = route
        .path
        .split('/')
        .filter_map(|it| it.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    let schema = match route.answer {
        Some(name) => json!({"$ref": format!("#/components/schemas/{name}")}),
        None => json!({}),
    };
    let problem = json!({"description": "RFC 9457", "content": {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}});
    let mut operation = json!({
        "summary": format!("{} · {}", route.zh, route.en),
        "parameters": parameters,
        "responses": {
            "200": {"description": "OK", "content": {"application/json": {"schema": schema}}},
            "default": problem,
        },
    });
    if route.port == Token {
        operation["security"] = json!([{"token": []}]);
        let scopes = std::iter::once(Scope::All).chain(route.scopes());
        operation["x-scopes"] = scopes.map(Scope::word).collect();
    }
    operation
}

/// The OpenAPI 3.1 document.
pub fn openapi() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let method = route.method.word().to_ascii_lowercase();
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[&method] = operation(route);
    }
    let mut schemas: SchemaGenerator =
        SchemaSettings::draft2020_12().with(|it| it.definitions_path = "/components/schemas".into()).into();
    schemas.subschema_for::<exchange::RequestView>();
    schemas.subschema_for::<exchange::AgreementView>();
    schemas.subschema_for::<exchange::Receipt>();
    schemas.subschema_for::<exchange::Pull>();
    let mut components = schemas.take_definitions(true);
    components.insert(
        "Problem".to_owned(),
        json!({
            "type": "object", "required": ["type", "title", "status", "code", "detail", "detail_en"],
            "properties": {
                "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
                "code": {"type": "string"}, "detail": {"type": "string"}, "detail_en": {"type": "string"},
                "field": {"type": "string"}},
        }),
    );
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Yunhe 运河", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    })
}

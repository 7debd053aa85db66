//! A dictionary of what departments' columns are called: pinyin initials, English words, and the pieces that names are
//! put together from.
//!
//! Pure. Terms are those of usual government data; grades are proposals after GB/T 43697, to be ticked by a person.

use super::Confidence;
use crate::ItemType;
use Grade::{General1, General2, General3, General4};
use ItemType::{Date, Instant, Money, Number, Text};
use schema::Grade;

/// A standard term.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// Pinyin initials and English names, lower-case, apart by blanks.
    names: &'static str,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
    /// What its values are.
    pub kind: ItemType,
    /// The grade that is proposed for it.
    pub grade: Grade,
    /// Whether it is about natural persons.
    pub personal: bool,
    /// The department whose values they are, and words in the name of such a department.
    pub(crate) source: Option<(&'static str, &'static [&'static str])>,
}

type Source = Option<(&'static str, &'static [&'static str])>;

const fn term(names: &'static str, (zh, en): (&'static str, &'static str), kind: ItemType, grade: Grade) -> Term {
    Term { names, zh, en, kind, grade, personal: false, source: None }
}

const fn of(term: Term, source: Source) -> Term {
    Term { source, ..term }
}

const fn person(term: Term) -> Term {
    Term { personal: true, ..term }
}

const MARKET: Source = Some(("市场监督管理部门", &["市场监督", "市场监管", "工商"]));
const POLICE: Source = Some(("公安部门", &["公安"]));
const LAND: Source = Some(("自然资源部门", &["自然资源", "国土"]));
const CIVIL: Source = Some(("民政部门", &["民政"]));

/// The dictionary.
const TERMS: &[Term] = &[
    of(
        term(
            "tyshxydm uscc uscc_code credit_code social_credit_code unified_social_credit_code unified_code",
            ("统一社会信用代码", "Unified social credit code"),
            Text,
            General1,
        ),
        MARKET,
    ),
    of(
        term(
            "qymc company_name enterprise_name ent_name entname corp_name",
            ("企业名称", "Name of enterprise"),
            Text,
            General1,
        ),
        MARKET,
    ),
    of(term("zzjgdm org_code organization_code", ("组织机构代码", "Organisation code"), Text, General1), MARKET),
    of(
        term(
            "fddbr frdb fddbrxm legal_person legal_representative lerep",
            ("法定代表人", "Legal representative"),
            Text,
            General2,
        ),
        MARKET,
    ),
    of(term("zczb registered_capital reg_capital regcap", ("注册资本", "Registered capital"), Money, General1), MARKET),
    of(
        term("clrq establish_date founded founded_on estdate", ("成立日期", "Date of founding"), Date, General1),
        MARKET,
    ),
    of(term("jyfw business_scope opscope", ("经营范围", "Business scope"), Text, General1), MARKET),
    of(
        term(
            "djjg reg_authority registration_authority regorg",
            ("登记机关", "Registration authority"),
            Text,
            General1,
        ),
        MARKET,
    ),
    of(term("djzt reg_status registration_status", ("登记状态", "Registration status"), Text, General1), MARKET),
    of(
        term("qylx ent_type enterprise_type company_type enttype", ("企业类型", "Type of enterprise"), Text, General1),
        MARKET,
    ),
    term("jydz jycs business_address", ("经营场所", "Place of business"), Text, General1),
    term("zs domicile", ("住所", "Domicile"), Text, General2),
    term("hydm industry_code industry", ("行业代码", "Industry code"), Text, General1),
    term("hymc industry_name", ("行业名称", "Name of industry"), Text, General1),
    person(of(
        term(
            "sfzh sfzhm gmsfhm gmsfzhm zjhm id_card idcard id_no id_number citizen_id identity_no id_card_no",
            ("公民身份号码", "Citizen identity number"),
            Text,
            General4,
        ),
        POLICE,
    )),
    person(term("xm name_of_person person_name full_name", ("姓名", "Name of person"), Text, General3)),
    person(of(term("xb sex gender", ("性别", "Sex"), Text, General2), POLICE)),
    person(of(term("mz nation ethnicity ethnic_group", ("民族", "Ethnic group"), Text, General3), POLICE)),
    person(of(term("csrq birthday birth_date date_of_birth", ("出生日期", "Date of birth"), Date, General3), POLICE)),
    person(of(
        term("hjdz hkszd registered_residence hukou_address", ("户籍地址", "Registered residence"), Text, General3),
        POLICE,
    )),
    person(term("jzdz jtdz zz home_address residence address_of_person", ("居住地址", "Home address"), Text, General3)),
    person(of(term("hyzk marital_status", ("婚姻状况", "Marital status"), Text, General3), CIVIL)),
    person(term(
        "sjh sjhm yddh mobile mobile_phone cell_phone cellphone",
        ("手机号码", "Mobile number"),
        Text,
        General3,
    )),
    person(term(
        "lxdh dh dhhm tel telephone phone phone_number contact_phone",
        ("联系电话", "Telephone"),
        Text,
        General3,
    )),
    person(term("lxr contact contact_person contact_name linkman", ("联系人", "Contact person"), Text, General3)),
    person(term("yx dzyx email e_mail mail", ("电子邮箱", "Email address"), Text, General3)),
    person(term("yhzh yhkh bank_account account_no card_no", ("银行账号", "Bank account"), Text, General4)),
    person(term("xl education education_level", ("学历", "Education"), Text, General2)),
    person(term("gzdw employer work_unit", ("工作单位", "Employer"), Text, General2)),
    term(
        "xzqh xzqhdm qhdm region_code area_code division division_code adcode district_code",
        ("行政区划代码", "Division code"),
        Text,
        General1,
    ),
    term("xzqhmc region region_name area_name district", ("行政区划名称", "Name of division"), Text, General1),
    term("dz address addr location", ("地址", "Address"), Text, General2),
    term("yb yzbm zip zip_code postcode postal_code", ("邮政编码", "Postcode"), Text, General1),
    term("jd lng lon longitude", ("经度", "Longitude"), Number, General1),
    term("wd lat latitude", ("纬度", "Latitude"), Number, General1),
    of(term("bdcdyh real_estate_unit_no parcel_no", ("不动产单元号", "Real estate unit number"), Text, General2), LAND),
    of(term("zdmj land_area parcel_area", ("宗地面积", "Area of parcel"), Number, General2), LAND),
    term("mc name title", ("名称", "Name"), Text, General1),
    term("dm code", ("代码", "Code"), Text, General1),
    term("bh no number serial_no", ("编号", "Number"), Text, General1),
    term("xh seq sequence order_no", ("序号", "Sequence number"), Number, General1),
    term("id zj pk uuid guid", ("标识", "Identifier"), Text, General1),
    term("lx type kind category", ("类型", "Type"), Text, General1),
    term("zt status state", ("状态", "Status"), Text, General1),
    term("bz remark remarks note notes memo comment", ("备注", "Remark"), Text, General1),
    term("ms description desc detail", ("描述", "Description"), Text, General1),
    term("rq date day", ("日期", "Date"), Date, General1),
    term("sj time datetime", ("时间", "Time"), Instant, General1),
    term("nd year", ("年度", "Year"), Number, General1),
    term("yf month", ("月份", "Month"), Number, General1),
    term(
        "cjsj create_time created_at created gmt_create createtime create_date",
        ("创建时间", "Created at"),
        Instant,
        General1,
    ),
    term(
        "gxsj xgsj update_time updated_at updated gmt_modified modify_time updatetime",
        ("更新时间", "Updated at"),
        Instant,
        General1,
    ),
    term("cjr creator created_by create_by create_user", ("创建人", "Created by"), Text, General2),
    term("sl qty quantity count amount_of num", ("数量", "Quantity"), Number, General1),
    term("je amount money sum total_amount", ("金额", "Amount"), Money, General1),
    term("dj price unit_price", ("单价", "Unit price"), Money, General1),
    term("mj area acreage", ("面积", "Area"), Number, General1),
    term("rs headcount staff employees number_of_people", ("人数", "Number of persons"), Number, General1),
    term("bmmc department dept dept_name department_name", ("部门名称", "Name of department"), Text, General1),
    term("bmdm dept_code department_code", ("部门代码", "Department code"), Text, General1),
    term("jgmc org_name organization_name institution", ("机构名称", "Name of organisation"), Text, General1),
    term("dwmc unit_name", ("单位名称", "Name of body"), Text, General1),
    term("xmmc project_name project", ("项目名称", "Name of project"), Text, General1),
    term("xmbh project_no project_code project_id", ("项目编号", "Project number"), Text, General1),
    term("sxmc item_name matter_name", ("事项名称", "Name of matter"), Text, General1),
    term("sxbm item_code matter_code", ("事项编码", "Code of matter"), Text, General1),
    term("zzmc licence_name license_name certificate_name", ("证照名称", "Name of licence"), Text, General1),
    term("zzbh zzhm licence_no license_no certificate_no cert_no", ("证照编号", "Licence number"), Text, General1),
    term("fzjg issuing_authority issuer", ("发证机关", "Issuing authority"), Text, General1),
    term("fzrq issue_date issued_on issue_time", ("发证日期", "Date of issue"), Date, General1),
    term("yxqz yxq valid_until expiry expire_date expiry_date valid_to", ("有效期至", "Valid until"), Date, General1),
    term("yxqq valid_from effective_date start_date", ("有效期起", "Valid from"), Date, General1),
    term("cfjdswh cfwh penalty_no", ("处罚决定书文号", "Number of penalty decision"), Text, General1),
    term("cfrq penalty_date", ("处罚日期", "Date of penalty"), Date, General1),
    term("wfss violation", ("违法事实", "Violation"), Text, General2),
    term("cphm license_plate plate_no plate_number car_no", ("车牌号码", "Vehicle plate"), Text, General3),
];

/// Pieces of names: the longest fit first.
const PIECES: &[(&str, &str, &str)] = &[
    ("qy", "企业", "enterprise"),
    ("fr", "法人", "legal person"),
    ("gr", "个人", "person"),
    ("rk", "人口", "population"),
    ("xm", "姓名", "name"),
    ("mc", "名称", "name"),
    ("dm", "代码", "code"),
    ("bm", "编码", "code"),
    ("bh", "编号", "number"),
    ("hm", "号码", "number"),
    ("rq", "日期", "date"),
    ("sj", "时间", "time"),
    ("dz", "地址", "address"),
    ("dh", "电话", "telephone"),
    ("lx", "类型", "type"),
    ("lb", "类别", "category"),
    ("zt", "状态", "status"),
    ("jg", "机构", "body"),
    ("xx", "信息", "information"),
    ("jb", "基本", "basic"),
    ("dj", "登记", "registration"),
    ("zc", "注册", "registration"),
    ("xk", "许可", "permit"),
    ("zz", "证照", "licence"),
    ("cf", "处罚", "penalty"),
    ("jc", "检查", "inspection"),
    ("sp", "审批", "approval"),
    ("je", "金额", "amount"),
    ("sl", "数量", "quantity"),
    ("mj", "面积", "area"),
    ("xz", "行政", "administrative"),
    ("qh", "区划", "division"),
    ("sb", "社保", "social insurance"),
    ("yl", "医疗", "medical"),
    ("jy", "经营", "business"),
    ("cb", "参保", "insured"),
    ("bz", "备注", "remark"),
    ("xh", "序号", "sequence number"),
];

/// English words that names are put together from.
const WORDS: &[(&str, &str)] = &[
    ("enterprise", "企业"),
    ("company", "企业"),
    ("legal", "法人"),
    ("person", "人员"),
    ("personal", "个人"),
    ("citizen", "公民"),
    ("resident", "居民"),
    ("population", "人口"),
    ("licence", "证照"),
    ("license", "证照"),
    ("permit", "许可"),
    ("penalty", "处罚"),
    ("inspection", "检查"),
    ("registration", "登记"),
    ("register", "登记"),
    ("base", "基本"),
    ("basic", "基本"),
    ("info", "信息"),
    ("information", "信息"),
    ("record", "记录"),
    ("list", "名单"),
    ("name", "名称"),
    ("code", "代码"),
    ("number", "编号"),
    ("no", "编号"),
    ("date", "日期"),
    ("time", "时间"),
    ("type", "类型"),
    ("status", "状态"),
    ("address", "地址"),
    ("school", "学校"),
    ("student", "学生"),
    ("hospital", "医院"),
    ("vehicle", "车辆"),
    ("road", "道路"),
    ("water", "水"),
    ("air", "空气"),
    ("quality", "质量"),
    ("station", "站点"),
    ("project", "项目"),
    ("policy", "政策"),
    ("service", "服务"),
    ("item", "事项"),
    ("staff", "人员"),
    ("total", "总"),
    ("amount", "金额"),
];

/// The standard term whose Chinese title this is.
pub fn term_of_title(zh: &str) -> Option<&'static Term> {
    let zh = zh.trim();
    let other = match zh {
        "身份证号" | "身份证号码" | "居民身份证号码" => "公民身份号码",
        "信用代码" | "社会信用代码" => "统一社会信用代码",
        "手机号" | "移动电话" => "手机号码",
        other => other,
    };
    TERMS.iter().find(|it| it.zh == other)
}

/// `TYSHXYDM`, `credit_code` and `CreditCode` are the same name.
fn bare(name: &str) -> String {
    let mut bare = String::new();
    let mut before_is_lower = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && before_is_lower {
            bare.push('_');
        }
        before_is_lower = letter.is_ascii_lowercase();
        bare.push(if letter == '-' || letter == ' ' || letter == '.' { '_' } else { letter.to_ascii_lowercase() });
    }
    bare.trim_matches('_').to_owned()
}

/// The standard term that a column's name stands for.
pub(crate) fn term_of_name(name: &str) -> Option<&'static Term> {
    let name = bare(name);
    let is_it = |name: &str| TERMS.iter().find(|it| it.names.split(' ').any(|it| it == name));
    is_it(&name).or_else(|| is_it(name.split_once('_').filter(|it| it.0.len() == 1)?.1))
}

/// A name read piece by piece: in Chinese if every piece was known, in English, and how sure that is.
pub(crate) fn read_name(name: &str) -> (Option<String>, String, Confidence) {
    if let Some(term) = term_of_name(name) {
        return (Some(term.zh.to_owned()), term.en.to_owned(), Confidence::Likely);
    }
    let bare = bare(name);
    let (mut zh, mut en) = (String::new(), Vec::new());
    for part in bare.split('_').filter(|it| !it.is_empty()) {
        let word = WORDS.iter().find(|it| it.0 == part).map(|it| (it.1.to_owned(), part.to_owned()));
        let term = || term_of_name(part).map(|it| (it.zh.to_owned(), it.en.to_lowercase()));
        match word.or_else(term).or_else(|| pieces(part)) {
            Some((of_part, in_english)) => {
                zh.push_str(&of_part);
                en.push(in_english);
            }
            None => return (None, bare.replace('_', " "), Confidence::Guess),
        }
    }
    let found = !zh.is_empty();
    (found.then_some(zh), en.join(" "), Confidence::Guess)
}

/// A name in pinyin initials has at most this many letters; what is longer is none.
const INITIALS_MAX: usize = 64;

/// Pinyin initials cut into known pieces, if they can be cut without rest.
fn pieces(text: &str) -> Option<(String, String)> {
    if text.len() > INITIALS_MAX {
        return None;
    }
    if text.is_empty() {
        return Some((String::new(), String::new()));
    }
    PIECES.iter().filter(|(initials, ..)| text.starts_with(initials)).find_map(|(initials, zh, en)| {
        let (more_zh, more_en) = pieces(&text[initials.len()..])?;
        Some((format!("{zh}{more_zh}"), format!("{en} {more_en}").trim().to_owned()))
    })
}

//! Services: every operation can be told from the others, nothing declared passes what must not, and offers name what
//! is there.

use crate::check::{Scope, choice};
use crate::finding::Report;
use crate::read::Part;
use policy::{
    ANSWER_BYTES_MAX, BODY_BYTES_MAX, Content, DECLARED_MAX, FIELDS_WITHHELD, KEPT_BYTES_MAX, OPERATIONS_MAX, Offer,
    Operation, Segment, Service, Sharing, TIMEOUT_SECONDS_MAX, essence,
};
use std::collections::BTreeMap;

/// A name of a field or of a query parameter has at most this many characters.
const NAME_CHARS_MAX: usize = 64;

/// Checks one service.
pub(crate) fn check(part: &Part<Service>, scope: &Scope<'_>, report: &mut Report<'_>) {
    let service = &part.value;
    if scope.record(&service.service).is_some() {
        let name = &service.service;
        let fact = (format!("{name} 已是记录类型的名字"), format!("{name} is the name of a record type"));
        let remedy = ("改名：共享条件以 of 指明其一", "rename it: an offer names either by its of");
        report.add(part.node.place_of("/service"), "pack.twice", (&fact.0, &fact.1), remedy);
    }
    let count = service.operations.len();
    if count == 0 || count > OPERATIONS_MAX {
        let fact = (format!("有 {count} 项操作"), format!("there are {count} operations"));
        let remedy = (format!("登记 1–{OPERATIONS_MAX} 项"), format!("declare 1 to {OPERATIONS_MAX}"));
        let place = part.node.place_of("/operations");
        report.add(place, "pack.operations", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
    }
    for (at, (name, operation)) in service.operations.iter().enumerate() {
        let pointer = format!("/operations/{name}");
        let mut before = service.operations.iter().take(at);
        let twin = before.find(|(_, it)| it.method == operation.method && it.path.same_form(&operation.path));
        if let Some((other, _)) = twin {
            let fact =
                (format!("与操作 {other} 的方法和路径无法区分"), format!("cannot be told from operation {other}"));
            let remedy = ("改路径，或合为一项", "change the path, or make one of both");
            report.add(part.node.place_of(&format!("{pointer}/path")), "pack.twice", (&fact.0, &fact.1), remedy);
        }
        Checker { part, pointer, report }.operation(operation);
    }
}

struct Checker<'a, 'b, 'c> {
    part: &'a Part<Service>,
    pointer: String,
    report: &'b mut Report<'c>,
}

impl Checker<'_, '_, '_> {
    fn add(&mut self, at: &str, code: &'static str, fact: (String, String), remedy: (&str, &str)) {
        let place = self.part.node.place_of(&format!("{}/{at}", self.pointer));
        self.report.add(place, code, (&fact.0, &fact.1), remedy);
    }

    fn operation(&mut self, operation: &Operation) {
        let named = |it: &str| {
            operation.path.segments().iter().any(|at| matches!(at, Segment::Parameter(name) if name.as_str() == it))
        };
        for name in operation.parameters.keys().filter(|it| !named(it.as_str())) {
            let fact = (format!("路径中没有参数 {name}"), format!("the path has no parameter {name}"));
            self.add(
                &format!("parameters/{name}"),
                "pack.parameter",
                fact,
                ("删去，或写入 path", "remove it, or put it into path"),
            );
        }
        for name in operation.query.keys().filter(|it| !is_name(it)) {
            let fact = (format!("查询参数名“{name}”有误"), format!("{name:?} cannot be the name of a query parameter"));
            let remedy = ("1–64 个字母、数字、-._~[]", "use 1 to 64 letters, digits, -._~[]");
            self.add("query", "pack.parameter", fact, remedy);
        }
        self.headers("headers", &operation.headers);
        self.headers("answer_headers", &operation.answer_headers);
        if let Some(body) = &operation.body {
            self.content("body", body, BODY_BYTES_MAX);
        }
        let most = if operation.is_safe() { ANSWER_BYTES_MAX } else { KEPT_BYTES_MAX };
        self.content("answer", &operation.answer, most);
        if operation.timeout_seconds.is_some_and(|it| !(1..=TIMEOUT_SECONDS_MAX).contains(&it)) {
            let fact = ("时限超出范围".to_owned(), "the time is out of range".to_owned());
            let remedy = (format!("取 1–{TIMEOUT_SECONDS_MAX} 秒"), format!("use 1 to {TIMEOUT_SECONDS_MAX} seconds"));
            self.add("timeout_seconds", "pack.range", fact, (&remedy.0, &remedy.1));
        }
        if operation.query.len() > DECLARED_MAX {
            let fact = (format!("超过 {DECLARED_MAX} 项"), format!("there are more than {DECLARED_MAX}"));
            self.add("query", "pack.range", fact, ("只登记用到的", "declare only what is used"));
        }
    }

    fn headers(&mut self, at: &str, names: &[String]) {
        for (number, name) in names.iter().enumerate() {
            let withheld =
                FIELDS_WITHHELD.contains(&name.as_str()) || name.starts_with("yunhe-") || name.starts_with("proxy-");
            let lower = name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
            if withheld || !lower || name.is_empty() || name.len() > NAME_CHARS_MAX || names[..number].contains(name) {
                let fact = (format!("首部字段“{name}”不能登记"), format!("field {name:?} cannot be declared"));
                let remedy = (
                    "写小写字段名，各一次；连接、凭据与内容本身的字段由节点处理，不得登记",
                    "write names in lower case, each once; fields of the connection, of credentials and of the content \
                     itself are the node's",
                );
                self.add(&format!("{at}/{number}"), "pack.header", fact, remedy);
            }
        }
        if names.len() > DECLARED_MAX {
            let fact = (format!("超过 {DECLARED_MAX} 项"), format!("there are more than {DECLARED_MAX}"));
            self.add(at, "pack.range", fact, ("只登记用到的", "declare only what is used"));
        }
    }

    fn content(&mut self, at: &str, content: &Content, most: u32) {
        let formed = |it: &String| {
            let token =
                |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_alphanumeric() || b"-+.".contains(&it));
            essence(it) == *it && it.split_once('/').is_some_and(|(front, back)| token(front) && token(back))
        };
        let count = content.media.len();
        if !(1..=DECLARED_MAX).contains(&count) || !content.media.iter().all(formed) {
            let fact = ("媒体类型有误".to_owned(), "the media types are not sound".to_owned());
            let remedy = (
                "逐一写明，小写、不带参数，如 application/json；不用通配",
                "name each, in lower case and without parameters: application/json; no wildcards",
            );
            self.add(&format!("{at}/media"), "pack.media", fact, remedy);
        }
        if content.bytes.is_some_and(|it| !(1..=most).contains(&it)) {
            let fact = ("字节上限超出范围".to_owned(), "the bound of bytes is out of range".to_owned());
            let remedy = (format!("取 1–{most}"), format!("use 1 to {most}"));
            self.add(&format!("{at}/bytes"), "pack.range", fact, (&remedy.0, &remedy.1));
        }
    }
}

fn is_name(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._~[]".contains(&it))
}

/// Checks an offer of a service: it names operations, and nothing that rows have.
pub(crate) fn offer(part: &Part<Offer>, scope: &Scope<'_>, report: &mut Report<'_>) {
    let offer = &part.value;
    let rows = [
        ("columns", !offer.columns.is_empty()),
        ("rows", offer.rows.is_some()),
        ("mask", !offer.mask.is_empty()),
        ("quota", offer.quota.is_some()),
    ];
    for (key, _) in rows.into_iter().filter(|it| it.1) {
        let fact = (format!("共享服务的条件带有 {key}"), format!("an offer of a service has {key}"));
        let remedy =
            ("服务没有列与行：用 operations 与 calls", "a service has no columns and rows: use operations and calls");
        report.add(part.node.place_of(&format!("/{key}")), "pack.service", (&fact.0, &fact.1), remedy);
    }
    if offer.calls.is_some_and(|it| it.per_day == Some(0) || it.per_second == Some(0)) {
        let remedy = ("写至少 1，或以 share: refused 表示不予共享", "write at least 1, or share: refused");
        report.add(part.node.place_of("/calls"), "pack.quota", ("配额为 0 次", "the quota is no calls"), remedy);
    }
    match scope.service(&offer.of) {
        Some(service) => operations(part, service, report),
        None if scope.complete => {
            let fact = (format!("没有服务 {}", offer.of), format!("there is no service {}", offer.of));
            let remedy = choice(offer.of.as_str(), &scope.service_names());
            report.add(part.node.place_of("/of"), "pack.unknown_service", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
        }
        None => {}
    }
}

fn operations(part: &Part<Offer>, service: &Service, report: &mut Report<'_>) {
    let offer = &part.value;
    let known: BTreeMap<&str, &Operation> = service.operations.iter().map(|(name, it)| (name.as_str(), it)).collect();
    let names: Vec<&str> = known.keys().copied().collect();
    if offer.operations.is_empty() {
        let remedy = ("列出共享哪些操作", "name the operations that are shared");
        report.add(part.node.place, "pack.operations", ("没有 operations", "there are no operations"), remedy);
    }
    for (at, name) in offer.operations.iter().enumerate() {
        let place = part.node.place_of(&format!("/operations/{at}"));
        if !known.contains_key(name.as_str()) {
            let fact = (
                format!("{} 没有操作 {name}", service.service),
                format!("{} has no operation {name}", service.service),
            );
            let remedy = choice(name.as_str(), &names);
            report.add(place, "pack.unknown_operation", (&fact.0, &fact.1), (&remedy.0, &remedy.1));
        }
        if offer.operations[..at].contains(name) {
            let fact = (format!("操作 {name} 重复"), format!("operation {name} stands twice"));
            report.add(place, "pack.twice", (&fact.0, &fact.1), ("删去一个", "remove one"));
        }
    }
    if service.personal && offer.share == Sharing::Unconditional {
        let fact = ("涉及个人信息的服务无条件共享", "a service about people is shared without condition");
        report.add(part.node.place_of("/share"), "pack.personal", fact, ("改为 conditional", "share it conditionally"));
    }
}

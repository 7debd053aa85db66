use super::*;
use proptest::prelude::*;

const SERVICE: &str = r"
service: enterprise-service
title: {zh: 企业查询服务, en: Enterprise service}
connection: market-api
operations:
  get-enterprise:
    title: {zh: 查询企业, en: Get one enterprise}
    method: GET
    path: /enterprises/{code}
    parameters: {code: {type: word, max: 18}}
    query: {fields: {max: 100}, tag: {many: true}, size: {type: integer}}
    answer: {media: [application/json]}
  search:
    title: {zh: 检索, en: Search}
    method: GET
    path: /enterprises/search
    query: {name: {}}
    answer: {media: [application/json]}
  licence:
    title: {zh: 证照, en: Licence}
    method: GET
    path: /enterprises/{code}/licences/{name}
    answer: {media: [application/json]}
  declare:
    title: {zh: 申报, en: Declare}
    method: POST
    path: /declarations
    body: {media: [application/json], bytes: 100}
    answer: {media: [application/json]}
  root:
    title: {zh: 首页, en: Root}
    method: HEAD
    path: /health
    answer: {media: [text/plain]}
";

fn service() -> Service {
    serde_saphyr::from_str(SERVICE).unwrap()
}

fn found(method: &str, path: &str, query: &str) -> Result<(String, String), String> {
    let service = service();
    let found = find(&service.operations, method, path, query).map(|it| (it.name.to_string(), it.target()));
    found.map_err(|it| it.code.into_owned())
}

#[track_caller]
fn is(method: &str, path: &str, query: &str, name: &str, target: &str) {
    assert_eq!(found(method, path, query), Ok((name.to_owned(), target.to_owned())), "{method} {path}?{query}");
}

#[track_caller]
fn refused(method: &str, path: &str, query: &str, code: &str) {
    assert_eq!(found(method, path, query), Err(code.to_owned()), "{method} {path}?{query}");
}

#[test]
fn what_is_declared_is_found() {
    is("GET", "/enterprises/91320", "", "get-enterprise", "/enterprises/91320");
    is("GET", "/enterprises/%39%31", "fields=a,b", "get-enterprise", "/enterprises/91?fields=a%2Cb");
    is("GET", "/enterprises/search", "name=%E4%B8%AD+a", "search", "/enterprises/search?name=%E4%B8%AD%20a");
    is("GET", "/enterprises/9/licences/%E4%B8%AD%20%26", "", "licence", "/enterprises/9/licences/%E4%B8%AD%20%26");
    is("GET", "/enterprises/9", "tag=a&tag=b&size=5", "get-enterprise", "/enterprises/9?tag=a&tag=b&size=5");
    is("HEAD", "/health", "", "root", "/health");
}

#[test]
fn what_is_not_declared_is_refused() {
    for (method, path) in [
        ("PUT", "/enterprises/9"),
        ("get", "/enterprises/9"),
        ("GET", "/admin"),
        ("GET", "/health"),
        ("TRACE", "/health"),
    ] {
        refused(method, path, "", "exchange.operation");
    }
    for path in ["/enterprises", "/enterprises/9/licences", "/enterprises/9/x/1", "/ENTERPRISES/9"] {
        refused("GET", path, "", "exchange.operation");
    }
    refused("GET", "/enterprises/9", "admin=1", "exchange.call_parameter");
    refused("GET", "/enterprises/9", "fields=a&fields=b", "exchange.call_parameter");
    refused("GET", "/enterprises/9", "size=x", "exchange.call_parameter");
    refused("GET", "/enterprises/9%20x", "", "exchange.call_parameter");
    refused("GET", "/enterprises/1234567890123456789", "", "exchange.call_parameter");
    refused("GET", "/enterprises/9", "fields=%zz", "exchange.call_path");
    refused("GET", "/enterprises/9", "fields=%0d%0aX", "exchange.call_path");
}

#[test]
fn what_could_be_another_path_further_on_is_refused() {
    let hostile = [
        "..",
        ".",
        "...",
        "%2e%2e",
        "%2E.",
        "a%2fb",
        "a%2Fb",
        "a%5cb",
        "a\\b",
        "%252e%252e",
        "a%252fb",
        "a%00b",
        "a%0ab",
        "%ff",
        "%e4%b8",
        "%",
        "%4",
        "%zz",
        "",
        "a;b",
        "a%3bb",
        "a%3Fb",
        "a%23b",
        "\u{ff0e}\u{ff0e}",
        "a\u{ff0f}b",
        "\u{2024}\u{2024}",
        "a\u{ff3c}b",
        "a\u{ff05}2fb",
        "%EF%BC%8E%EF%BC%8E",
        "a%EF%BC%8Fb",
        "a?b",
        "a#b",
    ];
    for segment in hostile {
        refused("GET", &format!("/enterprises/x/licences/{segment}"), "", "exchange.call_path");
    }
    for path in [
        "",
        "/",
        "enterprises/9",
        "//enterprises/9",
        "/enterprises//9",
        "/enterprises/9/",
        "http://other/enterprises/9",
    ] {
        assert!(found("GET", path, "").is_err(), "{path}");
    }
    refused("GET", &format!("/{}", "a/".repeat(40)), "", "exchange.call_path");
    refused("GET", &format!("/enterprises/x/licences/{}", "a".repeat(5_000)), "", "exchange.call_path");
}

#[test]
fn a_template_is_what_it_says() {
    for text in ["/a", "/a/{b}", "/a/{b}/c-1.2_3~"] {
        assert_eq!(text.parse::<PathTemplate>().unwrap().to_string(), text);
    }
    for text in ["", "/", "a", "/a/", "//", "/a b", "/..", "/a/{b", "/{B}", "/{a}/{a}", "/a%20", "/a?b", "/{a}x"] {
        assert!(text.parse::<PathTemplate>().is_err(), "{text}");
    }
}

#[test]
fn a_body_is_checked_before_it_goes_anywhere() {
    let service = service();
    let code = |name: &str, media, body: &[u8]| {
        let operation = &service.operations[&OperationName::new(name).unwrap()];
        operation.check_body(media, body).map_err(|it| it.code.into_owned()).err().unwrap_or_default()
    };
    let json = Some("application/JSON; charset=utf-8");
    assert_eq!(code("declare", json, b"{\"a\": 1}"), "");
    assert_eq!(code("declare", json, b"{\"a\": "), "exchange.call_body");
    assert_eq!(code("declare", Some("text/xml"), b"<a/>"), "exchange.call_media");
    assert_eq!(code("declare", None, b"{}"), "exchange.call_media");
    assert_eq!(code("declare", json, &[b'1'; 101]), "web.too_large");
    assert_eq!(code("search", json, b"{}"), "exchange.call_body");
    assert_eq!(code("search", None, b""), "");
}

#[test]
fn an_answer_is_of_a_declared_type_or_explains_an_error() {
    let service = service();
    let operation = &service.operations[&OperationName::new("search").unwrap()];
    assert!(operation.takes_answer(200, Some("application/json;charset=utf-8"), false));
    assert!(!operation.takes_answer(200, Some("text/html"), false));
    assert!(!operation.takes_answer(500, Some("text/html"), false));
    assert!(operation.takes_answer(500, Some("text/plain"), false));
    assert!(operation.takes_answer(204, None, true));
    assert!(!operation.takes_answer(200, None, false));
}

#[test]
fn only_reading_may_be_repeated_unless_it_is_said() {
    let safe: Vec<bool> = service().operations.values().map(Operation::is_safe).collect();
    assert_eq!(safe, [false, true, true, true, true]);
}

fn piece() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "enterprises",
        "search",
        "licences",
        "declarations",
        "%2e",
        "%2E%2E",
        "..",
        "%2f",
        "%5C",
        "%25",
        "%252e",
        "+",
        "%20",
        "a",
        "{code}",
        "",
        "\u{ff0e}",
        "%E4%B8%AD",
        "中",
        "%C0%AE",
        ";",
        "?",
        "#",
        "@",
        ":",
        "&",
        "=",
        "%00",
    ]);
    prop::collection::vec(prop_oneof![known.prop_map(str::to_owned), "[ -~]{0,6}", "\\PC{0,3}"], 0..4)
        .prop_map(|it| it.concat())
}

proptest! {
    /// Whatever comes, what goes to the service has the segments of its template and no more; read again it is so too.
    #[test]
    fn nothing_undeclared_passes(
        pieces in prop::collection::vec(piece(), 0..6), query in prop::collection::vec((piece(), piece()), 0..3),
        method in prop::sample::select(vec!["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"]),
        begins in any::<bool>(),
    ) {
        let service = service();
        let front = if begins { "/enterprises" } else { "" };
        let path = format!("{front}/{}", pieces.join("/"));
        let query = query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        if let Ok(found) = find(&service.operations, method, &path, &query) {
            let target = found.target();
            let (path, query) = target.split_once('?').unwrap_or((&target, ""));
            prop_assert_eq!(found.operation.method.word(), method);
            let unreserved = |it: u8| it.is_ascii_alphanumeric() || b"-._~/%".contains(&it);
            prop_assert!(path.bytes().all(unreserved), "{}", path);
            let lower = path.to_ascii_lowercase();
            prop_assert!(!["%2f", "%5c", "%25", "%00", "//"].iter().any(|it| lower.contains(it)), "{}", path);
            prop_assert!(path.split('/').skip(1).all(|it| it != "." && it != ".."), "{}", path);
            let segments: Vec<&str> = path.split('/').skip(1).filter(|it| !it.is_empty()).collect();
            prop_assert_eq!(segments.len(), found.operation.path.segments().len());
            for (given, declared) in segments.iter().zip(found.operation.path.segments()) {
                if let Segment::Literal(text) = declared {
                    prop_assert_eq!(given, text);
                }
            }
            for pair in query.split('&').filter(|it| !it.is_empty()) {
                let name = pair.split_once('=').unwrap().0;
                prop_assert!(found.operation.query.contains_key(name), "{}", query);
            }
            let again = find(&service.operations, method, path, query).unwrap();
            prop_assert_eq!(again.target(), target.clone());
            prop_assert_eq!(again.name, found.name);
        }
    }

    /// A value that fits comes to the service as it was given.
    #[test]
    fn a_value_arrives_whole(value in "[a-zA-Z0-9 &=+:@!$'(),*\\-._~\u{4e00}-\u{4e20}]{1,40}") {
        prop_assume!(!value.bytes().all(|it| it == b'.'));
        let service = service();
        let path = format!("/enterprises/x/licences/{}", encoded(&value));
        let found = find(&service.operations, "GET", &path, "").unwrap();
        let target = found.target();
        prop_assert_eq!(super::path::decoded(target.rsplit('/').next().unwrap()).unwrap(), value);
    }
}

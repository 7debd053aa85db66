//! The OpenAPI 3.1 document, made from [`ROUTES`].

use crate::{
    Method, ROUTES, Route,
    route::{Content, Port, SchemaOf},
};
use identity::Scope;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// Groups of routes by the first word of their path, with what a person reads above them.
const GROUPS: [(&str, &str, &[&str]); 6] = [
    ("record", "登记 · records and packs", &["packs", "imports", "records", "changes"]),
    ("find", "目录 · the catalogue", &["catalog"]),
    (
        "exchange",
        "交换 · offers, requests, agreements, deliveries",
        &["offers", "members", "requests", "agreements", "queries", "call", "pulls"],
    ),
    ("prove", "存证 · receipts and the log", &["receipts", "log"]),
    ("federate", "联邦 · membership", &["federation"]),
    ("know", "身份 · accounts, sessions, tokens", &["users", "sessions", "passwords", "tokens"]),
];
/// The group of what is in no other.
const NODE: (&str, &str) = ("node", "节点 · the node itself");

fn group(path: &str) -> &'static str {
    let word = path.trim_start_matches("/v1").split('/').nth(1).unwrap_or_default();
    GROUPS.iter().find(|(_, _, words)| words.contains(&word)).map_or(NODE.0, |(name, ..)| name)
}

fn path_parameters(path: &str) -> impl Iterator<Item = Value> {
    let names = path.split('/').filter_map(|it| it.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
}

/// The fields of a type that is read from the query part, each a parameter; a list is one given several times.
fn query_parameters(schemas: &mut SchemaGenerator, of: SchemaOf) -> Vec<Value> {
    let named = of(schemas);
    let name = named.get("$ref").and_then(Value::as_str).and_then(|it| it.rsplit('/').next()).unwrap_or_default();
    let schema = schemas.definitions_mut().remove(name).unwrap_or_else(|| named.to_value());
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let fields = schema["properties"].as_object().cloned().unwrap_or_default();
    let one = |(name, mut schema): (String, Value)| {
        let description = schema.as_object_mut().and_then(|it| it.remove("description"));
        let required = required.contains(&Value::from(name.as_str()));
        json!({"name": name, "in": "query", "required": required, "description": description, "schema": schema})
    };
    fields.into_iter().map(one).collect()
}

fn content(schemas: &mut SchemaGenerator, content: Content) -> Value {
    match content {
        Content::Json(of) => json!({"application/json": {"schema": of(schemas)}}),
        Content::AnyJson => json!({"application/json": {"schema": {}}}),
        Content::JsonAs(media) => json!({media: {"schema": {}}}),
        Content::Bytes(media) => json!({media: {"schema": {"type": "string", "format": "binary"}}}),
    }
}

fn operation(schemas: &mut SchemaGenerator, route: &Route) -> Value {
    let mut parameters: Vec<Value> = path_parameters(route.path).collect();
    parameters.extend(route.query.map(|of| query_parameters(schemas, of)).unwrap_or_default());
    if group(route.path) != NODE.0 || route.path == "/v1/node" {
        parameters.push(json!({"$ref": "#/components/parameters/organisation"}));
    }
    let mut operation = json!({
        "operationId": route.name,
        "tags": [group(route.path)],
        "summary": format!("{} · {}", route.zh, route.en),
        "parameters": parameters,
        "responses": {
            "200": {"description": "OK", "content": content(schemas, route.answer)},
            "default": {"description": "RFC 9457", "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}},
        },
    });
    if let Some(body) = route.body {
        operation["requestBody"] = json!({"required": true, "content": content(schemas, body)});
    }
    if route.port != Port::Public {
        operation["security"] = match route.port {
            Port::Either => json!([{}, {"token": []}]),
            _ => json!([{"token": []}]),
        };
        let scopes = std::iter::once(Scope::All).chain(route.scopes());
        operation["x-scopes"] = scopes.map(Scope::word).collect();
    }
    operation
}

fn problem() -> Value {
    json!({
        "type": "object", "required": ["type", "title", "status", "code", "detail", "detail_en"],
        "properties": {
            "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
            "code": {"type": "string"}, "detail": {"type": "string"}, "detail_en": {"type": "string"},
            "field": {"type": "string"}},
    })
}

/// The OpenAPI 3.1 document.
pub fn openapi() -> Value {
    let mut schemas: SchemaGenerator =
        SchemaSettings::draft2020_12().with(|it| it.definitions_path = "/components/schemas".into()).into();
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let method = Method::word(route.method).to_ascii_lowercase();
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[&method] = operation(&mut schemas, route);
    }
    let mut components = schemas.take_definitions(true);
    components.insert("Problem".to_owned(), problem());
    let groups = [NODE].into_iter().chain(GROUPS.iter().map(|(name, title, _)| (*name, *title)));
    let groups: Vec<Value> = groups.map(|(name, title)| json!({"name": name, "description": title})).collect();
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Yunhe 运河", "version": env!("CARGO_PKG_VERSION")},
        "tags": groups,
        "paths": paths,
        "components": {
            "parameters": {"organisation": {
                "name": "yunhe-organisation", "in": "header", "required": false, "schema": {"type": "string"},
                "description": "哪个机构；进程中只有一个机构时可不写 · which organisation, where a process has several",
            }},
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    })
}

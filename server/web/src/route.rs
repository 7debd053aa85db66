//! A route of the client port: who may call it, what it takes and what it gives, said in a chain of words.

use crate::table::ROUTES;
use identity::Scope;
use policy::Role;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// HTTP methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Acts.
    Post,
    /// Puts in place.
    Put,
    /// Changes in part.
    Patch,
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
    /// Anyone; whoever shows a token sees more.
    Either,
}

/// Makes the schema of a type.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What a body is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    /// JSON of a type.
    Json(SchemaOf),
    /// JSON that no type describes.
    AnyJson,
    /// JSON in a format of others, under its media type.
    JsonAs(&'static str),
    /// Bytes of this media type.
    Bytes(&'static str),
}

/// One route of the client port.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{…}` for its parameters.
    pub path: &'static str,
    /// What a client calls it.
    pub name: &'static str,
    /// Who may call it.
    pub port: Port,
    /// What it does, in Chinese.
    pub zh: &'static str,
    /// What it does, in English.
    pub en: &'static str,
    /// Which scope of a token covers it, besides `all`; looking is covered by `read` as well.
    pub scope: Option<Scope>,
    /// Whether it only looks, though it is no `GET`: what it asks for may stand in no URL.
    pub looks: bool,
    /// Whether it does more than look, though it is a `GET`: what comes of it is delivered under an agreement.
    pub acts: bool,
    /// Which of the three administrators may call it at all; what they may do there, the verb's permit says.
    pub administrators: &'static [Role],
    pub(crate) query: Option<SchemaOf>,
    pub(crate) body: Option<Content>,
    pub(crate) answer: Content,
}

impl Route {
    /// The scopes any of which covers it, besides `all`.
    pub fn scopes(&self) -> Vec<Scope> {
        let looks = self.looks || (self.method == Method::Get && !self.acts);
        let read = looks.then_some(Scope::Read);
        self.scope.into_iter().chain(read).collect()
    }

    /// The route of a method and a path as the router matched it.
    pub(crate) fn find(method: &http::Method, path: &str) -> Option<&'static Self> {
        // What asks for the head alone is covered as what asks for the whole.
        let method = if method == http::Method::HEAD { &http::Method::GET } else { method };
        let path = path.replace("{*", "{");
        ROUTES.iter().find(|it| it.method.word() == method.as_str() && it.path == path)
    }

    pub(crate) const fn scope(self, scope: Scope) -> Self {
        Self { scope: Some(scope), ..self }
    }

    pub(crate) const fn looks(self) -> Self {
        Self { looks: true, ..self }
    }

    pub(crate) const fn acts(self) -> Self {
        Self { acts: true, ..self }
    }

    /// The system administrator's alone.
    pub(crate) const fn of_system(self) -> Self {
        Self { administrators: &[Role::SystemAdministrator], ..self }
    }

    /// What the audit administrator looks at.
    pub(crate) const fn audited(self) -> Self {
        Self { administrators: &[Role::AuditAdministrator], ..self }
    }

    /// For the system administrator and the audit administrator to look at.
    pub(crate) const fn shown_to_audit(self) -> Self {
        Self { administrators: &[Role::SystemAdministrator, Role::AuditAdministrator], ..self }
    }

    /// The security administrator's alone.
    pub(crate) const fn of_security(self) -> Self {
        Self { administrators: &[Role::SecurityAdministrator], ..self }
    }

    /// For all three administrators.
    pub(crate) const fn of_all_three(self) -> Self {
        Self { administrators: &policy::ADMINISTRATORS, ..self }
    }

    pub(crate) const fn asks<T: JsonSchema>(self) -> Self {
        Self { query: Some(SchemaGenerator::subschema_for::<T>), ..self }
    }

    pub(crate) const fn takes<T: JsonSchema>(self) -> Self {
        Self { body: Some(Content::Json(SchemaGenerator::subschema_for::<T>)), ..self }
    }

    pub(crate) const fn takes_any(self) -> Self {
        Self { body: Some(Content::AnyJson), ..self }
    }

    pub(crate) const fn takes_bytes(self) -> Self {
        Self { body: Some(Content::Bytes("application/octet-stream")), ..self }
    }

    pub(crate) const fn gives<T: JsonSchema>(self) -> Self {
        Self { answer: Content::Json(SchemaGenerator::subschema_for::<T>), ..self }
    }

    /// JSON in a format of others.
    pub(crate) const fn gives_json(self, media: &'static str) -> Self {
        Self { answer: Content::JsonAs(media), ..self }
    }

    pub(crate) const fn gives_bytes(self, media: &'static str) -> Self {
        Self { answer: Content::Bytes(media), ..self }
    }
}

impl Method {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// A route for whoever shows a token; it takes nothing and gives JSON, unless more is said.
const fn route(method: Method, path: &'static str, name: &'static str, zh: &'static str, en: &'static str) -> Route {
    let answer = Content::AnyJson;
    // Business, and data, unless it is said to be an administrator's as well.
    let administrators = &[];
    Route {
        method,
        path,
        name,
        port: Port::Token,
        zh,
        en,
        scope: None,
        looks: false,
        acts: false,
        administrators,
        query: None,
        body: None,
        answer,
    }
}

pub(crate) const fn get(path: &'static str, name: &'static str, zh: &'static str, en: &'static str) -> Route {
    route(Method::Get, path, name, zh, en)
}

pub(crate) const fn post(path: &'static str, name: &'static str, zh: &'static str, en: &'static str) -> Route {
    route(Method::Post, path, name, zh, en)
}

/// A call of a service, under that name and by that method.
pub(crate) const fn call(method: Method, name: &'static str) -> Route {
    let (zh, en) =
        ("依协议调用服务接口，答复原样返回", "calls a service under an agreement; its answer comes back as it is");
    Route { scope: Some(Scope::Exchange), ..route(method, "/v1/call/{agreement}/{path}", name, zh, en) }
        .gives_bytes("application/octet-stream")
}

pub(crate) const fn delete(path: &'static str, name: &'static str, zh: &'static str, en: &'static str) -> Route {
    route(Method::Delete, path, name, zh, en)
}

pub(crate) const fn public(route: Route) -> Route {
    Route { port: Port::Public, ..route }
}

pub(crate) const fn either(route: Route) -> Route {
    Route { port: Port::Either, ..route }
}

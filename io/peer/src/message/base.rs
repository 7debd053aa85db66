//! The signature base of RFC 9421 section 2.5: what is signed, built anew on both sides.

use super::field::{Component, Input, Malformed};
use http::{HeaderMap, request, response};
use std::fmt::Write as _;

/// A message as the signature sees it.
pub(crate) trait Message {
    /// The value of a derived component such as `@method`; `None` when the message has none of that name.
    fn derived(&self, name: &str) -> Option<String>;
    /// Its header fields.
    fn fields(&self) -> &HeaderMap;
}

impl Message for request::Parts {
    fn derived(&self, name: &str) -> Option<String> {
        match name {
            "@method" => Some(self.method.as_str().to_owned()),
            "@authority" => authority(self),
            "@path" => Some(match self.uri.path() {
                "" => "/".to_owned(),
                path => path.to_owned(),
            }),
            "@query" => Some(format!("?{}", self.uri.query().unwrap_or_default())),
            "@target-uri" => {
                let path = self.uri.path_and_query().map_or("/", |it| it.as_str());
                Some(format!("https://{}{path}", authority(self)?))
            }
            _ => None,
        }
    }

    fn fields(&self) -> &HeaderMap {
        &self.headers
    }
}

impl Message for response::Parts {
    fn derived(&self, name: &str) -> Option<String> {
        (name == "@status").then(|| self.status.as_str().to_owned())
    }

    fn fields(&self) -> &HeaderMap {
        &self.headers
    }
}

/// Host and port in lower case, without the default port: from the request line (HTTP/2), or from `Host` (1.1). Where
/// both are there they must agree.
pub(crate) fn authority(parts: &request::Parts) -> Option<String> {
    let line = parts.uri.authority().map(|it| normal(it.as_str()));
    let mut hosts = parts.headers.get_all(http::header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) => None,
        (Some(only), None) => Some(normal(only.to_str().ok()?)),
        (Some(_), Some(_)) => return None,
    };
    match (line, host) {
        (Some(line), Some(host)) => (line == host).then_some(line),
        (line, host) => line.or(host),
    }
}

fn normal(authority: &str) -> String {
    let authority = authority.to_ascii_lowercase();
    authority.strip_suffix(":443").map(str::to_owned).unwrap_or(authority)
}

/// The value of a field on one line, without the spaces around it; one that comes twice is joined as section 2.1 says.
pub(crate) fn field(fields: &HeaderMap, name: &str) -> Option<String> {
    let mut joined: Option<String> = None;
    for value in fields.get_all(name) {
        let value = value.to_str().ok()?.trim();
        joined = Some(match joined {
            None => value.to_owned(),
            Some(before) => format!("{before}, {value}"),
        });
    }
    joined
}

/// The base of `input` over `message`; a component with parameters is asked of `bound`.
pub(crate) fn signature_base(
    message: &dyn Message,
    input: &Input,
    bound: impl Fn(&Component) -> Option<String>,
) -> Result<String, Malformed> {
    let mut base = String::with_capacity(512);
    for (at, component) in input.components.iter().enumerate() {
        vocabulary::ensure!(!input.components[..at].contains(component), Malformed);
        let value = if !component.params.is_empty() {
            bound(component)
        } else if component.name.starts_with('@') {
            message.derived(&component.name)
        } else {
            field(message.fields(), &component.name)
        };
        let value = value.ok_or(Malformed)?;
        let _ = writeln!(base, "{component}: {value}");
    }
    let _ = write!(base, "\"@signature-params\": {input}");
    Ok(base)
}

//! Which organisation is meant: by header or host name on the client port, by the connection on the peer port.

use crate::Failure;
use axum::extract::FromRequestParts;
use http::{header, request::Parts};
use node::Organisation;
use std::{collections::BTreeMap, sync::Arc};
use vocabulary::{Kind, OrganisationId, Problem};

/// The organisations of this process.
#[derive(Clone, Default)]
pub struct Tenants(Arc<BTreeMap<OrganisationId, Arc<Organisation>>>);

impl Tenants {
    /// These.
    pub fn new(all: impl IntoIterator<Item = Arc<Organisation>>) -> Self {
        Self(Arc::new(all.into_iter().map(|it| (it.id().clone(), it)).collect()))
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Organisation>> {
        self.0.values()
    }

    /// The one that a peer's connection was opened for.
    pub(crate) fn by_host(&self, host: &str) -> Option<Arc<Organisation>> {
        self.all().find(|it| it.config().host.eq_ignore_ascii_case(host)).cloned()
    }

    fn by_parts(&self, parts: &Parts) -> Result<Arc<Organisation>, Problem> {
        let named = parts.headers.get("yunhe-organisation").and_then(|it| it.to_str().ok()).map(str::to_owned);
        let host = parts.headers.get(header::HOST).and_then(|it| it.to_str().ok());
        let label = host.and_then(|it| it.split_once('.')).map(|(label, _)| label.to_owned());
        let found = match (named, label) {
            (Some(name), _) => self.all().find(|it| it.id().as_str() == name),
            (None, Some(label)) if self.all().any(|it| it.id().as_str() == label) => {
                self.all().find(|it| it.id().as_str() == label)
            }
            _ if self.0.len() == 1 => self.all().next(),
            _ => None,
        };
        found.cloned().ok_or_else(|| {
            let names: Vec<&str> = self.all().map(|it| it.id().as_str()).collect();
            let names = names.join(", ");
            Problem::new(
                Kind::Missing,
                "web.organisation",
                format!("请用 yunhe-organisation 头指明机构：{names}"),
                format!("say which organisation in the header yunhe-organisation: {names}"),
            )
        })
    }
}

/// Whose node is meant.
pub(crate) struct Tenant(pub(crate) Arc<Organisation>);

impl FromRequestParts<Tenants> for Tenant {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, tenants: &Tenants) -> Result<Self, Failure> {
        Ok(Self(tenants.by_parts(parts)?))
    }
}

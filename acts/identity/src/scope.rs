//! What a token may be used for. A scope narrows what its holder's roles allow; it never widens it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Bilingual, Kind, Problem};

/// What a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// 全部: whatever the holder's roles allow.
    All,
    /// 只读: to look, at whatever the holder's roles show.
    Read,
    /// 交换: to request, agree, query and fetch, and the receipts of it.
    Exchange,
    /// 登记: to import and to look at records.
    Record,
}

/// Every scope.
pub const SCOPES: [Scope; 4] = [Scope::All, Scope::Read, Scope::Exchange, Scope::Record];

impl Scope {
    /// The word for it, on the wire and in the database.
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Read => "read",
            Self::Exchange => "exchange",
            Self::Record => "record",
        }
    }

    /// What it is called.
    pub fn title(self) -> Bilingual {
        match self {
            Self::All => Bilingual::new("全部", "everything"),
            Self::Read => Bilingual::new("只读", "reading"),
            Self::Exchange => Bilingual::new("交换", "exchange"),
            Self::Record => Bilingual::new("登记", "records"),
        }
    }

    /// Reads the word for a scope.
    ///
    /// # Errors
    /// `identity.no_scope` when there is no such scope; it names all there are.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        SCOPES.into_iter().find(|it| it.word() == text).ok_or_else(|| {
            let known = words(&SCOPES);
            Problem::new(
                Kind::Unprocessable,
                "identity.no_scope",
                format!("没有范围“{text}”；可用：{known}"),
                format!("there is no scope {text:?}; known: {known}"),
            )
            .field("/scopes")
        })
    }
}

/// Scopes as words.
pub(crate) fn words(scopes: &[Scope]) -> String {
    scopes.iter().map(|it| it.word()).collect::<Vec<_>>().join(", ")
}

//! Names of accounts and application systems, and ids of tokens.

use serde::{Deserialize, Serialize};
use vocabulary::{Problem, ResourceId, id};

id!(
    /// Names a token; the edge draws it. It may stand in logs, the secret may not.
    TokenId, "tok"
);

macro_rules! name {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(transparent)]
        pub struct $name(ResourceId);

        impl $name {
            /// Checks and wraps a name.
            ///
            /// # Errors
            /// `format.name` when it is empty, too long or has other characters than a-z, 0-9 and '-'.
            pub fn new(text: impl Into<String>) -> Result<Self, Problem> {
                ResourceId::new(text).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = Problem;

            fn from_str(text: &str) -> Result<Self, Problem> {
                Self::new(text)
            }
        }
    };
}

name!(
    /// What a person signs in with (账号). Chosen by the organisation; never an identity or telephone number.
    AccountName
);
name!(
    /// Names an application system (应用系统) of the organisation.
    ApplicationName
);

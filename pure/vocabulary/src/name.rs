//! Names that people choose and that stand in URLs, logs and files: short, lower-case, safe everywhere.

use crate::{Kind, Problem};

/// A name is at most this long.
const NAME_CHARS_MAX: usize = 64;

fn check(kind: &str, text: &str) -> Result<(), Problem> {
    let ok = !text.is_empty()
        && text.len() <= NAME_CHARS_MAX
        && text.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
        && text.starts_with(|it: char| it.is_ascii_lowercase())
        && !text.ends_with('-');
    crate::ensure!(
        ok,
        Problem::new(
            Kind::Malformed,
            "format.name",
            format!("{kind}“{text}”应为 1–{NAME_CHARS_MAX} 个小写字母、数字或连字符，以字母开头"),
            format!("{kind} {text:?} should be 1 to {NAME_CHARS_MAX} of a-z, 0-9 and '-', beginning with a letter"),
        )
    );
    Ok(())
}

macro_rules! name {
    ($(#[$meta:meta])* $name:ident, $word:literal) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema)]
        #[serde(transparent)]
        pub struct $name(#[schemars(regex(pattern = "^[a-z][a-z0-9-]{0,63}$"))] String);

        impl $name {
            /// Checks and wraps a name.
            ///
            /// # Errors
            /// `format.name` when it is empty, too long or has other characters.
            pub fn new(text: impl Into<String>) -> Result<Self, Problem> {
                let text = text.into();
                check($word, &text)?;
                Ok(Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Problem;

            fn from_str(text: &str) -> Result<Self, Problem> {
                Self::new(text)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(|it| serde::de::Error::custom(it.detail.en))
            }
        }
    };
}

name!(
    /// Names an organisation within its federation (`js-scjg`); part of its log's origin.
    OrganisationId, "organisation"
);
name!(
    /// Names a federation (`jiangsu`).
    FederationName, "federation"
);
name!(
    /// Names a pack (`legal-persons`).
    PackId, "pack"
);
name!(
    /// Names a record type, an offer or a code list within an organisation (`legal-person-operation`).
    ResourceId, "resource"
);
name!(
    /// Names an operation of a service (`get-enterprise`), within that service.
    OperationName, "operation"
);

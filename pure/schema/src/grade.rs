//! Data grades of GB/T 43697-2024: general data in four levels (its Annex H), important and core data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A grade; later ones are stricter. Written `一般/1` … `一般/4`, `重要`, `核心`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Grade {
    /// 一般/1.
    #[serde(rename = "一般/1")]
    General1,
    /// 一般/2.
    #[serde(rename = "一般/2")]
    General2,
    /// 一般/3.
    #[serde(rename = "一般/3")]
    General3,
    /// 一般/4.
    #[serde(rename = "一般/4")]
    General4,
    /// 重要.
    #[serde(rename = "重要")]
    Important,
    /// 核心.
    #[serde(rename = "核心")]
    Core,
}

impl Grade {
    /// Every grade, the mildest first.
    pub const ALL: [Self; 6] =
        [Self::General1, Self::General2, Self::General3, Self::General4, Self::Important, Self::Core];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::General1 => "一般/1",
            Self::General2 => "一般/2",
            Self::General3 => "一般/3",
            Self::General4 => "一般/4",
            Self::Important => "重要",
            Self::Core => "核心",
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Grade {
    type Err = vocabulary::Problem;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or_else(|| {
            vocabulary::Problem::new(
                vocabulary::Kind::Malformed,
                "format.grade",
                format!("分级“{text}”应为 一般/1 至 一般/4、重要 或 核心"),
                format!("grade {text:?} should be one of 一般/1 to 一般/4, 重要, 核心"),
            )
        })
    }
}

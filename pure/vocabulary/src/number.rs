//! Numbers that platforms give: each level adds its own beside those of others, and none is ever rewritten.

use crate::{Kind, OrganisationId, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number is at most this long.
pub const NUMBER_CHARS_MAX: usize = 100;
/// One document carries at most this many.
pub const NUMBERS_MAX: usize = 32;

/// What a platform's number names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NumberKind {
    /// 目录代码: an entry of a catalogue.
    Catalogue,
    /// 资源编码: a resource of an entry.
    Resource,
    /// 需求申请编号: a request.
    Request,
    /// 授权码: the right to use a resource.
    Authorisation,
}

/// A number, and who gave it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlatformNumber {
    /// What it names.
    pub kind: NumberKind,
    /// The level or platform that gave it.
    pub by: OrganisationId,
    /// The number, as it was given.
    pub number: String,
}

/// Adds `more` to `numbers`. What is there already is no matter; another number of one kind by one giver is refused,
/// and then `numbers` is as if nobody had asked.
///
/// # Errors
/// `number.form`, `number.rewritten`, `number.too_many`.
pub fn add_numbers(numbers: &mut Vec<PlatformNumber>, more: &[PlatformNumber]) -> Result<(), Problem> {
    let mut all = numbers.clone();
    for one in more {
        let formed = !one.number.trim().is_empty()
            && one.number.chars().count() <= NUMBER_CHARS_MAX
            && !one.number.chars().any(char::is_control);
        crate::ensure!(formed, unformed(&one.number));
        match all.iter().find(|it| (it.kind, &it.by) == (one.kind, &one.by)) {
            Some(known) => crate::ensure!(known.number == one.number, rewritten(known, &one.number)),
            None => all.push(one.clone()),
        }
    }
    crate::ensure!(all.len() <= NUMBERS_MAX, too_many());
    *numbers = all;
    Ok(())
}

fn unformed(number: &str) -> Problem {
    let length = number.chars().count();
    Problem::new(
        Kind::Unprocessable,
        "number.form",
        format!("平台编号有 {length} 个字符；应为 1–{NUMBER_CHARS_MAX} 个可见字符"),
        format!("the platform's number has {length} characters; give 1 to {NUMBER_CHARS_MAX} visible ones"),
    )
    .field("/numbers")
}

fn rewritten(known: &PlatformNumber, number: &str) -> Problem {
    let PlatformNumber { by, number: before, .. } = known;
    Problem::new(
        Kind::Conflict,
        "number.rewritten",
        format!("{by} 已给出编号 {before}，不得改为 {number}；各级只添加自己的编号"),
        format!("{by} gave the number {before}, it does not become {number}; each level adds its own"),
    )
    .field("/numbers")
}

fn too_many() -> Problem {
    Problem::new(
        Kind::TooLarge,
        "number.too_many",
        format!("平台编号超过 {NUMBERS_MAX} 个"),
        format!("more than {NUMBERS_MAX} platform numbers"),
    )
    .field("/numbers")
}

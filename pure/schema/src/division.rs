//! Administrative divisions: codes of GB/T 2260 and GB/T 10114, and the zones that statistics count as counties.

use crate::Fault;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use vocabulary::ResourceId;

/// The code list that knows the divisions; where a node has none, any well-formed code passes.
pub const LIST: &str = "divisions";

/// The name of [`LIST`] as an id.
pub fn list() -> &'static ResourceId {
    static NAME: OnceLock<ResourceId> = OnceLock::new();
    NAME.get_or_init(|| ResourceId::new(LIST).expect("a constant that the test `division_list_has_a_name` checks"))
}

/// Checks the form of a code: 2, 4, 6, 9 or 12 digits (省、市、县、乡、村).
///
/// # Errors
/// A [`Fault`] that says what would be right.
pub fn check(code: &str) -> Result<(), Fault> {
    let formed = matches!(code.len(), 2 | 4 | 6 | 9 | 12) && code.bytes().all(|it| it.is_ascii_digit());
    if formed && !code.starts_with('0') {
        return Ok(());
    }
    let shown: String = code.chars().take(16).collect();
    Err(Fault::new(
        "value.shape",
        format!("行政区划代码“{shown}”应为 2、4、6、9 或 12 位数字"),
        format!("division {shown:?} should have 2, 4, 6, 9 or 12 digits"),
    ))
}

/// The code without the zeros that only fill it up: `320100` and `320100000000` are `3201`, `320000` is `32`.
pub fn significant(code: &str) -> &str {
    let mut code = code;
    loop {
        let shorter = match code.len() {
            12 => code.strip_suffix("000"),
            9 => code.strip_suffix("000"),
            6 | 4 => code.strip_suffix("00"),
            _ => None,
        };
        match shorter {
            Some(shorter) => code = shorter,
            None => return code,
        }
    }
}

/// The division one level up, or `None` above a province.
pub fn parent(code: &str) -> Option<&str> {
    let code = significant(code);
    match code.len() {
        12 => Some(&code[..9]),
        9 => Some(&code[..6]),
        6 => Some(&code[..4]),
        4 => Some(&code[..2]),
        _ => None,
    }
}

/// Whether `code` is `above` or lies in it, by the digits alone.
pub fn under(code: &str, above: &str) -> bool {
    let above = significant(above);
    !above.is_empty() && code.starts_with(above)
}

/// Functional zones (development zones, new areas) that statistics code like counties, with the division in whose
/// territory the law sees them. A zone may lie in a division that its digits do not show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Zones(BTreeMap<String, String>);

impl Zones {
    /// Zones from pairs of zone and legal parent.
    ///
    /// # Errors
    /// The first malformed code.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, Fault> {
        let mut zones = BTreeMap::new();
        for (zone, parent) in pairs {
            check(&zone)?;
            check(&parent)?;
            zones.insert(significant(&zone).to_owned(), significant(&parent).to_owned());
        }
        Ok(Self(zones))
    }

    /// The legal parent of the zone that `code` is or lies in.
    pub fn parent_of(&self, code: &str) -> Option<&str> {
        let (zone, parent) = self.0.range(..=code.to_owned()).next_back()?;
        code.starts_with(zone.as_str()).then_some(parent)
    }

    /// Whether `code` is `above` or lies in it, by its digits or through its zone.
    pub fn under(&self, code: &str, above: &str) -> bool {
        under(code, above) || self.parent_of(code).is_some_and(|it| under(it, above))
    }

    /// The prefixes that together mean [`Zones::under`]: a filter is true where a code starts with one of them.
    pub fn prefixes(&self, above: &str) -> Vec<String> {
        let mut prefixes = vec![significant(above).to_owned()];
        let zones = self.0.iter().filter(|(zone, parent)| under(parent, above) && !under(zone, above));
        prefixes.extend(zones.map(|(zone, _)| zone.clone()));
        prefixes
    }

    /// Every zone with its legal parent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(zone, parent)| (zone.as_str(), parent.as_str()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

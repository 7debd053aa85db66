//! Record types.

use crate::{Field, FieldName, Flaw, Grade, raw::RawRecord};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Bilingual, ResourceId};

/// A record type has at most this many fields: SQLite and PostgreSQL bound parameters and columns.
pub const FIELDS_MAX: usize = 200;
/// A natural key has at most this many fields.
pub const KEY_FIELDS_MAX: usize = 8;
/// A text in a key has at most this many characters, so that an index entry fits a page of PostgreSQL.
pub const KEY_TEXT_CHARS_MAX: u32 = 500;

/// A record type: a real table with typed columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordType {
    /// Its name.
    pub name: ResourceId,
    /// Its title.
    pub title: Bilingual,
    /// The natural key, in order; unique.
    pub key: Vec<FieldName>,
    /// The fields in their declared order.
    pub fields: IndexMap<FieldName, Field>,
    /// What the catalogue says about it.
    pub about: About,
}

/// What the catalogue says about a record type beside its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its abstract (摘要).
    pub description: Option<Bilingual>,
    /// Whether its rows were made by a generator: such data may never pass for real.
    pub synthetic: bool,
    /// Where the rows come from.
    pub source: Option<Bilingual>,
    /// The duty (职责) under which they are kept, with its legal basis.
    pub duty: Option<Bilingual>,
    /// The theme: an entry of the code list `catalogue-themes`.
    pub theme: Option<ResourceId>,
    /// How often they are renewed (更新周期).
    pub cycle: Option<Cycle>,
}

/// How often data are renewed: the values of the 2017 guide for government information catalogues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cycle {
    /// 实时.
    Realtime,
    /// 每日.
    Daily,
    /// 每周.
    Weekly,
    /// 每月.
    Monthly,
    /// 每季度.
    Quarterly,
    /// 每半年.
    HalfYearly,
    /// 每年.
    Yearly,
    /// 不定期.
    Irregular,
}

impl Cycle {
    /// Its title.
    pub fn title(self) -> Bilingual {
        let (zh, en) = match self {
            Self::Realtime => ("实时", "real time"),
            Self::Daily => ("每日", "daily"),
            Self::Weekly => ("每周", "weekly"),
            Self::Monthly => ("每月", "monthly"),
            Self::Quarterly => ("每季度", "quarterly"),
            Self::HalfYearly => ("每半年", "half-yearly"),
            Self::Yearly => ("每年", "yearly"),
            Self::Irregular => ("不定期", "irregular"),
        };
        Bilingual::new(zh, en)
    }
}

impl RecordType {
    /// A record type of checked parts.
    ///
    /// # Errors
    /// Every [`Flaw`] at once: see [`RecordType::flaws`].
    pub fn new(
        name: ResourceId,
        title: Bilingual,
        key: Vec<FieldName>,
        fields: IndexMap<FieldName, Field>,
    ) -> Result<Self, Vec<Flaw>> {
        let record = Self { name, title, key, fields, about: About::default() };
        let flaws = record.flaws();
        if flaws.is_empty() { Ok(record) } else { Err(flaws) }
    }

    /// Position of a field among the fields.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.fields.get_index_of(name)
    }

    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(name)
    }

    /// Positions of the key's fields, in the key's order.
    pub fn key_indexes(&self) -> Vec<usize> {
        self.key.iter().filter_map(|it| self.index_of(it.as_str())).collect()
    }

    /// The highest grade of its fields.
    pub fn grade(&self) -> Grade {
        self.fields.values().map(|it| it.grade).max().unwrap_or(Grade::General1)
    }

    /// Whether some field is about natural persons.
    pub fn personal(&self) -> bool {
        self.fields.values().any(|it| it.personal)
    }

    /// Everything that is wrong with it, in the order of the file; empty when all is well.
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        flaws.extend(Flaw::title("/title", &self.title));
        if self.fields.is_empty() || self.fields.len() > FIELDS_MAX {
            flaws.push(Flaw::new(
                "/fields",
                format!("有 {} 个信息项", self.fields.len()),
                format!("has {} fields", self.fields.len()),
                format!("声明 1–{FIELDS_MAX} 个信息项"),
                format!("declare 1 to {FIELDS_MAX} fields"),
            ));
        }
        self.key_flaws(&mut flaws);
        for (name, field) in &self.fields {
            field.flaws(&format!("/fields/{name}"), &mut flaws);
        }
        flaws
    }

    fn key_flaws(&self, flaws: &mut Vec<Flaw>) {
        if self.key.is_empty() || self.key.len() > KEY_FIELDS_MAX {
            flaws.push(Flaw::new(
                "/key",
                format!("主键有 {} 个信息项", self.key.len()),
                format!("the key has {} fields", self.key.len()),
                format!("以 1–{KEY_FIELDS_MAX} 个信息项作主键"),
                format!("make a key of 1 to {KEY_FIELDS_MAX} fields"),
            ));
        }
        for (at, name) in self.key.iter().enumerate() {
            let pointer = format!("/key/{at}");
            if self.key[..at].contains(name) {
                flaws.push(Flaw::new(
                    &pointer,
                    format!("主键重复信息项“{name}”"),
                    format!("the key names {name} twice"),
                    "删去重复者",
                    "remove the second one",
                ));
            }
            match self.fields.get(name) {
                None => flaws.push(Flaw::new(
                    &pointer,
                    format!("主键信息项“{name}”不在 fields 中"),
                    format!("key field {name} is not among the fields"),
                    format!("改为下列之一：{}", self.names()),
                    format!("use one of: {}", self.names()),
                )),
                Some(field) => field.key_flaws(&pointer, name, flaws),
            }
        }
    }

    fn names(&self) -> String {
        self.fields.keys().map(FieldName::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl Serialize for RecordType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawRecord::from(self.clone()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RecordType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(RawRecord::deserialize(deserializer)?)
            .map_err(|flaws| serde::de::Error::custom(crate::flaw::sentence(&flaws)))
    }
}

impl JsonSchema for RecordType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RecordType".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        RawRecord::json_schema(generator)
    }
}

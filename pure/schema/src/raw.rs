//! Record types as they stand in files: flat maps, unknown keys refused, checked when they become a [`RecordType`].

use crate::{About, Cycle, Field, FieldName, FieldType, Flaw, Grade, Holder, RecordType};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Bilingual, ResourceId};

/// A record type: what is recorded, with its natural key, its fields, their classes and grades.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RecordType")]
pub(crate) struct RawRecord {
    /// Its name.
    record: ResourceId,
    /// Its title.
    title: Bilingual,
    /// Its abstract (摘要).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<Bilingual>,
    /// Whether its rows were made by a generator.
    #[serde(default, skip_serializing_if = "is_false")]
    synthetic: bool,
    /// Where the rows come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Bilingual>,
    /// The duty under which they are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duty: Option<Bilingual>,
    /// The theme: an entry of the code list `catalogue-themes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    theme: Option<ResourceId>,
    /// How often they are renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cycle: Option<Cycle>,
    /// The fields of the natural key.
    key: Vec<FieldName>,
    /// The fields by name.
    fields: IndexMap<FieldName, RawField>,
}

/// One field of a record type.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Field")]
struct RawField {
    /// What it may hold.
    #[serde(rename = "type")]
    kind: Word,
    /// `text`: the most characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<u32>,
    /// `decimal`: all digits, at most 18.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    precision: Option<u8>,
    /// `decimal`: digits behind the point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scale: Option<u8>,
    /// `code`: the name of the code list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list: Option<ResourceId>,
    /// `org-code`: whom it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<Holder>,
    /// Its title; left out, it is the field's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<Bilingual>,
    /// Its UCUM unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// Numbers: the least value, in whole units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min: Option<i64>,
    /// Whether it may be absent.
    #[serde(default, skip_serializing_if = "is_false")]
    optional: bool,
    /// Whether its values are about a natural person.
    #[serde(default, skip_serializing_if = "is_false")]
    personal: bool,
    /// Its grade.
    grade: Grade,
}

/// The types of fields.
#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "FieldType")]
enum Word {
    Text,
    Integer,
    Decimal,
    Money,
    Boolean,
    Date,
    Timestamp,
    Code,
    OrgCode,
    Division,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(it: &bool) -> bool {
    !it
}

/// Takes the parameters of a type out of a raw field and notes which are missing or out of place.
struct Parameters<'a> {
    pointer: &'a str,
    word: &'static str,
    flaws: &'a mut Vec<Flaw>,
}

impl Parameters<'_> {
    fn need<T>(&mut self, name: &str, value: Option<T>, fallback: T) -> T {
        value.unwrap_or_else(|| {
            let Self { pointer, word, .. } = self;
            self.flaws.push(Flaw::new(
                pointer,
                format!("{word} 信息项缺少 {name}"),
                format!("a {word} field lacks {name}"),
                format!("写上 {name}"),
                format!("add {name}"),
            ));
            fallback
        })
    }

    fn forbid(&mut self, name: &str, there: bool) {
        if there {
            let Self { pointer, word, .. } = self;
            self.flaws.push(Flaw::new(
                &format!("{pointer}/{name}"),
                format!("{word} 信息项不带 {name}"),
                format!("a {word} field takes no {name}"),
                format!("删去 {name}"),
                format!("remove {name}"),
            ));
        }
    }
}

impl RawField {
    fn check(self, name: &FieldName, flaws: &mut Vec<Flaw>) -> Field {
        let pointer = format!("/fields/{name}");
        let kind = self.kind(&mut Parameters { pointer: &pointer, word: self.word(), flaws });
        Field {
            kind,
            title: self.title.unwrap_or_else(|| Bilingual::new(name.as_str(), name.as_str())),
            grade: self.grade,
            optional: self.optional,
            personal: self.personal,
            unit: self.unit,
            min: self.min,
        }
    }

    fn kind(&self, parameters: &mut Parameters<'_>) -> FieldType {
        parameters.forbid("max", self.max.is_some() && !matches!(self.kind, Word::Text));
        parameters.forbid("precision", self.precision.is_some() && !matches!(self.kind, Word::Decimal));
        parameters.forbid("scale", self.scale.is_some() && !matches!(self.kind, Word::Decimal));
        parameters.forbid("list", self.list.is_some() && !matches!(self.kind, Word::Code));
        parameters.forbid("of", self.of.is_some() && !matches!(self.kind, Word::OrgCode));
        match self.kind {
            Word::Text => FieldType::Text { max: parameters.need("max", self.max, 1) },
            Word::Integer => FieldType::Integer,
            Word::Decimal => FieldType::Decimal {
                precision: parameters.need("precision", self.precision, 18),
                scale: parameters.need("scale", self.scale, 0),
            },
            Word::Money => FieldType::Money,
            Word::Boolean => FieldType::Boolean,
            Word::Date => FieldType::Date,
            Word::Timestamp => FieldType::Timestamp,
            Word::Code => match parameters.need("list", self.list.clone().map(Some), None) {
                Some(list) => FieldType::Code { list },
                // The flaw is noted; any type lets the check go on to the next one.
                None => FieldType::Boolean,
            },
            Word::OrgCode => FieldType::OrgCode { of: parameters.need("of", self.of, Holder::LegalPerson) },
            Word::Division => FieldType::Division,
        }
    }

    fn word(&self) -> &'static str {
        match self.kind {
            Word::Text => "text",
            Word::Integer => "integer",
            Word::Decimal => "decimal",
            Word::Money => "money",
            Word::Boolean => "boolean",
            Word::Date => "date",
            Word::Timestamp => "timestamp",
            Word::Code => "code",
            Word::OrgCode => "org-code",
            Word::Division => "division",
        }
    }

    fn of(name: &FieldName, field: Field) -> Self {
        let mut raw = Self {
            kind: Word::Text,
            max: None,
            precision: None,
            scale: None,
            list: None,
            of: None,
            title: (field.title.zh != name.as_str() || field.title.en != name.as_str()).then_some(field.title),
            unit: field.unit,
            min: field.min,
            optional: field.optional,
            personal: field.personal,
            grade: field.grade,
        };
        raw.kind = match field.kind {
            FieldType::Text { max } => {
                raw.max = Some(max);
                Word::Text
            }
            FieldType::Integer => Word::Integer,
            FieldType::Decimal { precision, scale } => {
                (raw.precision, raw.scale) = (Some(precision), Some(scale));
                Word::Decimal
            }
            FieldType::Money => Word::Money,
            FieldType::Boolean => Word::Boolean,
            FieldType::Date => Word::Date,
            FieldType::Timestamp => Word::Timestamp,
            FieldType::Code { list } => {
                raw.list = Some(list);
                Word::Code
            }
            FieldType::OrgCode { of } => {
                raw.of = Some(of);
                Word::OrgCode
            }
            FieldType::Division => Word::Division,
        };
        raw
    }
}

impl TryFrom<RawRecord> for RecordType {
    type Error = Vec<Flaw>;

    fn try_from(raw: RawRecord) -> Result<Self, Self::Error> {
        let mut flaws = Vec::new();
        let fields = raw.fields.into_iter().map(|(name, field)| {
            let field = field.check(&name, &mut flaws);
            (name, field)
        });
        let record = Self {
            name: raw.record,
            title: raw.title,
            key: raw.key,
            fields: fields.collect(),
            about: About {
                description: raw.description,
                synthetic: raw.synthetic,
                source: raw.source,
                duty: raw.duty,
                theme: raw.theme,
                cycle: raw.cycle,
            },
        };
        flaws.extend(record.flaws());
        if flaws.is_empty() { Ok(record) } else { Err(flaws) }
    }
}

impl From<RecordType> for RawRecord {
    fn from(record: RecordType) -> Self {
        Self {
            record: record.name,
            title: record.title,
            description: record.about.description,
            synthetic: record.about.synthetic,
            source: record.about.source,
            duty: record.about.duty,
            theme: record.about.theme,
            cycle: record.about.cycle,
            key: record.key,
            fields: record.fields.into_iter().map(|(name, field)| (name.clone(), RawField::of(&name, field))).collect(),
        }
    }
}

impl RecordType {
    /// A record type from its file form, already decoded by any serde format: all flaws, not the first alone.
    ///
    /// # Errors
    /// `Err(Ok(flaws))` for a well-formed but wrong declaration, `Err(Err(_))` for what serde cannot read.
    pub fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, Result<Vec<Flaw>, D::Error>> {
        RawRecord::deserialize(deserializer).map_err(Err)?.try_into().map_err(Ok)
    }
}

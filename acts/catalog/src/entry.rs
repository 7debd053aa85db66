//! A catalogue entry after the guide for government information catalogues (发改高技〔2017〕1272号), and its wire form.
//!
//! The field names are those of a pack's `data/catalogue/*.yaml`; what only a published entry has is optional.

use policy::Sharing;
use schema::{Cycle, Field, FieldName, FieldType, Grade};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Bilingual, Date, Digest, OrganisationId, Problem, ResourceId, Suite, canonical_digest};

/// The format of [`Publication`].
pub const FORMAT: &str = "yunhe-catalogue-entry/1";

/// Data that exist, whoever keeps them and however they are shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name within the organisation.
    pub entry: ResourceId,
    /// 信息资源名称.
    pub title: Bilingual,
    /// 信息资源代码: class, item, subject and detail, a slash, a serial number.
    pub code: String,
    /// 信息资源分类.
    pub class: Class,
    /// 主题: an entry of the code list `catalogue-themes`.
    pub theme: ResourceId,
    /// 信息资源提供方.
    pub provider: Bilingual,
    /// 信息资源提供方代码: the unified social credit code (GB 32100).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_code: Option<String>,
    /// 信息资源摘要.
    pub description: Bilingual,
    /// 信息资源格式, lower-case: csv, json, parquet, shp, pdf …
    pub formats: Vec<String>,
    /// 信息项.
    pub items: Vec<Item>,
    /// 共享类型; independent of the grade.
    pub share: Sharing,
    /// 共享条件, or for 不予共享 the law, regulation or policy that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Bilingual>,
    /// 共享方式.
    pub method: Method,
    /// 开放属性: whether it is open to the public.
    pub open: bool,
    /// 开放条件.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_condition: Option<Bilingual>,
    /// 更新周期.
    pub cycle: Cycle,
    /// 发布日期.
    #[schemars(with = "String")]
    pub published: Date,
    /// 关联资源: entries that belong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<ResourceId>,
    /// Its grade: the highest of its items'.
    pub grade: Grade,
    /// Words that people also search by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// The offer at the organisation's node through which it can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<ResourceId>,
    /// Whether its data were made by a generator: such data may never pass for real.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub synthetic: bool,
}

/// The three classes of the guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// 基础信息资源.
    Base,
    /// 主题信息资源.
    Theme,
    /// 部门信息资源.
    Department,
}

impl Class {
    /// Every class, in the order of its digit.
    pub const ALL: [Self; 3] = [Self::Base, Self::Theme, Self::Department];

    /// The first digit of an entry's code.
    pub fn digit(self) -> char {
        match self {
            Self::Base => '1',
            Self::Theme => '2',
            Self::Department => '3',
        }
    }

    /// Its title.
    pub fn title(self) -> Bilingual {
        match self {
            Self::Base => Bilingual::new("基础信息资源", "base"),
            Self::Theme => Bilingual::new("主题信息资源", "theme"),
            Self::Department => Bilingual::new("部门信息资源", "department"),
        }
    }
}

/// How what is shared reaches the asker (共享方式).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// 共享平台方式: through the platform.
    Platform,
    /// 服务接口方式: called as a service, through the platform.
    Service,
    /// 邮件方式.
    Mail,
    /// 拷盘方式.
    Disk,
    /// 介质交换方式.
    Medium,
    /// Not at all.
    None,
}

/// 信息项: one item of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its title.
    pub title: Bilingual,
    /// Its data type.
    #[serde(rename = "type")]
    pub kind: ItemType,
    /// The field at the node that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<FieldName>,
    /// 数据长度: characters of a text, digits of a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    /// Its UCUM unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Its grade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<Grade>,
    /// Whether it is about natural persons.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub personal: bool,
}

impl Item {
    /// The item that a record type's field is.
    pub fn of_field(name: &FieldName, field: &Field) -> Self {
        let (kind, length) = match &field.kind {
            FieldType::Text { max } => (ItemType::Text, Some(*max)),
            FieldType::OrgCode { .. } => (ItemType::Text, Some(18)),
            FieldType::Division => (ItemType::Text, Some(12)),
            FieldType::Code { .. } => (ItemType::Text, None),
            FieldType::Integer => (ItemType::Number, None),
            FieldType::Decimal { precision, .. } => (ItemType::Number, Some(u32::from(*precision))),
            FieldType::Money => (ItemType::Money, None),
            FieldType::Boolean => (ItemType::Boolean, None),
            FieldType::Date => (ItemType::Date, None),
            FieldType::Timestamp => (ItemType::Instant, None),
        };
        Self {
            title: field.title.clone(),
            kind,
            field: Some(name.clone()),
            length,
            unit: field.unit.clone(),
            grade: Some(field.grade),
            personal: field.personal,
        }
    }
}

/// Data types of the guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ItemType {
    /// 字符型C.
    Text,
    /// 数值型N.
    Number,
    /// 货币型Y.
    Money,
    /// 日期型D.
    Date,
    /// 日期时间型T.
    Instant,
    /// 逻辑型L.
    Boolean,
    /// 备注型M and other files.
    File,
}

impl ItemType {
    /// The letter of the guide.
    pub fn letter(self) -> char {
        match self {
            Self::Text => 'C',
            Self::Number => 'N',
            Self::Money => 'Y',
            Self::Date => 'D',
            Self::Instant => 'T',
            Self::Boolean => 'L',
            Self::File => 'M',
        }
    }
}

/// 信息资源格式分类 of a format's name.
pub fn format_class(format: &str) -> Bilingual {
    let (zh, en) = match format {
        "pdf" | "ofd" | "wps" | "doc" | "docx" | "txt" | "html" => ("电子文件", "document"),
        "et" | "xls" | "xlsx" | "csv" => ("电子表格", "spreadsheet"),
        "dm" | "kingbase" | "mysql" | "oracle" | "postgresql" | "sqlite" | "parquet" | "arrow" | "delta" => {
            ("数据库", "database")
        }
        "jpg" | "png" | "tif" | "bmp" | "shp" | "gpkg" | "geojson" | "dwg" => ("图形图像", "graphics"),
        "swf" | "rm" | "mpg" | "mp3" | "mp4" => ("流媒体", "media"),
        _ => ("自描述格式", "self-described"),
    };
    Bilingual::new(zh, en)
}

/// An entry at a revision, as it is digested, stands in the feed and travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    /// [`FORMAT`].
    pub format: String,
    /// Whose it is.
    pub organisation: OrganisationId,
    /// From 1, one more at each change.
    pub revision: i64,
    /// What it says.
    pub entry: Entry,
}

impl Publication {
    /// The digest of its canonical bytes.
    ///
    /// # Errors
    /// `format.canonical`: a bug, since every field can be written as JSON.
    pub fn digest(&self) -> Result<Digest, Problem> {
        canonical_digest(Suite::default(), self)
    }
}

/// What the feed `catalog` says: ids and metadata, never values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// An entry is there, or says something else.
    Published(Box<Publication>),
    /// An entry is gone.
    Withdrawn {
        /// Whose it was.
        organisation: OrganisationId,
        /// Which.
        entry: ResourceId,
        /// One more than its last.
        revision: i64,
    },
}

impl Change {
    /// Whose entry it is about, which, and at which revision.
    pub fn about(&self) -> (&OrganisationId, &ResourceId, i64) {
        match self {
            Self::Published(it) => (&it.organisation, &it.entry.entry, it.revision),
            Self::Withdrawn { organisation, entry, revision } => (organisation, entry, *revision),
        }
    }
}

/// The published JSON Schema of [`Publication`].
pub fn publication_schema() -> serde_json::Value {
    schemars::schema_for!(Publication).to_value()
}

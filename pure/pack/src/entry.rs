//! Catalogue entries after the guide for government information catalogues (发改高技〔2017〕1272号).

use policy::Sharing;
use schema::{Cycle, Grade};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Bilingual, Date, ResourceId};

/// One entry of a catalogue: data that exist, whoever keeps them and however they are shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name.
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
    /// 信息资源摘要.
    pub description: Bilingual,
    /// 信息资源格式.
    pub formats: Vec<String>,
    /// 信息项.
    pub items: Vec<Item>,
    /// 共享类型.
    pub share: Sharing,
    /// 共享条件, or for 不予共享 the legal basis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Bilingual>,
    /// 共享方式.
    pub method: Method,
    /// 开放属性: whether it is open to the public.
    pub open: bool,
    /// 更新周期.
    pub cycle: Cycle,
    /// 发布日期.
    #[schemars(with = "String")]
    pub published: Date,
    /// 关联资源代码: entries that belong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<ResourceId>,
    /// Its grade.
    pub grade: Grade,
    /// Words that people also search by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
}

/// The three classes of the guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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
    /// The first digit of an entry's code.
    pub fn digit(self) -> char {
        match self {
            Self::Base => '1',
            Self::Theme => '2',
            Self::Department => '3',
        }
    }
}

/// How what is shared reaches the asker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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
    /// Its data type: 字符型C, 数值型N, 日期型D, 日期时间型T …
    #[serde(rename = "type")]
    pub kind: ItemType,
}

/// Data types of the guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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

/// Whether a code has the structure of the guide: class (1 digit), item (2), subject (3), detail (1 to 5), a slash and
/// a serial number of 1 to 8 digits.
pub fn code_is_formed(code: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
    code.split_once('/').is_some_and(|(front, serial)| {
        (7..=11).contains(&front.len())
            && matches!(front.as_bytes()[0], b'1'..=b'3')
            && digits(front)
            && (1..=8).contains(&serial.len())
            && digits(serial)
    })
}

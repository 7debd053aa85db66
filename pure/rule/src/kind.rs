//! Which types may meet in a comparison, and how they are called.

use crate::By;
use schema::FieldType;

/// How a type is called in findings: (Chinese, English).
pub(crate) fn name(kind: &FieldType) -> (&'static str, &'static str) {
    match kind {
        FieldType::Text { .. } => ("文本", "text"),
        FieldType::Integer => ("整数", "integer"),
        FieldType::Decimal { .. } => ("小数", "decimal"),
        FieldType::Money => ("金额", "money"),
        FieldType::Boolean => ("是否", "boolean"),
        FieldType::Date => ("日期", "date"),
        FieldType::Timestamp => ("时刻", "timestamp"),
        FieldType::Code { .. } => ("代码", "code"),
        FieldType::OrgCode { .. } => ("机构代码", "organisation code"),
        FieldType::Division => ("行政区划", "division"),
    }
}

/// How a literal of the type is written.
pub(crate) fn literal(kind: &FieldType) -> &'static str {
    match kind {
        FieldType::Text { .. } | FieldType::Code { .. } | FieldType::OrgCode { .. } => "\"…\"",
        FieldType::Division => "\"3201\"",
        FieldType::Integer => "100",
        FieldType::Decimal { .. } => "decimal(\"1.50\")",
        FieldType::Money => "money(\"100.00\")",
        FieldType::Boolean => "true",
        FieldType::Date => "date(\"2026-01-01\")",
        FieldType::Timestamp => "timestamp(\"2026-01-01T00:00:00+08:00\")",
    }
}

/// Whether `by` may compare values of the type: text and booleans are only equal or not.
pub(crate) fn allows(kind: &FieldType, by: By) -> bool {
    matches!(by, By::Eq | By::Ne) || !(kind.is_text() || *kind == FieldType::Boolean)
}

/// Whether values of the two types may be compared: like with like, and every kind of text with plain text.
pub(crate) fn alike(one: &FieldType, other: &FieldType) -> bool {
    match (one, other) {
        (FieldType::Text { .. }, kind) | (kind, FieldType::Text { .. }) => kind.is_text(),
        (FieldType::Decimal { .. }, FieldType::Decimal { .. }) => true,
        (one, other) => one == other,
    }
}

/// As [`alike`], and stored alike: decimals of one scale, which SQL and the evaluator compare as they stand.
pub(crate) fn alike_stored(one: &FieldType, other: &FieldType) -> bool {
    match (one, other) {
        (FieldType::Decimal { scale, .. }, FieldType::Decimal { scale: of, .. }) => scale == of,
        (one, other) => alike(one, other),
    }
}

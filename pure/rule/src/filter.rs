//! The filter: a closed tree over fields and constants that holds or does not hold for a row, and never fails.
//!
//! Only leaves are negated. A leaf that does not suit the record type, or a row that does not, holds in neither form,
//! and nothing around it can turn that into a yes: what is not understood is not shown.

use crate::{Constant, kind};
use schema::{FieldName, FieldType, RecordType, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use vocabulary::{Kind, Problem};

/// A row condition without variables. Made by the functions below it is canonical: equal meaning in equal shape gives
/// equal bytes. Reading one from JSON refuses any other shape.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
#[schemars(rename_all = "snake_case")]
pub enum Filter {
    /// All of these hold; none at all: always.
    All(Vec<Filter>),
    /// One of these holds; none at all: never.
    Any(Vec<Filter>),
    /// The test holds.
    Is(Test),
    /// The test does not hold: also where a null made it fail.
    Not(Test),
}

/// One look at one field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Test {
    /// A field against a constant; false for null.
    Compare {
        /// Of the row.
        field: FieldName,
        /// How.
        by: By,
        /// With what.
        value: Constant,
    },
    /// A field against another field of the same row; false when either is null.
    Fields {
        /// Of the row.
        field: FieldName,
        /// How.
        by: By,
        /// Of the row, too.
        other: FieldName,
    },
    /// A field is one of the values; false for null.
    In {
        /// Of the row.
        field: FieldName,
        /// In order, each once.
        values: Vec<Constant>,
    },
    /// A text begins so; false for null.
    StartsWith {
        /// Of the row.
        field: FieldName,
        /// NFC.
        text: String,
    },
    /// A text ends so; false for null.
    EndsWith {
        /// Of the row.
        field: FieldName,
        /// NFC.
        text: String,
    },
    /// A text has this in it; false for null.
    Contains {
        /// Of the row.
        field: FieldName,
        /// NFC.
        text: String,
    },
    /// A field is null.
    Null {
        /// Of the row.
        field: FieldName,
    },
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl By {
    /// Whether it holds between values in that order.
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
        }
    }

    /// The comparison that holds exactly where this one does not, between values that are there.
    pub fn inverse(self) -> Self {
        match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::Lt => Self::Ge,
            Self::Le => Self::Gt,
            Self::Gt => Self::Le,
            Self::Ge => Self::Lt,
        }
    }

    /// The same comparison with its sides changed.
    pub fn flipped(self) -> Self {
        match self {
            Self::Eq | Self::Ne => self,
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
        }
    }
}

impl Filter {
    /// Holds for every row.
    pub fn always() -> Self {
        Self::All(Vec::new())
    }

    /// Whether it holds only for rows with one certain value in `field`.
    pub fn pins(&self, field: &FieldName) -> bool {
        match self {
            Self::All(parts) => parts.iter().any(|it| it.pins(field)),
            Self::Any(parts) => parts.is_empty(),
            Self::Is(Test::Compare { field: of, by: By::Eq, .. }) => of == field,
            Self::Is(_) | Self::Not(_) => false,
        }
    }

    /// Holds for no row.
    pub fn never() -> Self {
        Self::Any(Vec::new())
    }

    /// `field` compared with `value`, which is null (never holds) or suits `kind`.
    ///
    /// # Errors
    /// `rule.value` when the value is none that the field may hold, or the kind has no such comparison.
    pub fn compare(field: &FieldName, kind: &FieldType, by: By, value: &Value) -> Result<Self, Problem> {
        let unfit = || {
            let (zh, en) = kind::name(kind);
            Problem::new(
                Kind::Unprocessable,
                "rule.value",
                format!("字段 {field} 是{zh}，不能这样比较；请给出{zh}类型的值"),
                format!("field {field} is of type {en} and cannot be compared so; give a value of type {en}"),
            )
            .field(format!("/{field}"))
        };
        let constant = Constant::of(kind, value).map_err(|_| unfit())?;
        vocabulary::ensure!(kind::allows(kind, by), unfit());
        Ok(constant.map_or_else(Self::never, |value| Self::test(Test::Compare { field: field.clone(), by, value })))
    }

    /// One test, in its canonical form.
    pub fn test(test: Test) -> Self {
        match test {
            Test::Fields { field, by, other } if other < field => {
                Self::Is(Test::Fields { field: other, by: by.flipped(), other: field })
            }
            Test::In { field, mut values } => {
                values.sort();
                values.dedup();
                match values.len() {
                    0 => Self::never(),
                    1 => Self::Is(Test::Compare { field, by: By::Eq, value: values.remove(0) }),
                    _ => Self::Is(Test::In { field, values }),
                }
            }
            Test::StartsWith { field, text } | Test::EndsWith { field, text } | Test::Contains { field, text }
                if text.is_empty() =>
            {
                Self::Not(Test::Null { field })
            }
            other => Self::Is(other),
        }
    }

    /// All of `parts` hold.
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = BTreeSet::new();
        for part in parts {
            match part {
                Self::All(inner) => flat.extend(inner),
                other => flat.extend([other]),
            }
        }
        if flat.contains(&Self::never()) {
            return Self::never();
        }
        Self::joined(flat, Self::All)
    }

    /// One of `parts` holds.
    pub fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = BTreeSet::new();
        for part in parts {
            match part {
                Self::Any(inner) => flat.extend(inner),
                other => flat.extend([other]),
            }
        }
        if flat.contains(&Self::always()) {
            return Self::always();
        }
        Self::joined(flat, Self::Any)
    }

    fn joined(flat: BTreeSet<Self>, join: fn(Vec<Self>) -> Self) -> Self {
        let mut parts: Vec<_> = flat.into_iter().collect();
        if parts.len() == 1 { parts.remove(0) } else { join(parts) }
    }

    /// Both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::all([self, other])
    }

    /// One of both holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::any([self, other])
    }

    /// Holds exactly where this one does not, in rows that suit it.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "stands beside `and` and `or`")]
    pub fn not(self) -> Self {
        match self {
            Self::All(parts) => Self::any(parts.into_iter().map(Self::not)),
            Self::Any(parts) => Self::all(parts.into_iter().map(Self::not)),
            Self::Is(test) => Self::Not(test),
            Self::Not(test) => Self::Is(test),
        }
    }

    /// The same filter, made anew by the functions above.
    pub(crate) fn canonical(&self) -> Self {
        match self {
            Self::All(parts) => Self::all(parts.iter().map(Self::canonical)),
            Self::Any(parts) => Self::any(parts.iter().map(Self::canonical)),
            Self::Is(test) => Self::test(test.clone()),
            Self::Not(test) => Self::test(test.clone()).not(),
        }
    }

    /// All fields it looks at.
    pub fn fields(&self) -> BTreeSet<FieldName> {
        let mut fields = BTreeSet::new();
        self.each_test(&mut |test| fields.extend(test.fields().into_iter().flatten().cloned()));
        fields
    }

    /// How many tests it makes.
    pub fn tests(&self) -> usize {
        let mut count = 0;
        self.each_test(&mut |_| count += 1);
        count
    }

    pub(crate) fn each_test<'a>(&'a self, see: &mut impl FnMut(&'a Test)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|it| it.each_test(see)),
            Self::Is(test) | Self::Not(test) => see(test),
        }
    }

    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::All(parts) | Self::Any(parts) => 1 + parts.iter().map(Self::depth).max().unwrap_or(0),
            Self::Is(_) | Self::Not(_) => 0,
        }
    }

    /// Checks that every test suits `record`: do so before a filter from elsewhere restricts anything.
    ///
    /// # Errors
    /// `rule.field` with the first field that is missing or of another type.
    pub fn check(&self, record: &RecordType) -> Result<(), Problem> {
        let mut unfit = None;
        self.each_test(&mut |test| {
            if unfit.is_none() && !test.suits(record) {
                unfit = Some(test);
            }
        });
        let Some(test) = unfit else { return Ok(()) };
        let [field, _] = test.fields();
        let field = field.map_or("", FieldName::as_str);
        let known = record.fields.keys().map(FieldName::as_str).collect::<Vec<_>>().join(", ");
        Err(Problem::new(
            Kind::Unprocessable,
            "rule.field",
            format!("过滤条件中的字段 {field} 不存在或类型不符；{} 的字段：{known}", record.name),
            format!("field {field} of the filter is missing or of another type; fields of {}: {known}", record.name),
        )
        .field(format!("/{field}")))
    }

    /// Whether it holds for `row`, whose values stand in the order of `record`'s fields.
    pub fn matches(&self, record: &RecordType, row: &[Value]) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|it| it.matches(record, row)),
            Self::Any(parts) => parts.iter().any(|it| it.matches(record, row)),
            Self::Is(test) => test.holds(record, row) == Some(true),
            Self::Not(test) => test.holds(record, row) == Some(false),
        }
    }
}

impl Test {
    /// The fields it looks at.
    pub(crate) fn fields(&self) -> [Option<&FieldName>; 2] {
        match self {
            Self::Fields { field, other, .. } => [Some(field), Some(other)],
            Self::Compare { field, .. }
            | Self::In { field, .. }
            | Self::StartsWith { field, .. }
            | Self::EndsWith { field, .. }
            | Self::Contains { field, .. }
            | Self::Null { field } => [Some(field), None],
        }
    }

    /// Whether the fields are there and of types for which the test has a meaning.
    pub(crate) fn suits(&self, record: &RecordType) -> bool {
        let kind = |name: &FieldName| record.fields.get(name.as_str()).map(|it| &it.kind);
        match self {
            Self::Compare { field, by, value } => {
                kind(field).is_some_and(|it| value.suits(it) && kind::allows(it, *by))
            }
            Self::Fields { field, by, other } => match (kind(field), kind(other)) {
                (Some(one), Some(two)) => kind::alike_stored(one, two) && kind::allows(one, *by),
                _ => false,
            },
            Self::In { field, values } => kind(field).is_some_and(|it| values.iter().all(|value| value.suits(it))),
            Self::StartsWith { field, .. } | Self::EndsWith { field, .. } | Self::Contains { field, .. } => {
                kind(field).is_some_and(FieldType::is_text)
            }
            Self::Null { field } => kind(field).is_some(),
        }
    }

    /// Whether it holds; `None` when test, record type and row do not suit one another.
    fn holds(&self, record: &RecordType, row: &[Value]) -> Option<bool> {
        if !self.suits(record) {
            return None;
        }
        let cell = |name: &FieldName| record.index_of(name.as_str()).and_then(|it| row.get(it));
        let text = |name, holds: &dyn Fn(&str) -> bool| match cell(name)? {
            Value::Null => Some(false),
            Value::Text(it) => Some(holds(it)),
            _ => None,
        };
        match self {
            Self::Compare { field, by, value } => {
                value.order_of(cell(field)?).map(|it| it.is_some_and(|it| by.holds(it)))
            }
            Self::Fields { field, by, other } => {
                order(cell(field)?, cell(other)?).map(|it| it.is_some_and(|it| by.holds(it)))
            }
            Self::In { field, values } => {
                let cell = cell(field)?;
                values.iter().try_fold(false, |found, value| {
                    value.order_of(cell).map(|it| found || it.is_some_and(Ordering::is_eq))
                })
            }
            Self::StartsWith { field, text: needle } => text(field, &|it| it.starts_with(needle.as_str())),
            Self::EndsWith { field, text: needle } => text(field, &|it| it.ends_with(needle.as_str())),
            Self::Contains { field, text: needle } => text(field, &|it| it.contains(needle.as_str())),
            Self::Null { field } => cell(field).map(Value::is_null),
        }
    }
}

/// The order of two values of one type: `Some(None)` when one is null, `None` when their types differ.
fn order(one: &Value, other: &Value) -> Option<Option<Ordering>> {
    if one.is_null() || other.is_null() {
        return Some(None);
    }
    (std::mem::discriminant(one) == std::mem::discriminant(other)).then(|| Some(one.cmp(other)))
}

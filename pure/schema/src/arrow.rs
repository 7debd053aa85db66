//! Record types and rows as Arrow: the form in which batches travel.
//!
//! money → Decimal128(18, 2), decimal → Decimal128(p, s), date → Date32, timestamp → Timestamp(µs, "UTC"), integer →
//! Int64, boolean → Boolean, the rest → Utf8. Titles, unit and grade travel as field metadata.

use crate::{DIGITS_MAX, Field, FieldName, FieldType, RecordType, Value};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Date32Builder, Decimal128Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field as ArrowField, Int64Type, Schema, SchemaRef, TimeUnit,
    TimestampMicrosecondType,
};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use std::{collections::HashMap, sync::Arc};
use vocabulary::{Date, Kind, Problem, timestamp_from_micros};

/// The time zone that every instant carries.
const UTC: &str = "UTC";
/// The day from which Date32 counts.
const EPOCH: Date = Date::constant(1970, 1, 1);

/// The Arrow type of a field's values.
pub fn data_type(kind: &FieldType) -> DataType {
    match kind {
        FieldType::Text { .. } | FieldType::Code { .. } | FieldType::OrgCode { .. } | FieldType::Division => {
            DataType::Utf8
        }
        FieldType::Integer => DataType::Int64,
        FieldType::Decimal { precision, scale } => DataType::Decimal128(*precision, scale.cast_signed()),
        FieldType::Money => DataType::Decimal128(DIGITS_MAX, 2),
        FieldType::Boolean => DataType::Boolean,
        FieldType::Date => DataType::Date32,
        FieldType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
    }
}

/// The Arrow schema of `columns`, in their order. A column outside the key may be null even where the field is
/// mandatory, since a mask may take its value away.
///
/// # Errors
/// `schema.column` for a column that the record type does not have.
pub fn schema(record: &RecordType, columns: &[FieldName]) -> Result<SchemaRef, Problem> {
    let fields = columns.iter().map(|name| {
        let nullable = !record.key.contains(name);
        Ok(arrow_field(name, find(record, name)?, nullable))
    });
    let metadata = HashMap::from([
        ("record".to_owned(), record.name.to_string()),
        ("title.zh".to_owned(), record.title.zh.clone()),
        ("title.en".to_owned(), record.title.en.clone()),
    ]);
    Ok(Arc::new(Schema::new_with_metadata(fields.collect::<Result<Vec<_>, Problem>>()?, metadata)))
}

fn find<'a>(record: &'a RecordType, name: &FieldName) -> Result<&'a Field, Problem> {
    record.field(name.as_str()).ok_or_else(|| {
        Problem::new(
            Kind::Unprocessable,
            "schema.column",
            format!("{} 没有信息项“{name}”", record.name),
            format!("{} has no field {name}", record.name),
        )
    })
}

fn arrow_field(name: &FieldName, field: &Field, nullable: bool) -> ArrowField {
    let mut metadata = HashMap::from([
        ("title.zh".to_owned(), field.title.zh.clone()),
        ("title.en".to_owned(), field.title.en.clone()),
        ("type".to_owned(), field.kind.word().to_owned()),
        ("grade".to_owned(), field.grade.to_string()),
    ]);
    if let Some(unit) = &field.unit {
        metadata.insert("unit".to_owned(), unit.clone());
    }
    if let FieldType::Code { list } = &field.kind {
        metadata.insert("list".to_owned(), list.to_string());
    }
    if field.personal {
        metadata.insert("personal".to_owned(), "true".to_owned());
    }
    ArrowField::new(name.as_str(), data_type(&field.kind), nullable).with_metadata(metadata)
}

/// Rows as one batch; each row holds exactly the values of `columns`, in their order.
///
/// # Errors
/// `schema.column` for an unknown column, `schema.row` for a row of another width or a value of another type.
pub fn batch<R: AsRef<[Value]>>(
    record: &RecordType,
    columns: &[FieldName],
    rows: &[R],
) -> Result<RecordBatch, Problem> {
    let schema = schema(record, columns)?;
    if let Some(row) = rows.iter().find(|it| it.as_ref().len() != columns.len()) {
        let (found, expected) = (row.as_ref().len(), columns.len());
        return Err(Problem::new(
            Kind::Internal,
            "schema.row",
            format!("一行有 {found} 个值，应有 {expected} 个"),
            format!("a row has {found} values, not {expected}"),
        ));
    }
    let arrays = columns.iter().enumerate().map(|(at, name)| {
        let values = rows.iter().map(|row| &row.as_ref()[at]);
        column(&find(record, name)?.kind, values, rows.len()).ok_or_else(|| mismatch(name))
    });
    let arrays = arrays.collect::<Result<Vec<_>, Problem>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(schema, arrays, &options).map_err(|it| {
        let zh = format!("无法组成 Arrow 批次：{it}");
        Problem::new(Kind::Internal, "schema.row", zh, format!("the rows do not make an Arrow batch: {it}"))
    })
}

fn mismatch(name: &FieldName) -> Problem {
    Problem::new(
        Kind::Internal,
        "schema.row",
        format!("信息项“{name}”有一个值与其类型不符"),
        format!("a value of field {name} is not of its type"),
    )
}

/// One column, or `None` when a value is of another type.
fn column<'a>(kind: &FieldType, values: impl Iterator<Item = &'a Value>, count: usize) -> Option<ArrayRef> {
    /// Appends each value through `$pattern => $converted`, nulls as nulls.
    macro_rules! fill {
        ($builder:expr, $pattern:pat => $converted:expr) => {{
            let mut builder = $builder;
            for value in values {
                match value {
                    Value::Null => builder.append_null(),
                    $pattern => builder.append_value($converted),
                    _ => return None,
                }
            }
            Arc::new(builder.finish())
        }};
    }
    Some(match kind {
        FieldType::Text { .. } | FieldType::Code { .. } | FieldType::OrgCode { .. } | FieldType::Division => {
            fill!(StringBuilder::with_capacity(count, count * 16), Value::Text(it) => it)
        }
        FieldType::Integer => fill!(Int64Builder::with_capacity(count), Value::Integer(it) => *it),
        FieldType::Decimal { .. } | FieldType::Money => {
            let builder = Decimal128Builder::with_capacity(count).with_data_type(data_type(kind));
            fill!(builder, Value::Scaled(it) => i128::from(*it))
        }
        FieldType::Boolean => fill!(BooleanBuilder::with_capacity(count), Value::Boolean(it) => *it),
        FieldType::Date => fill!(Date32Builder::with_capacity(count), Value::Date(it) => days(*it)?),
        FieldType::Timestamp => fill!(
            TimestampMicrosecondBuilder::with_capacity(count).with_timezone(UTC),
            Value::Timestamp(it) => it.as_microsecond()
        ),
    })
}

/// Days since 1970.
fn days(date: Date) -> Option<i32> {
    (date - EPOCH).get_days().into()
}

/// The rows of a batch, each with the values of the batch's columns in their order: the inverse of [`batch`].
///
/// # Errors
/// `schema.column` for a column that the record type does not have, `schema.arrow` for one of another Arrow type.
pub fn rows(record: &RecordType, batch: &RecordBatch) -> Result<Vec<Vec<Value>>, Problem> {
    let mut rows = vec![Vec::with_capacity(batch.num_columns()); batch.num_rows()];
    for (arrow, array) in batch.schema().fields().iter().zip(batch.columns()) {
        let name = FieldName::new(arrow.name().as_str())?;
        let kind = &find(record, &name)?.kind;
        if *array.data_type() != data_type(kind) {
            return Err(Problem::new(
                Kind::Unprocessable,
                "schema.arrow",
                format!("列“{name}”的 Arrow 类型为 {}，应为 {}", array.data_type(), data_type(kind)),
                format!("column {name} has the Arrow type {}, should be {}", array.data_type(), data_type(kind)),
            ));
        }
        for (at, row) in rows.iter_mut().enumerate() {
            row.push(if array.is_null(at) { Value::Null } else { cell(kind, array, at)? });
        }
    }
    Ok(rows)
}

/// The value at `at`, whose column has the Arrow type of `kind`.
fn cell(kind: &FieldType, array: &ArrayRef, at: usize) -> Result<Value, Problem> {
    let beyond = || {
        Problem::new(
            Kind::Unprocessable,
            "schema.arrow",
            "Arrow 值超出可表示范围",
            "an Arrow value is beyond what can be written",
        )
    };
    Ok(match kind {
        FieldType::Text { .. } | FieldType::Code { .. } | FieldType::OrgCode { .. } | FieldType::Division => {
            Value::Text(array.as_string::<i32>().value(at).to_owned())
        }
        FieldType::Integer => Value::Integer(array.as_primitive::<Int64Type>().value(at)),
        FieldType::Decimal { .. } | FieldType::Money => {
            let number = array.as_primitive::<Decimal128Type>().value(at);
            Value::Scaled(i64::try_from(number).map_err(|_| beyond())?)
        }
        FieldType::Boolean => Value::Boolean(array.as_boolean().value(at)),
        FieldType::Date => {
            let days = array.as_primitive::<Date32Type>().value(at);
            let span = jiff::Span::new().try_days(days).map_err(|_| beyond())?;
            Value::Date(EPOCH.checked_add(span).map_err(|_| beyond())?)
        }
        FieldType::Timestamp => {
            Value::Timestamp(timestamp_from_micros(array.as_primitive::<TimestampMicrosecondType>().value(at))?)
        }
    })
}

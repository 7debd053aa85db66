//! Rows as files: Arrow IPC, Parquet, CSV. What goes in is masked already.

use crate::organisation::fault;
use arrow::ipc::writer::FileWriter;
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};
use schema::{FieldName, RecordType, Value};
use vocabulary::{Kind, Problem};

/// The formats of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Arrow,
    Parquet,
    Csv,
}

impl Format {
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "arrow" => Ok(Self::Arrow),
            "parquet" => Ok(Self::Parquet),
            "csv" => Ok(Self::Csv),
            other => Err(Problem::new(
                Kind::Unprocessable,
                "exchange.format",
                format!("格式“{other}”不支持；可用：arrow、parquet、csv"),
                format!("format {other:?} is not known; use arrow, parquet or csv"),
            )
            .field("/format")),
        }
    }

    pub(crate) fn media(self) -> &'static str {
        match self {
            Self::Arrow => "application/vnd.apache.arrow.file",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }
}

/// The bytes of a part: a whole file of its format. The same rows give the same bytes.
pub(crate) fn encode(
    format: Format,
    record: &RecordType,
    columns: &[FieldName],
    rows: &[Vec<Value>],
) -> Result<Vec<u8>, Problem> {
    if format == Format::Csv {
        return Ok(csv(record, columns, rows));
    }
    let batch = schema::arrow::batch(record, columns, rows)?;
    let mut bytes = Vec::new();
    if format == Format::Arrow {
        let mut writer = FileWriter::try_new(&mut bytes, &batch.schema()).map_err(|it| fault("arrow", &it))?;
        writer.write(&batch).and_then(|()| writer.finish()).map_err(|it| fault("arrow", &it))?;
    } else {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let mut writer =
            ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).map_err(|it| fault("parquet", &it))?;
        writer.write(&batch).map_err(|it| fault("parquet", &it))?;
        writer.close().map_err(|it| fault("parquet", &it))?;
    }
    Ok(bytes)
}

fn csv(record: &RecordType, columns: &[FieldName], rows: &[Vec<Value>]) -> Vec<u8> {
    let mut text = registry::csv_line(columns.iter().map(FieldName::as_str));
    for row in rows {
        let cells: Vec<String> = columns
            .iter()
            .zip(row)
            .map(|(name, value)| record.field(name.as_str()).map(|it| it.kind.render(value)).unwrap_or_default())
            .collect();
        text.push_str(&registry::csv_line(cells.iter().map(String::as_str)));
    }
    text.into_bytes()
}

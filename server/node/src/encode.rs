//! Rows as files: Arrow IPC, Parquet, CSV. What goes in is masked already.

use crate::organisation::fault;
use arrow::ipc::{reader::FileReader, writer::FileWriter};
use bytes::Bytes;
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};
use schema::{FieldName, RecordType, Value};
use std::io::Cursor;
use vocabulary::{Kind, Problem, Timestamp};

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

/// Until when a page of changes is; in its file's metadata.
const AS_OF: &str = "as_of";

/// The bytes of a page of changes: rows of its own type, and until when it is. The same page gives the same bytes.
pub(crate) fn encode_page(page: &RecordType, rows: &[Vec<Value>], as_of: Timestamp) -> Result<Vec<u8>, Problem> {
    let columns: Vec<FieldName> = page.fields.keys().cloned().collect();
    let batch = schema::arrow::batch(page, &columns, rows)?;
    let mut schema = batch.schema().as_ref().clone();
    schema.metadata.insert(AS_OF.to_owned(), as_of.to_string());
    let mut bytes = Vec::new();
    let mut writer = FileWriter::try_new(&mut bytes, &schema).map_err(|it| fault("arrow", &it))?;
    writer.write(&batch).and_then(|()| writer.finish()).map_err(|it| fault("arrow", &it))?;
    drop(writer);
    Ok(bytes)
}

/// The rows of an Arrow file that a provider made, and until when a page is.
pub(crate) fn decode(record: &RecordType, bytes: Bytes) -> Result<(Vec<Vec<Value>>, Option<Timestamp>), Problem> {
    let foreign = |why: String| {
        Problem::new(
            Kind::Peer,
            "exchange.page",
            format!("交付的文件无法读懂，未采用：{why}"),
            format!("what was delivered cannot be read and was not used: {why}"),
        )
    };
    let reader = FileReader::try_new(Cursor::new(bytes), None).map_err(|it| foreign(it.to_string()))?;
    let as_of = reader.schema().metadata().get(AS_OF).and_then(|it| it.parse().ok());
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|it| foreign(it.to_string()))?;
        let names = batch.schema().fields().iter().map(|it| it.name().clone()).collect::<Vec<_>>();
        let same = names.iter().map(String::as_str).eq(record.fields.keys().map(FieldName::as_str));
        vocabulary::ensure!(same, foreign(names.join(", ")));
        rows.extend(schema::arrow::rows(record, &batch)?);
    }
    Ok((rows, as_of))
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

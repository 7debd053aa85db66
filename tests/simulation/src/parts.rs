//! The parts of a batch, read back by the formats' own libraries.

use crate::offer::Shown;
use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Int64Type},
    ipc::reader::FileReader,
};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::io::Cursor;

/// The rows of a part; none where it cannot be read.
pub(crate) fn decode(format: &str, bytes: &Bytes) -> Vec<Shown> {
    match format {
        "csv" => csv_rows(bytes),
        "arrow" => {
            let reader = FileReader::try_new(Cursor::new(bytes.clone()), None).ok();
            reader.into_iter().flatten().flatten().flat_map(|it| rows(&it)).collect()
        }
        _ => {
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).and_then(|it| it.build()).ok();
            reader.into_iter().flatten().flatten().flat_map(|it| rows(&it)).collect()
        }
    }
}

fn csv_rows(bytes: &Bytes) -> Vec<Shown> {
    let mut reader = csv::Reader::from_reader(bytes.as_ref());
    let cell = |it: &str| (!it.is_empty()).then(|| it.to_owned());
    reader.records().flatten().map(|it| it.iter().map(cell).collect()).collect()
}

fn rows(batch: &RecordBatch) -> Vec<Shown> {
    (0..batch.num_rows()).map(|row| batch.columns().iter().map(|it| cell(it, row)).collect()).collect()
}

fn cell(column: &dyn Array, row: usize) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Utf8 => Some(column.as_string::<i32>().value(row).to_owned()),
        DataType::Int64 => Some(column.as_primitive::<Int64Type>().value(row).to_string()),
        other => Some(format!("a column of type {other}")),
    }
}

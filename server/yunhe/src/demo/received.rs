//! What has been received: parts of a batch, read as any program would read files of these formats.

use crate::exit::file_problem;
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::reader::FileReader;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::path::{Path, PathBuf};
use vocabulary::Problem;

/// The parts in `folder`, in order.
///
/// # Errors
/// `cli.file`.
pub fn parts(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    let all = std::fs::read_dir(folder).map_err(|it| file_problem(folder, &it))?;
    let mut parts: Vec<PathBuf> = all.flatten().map(|it| it.path()).collect();
    parts.sort();
    Ok(parts)
}

/// Hands the named columns of every row of every part to `take`, as texts; nothing is an empty text.
///
/// # Errors
/// `cli.file` with the part that is no file of its format.
pub fn rows(folder: &Path, columns: &[&str], mut take: impl FnMut(&[String])) -> Result<(), Problem> {
    for part in parts(folder)? {
        let bad = |it: &dyn std::fmt::Display| file_problem(&part, it);
        match part.extension().and_then(|it| it.to_str()) {
            Some("csv") => csv_rows(&part, columns, &mut take).map_err(|it| bad(&it))?,
            Some("parquet") => {
                let file = File::open(&part).map_err(|it| bad(&it))?;
                let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|it| it.build());
                batches(reader.map_err(|it| bad(&it))?, columns, &mut take).map_err(|it| bad(&it))?;
            }
            _ => {
                let file = File::open(&part).map_err(|it| bad(&it))?;
                let reader = FileReader::try_new(file, None).map_err(|it| bad(&it))?;
                batches(reader, columns, &mut take).map_err(|it| bad(&it))?;
            }
        }
    }
    Ok(())
}

fn csv_rows(path: &Path, columns: &[&str], take: &mut impl FnMut(&[String])) -> Result<(), csv::Error> {
    let mut reader = csv::Reader::from_path(path)?;
    let header = reader.headers()?.clone();
    let at: Vec<usize> =
        columns.iter().map(|name| header.iter().position(|it| it == *name).unwrap_or(usize::MAX)).collect();
    let mut row = csv::StringRecord::new();
    while reader.read_record(&mut row)? {
        let cells: Vec<String> = at.iter().map(|it| row.get(*it).unwrap_or("").to_owned()).collect();
        take(&cells);
    }
    Ok(())
}

fn batches(
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
    columns: &[&str],
    take: &mut impl FnMut(&[String]),
) -> Result<(), ArrowError> {
    let options = FormatOptions::default();
    for batch in batches {
        let batch = batch?;
        let arrays = columns.iter().map(|name| batch.column_by_name(name)).collect::<Vec<_>>();
        let formatters = arrays
            .iter()
            .map(|it| it.map(|it| ArrayFormatter::try_new(it.as_ref(), &options)).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let cell =
                |it: &Option<ArrayFormatter<'_>>| it.as_ref().map(|it| it.value(row).to_string()).unwrap_or_default();
            let cells: Vec<String> = formatters.iter().map(cell).collect();
            take(&cells);
        }
    }
    Ok(())
}

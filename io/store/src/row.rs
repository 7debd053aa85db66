//! Rows as they come out of either database.

use crate::{Arg, fault};
use rusqlite::types::ValueRef;
use sqlx::{Column, Row as _, TypeInfo, ValueRef as _, postgres::PgRow};
use std::sync::Arc;
use vocabulary::Problem;

/// One row: cells in the order of the select list, with the names they had there.
#[derive(Clone, Debug)]
pub struct Row {
    names: Arc<[String]>,
    cells: Vec<Arg>,
}

impl Row {
    /// The cell at `position`.
    pub fn value(&self, position: usize) -> &Arg {
        self.cells.get(position).unwrap_or(&Arg::Null)
    }

    /// All cells.
    pub fn into_cells(self) -> Vec<Arg> {
        self.cells
    }

    fn cell(&self, name: &str) -> Result<&Arg, Problem> {
        let position = self.names.iter().position(|it| it == name);
        position.map(|it| &self.cells[it]).ok_or_else(|| fault::internal("column", &name))
    }

    /// An int8 that must be there.
    ///
    /// # Errors
    /// `store.fault` when the column is missing, null or of another type: a bug of the caller.
    pub fn int(&self, name: &str) -> Result<i64, Problem> {
        self.opt_int(name)?.ok_or_else(|| fault::internal("null column", &name))
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// As [`Row::int`].
    pub fn text(&self, name: &str) -> Result<&str, Problem> {
        self.opt_text(name)?.ok_or_else(|| fault::internal("null column", &name))
    }

    /// Bytes that must be there.
    ///
    /// # Errors
    /// As [`Row::int`].
    pub fn bytes(&self, name: &str) -> Result<&[u8], Problem> {
        self.opt_bytes(name)?.ok_or_else(|| fault::internal("null column", &name))
    }

    /// 0/1 as a truth value.
    ///
    /// # Errors
    /// As [`Row::int`].
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        Ok(self.int(name)? != 0)
    }

    /// An int8 or null.
    ///
    /// # Errors
    /// As [`Row::int`].
    pub fn opt_int(&self, name: &str) -> Result<Option<i64>, Problem> {
        match self.cell(name)? {
            Arg::Int(it) => Ok(Some(*it)),
            Arg::Null => Ok(None),
            _ => Err(fault::internal("column type", &name)),
        }
    }

    /// A text or null.
    ///
    /// # Errors
    /// As [`Row::int`].
    pub fn opt_text(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.cell(name)? {
            Arg::Text(it) => Ok(Some(it)),
            Arg::Null => Ok(None),
            _ => Err(fault::internal("column type", &name)),
        }
    }

    /// Bytes or null.
    ///
    /// # Errors
    /// As [`Row::int`].
    pub fn opt_bytes(&self, name: &str) -> Result<Option<&[u8]>, Problem> {
        match self.cell(name)? {
            Arg::Bytes(it) => Ok(Some(it)),
            Arg::Null => Ok(None),
            _ => Err(fault::internal("column type", &name)),
        }
    }

    /// Reads a JSON column.
    ///
    /// # Errors
    /// `store.fault` when it does not parse: what we wrote, we must be able to read.
    pub fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, Problem> {
        serde_json::from_str(self.text(name)?).map_err(|it| fault::internal("json column", &it))
    }
}

/// Column names, and what the columns hold, looked at once per result set.
pub(crate) struct Names(Option<(Arc<[String]>, Vec<Form>)>);

/// How PostgreSQL sends a column's values.
#[derive(Clone, Copy)]
enum Form {
    Int8,
    Int4,
    Int2,
    Bool,
    Bytes,
    Text,
}

impl Form {
    fn of(name: &str) -> Self {
        match name {
            "INT8" => Self::Int8,
            "INT4" => Self::Int4,
            "INT2" => Self::Int2,
            "BOOL" => Self::Bool,
            "BYTEA" => Self::Bytes,
            _ => Self::Text,
        }
    }
}

impl Names {
    pub(crate) fn new() -> Self {
        Self(None)
    }

    pub(crate) fn sqlite(statement: &rusqlite::Statement<'_>) -> Arc<[String]> {
        statement.column_names().map(str::to_owned).collect()
    }

    fn of(&mut self, row: &PgRow) -> &(Arc<[String]>, Vec<Form>) {
        self.0.get_or_insert_with(|| {
            let names = row.columns().iter().map(|it| it.name().to_owned()).collect();
            (names, row.columns().iter().map(|it| Form::of(it.type_info().name())).collect())
        })
    }
}

pub(crate) fn from_sqlite(row: &rusqlite::Row<'_>, names: &Arc<[String]>) -> Result<Row, rusqlite::Error> {
    let mut cells = Vec::with_capacity(names.len());
    for position in 0..names.len() {
        cells.push(match row.get_ref(position)? {
            ValueRef::Null => Arg::Null,
            ValueRef::Integer(it) => Arg::Int(it),
            // No column of ours is one; an aggregate over integers that overflows would be.
            ValueRef::Real(_) => return Err(rusqlite::Error::IntegralValueOutOfRange(position, i64::MAX)),
            ValueRef::Text(it) => Arg::Text(std::str::from_utf8(it)?.to_owned()),
            ValueRef::Blob(it) => Arg::Bytes(it.to_vec()),
        });
    }
    Ok(Row { names: names.clone(), cells })
}

pub(crate) fn from_postgres(row: &PgRow, names: &mut Names) -> Result<Row, sqlx::Error> {
    let (names, forms) = names.of(row);
    let cell = |(position, form): (usize, &Form)| {
        Ok(match form {
            _ if row.try_get_raw(position)?.is_null() => Arg::Null,
            Form::Int8 => Arg::Int(row.try_get_unchecked(position)?),
            Form::Int4 => Arg::Int(row.try_get_unchecked::<i32, _>(position)?.into()),
            Form::Int2 => Arg::Int(row.try_get_unchecked::<i16, _>(position)?.into()),
            Form::Bool => Arg::Int(row.try_get_unchecked::<bool, _>(position)?.into()),
            Form::Bytes => Arg::Bytes(row.try_get_unchecked(position)?),
            // What is no text is refused here, as ever.
            Form::Text => Arg::Text(row.try_get(position)?),
        })
    };
    let cells: Result<Vec<Arg>, sqlx::Error> = forms.iter().enumerate().map(cell).collect();
    Ok(Row { names: names.clone(), cells: cells? })
}

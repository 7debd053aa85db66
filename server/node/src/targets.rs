//! Tables in databases outside as targets of deliveries: what a record type's columns are there, rows as cells, and
//! what was read back as rows.

use crate::tables::Done;
use exchange::{DeliveryId, Mark, Tally};
use outside::{
    Connection, Name, SINK_PAGE_ROWS_MAX, Sink, SinkColumn, SinkDone, SinkKind, SinkMark, SinkRow, SinkTable,
};
use schema::{AnyCode, Field, FieldName, FieldType, RecordType, Value};
use vocabulary::{Digest, Kind, Problem};

/// A table outside, and the shape of what goes into it.
pub(crate) struct Foreign {
    sink: Sink,
    table: SinkTable,
    shape: RecordType,
}

impl Foreign {
    /// The table `name` behind a connection, for rows of `shape`; `delivery` names who fills it.
    ///
    /// # Errors
    /// `source.connection`, `source.name`.
    pub(crate) fn open(
        connection: &Connection,
        name: &str,
        shape: &RecordType,
        delivery: String,
    ) -> Result<Self, Problem> {
        let key = shape.key.iter().map(|it| Name::new(it.as_str()));
        let table = SinkTable {
            name: name.parse()?,
            title: shape.title.zh.clone(),
            columns: shape.fields.iter().map(column).collect::<Result<_, Problem>>()?,
            key: key.collect::<Result<_, Problem>>()?,
            delivery,
        };
        Ok(Self { sink: connection.sink()?, table, shape: shape.clone() })
    }

    /// What it is called there.
    pub(crate) fn name(&self) -> String {
        self.table.name.to_string()
    }

    pub(crate) async fn prepare(&self) -> Result<u64, Problem> {
        self.sink.prepare(&self.table).await
    }

    pub(crate) async fn mark(&self) -> Result<Option<Mark>, Problem> {
        // What is no mark of ours is none: the whole set comes anew.
        let read = |it: SinkMark| Some(Mark { parcel: it.source.parse::<DeliveryId>().ok()?, next: it.next });
        Ok(self.sink.mark(&self.table).await?.and_then(read))
    }

    pub(crate) async fn stage(&self, rows: &[Vec<Value>], behind: u64) -> Result<u64, Problem> {
        let rows: Vec<SinkRow> = rows.iter().map(|it| self.cells(it)).collect();
        self.sink.stage(&self.table, &rows, behind).await
    }

    pub(crate) async fn fill(&self, mark: Mark, staged: u64) -> Result<Done, Problem> {
        self.sink.fill(&self.table, &sink_mark(mark), staged).await.map(done)
    }

    pub(crate) async fn merge(&self, page: Mark, put: &[Vec<Value>], gone: &[Vec<Value>]) -> Result<Done, Problem> {
        let put: Vec<SinkRow> = put.iter().map(|it| self.cells(it)).collect();
        let gone: Vec<SinkRow> = gone.iter().map(|it| self.key(it).into_iter().map(Some).collect()).collect();
        let merged = self.sink.merge(&self.table, &sink_mark(page), &put, &gone).await?;
        merged.map(done).ok_or_else(|| mark_gone(&self.name()))
    }

    /// Rows and digest of what stands there.
    pub(crate) async fn tally(&self, agreement: &Digest) -> Result<(u64, Digest), Problem> {
        let mut tally = Tally::begin(agreement, &self.shape)?;
        let places = self.shape.key_indexes();
        let mut after: Option<Vec<String>> = None;
        loop {
            let some = self.sink.page(&self.table, after.as_deref()).await?;
            let whole = some.len() < SINK_PAGE_ROWS_MAX as usize;
            // A key is never empty there: it is the table's, or it would be no row of ours.
            after = some.last().map(|it| places.iter().map(|at| it[*at].clone().unwrap_or_default()).collect());
            for row in some {
                tally.add(&self.shape, &self.values(row))?;
            }
            if whole {
                return Ok(tally.end());
            }
            tokio::task::yield_now().await;
        }
    }

    fn cells(&self, row: &[Value]) -> SinkRow {
        let cell = |(field, value): (&Field, &Value)| (!value.is_null()).then(|| field.kind.render(value));
        self.shape.fields.values().zip(row).map(cell).collect()
    }

    fn key(&self, key: &[Value]) -> Vec<String> {
        let fields = self.shape.key.iter().filter_map(|it| self.shape.field(it.as_str()));
        fields.zip(key).map(|(field, value)| field.kind.render(value)).collect()
    }

    /// A row that was read back. A cell that is no value of its type was written by somebody else: it stays a text, so
    /// that the comparison finds it.
    fn values(&self, row: SinkRow) -> Vec<Value> {
        let value = |(field, cell): (&Field, Option<String>)| match cell {
            None => Value::Null,
            Some(text) => field.kind.parse(&text, &AnyCode).unwrap_or(Value::Text(text)),
        };
        self.shape.fields.values().zip(row).map(value).collect()
    }
}

/// What a field is there. Codes are texts: a database outside knows no code lists of ours.
fn column((name, field): (&FieldName, &Field)) -> Result<SinkColumn, Problem> {
    let kind = match &field.kind {
        FieldType::Integer => SinkKind::Integer,
        FieldType::Decimal { precision, scale } => SinkKind::Decimal { precision: *precision, scale: *scale },
        FieldType::Money => SinkKind::Decimal { precision: schema::DIGITS_MAX, scale: 2 },
        FieldType::Boolean => SinkKind::Boolean,
        FieldType::Date => SinkKind::Date,
        FieldType::Timestamp => SinkKind::Instant,
        _ => SinkKind::Text,
    };
    let name = Name::new(name.as_str())?;
    Ok(SinkColumn { name, kind, nullable: field.optional, title: field.title.zh.clone() })
}

fn done(it: SinkDone) -> Done {
    Done { put: it.put, removed: it.removed }
}

fn sink_mark(mark: Mark) -> SinkMark {
    SinkMark { source: mark.parcel.to_string(), next: mark.next }
}

fn mark_gone(table: &str) -> Problem {
    Problem::new(
        Kind::Conflict,
        "exchange.mark_gone",
        format!("目标表 {table} 旁的进度标记已不在或被改动；将重新全量交付"),
        format!("the mark beside table {table} is gone or was changed; the whole set comes anew"),
    )
}

//! Tables in databases outside as targets of deliveries: what a record type's columns are there, rows as cells, and
//! what was read back as rows.

use crate::tables::Done;
use exchange::{DeliveryId, Mark, Tally};
use outside::{Connection, Name, Sink, SinkColumn, SinkDone, SinkFilling, SinkKind, SinkMark, SinkRows, SinkTable};
use schema::{Field, FieldName, FieldType, RecordType, Value};
use tokio::sync::Mutex;
use vocabulary::{Digest, Kind, Problem, ensure};

/// Codes of organisations and divisions have no more characters than this.
const OFFICIAL_CHARS_MAX: u32 = 18;

/// A table outside, and the shape of what goes into it.
pub(crate) struct Foreign {
    sink: Sink,
    table: SinkTable,
    shape: RecordType,
    /// A whole set on its way into the table: one transaction there, from the first rows to the mark.
    filling: Mutex<Option<SinkFilling>>,
}

/// Rows, cell by cell: of each the values of these fields, in their order.
struct Cells<'a> {
    fields: Vec<&'a Field>,
    rows: &'a [Vec<Value>],
}

impl SinkRows for Cells<'_> {
    fn count(&self) -> usize {
        self.rows.len()
    }

    fn cell(&self, row: usize, column: usize, out: &mut String) -> bool {
        match &self.rows[row][column] {
            Value::Null => false,
            value => {
                self.fields[column].kind.write(value, out);
                true
            }
        }
    }
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
        Ok(Self { sink: connection.sink()?, table, shape: shape.clone(), filling: Mutex::default() })
    }

    /// What it is called there.
    pub(crate) fn name(&self) -> String {
        self.table.name.to_string()
    }

    /// Makes it where it is absent, checks it, and claims it; from another delivery only where that is said.
    pub(crate) async fn prepare(&self, takes_over: bool) -> Result<u64, Problem> {
        self.sink.prepare(&self.table, takes_over).await
    }

    pub(crate) async fn mark(&self) -> Result<Option<Mark>, Problem> {
        // What is no mark of ours is none: the whole set comes anew.
        let read = |it: SinkMark| Some(Mark { parcel: it.source.parse::<DeliveryId>().ok()?, next: it.next });
        Ok(self.sink.mark(&self.table).await?.and_then(read))
    }

    /// Some rows more of a whole set, behind so many.
    pub(crate) async fn stage(&self, rows: &[Vec<Value>], behind: u64) -> Result<u64, Problem> {
        let mut held = self.filling.lock().await;
        let mut filling = match held.take() {
            Some(filling) if behind > 0 => filling,
            _ => self.sink.begin(&self.table).await?,
        };
        ensure!(filling.rows() == behind, mark_gone(&self.name()));
        filling.put(&self.cells(self.shape.fields.values(), rows)).await?;
        let staged = filling.rows();
        *held = Some(filling);
        Ok(staged)
    }

    pub(crate) async fn fill(&self, mark: Mark, staged: u64) -> Result<Done, Problem> {
        let filling = self.filling.lock().await.take().filter(|it| it.rows() == staged);
        let filling = filling.ok_or_else(|| mark_gone(&self.name()))?;
        filling.end(&sink_mark(mark)).await.map(done)
    }

    pub(crate) async fn merge(&self, page: Mark, put: &[Vec<Value>], gone: &[Vec<Value>]) -> Result<Done, Problem> {
        let put = self.cells(self.shape.fields.values(), put);
        let gone = self.cells(self.shape.key.iter().filter_map(|it| self.shape.field(it.as_str())), gone);
        let merged = self.sink.merge(&self.table, &sink_mark(page), &put, &gone).await?;
        merged.map(done).ok_or_else(|| mark_gone(&self.name()))
    }

    /// Rows and digest of what stands there. What somebody else wrote is read as it is, and differs.
    pub(crate) async fn tally(&self, agreement: &Digest) -> Result<(u64, Digest), Problem> {
        let mut tally = Tally::begin(agreement, &self.shape)?;
        self.sink.read(&self.table, &mut |cells| tally.add_texts(cells)).await?;
        Ok(tally.end())
    }

    fn cells<'a>(&self, fields: impl Iterator<Item = &'a Field>, rows: &'a [Vec<Value>]) -> Cells<'a> {
        Cells { fields: fields.collect(), rows }
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
        FieldType::Text { max } => SinkKind::Text { chars: *max },
        FieldType::Code { .. } => SinkKind::Text { chars: u32::try_from(schema::CODE_CHARS_MAX).unwrap_or(u32::MAX) },
        FieldType::OrgCode { .. } | FieldType::Division => SinkKind::Text { chars: OFFICIAL_CHARS_MAX },
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

//! Where delivered rows stand: a record type of our own registry, or a table in a database outside (`targets.rs`). Each
//! change of the table and the mark beside it are one transaction, so whoever asks the mark knows what the table holds.

use crate::{Organisation, draw_uuid, targets::Foreign};
use exchange::{Mark, RowChange, Tally, Target};
use policy::{Permit, Principal, Role};
use registry::{Merge, Replace, RowId, Selection};
use rule::Filter;
use schema::{FieldName, RecordType, Value};
use std::sync::Arc;
use store::{Store, transact};
use vocabulary::{Digest, Kind, Problem, ResourceId, ensure};

/// What a change did to a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Rows that came.
    pub put: u64,
    /// Rows that went.
    pub removed: u64,
}

/// A table that a delivery writes to.
pub(crate) struct Table {
    org: Arc<Organisation>,
    plan: ResourceId,
    why: String,
    shape: RecordType,
    columns: Vec<FieldName>,
    place: Place,
}

enum Place {
    Record(Box<RecordType>),
    Outside(Box<Foreign>),
}

impl Table {
    /// The target of a delivery, as far as it can be checked without looking there.
    ///
    /// # Errors
    /// `registry.type`, `exchange.table_shape`; `source.no_connection`, `source.connection`, `source.name`.
    pub(crate) fn open(org: &Arc<Organisation>, plan: &exchange::Plan, shape: &RecordType) -> Result<Self, Problem> {
        let place = match &plan.target {
            Target::Record(name) => {
                let record = org.packs().record(name)?.clone();
                exchange::fits(shape, &record)?;
                Place::Record(Box::new(record))
            }
            Target::Table { connection, table } => {
                let connection = org.outside().get(connection)?;
                let delivery = format!("{}/{}", org.id(), plan.name);
                Place::Outside(Box::new(Foreign::open(connection, table, shape, delivery)?))
            }
        };
        Ok(Self {
            org: Arc::clone(org),
            plan: plan.name.clone(),
            why: format!("{} 交付 {} / delivered by {}", plan.provider, plan.name, plan.provider),
            columns: shape.fields.keys().cloned().collect(),
            shape: shape.clone(),
            place,
        })
    }

    fn job(&self) -> Principal {
        self.org.job("deliver", [Role::DataSteward])
    }

    /// How many rows stand there; a table outside is made where it is absent, and claimed.
    async fn rows(&self, takes_over: bool) -> Result<u64, Problem> {
        match &self.place {
            Place::Record(record) => {
                registry::count(&mut self.org.store.read().await?, record, &Selection::all(record)).await
            }
            Place::Outside(table) => table.prepare(takes_over).await,
        }
    }

    /// Sees to it that a whole set can be laid aside: a table outside may have been dropped, or changed, meanwhile.
    pub(crate) async fn ready(&self) -> Result<(), Problem> {
        match &self.place {
            Place::Record(_) => Ok(()),
            Place::Outside(table) => table.prepare(false).await.map(|_| ()),
        }
    }

    /// How far it is.
    pub(crate) async fn mark(&self) -> Result<Option<Mark>, Problem> {
        match &self.place {
            Place::Record(_) => exchange::mark(&mut self.org.store.read().await?, &self.plan).await,
            Place::Outside(table) => table.mark().await,
        }
    }

    fn replace(&self, record: &RecordType) -> Result<Permit<Replace>, Problem> {
        let ask = Replace {
            record: record.name.clone(),
            columns: self.columns.clone(),
            run: format!("plan:{}", self.plan),
            first: RowId::from_uuid(draw_uuid(self.org.now())),
            why: self.why.clone(),
        };
        self.org.permit(&self.job(), ask)
    }

    /// Lays rows of a whole set aside, behind those that are laid aside already; says how many these are then.
    pub(crate) async fn stage(&self, rows: &[Vec<Value>], behind: u64) -> Result<u64, Problem> {
        match &self.place {
            Place::Record(record) => {
                let permit = self.replace(record)?;
                transact!(self.org.store, None, |tx| registry::stage(tx, &permit, rows, behind).await)
            }
            Place::Outside(table) => table.stage(rows, behind).await,
        }
    }

    /// Puts the `staged` rows that were laid aside in place of what is there.
    pub(crate) async fn fill(&self, mark: Mark, staged: u64) -> Result<Done, Problem> {
        let record = match &self.place {
            Place::Record(record) => record,
            Place::Outside(table) => return table.fill(mark, staged).await,
        };
        let permit = self.replace(record)?;
        let now = self.org.now();
        let written = transact!(self.org.store, None, |tx| {
            let written = registry::replace(tx, &permit, now).await?;
            exchange::mark_filled(tx, &self.plan, mark).await?;
            Ok(written)
        })?;
        Ok(Done { put: written.added + written.changed, removed: written.removed })
    }

    /// Brings a page of changes in; one that is in already changes nothing.
    pub(crate) async fn merge(&self, page: Mark, changes: Vec<RowChange>) -> Result<Done, Problem> {
        let (mut rows, mut removed) = (Vec::new(), Vec::new());
        for change in changes {
            match change {
                RowChange::Put(row) => rows.push(row),
                RowChange::Gone(key) => removed.push(key),
            }
        }
        let record = match &self.place {
            Place::Record(record) => record,
            Place::Outside(table) => return table.merge(page, &rows, &removed).await,
        };
        let ask = Merge {
            record: record.name.clone(),
            columns: self.columns.clone(),
            rows,
            removed,
            first: RowId::from_uuid(draw_uuid(self.org.now())),
            why: self.why.clone(),
        };
        let permit = self.org.permit(&self.job(), ask)?;
        let now = self.org.now();
        let written = transact!(self.org.store, None, |tx| {
            if !exchange::mark_merged(tx, &self.plan, page).await? {
                return Ok(registry::Written::default());
            }
            registry::merge(tx, &permit, now).await
        })?;
        Ok(Done { put: written.added + written.changed, removed: written.removed })
    }

    /// Rows and digest of what stands there, read back.
    pub(crate) async fn tally(&self, agreement: &Digest) -> Result<(u64, Digest), Problem> {
        let record = match &self.place {
            Place::Record(record) => record,
            Place::Outside(table) => return table.tally(agreement).await,
        };
        let selection = Selection { columns: self.columns.clone(), filter: Filter::always(), after: None, as_of: None };
        tally(&self.org.store, agreement, (record, &self.shape), selection).await
    }

    /// Makes the table ready, and checks that it holds nothing that nobody has said may go.
    ///
    /// # Errors
    /// `exchange.target_not_empty`; `sink.shape`, `sink.taken`, `source.…`.
    pub(crate) async fn begin(&self, takes_over: bool) -> Result<(), Problem> {
        let rows = self.rows(takes_over).await?;
        let name = match &self.place {
            Place::Record(record) => record.name.to_string(),
            Place::Outside(table) => table.name(),
        };
        ensure!(
            rows == 0 || takes_over,
            Problem::new(
                Kind::Conflict,
                "exchange.target_not_empty",
                format!("目标 {name} 已有 {rows} 行，交付会将其取代；确认可取代时请加 takes_over（--takes-over）"),
                format!("{name} holds {rows} rows, which would be replaced; say takes_over (--takes-over) if they may"),
            )
            .field("/target")
        );
        Ok(())
    }
}

/// Rows and digest of a selection of `record`, whose columns are those of `shape`. Reads some at a time, and lets
/// others read in between.
async fn tally(
    store: &Store,
    agreement: &Digest,
    (record, shape): (&RecordType, &RecordType),
    mut selection: Selection,
) -> Result<(u64, Digest), Problem> {
    let mut tally = Tally::begin(agreement, shape)?;
    let places = shape.key_indexes();
    loop {
        let mut reader = store.read().await?;
        let some = registry::page(&mut reader, record, &selection, registry::PAGE_ROWS_MAX).await?;
        drop(reader);
        let whole = some.len() < registry::PAGE_ROWS_MAX as usize;
        selection.after = some.last().map(|it| places.iter().map(|at| it.values[*at].clone()).collect());
        for row in some {
            tally.add(shape, &row.values);
        }
        if whole {
            return Ok(tally.end());
        }
        tokio::task::yield_now().await;
    }
}

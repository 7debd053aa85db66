//! Where delivered rows stand: a record type of our own registry. Each change of the table and the mark beside it are
//! one transaction, so whoever asks the mark knows what the table holds.

use crate::{Organisation, draw_uuid};
use exchange::{Mark, RowChange, Tally, Target};
use policy::{Principal, Role};
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
    record: RecordType,
}

impl Table {
    /// The target of a delivery, checked against what is delivered.
    ///
    /// # Errors
    /// `registry.type`, `exchange.table_shape`.
    pub(crate) fn open(org: &Arc<Organisation>, plan: &exchange::Plan, shape: &RecordType) -> Result<Self, Problem> {
        let Target::Record(name) = &plan.target;
        let record = org.packs().record(name)?.clone();
        exchange::fits(shape, &record)?;
        Ok(Self {
            org: Arc::clone(org),
            plan: plan.name.clone(),
            why: format!("{} 交付 {} / delivered by {}", plan.provider, plan.name, plan.provider),
            columns: shape.fields.keys().cloned().collect(),
            shape: shape.clone(),
            record,
        })
    }

    fn job(&self) -> Principal {
        self.org.job("deliver", [Role::DataSteward])
    }

    /// How many rows stand there.
    pub(crate) async fn rows(&self) -> Result<u64, Problem> {
        let mut reader = self.org.store.read().await?;
        registry::count(&mut reader, &self.record, &Selection::all(&self.record)).await
    }

    /// How far it is.
    pub(crate) async fn mark(&self) -> Result<Option<Mark>, Problem> {
        exchange::mark(&mut self.org.store.read().await?, &self.plan).await
    }

    fn replace(&self) -> Result<policy::Permit<Replace>, Problem> {
        let ask = Replace {
            record: self.record.name.clone(),
            columns: self.columns.clone(),
            run: format!("plan:{}", self.plan),
            first: RowId::from_uuid(draw_uuid(self.org.now())),
            why: self.why.clone(),
        };
        self.org.permit(&self.job(), ask)
    }

    /// Lays rows of a whole set aside, behind those that are laid aside already; says how many these are then.
    pub(crate) async fn stage(&self, rows: &[Vec<Value>], behind: u64) -> Result<u64, Problem> {
        let permit = self.replace()?;
        transact!(self.org.store, None, |tx| registry::stage(tx, &permit, rows, behind).await)
    }

    /// Puts what was laid aside in place of what is there.
    pub(crate) async fn fill(&self, mark: Mark) -> Result<Done, Problem> {
        let permit = self.replace()?;
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
        let ask = Merge {
            record: self.record.name.clone(),
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
        let selection = Selection { columns: self.columns.clone(), filter: Filter::always(), after: None, as_of: None };
        tally(&self.org.store, agreement, (&self.record, &self.shape), selection, |it| it).await
    }

    /// Checks that a table that nobody has filled yet holds nothing, unless its rows may go.
    pub(crate) async fn check_empty(&self) -> Result<(), Problem> {
        let (rows, name) = (self.rows().await?, &self.record.name);
        ensure!(
            rows == 0,
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

/// Rows and digest of a selection of `record`, each row as `shown` makes it, which is of `shape`. Reads some at a time,
/// and lets others read in between.
pub(crate) async fn tally(
    store: &Store,
    agreement: &Digest,
    (record, shape): (&RecordType, &RecordType),
    mut selection: Selection,
    shown: impl Fn(Vec<Value>) -> Vec<Value>,
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
            tally.add(shape, &shown(row.values))?;
        }
        if whole {
            return Ok(tally.end());
        }
        tokio::task::yield_now().await;
    }
}

//! What a consumer hears of a provider's changes, and in which shape it gets rows at all.
//!
//! Pure. Invariants, each with a property test against a naive model:
//! - applied to what the consumer was shown before, the changes give exactly what it may be shown after;
//! - a row that was outside the restriction before and after is not spoken of; one that leaves it is a removal by its
//!   key, one that enters it a row; a change in what is not shown is none.

use policy::Terms;
use schema::{Field, FieldName, FieldType, RecordType, Value};
use std::collections::{BTreeMap, BTreeSet};
use vocabulary::{Digest, Hash, Kind, Problem, Suite, canonical_bytes, ensure, hash, hash_all};

/// The column of a page that says whether a row is a removal.
pub const REMOVED: &str = "yunhe_removed";
/// A text that stays of a masked value is at most this long where its type says no length.
const MASKED_CHARS_MAX: u32 = 500;
/// The format's name, which the digest binds.
const TALLY_FORMAT: &str = "yunhe-delivered/1";

/// Rows as they are shown, by their keys.
pub type Shown = BTreeMap<Vec<Value>, Vec<Value>>;

/// One change as it is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowChange {
    /// The row is so now.
    Put(Vec<Value>),
    /// The row with this key is no longer there for the consumer.
    Gone(Vec<Value>),
}

/// The changes that lead from what was shown of some rows to what is shown of them, in the order of their keys.
pub fn changes(before: &Shown, after: &Shown) -> Vec<RowChange> {
    let keys: BTreeSet<&Vec<Value>> = before.keys().chain(after.keys()).collect();
    let change = |key: &Vec<Value>| match (before.get(key), after.get(key)) {
        (Some(old), Some(new)) if old == new => None,
        (_, Some(new)) => Some(RowChange::Put(new.clone())),
        (Some(_), None) => Some(RowChange::Gone(key.clone())),
        (None, None) => None,
    };
    keys.into_iter().filter_map(change).collect()
}

/// The record type of the rows that are delivered under `terms`: the agreed columns in order, as their masks leave
/// them.
///
/// # Errors
/// `exchange.table_key` when the key is not delivered whole: rows could not be told apart.
pub fn shape(record: &RecordType, terms: &Terms) -> Result<RecordType, Problem> {
    let whole = |it: &&FieldName| terms.columns.contains(it) && !terms.masks.contains_key(*it);
    if let Some(hidden) = record.key.iter().find(|it| !whole(it)) {
        return Err(Problem::new(
            Kind::Unprocessable,
            "exchange.table_key",
            format!("主键 {hidden} 不在协议列内或已脱敏，无法交付到表；请改用查询或批量，或重新申请"),
            format!(
                "key field {hidden} is masked or not agreed, so rows cannot be told apart in a table; query, pull, or \
                 ask anew"
            ),
        )
        .field(format!("/{hidden}")));
    }
    let fields = terms.columns.iter().filter_map(|name| {
        let field = record.field(name.as_str())?;
        Some((name.clone(), if terms.masks.contains_key(name) { masked(field) } else { field.clone() }))
    });
    let shape = RecordType { fields: fields.collect(), ..record.clone() };
    ensure!(
        shape.fields.len() == terms.columns.len(),
        Problem::new(Kind::Internal, "exchange.fault", "内部故障", "an agreed column is not in the record type")
    );
    Ok(shape)
}

/// What a masked field may hold: some text, where it was one, otherwise nothing.
fn masked(field: &Field) -> Field {
    let kind = match &field.kind {
        FieldType::Text { max } => FieldType::Text { max: (*max).max(3) },
        kind if kind.is_text() => FieldType::Text { max: MASKED_CHARS_MAX },
        kind => return Field { optional: true, min: None, kind: kind.clone(), ..field.clone() },
    };
    Field { kind, ..field.clone() }
}

/// The type of a page's rows: those of `shape`, and whether each is a removal.
///
/// # Errors
/// Never: the column's name is one.
pub fn page_type(shape: &RecordType) -> Result<RecordType, Problem> {
    let mut page = shape.clone();
    let name = FieldName::new(REMOVED)?;
    page.fields.insert(name.clone(), Field::new(&name, FieldType::Boolean));
    Ok(page)
}

/// The changes as rows of [`page_type`].
pub fn to_rows(shape: &RecordType, changes: &[RowChange]) -> Vec<Vec<Value>> {
    let places = shape.key_indexes();
    let row = |change: &RowChange| match change {
        RowChange::Put(values) => {
            let mut row = values.clone();
            row.push(Value::Boolean(false));
            row
        }
        RowChange::Gone(key) => {
            let mut row = vec![Value::Null; shape.fields.len() + 1];
            for (at, value) in places.iter().zip(key) {
                row[*at] = value.clone();
            }
            row[shape.fields.len()] = Value::Boolean(true);
            row
        }
    };
    changes.iter().map(row).collect()
}

/// The changes that rows of [`page_type`] state.
///
/// # Errors
/// `exchange.page` when they are none.
pub fn from_rows(shape: &RecordType, rows: Vec<Vec<Value>>) -> Result<Vec<RowChange>, Problem> {
    let places = shape.key_indexes();
    let change = |mut row: Vec<Value>| match row.pop() {
        Some(Value::Boolean(false)) if row.len() == shape.fields.len() => Ok(RowChange::Put(row)),
        Some(Value::Boolean(true)) if row.len() == shape.fields.len() => {
            Ok(RowChange::Gone(places.iter().map(|it| row[*it].clone()).collect()))
        }
        _ => Err(Problem::new(
            Kind::Peer,
            "exchange.page",
            "变更页与约定的形式不符，未采用；请联系提供方",
            "a page of changes is not of the agreed form and was not used; tell the provider",
        )),
    };
    rows.into_iter().map(change).collect()
}

/// Whether rows of `shape` can stand in a table of type `table`: the same key, each column with a type that holds it.
///
/// # Errors
/// `exchange.table_shape` with everything that does not fit.
pub fn fits(shape: &RecordType, table: &RecordType) -> Result<(), Problem> {
    let mut flaws: Vec<(String, String)> = Vec::new();
    if shape.key != table.key {
        let names = |it: &RecordType| it.key.iter().map(FieldName::as_str).collect::<Vec<_>>().join(", ");
        flaws.push((
            format!("主键应为 {}，现为 {}", names(shape), names(table)),
            format!("the key should be {}, it is {}", names(shape), names(table)),
        ));
    }
    for (name, field) in &shape.fields {
        let Some(held) = table.field(name.as_str()) else {
            flaws.push((format!("缺少列 {name}"), format!("column {name} is missing")));
            continue;
        };
        if !holds(&held.kind, &field.kind) {
            let (held, given) = (held.kind.word(), field.kind.word());
            flaws.push((
                format!("列 {name} 的类型 {held} 容不下 {given}"),
                format!("column {name} of type {held} does not hold {given}"),
            ));
        }
        if field.optional && !held.optional {
            flaws.push((format!("列 {name} 应为可空（optional）"), format!("column {name} must be optional")));
        }
        if held.min.is_some_and(|least| field.min.is_none_or(|it| it < least)) {
            flaws.push((format!("列 {name} 的最小值过高"), format!("the least value of column {name} is too high")));
        }
    }
    for (name, _) in table.fields.iter().filter(|(name, it)| !it.optional && !shape.fields.contains_key(*name)) {
        flaws.push((
            format!("自有列 {name} 应为可空（optional）"),
            format!("column {name} is not delivered and must be optional"),
        ));
    }
    let zh: Vec<_> = flaws.iter().map(|it| it.0.as_str()).collect();
    let en: Vec<_> = flaws.iter().map(|it| it.1.as_str()).collect();
    ensure!(
        flaws.is_empty(),
        Problem::new(
            Kind::Unprocessable,
            "exchange.table_shape",
            format!("目标 {} 与交付的列不符：{}", table.name, zh.join("；")),
            format!("target {} does not fit what is delivered: {}", table.name, en.join("; ")),
        )
        .field("/target")
    );
    Ok(())
}

fn holds(held: &FieldType, given: &FieldType) -> bool {
    match (held, given) {
        (FieldType::Text { max }, FieldType::Text { max: least }) => max >= least,
        (FieldType::Code { .. }, FieldType::Code { .. }) => true,
        (held, given) => held == given,
    }
}

/// How many rows there are, and one digest over them: the same at the provider over what it may show, and at the
/// consumer over what its table holds, in whatever order either reads.
///
/// Format `yunhe-delivered/1`: `head = H(canonical {"format", "agreement", "columns"})`; a row is the texts of its
/// columns in order, each behind its length in bytes (4 bytes, big-endian), where nothing is the length `FFFFFFFF`
/// alone; `sum` is the sum of `H(row)` over all rows as numbers of 256 bits, big-endian, without what is carried
/// beyond them; the digest is `H(head ‖ rows (8 bytes, big-endian) ‖ sum)`.
///
/// It finds what went wrong. Against somebody who computes rows until sums agree it is no proof: receipts are.
#[derive(Clone, Debug)]
pub struct Tally {
    head: Hash,
    rows: u64,
    /// Sixty-four bits each, the lowest first.
    sum: [u64; 4],
    row: Vec<u8>,
}

/// The length of what is not there.
const NOTHING: [u8; 4] = [0xff; 4];

/// Texts as the bytes that they are.
struct Bytes<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for Bytes<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl Tally {
    /// Over no rows.
    ///
    /// # Errors
    /// `format.canonical`.
    pub fn begin(agreement: &Digest, shape: &RecordType) -> Result<Self, Problem> {
        let columns: Vec<&FieldName> = shape.fields.keys().collect();
        let head = serde_json::json!({"format": TALLY_FORMAT, "agreement": agreement, "columns": columns});
        let head = hash(Suite::default(), &canonical_bytes(&head)?);
        Ok(Self { head, rows: 0, sum: [0; 4], row: Vec::new() })
    }

    /// One row more, with its values in the order of the columns.
    pub fn add(&mut self, shape: &RecordType, values: &[Value]) {
        self.row.clear();
        for (field, value) in shape.fields.values().zip(values) {
            let at = self.row.len();
            self.row.extend_from_slice(&NOTHING);
            if !value.is_null() {
                field.kind.write(value, &mut Bytes(&mut self.row));
                let length = self.row.len() - at - NOTHING.len();
                self.row[at..at + NOTHING.len()].copy_from_slice(&length_bytes(length));
            }
        }
        self.count();
    }

    /// One row more, as the texts that its values are written as.
    pub fn add_texts(&mut self, cells: &[Option<&str>]) {
        self.row.clear();
        for cell in cells {
            self.row.extend_from_slice(&cell.map_or(NOTHING, |it| length_bytes(it.len())));
            self.row.extend_from_slice(cell.unwrap_or_default().as_bytes());
        }
        self.count();
    }

    fn count(&mut self) {
        let row = hash(Suite::default(), &self.row);
        let mut carry = false;
        for (part, bytes) in self.sum.iter_mut().zip(row.rchunks_exact(8)) {
            let more = bytes.iter().fold(0, |all, byte| (all << 8) | u64::from(*byte));
            (*part, carry) = carrying(*part, more, carry);
        }
        self.rows += 1;
    }

    /// What it comes to.
    pub fn end(&self) -> (u64, Digest) {
        let sum: Vec<u8> = self.sum.iter().rev().flat_map(|it| it.to_be_bytes()).collect();
        let hash = hash_all(Suite::default(), &[&self.head, &self.rows.to_be_bytes(), &sum]);
        (self.rows, Digest { suite: Suite::default(), hash })
    }
}

/// A text that does not fit memory's half is none that comes here: rows are bounded long before.
fn length_bytes(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX - 1).to_be_bytes()
}

fn carrying(one: u64, other: u64, carry: bool) -> (u64, bool) {
    let (sum, over) = one.overflowing_add(other);
    let (sum, again) = sum.overflowing_add(u64::from(carry));
    (sum, over || again)
}

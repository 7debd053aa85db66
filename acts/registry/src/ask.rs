//! What may be asked of the registry, and by whom. Each ask carries its target; a permit for one is the only way in.

use crate::{ImportId, Mapping, RowId};
use policy::{Ask, Need, Role};
use schema::{FieldName, RecordType, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{Date, ResourceId};

/// Makes a record type a table, or brings the table to a later revision of it.
#[derive(Clone, Debug)]
pub struct Install {
    /// The declaration, as a pack has it.
    pub record: RecordType,
}

impl Ask for Install {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::SystemAdministrator])
    }
}

/// Writes rows: a row whose key is there already takes its place, and the earlier one becomes history.
#[derive(Clone, Debug)]
pub struct Write {
    /// Of which type.
    pub record: ResourceId,
    /// Values in the order of the type's fields.
    pub rows: Vec<Vec<Value>>,
    /// Names the first new row; those after it follow. The edge draws it.
    pub first: RowId,
    /// Why, in words.
    pub why: String,
}

impl Ask for Write {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::DataSteward])
    }
}

/// Takes rows out of the current state; their history stays.
#[derive(Clone, Debug)]
pub struct Remove {
    /// Of which type.
    pub record: ResourceId,
    /// Keys, values in the order of the type's key.
    pub keys: Vec<Vec<Value>>,
    /// Why, in words.
    pub why: String,
}

impl Ask for Remove {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::DataSteward])
    }
}

/// Brings in changes that another organisation delivers: some columns of rows, and removals.
#[derive(Clone, Debug)]
pub struct Merge {
    /// Into which type.
    pub record: ResourceId,
    /// Which columns are delivered, the key among them; the others are ours and stay as they are.
    pub columns: Vec<FieldName>,
    /// Rows, values in the order of the columns.
    pub rows: Vec<Vec<Value>>,
    /// Keys of rows to take out, values in the order of the type's key.
    pub removed: Vec<Vec<Value>>,
    /// Names the first new row; those after it follow. The edge draws it.
    pub first: RowId,
    /// Why, in words.
    pub why: String,
}

impl Ask for Merge {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::DataSteward])
    }
}

/// Puts a delivered set of rows in place of all that is there.
#[derive(Clone, Debug)]
pub struct Replace {
    /// In which type.
    pub record: ResourceId,
    /// Which columns are delivered, the key among them; the others are ours and stay as they are.
    pub columns: Vec<FieldName>,
    /// Under which name the set is staged.
    pub run: String,
    /// Names the first new row; those after it follow. The edge draws it.
    pub first: RowId,
    /// Why, in words.
    pub why: String,
}

impl Ask for Replace {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::DataSteward])
    }
}

/// Corrects one row, after somebody found it wrong.
#[derive(Clone, Debug)]
pub struct Correct {
    /// Of which type.
    pub record: ResourceId,
    /// Its key, values in the order of the type's key.
    pub key: Vec<Value>,
    /// What is done.
    pub fix: Fix,
    /// Names the row, should it be new. The edge draws it.
    pub first: RowId,
    /// Why, in words.
    pub why: String,
}

/// What is done to a row that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    /// These values are put in.
    Values(Vec<(FieldName, Value)>),
    /// It is taken out of the current state.
    Remove,
}

impl Ask for Correct {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::DataSteward, Role::ProviderOfficer])
    }
}

/// Loads a file.
#[derive(Clone, Debug)]
pub struct Import {
    /// Names the import; the same id later goes on where it stopped. The edge draws it.
    pub id: ImportId,
    /// Into which type.
    pub record: ResourceId,
    /// How the file's columns become fields.
    pub mapping: Mapping,
    /// Where the file comes from, in words: a path, an address.
    pub source: String,
    /// Why, in words.
    pub why: String,
    /// Who made sure that no state secret is in the file; without it nothing is loaded.
    pub secrecy_review: Option<SecrecyReview>,
    /// Whether the rows become visible all at once at the end, rather than chunk by chunk.
    pub atomic: bool,
}

impl Ask for Import {
    fn need(&self) -> Need<'_> {
        Need::Role(&[Role::DataSteward])
    }
}

/// The confirmation (保密审查) that the law on guarding state secrets asks for before data are pooled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecrecyReview {
    /// Who reviewed.
    pub by: String,
    /// When.
    #[schemars(with = "String")]
    pub on: Date,
}

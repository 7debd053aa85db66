//! Surrogate ids of rows, and runs of them.

use serde::{Deserialize, Serialize};
use vocabulary::{Problem, Suite, id, uuid::Uuid};

id!(
    /// Names a row for as long as it is in the current state. Says nothing about what is in it.
    RowId, "row"
);
id!(
    /// Names an import. Its rows are named after it, so that a chunk loaded twice gives the same names.
    ImportId, "imp"
);

id!(
    /// Names one run that takes over a source.
    TakingId, "tkg"
);

/// The random bits at the end of a UUIDv7.
const RANDOM: u128 = (1 << 62) - 1;

impl RowId {
    /// The id `count` places behind this one: version, time and variant stay.
    #[must_use]
    pub fn plus(self, count: u64) -> Self {
        let bits = self.uuid().as_u128();
        let random = (bits & RANDOM).wrapping_add(u128::from(count)) & RANDOM;
        Self::from_uuid(Uuid::from_u128(bits & !RANDOM | random))
    }

    /// As it is stored.
    pub(crate) fn bytes(self) -> Vec<u8> {
        self.uuid().as_bytes().to_vec()
    }

    /// As it was stored.
    pub(crate) fn stored(bytes: &[u8]) -> Result<Self, Problem> {
        Uuid::from_slice(bytes).map(Self::from_uuid).map_err(|it| crate::fault::internal("row id", &it))
    }
}

/// Row numbers of one import take these bits of an id.
const NUMBER: u128 = (1 << 40) - 1;
/// The twelve bits between version and variant of a UUIDv7, which are random too.
const MIDDLE: u128 = 0xfff << 64;

impl ImportId {
    /// The id of the file's row number `row`, counted from 0, should it be new: the import's time, 34 bits of its
    /// digest, and the number. So the ids of two imports lie apart however near one another their own were chosen.
    pub(crate) fn row(self, row: u64) -> RowId {
        let digest = vocabulary::hash(Suite::default(), self.uuid().as_bytes());
        let drawn = digest.iter().take(16).fold(0, |all: u128, it| all << 8 | u128::from(*it));
        let taken = MIDDLE | RANDOM & !NUMBER;
        RowId::from_uuid(Uuid::from_u128(self.uuid().as_u128() & !(MIDDLE | RANDOM) | drawn & taken)).plus(row)
    }
}

/// Ids that follow one another: how a change lists its rows, which are thousands in an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The first.
    pub from: RowId,
    /// How many.
    pub count: u64,
}

impl Run {
    /// Folds ids into runs; the order of the ids stays.
    pub fn fold(ids: impl IntoIterator<Item = RowId>) -> Vec<Self> {
        let mut runs: Vec<Self> = Vec::new();
        for id in ids {
            match runs.last_mut() {
                Some(run) if run.from.plus(run.count) == id => run.count += 1,
                _ => runs.push(Self { from: id, count: 1 }),
            }
        }
        runs
    }

    /// The ids again.
    pub fn ids(self) -> impl Iterator<Item = RowId> {
        (0..self.count).map(move |it| self.from.plus(it))
    }
}

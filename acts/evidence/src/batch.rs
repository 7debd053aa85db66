//! Batches: one signature for all leaves of a commit, and in each receipt the path from its leaf to that signature.
//!
//! Pure. The tree is RFC 6962's over the entries of the batch. What is signed is the canonical JSON of a
//! [`Statement`], for the purpose `receipt`: it names the log and the time by which the leaves will be in it, so that
//! a receipt is also a promise that can be held against its maker.

use crate::{Fault, Origin, leaf, merkle};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use signing::{PublicKey, Purpose, Sign as _, Signer};
use vocabulary::{Digest, Hash, Problem, Signature, Suite, Timestamp, ensure};

/// A batch has at most this many leaves.
pub const BATCH_LEAVES_MAX: usize = 65_536;
/// The tree's hash is RFC 6962's, whichever suite its leaves and its signature are of.
const TREE: Suite = Suite::Ed25519Sha256;
/// The format and version of a signed batch.
const FORMAT: &str = "yunhe-batch/1";

/// The promise to put a leaf into a log: the `log` part of a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogPromise {
    /// Which log.
    pub origin: Origin,
    /// The leaf: `H(salt ‖ body)`.
    pub leaf: Digest,
    /// By when the leaf is in the log: RFC 3339 in UTC as we print it, and in no other spelling, since it is signed.
    #[schemars(with = "String")]
    #[serde(deserialize_with = "one_spelling")]
    pub integrate_by: Timestamp,
}

/// From a leaf to the signature of its batch: the `batch` part of a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchProof {
    /// The root over the batch.
    pub root: Digest,
    /// The leaf's place in the batch.
    pub index: u32,
    /// How many leaves the batch has.
    pub size: u32,
    /// From the leaf's sibling up.
    pub path: Vec<Digest>,
    /// The signature over the statement.
    pub signature: Signature,
}

/// What is signed for a batch.
#[derive(Serialize)]
struct Statement<'a> {
    format: &'static str,
    integrate_by: Timestamp,
    origin: &'a Origin,
    root: &'a Digest,
    size: u32,
}

/// Signs a batch of leaves and gives each its proof, in the same order.
///
/// # Errors
/// `evidence.batch` when there is no leaf or there are more than [`BATCH_LEAVES_MAX`].
pub fn sign(
    signer: &dyn Signer,
    origin: &Origin,
    integrate_by: Timestamp,
    leaves: &[Digest],
) -> Result<Vec<BatchProof>, Problem> {
    let suite = TREE;
    let size = u32::try_from(leaves.len()).unwrap_or(u32::MAX);
    ensure!((1..=BATCH_LEAVES_MAX).contains(&leaves.len()), Fault::Batch("it has 1 to 65536 leaves"));
    let levels = levels(leaves.iter().map(leaf::merkle_leaf).collect());
    let root = Digest { suite, hash: levels.last().and_then(|it| it.first()).copied().unwrap_or_default() };
    let statement = Statement { format: FORMAT, integrate_by, origin, root: &root, size };
    let signature = signer.sign_canonical(Purpose::Receipt, &statement)?;
    let proof = |index: u32| {
        let path = path(&levels, index as usize).into_iter().map(|hash| Digest { suite, hash }).collect();
        BatchProof { root, index, size, path, signature: signature.clone() }
    };
    Ok((0..size).map(proof).collect())
}

impl BatchProof {
    /// Verifies that the promised leaf is in the batch and that the batch is signed by the key in the signature.
    /// Returns that key; whose it is and whether it may sign is the caller's to judge, by the membership.
    ///
    /// # Errors
    /// `evidence.batch`, `evidence.index`, `evidence.path`, `evidence.root`, `signing.public_key` or
    /// `evidence.signature`: the part that is wrong.
    pub fn verify(&self, promise: &LogPromise) -> Result<PublicKey, Problem> {
        let bound = (1..=u32::try_from(BATCH_LEAVES_MAX).unwrap_or(u32::MAX)).contains(&self.size);
        ensure!(bound, Fault::Batch("it has 1 to 65536 leaves"));
        let one_suite = [self.root.suite].into_iter().chain(self.path.iter().map(|it| it.suite)).all(|it| it == TREE);
        ensure!(one_suite, Fault::Batch("root and path are of the suite ed25519-sha256"));
        let path = self.path.iter().map(|it| it.hash).collect::<Vec<_>>();
        let leaf = leaf::merkle_leaf(&promise.leaf);
        merkle::verify_inclusion(&leaf, self.index.into(), self.size.into(), &path, &self.root.hash)?;
        let key = PublicKey::of(&self.signature)?;
        let LogPromise { origin, integrate_by, .. } = promise;
        let (format, integrate_by, root, size) = (FORMAT, *integrate_by, &self.root, self.size);
        let statement = Statement { format, integrate_by, origin, root, size };
        let fits = key.verify_canonical(Purpose::Receipt, &statement, &self.signature);
        fits.map_err(|_| Fault::Signature(key.to_string()))?;
        Ok(key)
    }
}

fn one_spelling<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    let at = text.parse::<Timestamp>().map_err(serde::de::Error::custom)?;
    if at.to_string() == text {
        Ok(at)
    } else {
        Err(serde::de::Error::custom("a time is written as 2026-11-24T10:00:00Z"))
    }
}

/// All levels of the tree, leaves first. A node without a sibling is carried up, which is RFC 6962's tree.
fn levels(leaves: Vec<Hash>) -> Vec<Vec<Hash>> {
    let mut levels = vec![leaves];
    while let Some(below) = levels.last().filter(|it| it.len() > 1) {
        let above = below.chunks(2).map(|pair| match pair {
            [left, right] => merkle::node_hash(left, right),
            _ => pair[0],
        });
        let above = above.collect();
        levels.push(above);
    }
    levels
}

fn path(levels: &[Vec<Hash>], index: usize) -> Vec<Hash> {
    levels.iter().enumerate().filter_map(|(height, level)| level.get((index >> height) ^ 1)).copied().collect()
}

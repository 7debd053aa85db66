//! The Merkle tree of RFC 6962: hashes, roots, inclusion and consistency proofs, and their verification.
//!
//! Pure. A proof is a list of hashes of ranges of leaves; *which* ranges follows from numbers alone
//! ([`inclusion_ranges`], [`consistency_ranges`]), so that proving from leaves, proving from tiles and verifying
//! share one description and cannot drift apart.

use crate::Fault;
use std::ops::Range;
use vocabulary::{Hash, Suite, ensure, hash_all};

/// C2SP tlog-tiles fixes SHA-256 for the tree. The digest that an entry carries names its own suite.
const TREE: Suite = Suite::Ed25519Sha256;

/// The hash of a leaf that holds `entry`.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    hash_all(TREE, &[&[0], entry])
}

/// The hash of an inner node.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    hash_all(TREE, &[&[1], left, right])
}

/// The root of the tree without leaves.
pub fn empty_root() -> Hash {
    hash_all(TREE, &[])
}

/// The root over `leaves` (hashes of leaves, or of perfect subtrees of equal size with at most a smaller last one).
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

/// The perfect subtrees of a growing tree, largest first: all that appending needs. Appending n leaves is O(n).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root.
    pub fn root(&self) -> Hash {
        fold(&self.peaks).unwrap_or_else(empty_root)
    }
}

/// Joins the hashes of a range's perfect subtrees, left to right, to the hash of the range.
pub fn fold(subtrees: &[Hash]) -> Option<Hash> {
    subtrees.iter().rev().copied().reduce(|right, left| node_hash(&left, &right))
}

/// A perfect subtree: the leaves `index << level .. (index + 1) << level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subtree {
    /// Its height: it has `1 << level` leaves.
    pub level: u8,
    /// Its number among the subtrees of that height.
    pub index: u64,
}

/// The perfect subtrees that make up `range`, left to right. Every range of a proof starts at a multiple of a power
/// of two that is at least as long as the range, so these are the binary digits of its length.
pub fn subtrees(range: &Range<u64>) -> Vec<Subtree> {
    let mut found = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let level = (range.end - start).ilog2().min(start.trailing_zeros());
        found.push(Subtree { level: u8::try_from(level).unwrap_or(u8::MAX), index: start >> level });
        start += 1 << level;
    }
    found
}

/// The largest power of two below `n`, for `n` of two or more: where RFC 6962 splits.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// Of which ranges of leaves an inclusion proof gives the hashes: from the leaf's sibling up.
pub fn inclusion_ranges(index: u64, size: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    let (mut low, mut high) = (0, size);
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            ranges.push(middle..high);
            high = middle;
        } else {
            ranges.push(low..middle);
            low = middle;
        }
    }
    ranges.reverse();
    ranges
}

/// Of which ranges of leaves a consistency proof gives the hashes. Where `from` leaves are one perfect subtree, the
/// verifier knows its hash (the old root) and it is left out.
pub fn consistency_ranges(from: u64, to: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    if from == 0 || from >= to {
        return ranges;
    }
    let (mut low, mut high) = (0, to);
    while from != high {
        let middle = low + split(high - low);
        if from <= middle {
            ranges.push(middle..high);
            high = middle;
        } else {
            ranges.push(low..middle);
            low = middle;
        }
    }
    if low > 0 {
        ranges.push(low..high);
    }
    ranges.reverse();
    ranges
}

/// The hashes of `ranges` in the tree over `leaves`: a proof made from the leaves themselves.
pub fn hashes(leaves: &[Hash], ranges: &[Range<u64>]) -> Vec<Hash> {
    let at = |it: u64| usize::try_from(it).unwrap_or(usize::MAX).min(leaves.len());
    ranges.iter().map(|it| root(&leaves[at(it.start)..at(it.end)])).collect()
}

/// Verifies that `leaf` stands at `index` in the tree of `size` leaves with `root`.
///
/// # Errors
/// [`Fault::IndexBeyond`], [`Fault::PathLength`] or [`Fault::RootDiffers`].
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> Result<(), Fault> {
    ensure!(index < size, Fault::IndexBeyond { index, size });
    let ranges = inclusion_ranges(index, size);
    ensure!(path.len() == ranges.len(), Fault::PathLength { expected: ranges.len(), got: path.len() });
    let computed = ranges.iter().zip(path).fold(*leaf, |below, (range, beside)| {
        if range.start > index { node_hash(&below, beside) } else { node_hash(beside, &below) }
    });
    ensure!(computed == *root, Fault::RootDiffers);
    Ok(())
}

/// Verifies that the tree of `to` leaves begins with the tree of `from` leaves. From nothing, or from itself, the
/// proof is empty.
///
/// # Errors
/// [`Fault::IndexBeyond`], [`Fault::PathLength`], [`Fault::RootDiffers`].
pub fn verify_consistency(from: (u64, &Hash), to: (u64, &Hash), path: &[Hash]) -> Result<(), Fault> {
    let ((from_size, from_root), (to_size, to_root)) = (from, to);
    ensure!(from_size <= to_size, Fault::IndexBeyond { index: from_size, size: to_size });
    let ranges = consistency_ranges(from_size, to_size);
    ensure!(path.len() == ranges.len(), Fault::PathLength { expected: ranges.len(), got: path.len() });
    if from_size == 0 {
        ensure!(*from_root == empty_root() && (to_size > 0 || to_root == from_root), Fault::RootDiffers);
        return Ok(());
    }
    let known = ranges.first().is_none_or(|it| it.start >= from_size);
    let (first, rest) = if known { (*from_root, 0) } else { (path[0], 1) };
    let (mut old, mut new) = (first, first);
    for (range, hash) in ranges.iter().zip(path).skip(rest) {
        if range.start >= from_size {
            new = node_hash(&new, hash);
        } else {
            old = node_hash(hash, &old);
            new = node_hash(hash, &new);
        }
    }
    ensure!(old == *from_root && new == *to_root, Fault::RootDiffers);
    Ok(())
}

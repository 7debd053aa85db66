//! Tiles (C2SP tlog-tiles): a log as files of 256 hashes or entries that never change once full.
//!
//! Pure. [`Edge`] appends and gives the tiles that are new; [`Plan`] says which tiles a proof needs and makes it from
//! their bytes. A partial tile's name holds its width, so every path means the same bytes for ever.

use crate::{ENTRY_BYTES, Fault, decimal, merkle};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
    str::FromStr,
};
use vocabulary::{Hash, ensure};

/// A full tile holds this many hashes or entries.
pub const TILE_WIDTH: u64 = 256;
/// A tile spans this many levels of the tree.
const TILE_HEIGHT: u8 = 8;
/// A path names at most this level.
const LEVEL_MAX: u8 = 63;
/// An entry in a bundle: two bytes of length, then the entry.
pub(crate) const BUNDLE_ENTRY_BYTES: usize = 2 + ENTRY_BYTES;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The entries themselves.
    Entries,
    /// Hashes of subtrees of `256^level` leaves.
    Hashes(u8),
}

/// Names a tile: `tile/<level>/<index>[.p/<width>]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TilePath {
    /// What it holds.
    pub level: Level,
    /// Its number in its level.
    pub index: u64,
    /// How many hashes or entries, 1 to 256.
    pub width: u16,
}

impl TilePath {
    /// The tile of that level and index in a tree of `size` leaves, or `None` where it would be empty.
    pub fn within(level: Level, index: u64, size: u64) -> Option<Self> {
        let below = match level {
            Level::Entries => size,
            Level::Hashes(level) => size.checked_shr(u32::from(level) * u32::from(TILE_HEIGHT)).unwrap_or(0),
        };
        let width = below.saturating_sub(index.checked_mul(TILE_WIDTH)?).min(TILE_WIDTH);
        let width = u16::try_from(width).ok().filter(|it| *it > 0)?;
        Some(Self { level, index, width })
    }

    /// Whether it is full and will never be superseded.
    pub fn is_full(self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// The full tile of the same place.
    #[must_use]
    pub fn full(self) -> Self {
        Self { width: 256, ..self }
    }

    /// How many bytes it has.
    pub fn bytes(self) -> usize {
        let each = if self.level == Level::Entries { BUNDLE_ENTRY_BYTES } else { size_of::<Hash>() };
        usize::from(self.width) * each
    }

    /// The hashes in `bytes`; a longer tile of the same place will do.
    fn hashes(self, bytes: &[u8]) -> Result<Vec<Hash>, Fault> {
        let (expected, got) = (self.bytes(), bytes.len());
        ensure!(got >= expected, Fault::TileLength { path: self, expected, got });
        Ok(bytes[..expected].as_chunks::<32>().0.to_vec())
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Level::Entries => f.write_str("tile/entries/")?,
            Level::Hashes(level) => write!(f, "tile/{level}/")?,
        }
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for group in groups[1..].iter().rev() {
            write!(f, "x{group:03}/")?;
        }
        write!(f, "{:03}", groups[0])?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl FromStr for TilePath {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        parse(text).filter(|it| it.to_string() == text).ok_or_else(|| Fault::TilePath(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<TilePath> {
    let (level, rest) = text.strip_prefix("tile/")?.split_once('/')?;
    let level = match level {
        "entries" => Level::Entries,
        digits => Level::Hashes(u8::try_from(decimal(digits)?).ok().filter(|it| *it <= LEVEL_MAX)?),
    };
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (index, u16::try_from(decimal(width)?).ok().filter(|it| (1..256).contains(it))?),
        None => (rest, 256),
    };
    let digits = index.replace(['x', '/'], "");
    let plain = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
    Some(TilePath { level, index: if plain { digits.parse().ok()? } else { return None }, width })
}

/// The entry in one slot of a bundle, or `None` when its length bytes are wrong.
pub(crate) fn bundle_entry(slot: &[u8]) -> Option<&[u8]> {
    let (length, entry) = slot.split_first_chunk::<2>()?;
    (usize::from(u16::from_be_bytes(*length)) == ENTRY_BYTES && entry.len() == ENTRY_BYTES).then_some(entry)
}

/// Where the bytes of tiles are.
pub type Tiles = BTreeMap<TilePath, Vec<u8>>;

/// The tile in `tiles`, or the full tile of the same place, which begins with the same bytes.
fn find(tiles: &Tiles, path: TilePath) -> Result<&[u8], Fault> {
    let found = tiles.get(&path).or_else(|| tiles.get(&path.full()));
    found.map(Vec::as_slice).ok_or(Fault::TileMissing(path))
}

/// The right edge of a log: the partial tile of each level, which is all that appending needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
    bundle: Vec<u8>,
}

impl Edge {
    /// Which tiles make up the edge of a log of `size` leaves.
    pub fn paths(size: u64) -> Vec<TilePath> {
        let levels = (0..TILE_HEIGHT).map(Level::Hashes).chain([Level::Entries]);
        let partial = |level: Level| {
            let height = if let Level::Hashes(level) = level { level } else { 0 };
            let index = size >> (u32::from(height) * u32::from(TILE_HEIGHT)) >> TILE_HEIGHT;
            TilePath::within(level, index, size)
        };
        levels.filter_map(partial).collect()
    }

    /// Reads the edge of a log of `size` leaves from its tiles. The caller compares [`Edge::root`] with what was
    /// signed before it believes them.
    ///
    /// # Errors
    /// [`Fault::TileMissing`], [`Fault::TileLength`].
    pub fn load(size: u64, tiles: &Tiles) -> Result<Self, Fault> {
        let mut edge = Self { size, ..Self::default() };
        for path in Self::paths(size) {
            let bytes = find(tiles, path)?;
            let Level::Hashes(level) = path.level else {
                ensure!(
                    bytes.len() >= path.bytes(),
                    Fault::TileLength { path, expected: path.bytes(), got: bytes.len() }
                );
                edge.bundle = bytes[..path.bytes()].to_vec();
                continue;
            };
            edge.levels.resize(usize::from(level) + 1, Vec::new());
            edge.levels[usize::from(level)] = path.hashes(bytes)?;
        }
        edge.check_bundle()?;
        Ok(edge)
    }

    /// The root commits to the hashes; the hashes judge the bundle.
    fn check_bundle(&self) -> Result<(), Fault> {
        let leaves = self.levels.first().map(Vec::as_slice).unwrap_or_default();
        for (place, (slot, leaf)) in self.bundle.chunks(BUNDLE_ENTRY_BYTES).zip(leaves).enumerate() {
            let entry = bundle_entry(slot).map(merkle::leaf_hash);
            let path = || TilePath::within(Level::Entries, self.size / TILE_WIDTH, self.size);
            ensure!(
                entry.as_ref() == Some(leaf),
                path().map_or(Fault::RootDiffers, |path| Fault::Tile { path, place })
            );
        }
        Ok(())
    }

    /// How many leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root: from the smallest partial tile up, each joined with what stands to its right.
    pub fn root(&self) -> Hash {
        let mut right: Option<Hash> = None;
        for level in self.levels.iter().filter(|it| !it.is_empty()) {
            let row = level.iter().copied().chain(right).collect::<Vec<_>>();
            right = Some(merkle::root(&row));
        }
        right.unwrap_or_else(merkle::empty_root)
    }

    /// Appends `entries`; returns the tiles to write: those that became full, and the new partial ones.
    pub fn append(&mut self, entries: &[[u8; ENTRY_BYTES]]) -> Vec<(TilePath, Vec<u8>)> {
        let mut tiles = Vec::new();
        for entry in entries {
            self.bundle.extend_from_slice(&(ENTRY_BYTES as u16).to_be_bytes());
            self.bundle.extend_from_slice(entry);
            self.size += 1;
            if self.size.is_multiple_of(TILE_WIDTH) {
                let path = TilePath { level: Level::Entries, index: self.size / TILE_WIDTH - 1, width: 256 };
                tiles.push((path, std::mem::take(&mut self.bundle)));
            }
            self.push(merkle::leaf_hash(entry), &mut tiles);
        }
        for path in Self::paths(self.size) {
            let bytes = match path.level {
                Level::Entries => self.bundle.clone(),
                Level::Hashes(level) => self.levels[usize::from(level)].concat(),
            };
            tiles.push((path, bytes));
        }
        tiles
    }

    fn push(&mut self, leaf: Hash, tiles: &mut Vec<(TilePath, Vec<u8>)>) {
        let mut hash = leaf;
        for level in 0..TILE_HEIGHT {
            let place = usize::from(level);
            if self.levels.len() <= place {
                self.levels.push(Vec::new());
            }
            self.levels[place].push(hash);
            if self.levels[place].len() < 256 {
                return;
            }
            let row = std::mem::take(&mut self.levels[place]);
            hash = merkle::root(&row);
            let index = (self.size >> (u32::from(level + 1) * u32::from(TILE_HEIGHT))) - 1;
            tiles.push((TilePath { level: Level::Hashes(level), index, width: 256 }, row.concat()));
        }
    }
}

/// A proof to be made from tiles: which hashes, hence which tiles.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Of which tree the tiles are; at least as large as the proof's.
    size: u64,
    ranges: Vec<Range<u64>>,
}

impl Plan {
    /// The proof that the leaf at `index` is in the tree of `size` leaves.
    ///
    /// # Errors
    /// [`Fault::IndexBeyond`].
    pub fn inclusion(index: u64, size: u64) -> Result<Self, Fault> {
        ensure!(index < size, Fault::IndexBeyond { index, size });
        Ok(Self { size, ranges: merkle::inclusion_ranges(index, size) })
    }

    /// The proof that the tree of `to` leaves begins with that of `from`.
    ///
    /// # Errors
    /// [`Fault::IndexBeyond`].
    pub fn consistency(from: u64, to: u64) -> Result<Self, Fault> {
        ensure!(from <= to, Fault::IndexBeyond { index: from, size: to });
        Ok(Self { size: to, ranges: merkle::consistency_ranges(from, to) })
    }

    /// The same proof from the tiles of the larger tree of `size` leaves, which is the one that was published.
    #[must_use]
    pub fn from_tiles_of(self, size: u64) -> Self {
        Self { size: size.max(self.size), ..self }
    }

    /// Which tiles it needs. Where a partial one is gone, the full one of the same place will do.
    pub fn tiles(&self) -> BTreeSet<TilePath> {
        let subtrees = self.ranges.iter().flat_map(merkle::subtrees);
        subtrees.filter_map(|it| self.place(it)).map(|(path, _)| path).collect()
    }

    /// The proof's hashes, from the bytes of its tiles.
    ///
    /// # Errors
    /// [`Fault::TileMissing`], [`Fault::TileLength`].
    pub fn hashes(&self, tiles: &Tiles) -> Result<Vec<Hash>, Fault> {
        self.ranges.iter().map(|it| self.range(it, tiles)).collect()
    }

    fn range(&self, range: &Range<u64>, tiles: &Tiles) -> Result<Hash, Fault> {
        let mut hashes = Vec::new();
        for subtree in merkle::subtrees(range) {
            let (path, places) = self.place(subtree).ok_or(Fault::IndexBeyond { index: range.end, size: self.size })?;
            let row = path.hashes(find(tiles, path)?)?;
            hashes.push(merkle::root(&row[places]));
        }
        Ok(merkle::fold(&hashes).unwrap_or_else(merkle::empty_root))
    }

    /// The tile that holds a subtree, and which of its hashes join to it.
    fn place(&self, subtree: merkle::Subtree) -> Option<(TilePath, Range<usize>)> {
        let within = subtree.level % TILE_HEIGHT;
        let first = subtree.index << within;
        let path = TilePath::within(Level::Hashes(subtree.level / TILE_HEIGHT), first / TILE_WIDTH, self.size)?;
        let start = usize::try_from(first % TILE_WIDTH).ok()?;
        Some((path, start..start + (1 << within)))
    }
}

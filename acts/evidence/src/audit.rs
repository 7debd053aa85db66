//! Audit: compares every tile of a log with what its checkpoint signs, and names the one that was changed.
//!
//! Pure; meant for a log that fits in memory. What is signed is the root; the entries lead to it over the hashes, so
//! of entries and hashes the side that still leads to the root judges the other.

use crate::{
    ENTRY_BYTES, Fault, merkle,
    tile::{BUNDLE_ENTRY_BYTES, Edge, Level, TILE_WIDTH, TilePath, Tiles, bundle_entry},
};
use vocabulary::Hash;

/// All tiles of a log of `size` leaves, the partial ones of its edge included.
pub fn tiles_of(size: u64) -> Vec<TilePath> {
    let levels = [Level::Entries].into_iter().chain((0..8).map(Level::Hashes));
    levels.flat_map(|level| (0..).map_while(move |index| TilePath::within(level, index, size))).collect()
}

/// Every fault in the tiles of a log of `size` leaves whose signed root is `root`; empty when all is well.
pub fn audit(size: u64, root: &Hash, tiles: &Tiles) -> Vec<Fault> {
    let faults = tiles_of(size).into_iter().filter_map(|it| check_length(it, tiles).err()).collect::<Vec<_>>();
    if !faults.is_empty() {
        return faults;
    }
    let entries = entries(size, tiles);
    let mut edge = Edge::default();
    if let Ok(entries) = &entries {
        let expected = edge.append(entries).into_iter().collect::<Tiles>();
        if edge.root() == *root {
            return differences(&expected, tiles);
        }
    }
    // The entries do not lead to the root: see whether the hashes of the lowest level do.
    let leaves = rows(size, tiles);
    if merkle::root(&leaves) != *root {
        return vec![Fault::RootDiffers];
    }
    (0_u64..)
        .zip(&leaves)
        .filter_map(|(index, leaf)| {
            let path = TilePath::within(Level::Entries, index / TILE_WIDTH, size)?;
            let place = usize::try_from(index % TILE_WIDTH).ok()?;
            let found = slot(tiles.get(&path)?, place).map(merkle::leaf_hash);
            (found.as_ref() != Some(leaf)).then_some(Fault::Tile { path, place })
        })
        .collect()
}

fn check_length(path: TilePath, tiles: &Tiles) -> Result<(), Fault> {
    let got = tiles.get(&path).ok_or(Fault::TileMissing(path))?.len();
    if got == path.bytes() { Ok(()) } else { Err(Fault::TileLength { path, expected: path.bytes(), got }) }
}

/// The entry at `place` of a bundle, or `None` when its length bytes are wrong.
fn slot(bundle: &[u8], place: usize) -> Option<&[u8]> {
    bundle_entry(bundle.chunks_exact(BUNDLE_ENTRY_BYTES).nth(place)?)
}

fn entries(size: u64, tiles: &Tiles) -> Result<Vec<[u8; ENTRY_BYTES]>, Fault> {
    let mut entries = Vec::new();
    for path in tiles_of(size).into_iter().filter(|it| it.level == Level::Entries) {
        let bundle = tiles.get(&path).ok_or(Fault::TileMissing(path))?;
        for place in 0..usize::from(path.width) {
            let entry = slot(bundle, place).and_then(|it| it.try_into().ok());
            entries.push(entry.ok_or(Fault::Tile { path, place })?);
        }
    }
    Ok(entries)
}

fn rows(size: u64, tiles: &Tiles) -> Vec<Hash> {
    let paths = tiles_of(size).into_iter().filter(|it| it.level == Level::Hashes(0));
    paths.filter_map(|it| tiles.get(&it)).flat_map(|it| it.as_chunks::<32>().0.iter().copied()).collect()
}

fn differences(expected: &Tiles, found: &Tiles) -> Vec<Fault> {
    let differing = |(path, bytes): (&TilePath, &Vec<u8>)| {
        let each = path.bytes() / usize::from(path.width);
        let other = found.get(path)?;
        let place = bytes.chunks(each).zip(other.chunks(each)).position(|(left, right)| left != right)?;
        Some(Fault::Tile { path: *path, place })
    };
    expected.iter().filter_map(differing).collect()
}

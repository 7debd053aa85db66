//! The catalogue: a placeholder until `catalog` is wired.

use crate::Organisation;
use pack::Pack;
use std::path::PathBuf;
use vocabulary::Problem;

pub(crate) struct Search(#[expect(dead_code, reason = "wired with catalog")] PathBuf);

impl Search {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }
}

/// A hit.
pub struct CatalogHit;

impl Organisation {
    pub(crate) async fn publish_entries(&self, _pack: &Pack) -> Result<(), Problem> {
        Ok(())
    }

    pub(crate) async fn follow_catalog(&self) -> Result<bool, Problem> {
        Ok(false)
    }
}

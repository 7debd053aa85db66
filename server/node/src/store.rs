//! The node's own table: installed packs, as the texts they came as.

/// Numbered steps for `Store::migrate("node", …)`.
pub(crate) const MIGRATIONS: &[&str] = &["
    CREATE TABLE node_pack (
        id $TEXT NOT NULL PRIMARY KEY, digest $TEXT NOT NULL, files $TEXT NOT NULL, at $INT NOT NULL)"];

pub(crate) const PACK_SET: &str = "
    INSERT INTO node_pack (id, digest, files, at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, files = excluded.files, at = excluded.at";
pub(crate) const PACK_LIST: &str = "SELECT id, digest, files FROM node_pack ORDER BY id";

//! The node's own tables: installed packs, as the texts they came as; restores, and what was told after them.

/// Numbered steps for `Store::migrate("node", …)`.
pub(crate) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE node_pack (
        id $TEXT NOT NULL PRIMARY KEY, digest $TEXT NOT NULL, files $TEXT NOT NULL, at $INT NOT NULL)",
    // When the organisation was restored from a backup, and who has since told what it holds of the lost time.
    "
    CREATE TABLE node_restore (id $SERIAL, since $INT NOT NULL, at $INT NOT NULL, done $INT NOT NULL);
    CREATE TABLE node_reclaimed (peer $TEXT NOT NULL PRIMARY KEY, at $INT NOT NULL)",
    // The settings at the last start.
    "
    CREATE TABLE node_settings (id $INT NOT NULL PRIMARY KEY, settings $TEXT NOT NULL)",
];

pub(crate) const SETTINGS: &str = "SELECT settings FROM node_settings WHERE id = 1";
pub(crate) const SETTINGS_SET: &str = "
    INSERT INTO node_settings (id, settings) VALUES (1, $1)
    ON CONFLICT (id) DO UPDATE SET settings = excluded.settings";

pub(crate) const RESTORE_ADD: &str = "INSERT INTO node_restore (since, at, done) VALUES ($1, $2, 0)";
pub(crate) const RESTORE: &str = "SELECT since, at, done FROM node_restore ORDER BY id DESC LIMIT 1";
pub(crate) const RESTORE_DONE: &str = "UPDATE node_restore SET done = 1 WHERE done = 0";
pub(crate) const RECLAIMED: &str = "SELECT peer FROM node_reclaimed ORDER BY peer";
pub(crate) const RECLAIMED_ADD: &str = "
    INSERT INTO node_reclaimed (peer, at) VALUES ($1, $2) ON CONFLICT (peer) DO NOTHING";
pub(crate) const RECLAIMED_DROP: &str = "DELETE FROM node_reclaimed";

pub(crate) const PACK_SET: &str = "
    INSERT INTO node_pack (id, digest, files, at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, files = excluded.files, at = excluded.at";
pub(crate) const PACK_LIST: &str = "SELECT id, digest, files FROM node_pack ORDER BY id";

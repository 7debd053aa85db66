//! The registry's own tables and every constant statement over them. Tables of record types: see [`crate::sql`].

/// Migrations, for [`store::Store::migrate`].
pub(crate) const STEPS: &[&str] = &[
    "
    CREATE TABLE registry_type (
        number $SERIAL, name $TEXT NOT NULL UNIQUE, revision $INT NOT NULL, definition $TEXT NOT NULL,
        at $INT NOT NULL);
    CREATE TABLE registry_import (
        id $TEXT NOT NULL PRIMARY KEY, record $TEXT NOT NULL, ask $TEXT NOT NULL, state $TEXT NOT NULL,
        by $TEXT NOT NULL, begun $INT NOT NULL, ended $INT,
        rows_read $INT NOT NULL, loaded $INT NOT NULL, same $INT NOT NULL,
        rejected $INT NOT NULL, bytes_done $INT NOT NULL, line $INT NOT NULL, encoding $TEXT, digest $TEXT NOT NULL);
    CREATE INDEX registry_import_begun ON registry_import (record, begun);
    CREATE TABLE registry_import_change (import $TEXT NOT NULL, change $INT NOT NULL, PRIMARY KEY (import, change));
    CREATE TABLE registry_import_seen (
        import $TEXT NOT NULL, row_id $BYTES NOT NULL, line $INT, PRIMARY KEY (import, row_id));
    CREATE TABLE registry_import_staged (
        import $TEXT NOT NULL, line $INT NOT NULL, row_id $BYTES NOT NULL, cells $TEXT NOT NULL,
        PRIMARY KEY (import, line));
    CREATE TABLE registry_import_reject (
        import $TEXT NOT NULL, number $INT NOT NULL, line $INT NOT NULL, field $TEXT NOT NULL, code $TEXT NOT NULL,
        zh $TEXT NOT NULL, en $TEXT NOT NULL, PRIMARY KEY (import, number))",
    "
    CREATE TABLE registry_taking (
        number $SERIAL, id $TEXT NOT NULL UNIQUE, source $TEXT NOT NULL, version $INT NOT NULL, body $TEXT NOT NULL,
        begun $INT NOT NULL, ended $INT);
    CREATE UNIQUE INDEX registry_taking_open ON registry_taking (source) WHERE ended IS NULL;
    CREATE INDEX registry_taking_number ON registry_taking (source, number)",
];

pub(crate) const TYPE_READ: &str = "SELECT number, revision, definition FROM registry_type WHERE name = $1";
pub(crate) const TYPE_LIST: &str = "SELECT revision, definition FROM registry_type ORDER BY name";
/// Of two nodes installing at once one hears `store.duplicate`.
pub(crate) const TYPE_ADD: &str = "
    INSERT INTO registry_type (name, revision, definition, at) VALUES ($1, 1, $2, $3) RETURNING number";
/// Zero rows: another node was first.
pub(crate) const TYPE_REVISE: &str = "
    UPDATE registry_type SET revision = revision + 1, definition = $3, at = $4 WHERE name = $1 AND revision = $2";

pub(crate) const IMPORT_BEGIN: &str = "
    INSERT INTO registry_import
        (id, record, ask, state, by, begun, rows_read, loaded, same, rejected, bytes_done, line, digest)
    VALUES ($1, $2, $3, 'open', $4, $5, 0, 0, 0, 0, 0, 0, '') ON CONFLICT (id) DO NOTHING";
pub(crate) const IMPORT_READ: &str = "
    SELECT id, record, ask, state, rows_read, loaded, same, rejected, bytes_done, line, encoding, digest
      FROM registry_import WHERE id = $1";
pub(crate) const IMPORT_LIST: &str = "
    SELECT id, record, ask, state, rows_read, loaded, same, rejected, bytes_done, line, encoding, digest
      FROM registry_import WHERE record = $1 ORDER BY begun DESC LIMIT $2";
/// Zero rows: another process has moved the same import on.
pub(crate) const IMPORT_MOVE: &str = "
    UPDATE registry_import
       SET rows_read = $3, loaded = $4, same = $5, rejected = $6, bytes_done = $7, line = $8, encoding = $9,
           digest = $10, state = $11, ended = $12
     WHERE id = $1 AND state = 'open' AND bytes_done = $2";
/// Zero rows: another process has finished the same import.
pub(crate) const IMPORT_END: &str = "
    UPDATE registry_import SET state = 'done', ended = $2, loaded = $3, same = $4, rejected = $5
     WHERE id = $1 AND state = 'staged'";
pub(crate) const IMPORT_CHANGE: &str = "INSERT INTO registry_import_change (import, change) VALUES ($1, $2)";
pub(crate) const IMPORT_FORGET_SEEN: &str = "DELETE FROM registry_import_seen WHERE import = $1";
pub(crate) const IMPORT_FORGET_CHANGES: &str = "DELETE FROM registry_import_change WHERE import = $1";
pub(crate) const STAGED: &str = "
    SELECT line, row_id, cells FROM registry_import_staged WHERE import = $1 AND line > $2 ORDER BY line LIMIT $3";
pub(crate) const STAGED_FORGET: &str = "DELETE FROM registry_import_staged WHERE import = $1";
pub(crate) const REJECT_LAST: &str = "
    SELECT COALESCE(MAX(number), 0) AS number FROM registry_import_reject WHERE import = $1";
pub(crate) const REJECTS: &str = "
    SELECT line, field, code, zh, en FROM registry_import_reject WHERE import = $1 ORDER BY line, number";

/// Of two that begin at once one finds the other's. Their order is that of their numbers: clocks may stand still.
pub(crate) const TAKING_BEGIN: &str = "
    INSERT INTO registry_taking (id, source, version, body, begun) VALUES ($1, $2, 1, $3, $4)
    ON CONFLICT DO NOTHING";
pub(crate) const TAKING_OPEN: &str = "
    SELECT version, body FROM registry_taking WHERE source = $1 AND ended IS NULL";
pub(crate) const TAKING_ALL_OPEN: &str = "
    SELECT version, body FROM registry_taking WHERE ended IS NULL LIMIT $1";
pub(crate) const TAKING_LIST: &str = "
    SELECT version, body FROM registry_taking WHERE source = $1 ORDER BY number DESC LIMIT $2";
/// Zero rows: another process has moved the same run on.
pub(crate) const TAKING_MOVE: &str = "
    UPDATE registry_taking SET version = version + 1, body = $3, ended = $4
     WHERE id = $1 AND version = $2 AND ended IS NULL";

/// Every constant, for the test that prepares them on both databases.
#[cfg(test)]
pub(crate) const ALL: &[&str] = &[
    TYPE_READ,
    TYPE_LIST,
    TYPE_ADD,
    TYPE_REVISE,
    IMPORT_BEGIN,
    IMPORT_READ,
    IMPORT_LIST,
    IMPORT_MOVE,
    IMPORT_END,
    IMPORT_CHANGE,
    IMPORT_FORGET_SEEN,
    IMPORT_FORGET_CHANGES,
    STAGED,
    STAGED_FORGET,
    REJECT_LAST,
    REJECTS,
    TAKING_BEGIN,
    TAKING_OPEN,
    TAKING_ALL_OPEN,
    TAKING_LIST,
    TAKING_MOVE,
];

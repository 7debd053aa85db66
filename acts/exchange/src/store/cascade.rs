//! Statements for levels and the hub: the numbers that platforms gave, and what the hub sees of deliveries.

/// The step of `MIGRATIONS` for it.
pub(crate) const MIGRATION: &str = "
    CREATE TABLE exchange_number (
        number $TEXT NOT NULL, about $TEXT NOT NULL, kind $TEXT NOT NULL, giver $TEXT NOT NULL,
        PRIMARY KEY (number, about, kind, giver));
    CREATE TABLE exchange_record (
        origin $TEXT NOT NULL, position $INT NOT NULL, provider $TEXT NOT NULL, agreement $TEXT NOT NULL,
        kind $TEXT NOT NULL, document $TEXT NOT NULL, at $INT NOT NULL, PRIMARY KEY (origin, position));
    CREATE INDEX exchange_record_agreement ON exchange_record (agreement, at);
    CREATE INDEX exchange_record_at ON exchange_record (at);
    CREATE TABLE exchange_recorder (
        provider $TEXT NOT NULL PRIMARY KEY, origin $TEXT NOT NULL, upto $INT NOT NULL, size $INT NOT NULL,
        checkpoint $TEXT, at $INT NOT NULL)";

pub(crate) const NUMBER_ADD: &str = "
    INSERT INTO exchange_number (number, about, kind, giver) VALUES ($1, $2, $3, $4)
    ON CONFLICT (number, about, kind, giver) DO NOTHING";
/// Behind an id, so that what there is of one number comes page by page.
pub(crate) const NUMBER_ABOUT: &str = "
    SELECT DISTINCT about FROM exchange_number WHERE number = $1 AND about > $2 ORDER BY about LIMIT $3";

pub(crate) const RECORD_ADD: &str = "
    INSERT INTO exchange_record (origin, position, provider, agreement, kind, document, at)
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (origin, position) DO NOTHING";
pub(crate) const RECORD_LIST: &str = "
    SELECT origin, position, provider, document, at FROM exchange_record
     WHERE ($1 = '' OR agreement = $1) ORDER BY at DESC, origin, position DESC LIMIT $2";
pub(crate) const RECORDER_GET: &str = "
    SELECT origin, upto, size, checkpoint FROM exchange_recorder WHERE provider = $1";
/// Takes the row, so that of two that read one provider the second waits and then sees what the first took.
pub(crate) const RECORDER_TAKE: &str = "
    INSERT INTO exchange_recorder (provider, origin, upto, size, checkpoint, at) VALUES ($1, $2, 0, 0, NULL, 0)
    ON CONFLICT (provider) DO UPDATE SET provider = excluded.provider RETURNING origin, upto, size, checkpoint";
pub(crate) const RECORDER_SET: &str = "
    UPDATE exchange_recorder SET origin = $2, upto = $3, size = $4, checkpoint = $5, at = $6 WHERE provider = $1";

/// Every statement, for the test that prepares them on both databases.
#[cfg(test)]
pub(crate) const ALL: &[&str] =
    &[NUMBER_ADD, NUMBER_ABOUT, RECORD_ADD, RECORD_LIST, RECORDER_GET, RECORDER_TAKE, RECORDER_SET];

//! Statements for levels: the numbers that platforms gave.

/// The step of `MIGRATIONS` for it.
pub(crate) const MIGRATION: &str = "
    CREATE TABLE exchange_number (
        number $TEXT NOT NULL, about $TEXT NOT NULL, kind $TEXT NOT NULL, giver $TEXT NOT NULL,
        PRIMARY KEY (number, about, kind, giver))";

pub(crate) const NUMBER_ADD: &str = "
    INSERT INTO exchange_number (number, about, kind, giver) VALUES ($1, $2, $3, $4)
    ON CONFLICT (number, about, kind, giver) DO NOTHING";
/// Behind an id, so that what there is of one number comes page by page.
pub(crate) const NUMBER_ABOUT: &str = "
    SELECT DISTINCT about FROM exchange_number WHERE number = $1 AND about > $2 ORDER BY about LIMIT $3";

/// Every statement, for the test that prepares them on both databases.
#[cfg(test)]
pub(crate) const ALL: &[&str] = &[NUMBER_ADD, NUMBER_ABOUT];

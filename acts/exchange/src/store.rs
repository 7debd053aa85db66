//! The tables of the exchange and every statement on them.

mod matters;

pub(crate) use matters::*;
use serde::Serialize;
use vocabulary::{Kind, Problem};

pub(crate) mod cascade;

/// A document as it stands in a column.
pub(crate) fn text<T: Serialize>(value: &T) -> Result<String, Problem> {
    serde_json::to_string(value)
        .map_err(|it| Problem::new(Kind::Internal, "exchange.fault", "内部故障", it.to_string()))
}

/// Numbered steps for `Store::migrate("exchange", …)`.
pub const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE exchange_request (
        id $TEXT NOT NULL PRIMARY KEY, consumer $TEXT NOT NULL, provider $TEXT NOT NULL, offer $TEXT NOT NULL,
        version $INT NOT NULL, document $TEXT NOT NULL, at $INT NOT NULL);
    CREATE INDEX exchange_request_at ON exchange_request (at);
    CREATE TABLE exchange_agreement (
        id $TEXT NOT NULL PRIMARY KEY, side $TEXT NOT NULL, peer $TEXT NOT NULL, offer $TEXT NOT NULL,
        state $TEXT NOT NULL, revision $INT NOT NULL, until $TEXT NOT NULL, quota $INT, day $TEXT NOT NULL,
        day_rows $INT NOT NULL, open $INT NOT NULL, digest $TEXT NOT NULL, document $TEXT NOT NULL,
        revocation $TEXT, at $INT NOT NULL);
    CREATE INDEX exchange_agreement_at ON exchange_agreement (at);
    CREATE TABLE exchange_nonce (
        key $TEXT NOT NULL, nonce $TEXT NOT NULL, keep_until $INT NOT NULL, PRIMARY KEY (key, nonce));
    CREATE INDEX exchange_nonce_keep ON exchange_nonce (keep_until);
    CREATE TABLE exchange_receipt (
        id $TEXT NOT NULL PRIMARY KEY, side $TEXT NOT NULL, agreement $TEXT NOT NULL, peer $TEXT NOT NULL,
        leaf $TEXT NOT NULL UNIQUE, body $TEXT NOT NULL, salt $BYTES NOT NULL, log $TEXT NOT NULL,
        asked $TEXT NOT NULL, proof $TEXT, acknowledgement $TEXT, delivery $TEXT, part $INT, at $INT NOT NULL);
    CREATE UNIQUE INDEX exchange_receipt_part ON exchange_receipt (side, delivery, part);
    CREATE INDEX exchange_receipt_at ON exchange_receipt (at);
    CREATE INDEX exchange_receipt_proofless ON exchange_receipt (id) WHERE proof IS NULL;
    CREATE INDEX exchange_receipt_due ON exchange_receipt (peer) WHERE acknowledgement IS NULL;
    CREATE TABLE exchange_parcel (
        id $TEXT NOT NULL PRIMARY KEY, agreement $TEXT NOT NULL, peer $TEXT NOT NULL, format $TEXT NOT NULL,
        state $TEXT NOT NULL, document $TEXT NOT NULL, at $INT NOT NULL);
    CREATE TABLE exchange_part (
        parcel $TEXT NOT NULL, number $INT NOT NULL, digest $TEXT NOT NULL, rows $INT NOT NULL, bytes $INT NOT NULL,
        receipt $TEXT, PRIMARY KEY (parcel, number));
    CREATE TABLE exchange_pull (
        id $TEXT NOT NULL PRIMARY KEY, state $TEXT NOT NULL, document $TEXT NOT NULL, at $INT NOT NULL);
    CREATE INDEX exchange_pull_state ON exchange_pull (state)",
    "
    DROP INDEX exchange_receipt_part;
    CREATE UNIQUE INDEX exchange_receipt_part ON exchange_receipt (side, delivery, part) WHERE delivery IS NOT NULL;
    DROP INDEX exchange_receipt_due;
    CREATE INDEX exchange_receipt_due ON exchange_receipt (side, peer, at) WHERE acknowledgement IS NULL;
    ALTER TABLE exchange_receipt ADD COLUMN missed $INT",
    // What one query writes falls side by side: nonces by their time, proofs and countersignatures beside the receipts,
    // which are found by their leaf through the log.
    "
    CREATE TABLE exchange_nonce_next (
        keep_until $INT NOT NULL, key $TEXT NOT NULL, nonce $TEXT NOT NULL,
        PRIMARY KEY (keep_until, key, nonce)) $CLUSTERED;
    INSERT INTO exchange_nonce_next (keep_until, key, nonce) SELECT keep_until, key, nonce FROM exchange_nonce;
    DROP TABLE exchange_nonce;
    ALTER TABLE exchange_nonce_next RENAME TO exchange_nonce;
    CREATE TABLE exchange_proof (receipt $TEXT NOT NULL PRIMARY KEY, proof $TEXT NOT NULL);
    INSERT INTO exchange_proof (receipt, proof) SELECT id, proof FROM exchange_receipt WHERE proof IS NOT NULL;
    CREATE TABLE exchange_unsigned (receipt $TEXT NOT NULL PRIMARY KEY) $CLUSTERED;
    INSERT INTO exchange_unsigned (receipt) SELECT id FROM exchange_receipt WHERE proof IS NULL;
    CREATE TABLE exchange_acknowledgement (digest $TEXT NOT NULL PRIMARY KEY, document $TEXT NOT NULL);
    INSERT INTO exchange_acknowledgement (digest, document)
        SELECT id, acknowledgement FROM exchange_receipt WHERE acknowledgement IS NOT NULL;
    CREATE TABLE exchange_receipt_next (
        id $TEXT NOT NULL PRIMARY KEY, side $TEXT NOT NULL, agreement $TEXT NOT NULL, peer $TEXT NOT NULL,
        leaf $TEXT NOT NULL, body $TEXT NOT NULL, salt $BYTES NOT NULL, log $TEXT NOT NULL, asked $TEXT NOT NULL,
        acknowledgement $TEXT, missed $INT, delivery $TEXT, part $INT, at $INT NOT NULL);
    INSERT INTO exchange_receipt_next
        (id, side, agreement, peer, leaf, body, salt, log, asked, acknowledgement, missed, delivery, part, at)
        SELECT id, side, agreement, peer, leaf, body, salt, log, asked,
               CASE WHEN acknowledgement IS NULL THEN NULL ELSE id END, missed, delivery, part, at
          FROM exchange_receipt;
    DROP TABLE exchange_receipt;
    ALTER TABLE exchange_receipt_next RENAME TO exchange_receipt;
    CREATE UNIQUE INDEX exchange_receipt_part ON exchange_receipt (side, delivery, part) WHERE delivery IS NOT NULL;
    CREATE INDEX exchange_receipt_due ON exchange_receipt (side, peer, at) WHERE acknowledgement IS NULL",
    // Revocations that the other side has not heard of.
    "
    CREATE TABLE exchange_untold (
        agreement $TEXT NOT NULL PRIMARY KEY, peer $TEXT NOT NULL, revocation $TEXT NOT NULL, at $INT NOT NULL,
        tried $INT NOT NULL);
    CREATE INDEX exchange_untold_tried ON exchange_untold (tried)",
    // Pages of changes behind a batch, at the provider; deliveries into tables, at the consumer.
    "
    CREATE TABLE exchange_follow (
        parcel $TEXT NOT NULL PRIMARY KEY, epoch $TEXT, position $INT NOT NULL, next $INT NOT NULL);
    CREATE TABLE exchange_page (
        parcel $TEXT NOT NULL, number $INT NOT NULL, behind $INT NOT NULL, upto $INT NOT NULL, digest $TEXT NOT NULL,
        rows $INT NOT NULL, receipt $TEXT NOT NULL, as_of $INT NOT NULL, PRIMARY KEY (parcel, number));
    CREATE TABLE exchange_plan (
        name $TEXT NOT NULL PRIMARY KEY, agreement $TEXT NOT NULL, target $TEXT NOT NULL, state $TEXT NOT NULL,
        wanted $TEXT NOT NULL, next_at $INT NOT NULL, document $TEXT NOT NULL, progress $TEXT NOT NULL,
        at $INT NOT NULL);
    CREATE UNIQUE INDEX exchange_plan_target ON exchange_plan (target) WHERE state <> 'ended';
    CREATE INDEX exchange_plan_due ON exchange_plan (next_at) WHERE state = 'active';
    CREATE TABLE exchange_run (
        plan $TEXT NOT NULL, number $INT NOT NULL, document $TEXT NOT NULL, PRIMARY KEY (plan, number));
    CREATE TABLE exchange_mark (plan $TEXT NOT NULL PRIMARY KEY, parcel $TEXT NOT NULL, next $INT NOT NULL)",
    // For whom each request waits (null: not looked at yet), when this node heard of each of its events, and when an
    // agreement last delivered.
    "
    ALTER TABLE exchange_request ADD COLUMN waits $TEXT;
    CREATE INDEX exchange_request_waits ON exchange_request (waits, at);
    CREATE TABLE exchange_heard (
        request $TEXT NOT NULL, events $INT NOT NULL, at $INT NOT NULL, PRIMARY KEY (request, events)) $CLUSTERED;
    ALTER TABLE exchange_agreement ADD COLUMN delivered $INT",
    // Objections, corrections and whom they must reach, letters on their way, notices.
    "
    CREATE TABLE exchange_objection (
        id $TEXT NOT NULL PRIMARY KEY, side $TEXT NOT NULL, peer $TEXT NOT NULL, agreement $TEXT NOT NULL,
        record $TEXT NOT NULL, stage $TEXT NOT NULL, version $INT NOT NULL, document $TEXT NOT NULL, at $INT NOT NULL);
    CREATE INDEX exchange_objection_at ON exchange_objection (at);
    CREATE INDEX exchange_objection_stage ON exchange_objection (side, stage, at);
    CREATE TABLE exchange_correction (
        id $TEXT NOT NULL PRIMARY KEY, side $TEXT NOT NULL, peer $TEXT NOT NULL, agreement $TEXT NOT NULL,
        about $TEXT NOT NULL, telling $TEXT NOT NULL, document $TEXT NOT NULL, confirmation $TEXT, at $INT NOT NULL,
        moved $INT NOT NULL);
    CREATE INDEX exchange_correction_about ON exchange_correction (about);
    CREATE INDEX exchange_correction_telling ON exchange_correction (side, telling, moved);
    CREATE TABLE exchange_candidate (
        about $TEXT NOT NULL, agreement $TEXT NOT NULL, document $TEXT NOT NULL, at $INT NOT NULL, until $INT NOT NULL,
        PRIMARY KEY (about, agreement));
    CREATE TABLE exchange_letter (
        id $TEXT NOT NULL PRIMARY KEY, about $TEXT NOT NULL, peer $TEXT NOT NULL, kind $TEXT NOT NULL,
        digest $TEXT NOT NULL, letter $TEXT NOT NULL, problem $TEXT, at $INT NOT NULL, tried $INT NOT NULL);
    CREATE INDEX exchange_letter_tried ON exchange_letter (tried);
    CREATE INDEX exchange_letter_about ON exchange_letter (about);
    CREATE INDEX exchange_letter_peer ON exchange_letter (peer);
    CREATE TABLE exchange_notice (
        id $TEXT NOT NULL PRIMARY KEY, role $TEXT NOT NULL, about $TEXT NOT NULL, document $TEXT NOT NULL,
        at $INT NOT NULL);
    CREATE INDEX exchange_notice_role ON exchange_notice (role, at)",
    // Calls that must not be made twice.
    "
    CREATE TABLE exchange_call (
        agreement $TEXT NOT NULL, key $TEXT NOT NULL, digest $TEXT NOT NULL, nonce $TEXT NOT NULL, state $TEXT NOT NULL,
        receipt $TEXT, answer $BYTES, at $INT NOT NULL, PRIMARY KEY (agreement, key));
    CREATE INDEX exchange_call_at ON exchange_call (at)",
    cascade::MIGRATION,
];

// Requests.
pub(crate) const REQUEST_ADD: &str = "
    INSERT INTO exchange_request (id, consumer, provider, offer, version, document, at, waits)
    VALUES ($1, $2, $3, $4, 1, $5, $6, $7) ON CONFLICT (id) DO NOTHING";
pub(crate) const REQUEST_GET: &str = "SELECT version, document FROM exchange_request WHERE id = $1";
pub(crate) const REQUEST_LIST: &str = "SELECT document FROM exchange_request ORDER BY at DESC, id LIMIT $1";
/// Guarded by the version that was read: of two answers at once, one hears that it came late.
pub(crate) const REQUEST_SET: &str = "
    UPDATE exchange_request SET document = $3, waits = $4, version = version + 1 WHERE id = $1 AND version = $2";
/// Those for whom it waits, oldest first, behind the time and id of the last one before.
pub(crate) const REQUEST_WAITING: &str = "
    SELECT document FROM exchange_request
     WHERE waits = $1 AND (at > $2 OR (at = $2 AND id > $3)) ORDER BY at, id LIMIT $4";
/// Agreed, and not signed by us yet.
pub(crate) const REQUEST_UNSIGNED: &str = "
    SELECT document FROM exchange_request
     WHERE waits = 'signature' AND (at > $1 OR (at = $1 AND id > $2))
       AND NOT EXISTS (SELECT 1 FROM exchange_agreement AS a
                        WHERE a.id = 'agr_' || substr(exchange_request.id, 5) AND a.side = 'consumer')
     ORDER BY at, id LIMIT $3";
/// Kept before it was noted for whom they wait.
pub(crate) const REQUEST_UNNOTED: &str = "
    SELECT id, document FROM exchange_request WHERE waits IS NULL ORDER BY id LIMIT $1";
pub(crate) const REQUEST_NOTE: &str = "UPDATE exchange_request SET waits = $2 WHERE id = $1 AND waits IS NULL";
pub(crate) const HEARD_ADD: &str = "
    INSERT INTO exchange_heard (request, events, at) VALUES ($1, $2, $3) ON CONFLICT (request, events) DO NOTHING";
pub(crate) const HEARD_LIST: &str = "SELECT events, at FROM exchange_heard WHERE request = $1 ORDER BY events";

// Agreements.
pub(crate) const AGREEMENT_ADD: &str = "
    INSERT INTO exchange_agreement
        (id, side, peer, offer, state, revision, until, quota, day, day_rows, open, digest, document, at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', 0, 0, $9, $10, $11) ON CONFLICT (id) DO NOTHING";
pub(crate) const AGREEMENT_GET: &str = "
    SELECT side, state, day, day_rows, open, digest, document, revocation FROM exchange_agreement WHERE id = $1";
pub(crate) const AGREEMENT_LIST: &str = "
    SELECT side, state, day, day_rows, open, digest, document, revocation
      FROM exchange_agreement ORDER BY at DESC, id LIMIT $1";
pub(crate) const AGREEMENT_PROVIDERS: &str = "
    SELECT DISTINCT peer FROM exchange_agreement WHERE side = 'consumer' ORDER BY peer";
pub(crate) const AGREEMENT_LIVE: &str = "
    UPDATE exchange_agreement SET state = 'live', document = $2 WHERE id = $1 AND state = 'proposed'";
pub(crate) const AGREEMENT_REVOKE: &str = "
    UPDATE exchange_agreement SET state = 'revoked', revocation = $2 WHERE id = $1 AND state <> 'revoked'";
/// The guards of a delivery: live, at its revision, not over, quota left, few enough receipts open. The day never runs
/// back: a clock that jumps over midnight and back does not give the quota anew.
pub(crate) const AGREEMENT_SPEND: &str = "
    UPDATE exchange_agreement
       SET day_rows = CASE WHEN day >= $3 THEN day_rows ELSE 0 END + $4,
           day = CASE WHEN day > $3 THEN day ELSE $3 END, open = open + 1,
           delivered = CASE WHEN delivered > $6 THEN delivered ELSE $6 END
     WHERE id = $1 AND state = 'live' AND revision = $2 AND until >= $3 AND open < $5
       AND (quota IS NULL OR CASE WHEN day >= $3 THEN day_rows ELSE 0 END + $4 <= quota)";
/// What was not sent counts no more, on its own day.
pub(crate) const AGREEMENT_UNSPEND: &str = "
    UPDATE exchange_agreement SET day_rows = day_rows - 1 WHERE id = $1 AND day = $2 AND day_rows > 0";
pub(crate) const AGREEMENT_OPEN: &str = "
    UPDATE exchange_agreement SET open = open + 1, delivered = $2 WHERE id = $1";
pub(crate) const AGREEMENT_CLOSE: &str = "UPDATE exchange_agreement SET open = open - $2 WHERE id = $1 AND open >= $2";
/// What was delivered in a lost time counts again: on its day if that is the day that counts, and as open.
pub(crate) const AGREEMENT_RECLAIM: &str = "
    UPDATE exchange_agreement
       SET day_rows = CASE WHEN day = $2 THEN day_rows + $3 WHEN day < $2 THEN $3 ELSE day_rows END,
           day = CASE WHEN day > $2 THEN day ELSE $2 END, open = open + $4,
           delivered = CASE WHEN delivered > $5 THEN delivered ELSE $5 END
     WHERE id = $1 AND side = 'provider'";
pub(crate) const HELD_AGREEMENTS: &str = "
    SELECT side, state, day, day_rows, open, digest, document, revocation
      FROM exchange_agreement WHERE peer = $1 AND id > $2 AND state <> 'proposed' ORDER BY id LIMIT $3";
pub(crate) const HELD_REQUESTS: &str = "
    SELECT document FROM exchange_request
     WHERE id > $2 AND ($4 = 1 OR consumer = $1 OR provider = $1) ORDER BY id LIMIT $3";
pub(crate) const HELD_RECEIPTS: &str = "
    SELECT id, side, body, salt, log, asked, proof, document AS acknowledgement
      FROM exchange_receipt JOIN exchange_proof ON receipt = id
      LEFT JOIN exchange_acknowledgement ON digest = acknowledgement
     WHERE peer = $1 AND id > $2 ORDER BY id LIMIT $3";
pub(crate) const UNTOLD_ADD: &str = "
    INSERT INTO exchange_untold (agreement, peer, revocation, at, tried) VALUES ($1, $2, $3, $4, $4)";
/// Those that were tried longest ago come first, so that no silent peer stands in another's way.
pub(crate) const UNTOLD_LIST: &str = "
    SELECT agreement, peer, revocation FROM exchange_untold ORDER BY tried, agreement LIMIT $1";
pub(crate) const UNTOLD_TRIED: &str = "UPDATE exchange_untold SET tried = $2 WHERE agreement = $1";
pub(crate) const UNTOLD_TOLD: &str = "DELETE FROM exchange_untold WHERE agreement = $1";
pub(crate) const UNTOLD_FORGET: &str = "DELETE FROM exchange_untold WHERE at < $1";

// Nonces.
pub(crate) const NONCE_CLAIM: &str = "
    INSERT INTO exchange_nonce (keep_until, key, nonce) VALUES ($1, $2, $3)
    ON CONFLICT (keep_until, key, nonce) DO NOTHING";
pub(crate) const NONCE_FORGET: &str = "DELETE FROM exchange_nonce WHERE keep_until < $1";

// Receipts. Their ids begin with the time, so the order of ids is that of issue.
pub(crate) const RECEIPT_ADD: &str = "
    INSERT INTO exchange_receipt (id, side, agreement, peer, leaf, body, salt, log, asked, delivery, part, at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING";
pub(crate) const RECEIPT_GET: &str = "
    SELECT side, body, salt, log, asked, proof, document AS acknowledgement
      FROM exchange_receipt LEFT JOIN exchange_proof ON receipt = id
      LEFT JOIN exchange_acknowledgement ON digest = acknowledgement WHERE id = $1";
pub(crate) const RECEIPT_LIST: &str = "
    SELECT side, body, salt, log, asked, proof, document AS acknowledgement
      FROM exchange_receipt LEFT JOIN exchange_proof ON receipt = id
      LEFT JOIN exchange_acknowledgement ON digest = acknowledgement
     WHERE ($1 = '' OR agreement = $1) ORDER BY id DESC LIMIT $2";
pub(crate) const UNSIGNED_ADD: &str = "INSERT INTO exchange_unsigned (receipt) VALUES ($1)";
pub(crate) const UNSIGNED_LIST: &str = "
    SELECT id, log FROM exchange_unsigned JOIN exchange_receipt ON id = receipt ORDER BY receipt LIMIT $1";
/// Proofs of so many receipts are kept by one statement; few lengths, so that each stays prepared.
pub(crate) const PROOFS_AT_ONCE: [usize; 4] = [64, 16, 4, 1];

/// Keeps the proofs of `count` receipts: their ids and proofs are the parameters, in turns. The first stays.
pub(crate) fn receipt_proofs(count: usize) -> ::store::Statement {
    let rows: Vec<String> = (0..count).map(|it| format!("(${}, ${})", 2 * it + 1, 2 * it + 2)).collect();
    let rows = rows.join(", ");
    ::store::Statement::built(format!(
        "INSERT INTO exchange_proof (receipt, proof) VALUES {rows} ON CONFLICT (receipt) DO NOTHING"
    ))
    .brief()
}

/// Strikes `count` receipts off the list of those that are not signed.
pub(crate) fn receipts_signed(count: usize) -> ::store::Statement {
    let ids: Vec<String> = (1..=count).map(|it| format!("${it}")).collect();
    let ids = ids.join(", ");
    ::store::Statement::built(format!("DELETE FROM exchange_unsigned WHERE receipt IN ({ids})")).brief()
}

pub(crate) const RECEIPT_DUE: &str = "
    SELECT id, leaf, missed FROM exchange_receipt WHERE side = 'consumer' AND peer = $1 AND acknowledgement IS NULL
     ORDER BY at LIMIT $2";
/// What a consumer has not countersigned of what was issued before `$2`.
pub(crate) const RECEIPT_OPEN: &str = "
    SELECT side, body, salt, log, asked, proof, acknowledgement
      FROM exchange_receipt JOIN exchange_proof ON receipt = id
     WHERE side = 'provider' AND peer = $1 AND acknowledgement IS NULL AND at < $2 ORDER BY at LIMIT $3";
pub(crate) const RECEIPT_MISSED: &str = "UPDATE exchange_receipt SET missed = 1 WHERE id = $1 AND side = 'consumer'";
pub(crate) const RECEIPT_DUE_PEERS: &str = "
    SELECT DISTINCT peer FROM exchange_receipt WHERE side = 'consumer' AND acknowledgement IS NULL";
pub(crate) const ACKNOWLEDGEMENT_ADD: &str = "
    INSERT INTO exchange_acknowledgement (digest, document) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING";
pub(crate) const RECEIPT_ACKNOWLEDGE: &str = "
    UPDATE exchange_receipt SET acknowledgement = $2
     WHERE id = $1 AND side = $3 AND peer = $4 AND leaf = $5 AND acknowledgement IS NULL RETURNING agreement";

// Calls that must not be made twice.
/// Zero rows: somebody else has just noted it.
pub(crate) const CALL_ADD: &str = "
    INSERT INTO exchange_call (agreement, key, digest, nonce, state, at) VALUES ($1, $2, $3, $4, 'sent', $5)
    ON CONFLICT (agreement, key) DO NOTHING";
pub(crate) const CALL_GET: &str = "
    SELECT digest, state, receipt, answer, at FROM exchange_call WHERE agreement = $1 AND key = $2";
/// By whoever noted it, and only while nothing is known of it.
pub(crate) const CALL_DONE: &str = "
    UPDATE exchange_call SET state = 'done', receipt = $4, answer = $5
     WHERE agreement = $1 AND key = $2 AND nonce = $3 AND state = 'sent'";
pub(crate) const CALL_LOST: &str = "
    UPDATE exchange_call SET state = 'lost' WHERE agreement = $1 AND key = $2 AND nonce = $3 AND state = 'sent'";
pub(crate) const CALL_DROP: &str = "
    DELETE FROM exchange_call WHERE agreement = $1 AND key = $2 AND nonce = $3 AND state = 'sent'";
pub(crate) const CALL_FORGET: &str = "DELETE FROM exchange_call WHERE at < $1";

// Batches.
pub(crate) const PARCEL_ADD: &str = "
    INSERT INTO exchange_parcel (id, agreement, peer, format, state, document, at)
    VALUES ($1, $2, $3, $4, 'making', $5, $6) ON CONFLICT (id) DO NOTHING";
pub(crate) const PARCEL_GET: &str = "SELECT peer, state, document FROM exchange_parcel WHERE id = $1";
pub(crate) const PARCEL_READY: &str = "
    UPDATE exchange_parcel SET state = 'ready', document = $2 WHERE id = $1 AND state = 'making'";
pub(crate) const PART_ADD: &str = "
    INSERT INTO exchange_part (parcel, number, digest, rows, bytes) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (parcel, number) DO NOTHING";
pub(crate) const PART_LIST: &str = "
    SELECT number, digest, rows, bytes, receipt FROM exchange_part WHERE parcel = $1 ORDER BY number";
pub(crate) const PART_RECEIPT: &str = "
    SELECT id AS receipt FROM exchange_receipt WHERE side = 'provider' AND delivery = $1 AND part = $2";
/// Receipts of a batch that is not known: it was lost with a time that a restore took back.
pub(crate) const PARCEL_LOST: &str = "
    SELECT id FROM exchange_receipt WHERE side = 'provider' AND delivery = $1 ORDER BY part LIMIT 1";
pub(crate) const PART_ISSUED: &str = "
    UPDATE exchange_part SET receipt = $3 WHERE parcel = $1 AND number = $2 AND receipt IS NULL";

// Pulls: batches that we fetch.
pub(crate) const PULL_ADD: &str = "
    INSERT INTO exchange_pull (id, state, document, at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING";
pub(crate) const PULL_SET: &str = "UPDATE exchange_pull SET state = $2, document = $3 WHERE id = $1";
pub(crate) const PULL_GET: &str = "SELECT document FROM exchange_pull WHERE id = $1";
pub(crate) const PULL_UNDER_WAY: &str = "
    SELECT document FROM exchange_pull WHERE state IN ('making', 'fetching') ORDER BY at LIMIT $1";
pub(crate) const PULL_PARTS: &str = "
    SELECT part FROM exchange_receipt WHERE side = 'consumer' AND delivery = $1 ORDER BY part";
pub(crate) const PULL_PART: &str = "
    SELECT part FROM exchange_receipt WHERE side = 'consumer' AND delivery = $1 AND part = $2";

// Pages behind a batch.
pub(crate) const FOLLOW_OPEN: &str = "
    INSERT INTO exchange_follow (parcel, epoch, position, next) VALUES ($1, $2, $3, $4)
    ON CONFLICT (parcel) DO NOTHING";
pub(crate) const FOLLOW_GET: &str = "SELECT epoch, position, next FROM exchange_follow WHERE parcel = $1";
pub(crate) const FOLLOW_PASS: &str = "UPDATE exchange_follow SET position = $3 WHERE parcel = $1 AND position = $2";
/// Of two asks for the same page at once one finds the follower where it was.
pub(crate) const FOLLOW_NEXT: &str = "
    UPDATE exchange_follow SET position = $4, next = next + 1 WHERE parcel = $1 AND position = $2 AND next = $3";
pub(crate) const PAGE_ADD: &str = "
    INSERT INTO exchange_page (parcel, number, behind, upto, digest, rows, receipt, as_of)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
pub(crate) const PAGE_GET: &str = "
    SELECT behind, upto, digest, rows, receipt, as_of FROM exchange_page WHERE parcel = $1 AND number = $2";

// Deliveries into tables.
pub(crate) const PLAN_ADD: &str = "
    INSERT INTO exchange_plan (name, agreement, target, state, wanted, next_at, document, progress, at)
    VALUES ($1, $2, $3, 'active', '', $4, $5, $6, $7) ON CONFLICT (name) DO NOTHING";
pub(crate) const PLAN_GET: &str = "
    SELECT state, wanted, next_at, document, progress FROM exchange_plan WHERE name = $1";
pub(crate) const PLAN_LIST: &str = "
    SELECT state, wanted, next_at, document, progress FROM exchange_plan ORDER BY at DESC, name LIMIT $1";
/// Plans whose tables follow; the progress is written by us alone, its stage first.
pub(crate) const PLAN_DUE: &str = "
    SELECT state, wanted, next_at, document, progress FROM exchange_plan
     WHERE state = 'active' AND next_at <= $1 AND progress LIKE '{\"stage\":{\"following\"%'
     ORDER BY next_at, name LIMIT $2";
/// Plans whose tables a whole set is under way to, or to be begun.
pub(crate) const PLAN_DUE_WHOLE: &str = "
    SELECT state, wanted, next_at, document, progress FROM exchange_plan
     WHERE state = 'active' AND next_at <= $1 AND progress NOT LIKE '{\"stage\":{\"following\"%'
     ORDER BY next_at, name LIMIT $2";
pub(crate) const PLAN_UNDER: &str = "
    SELECT state, wanted, next_at, document, progress FROM exchange_plan
     WHERE agreement = $1 AND state <> 'ended' ORDER BY name";
pub(crate) const PLAN_STATE: &str = "UPDATE exchange_plan SET state = $2 WHERE name = $1 AND state <> 'ended'";
pub(crate) const PLAN_WANT: &str = "
    UPDATE exchange_plan SET wanted = $2, next_at = 0 WHERE name = $1 AND state = 'active'";
pub(crate) const PLAN_PROGRESS: &str = "UPDATE exchange_plan SET progress = $2 WHERE name = $1";
/// Only where nobody has wanted a run meanwhile.
pub(crate) const PLAN_NEXT: &str = "
    UPDATE exchange_plan SET next_at = $3, wanted = $4 WHERE name = $1 AND next_at = $2 AND wanted = $5";
pub(crate) const RUN_ADD: &str = "
    INSERT INTO exchange_run (plan, number, document) VALUES ($1, $2, $3)
    ON CONFLICT (plan, number) DO UPDATE SET document = excluded.document";
pub(crate) const RUN_LIST: &str = "
    SELECT document FROM exchange_run WHERE plan = $1 ORDER BY number DESC LIMIT $2";
pub(crate) const RUN_FORGET: &str = "DELETE FROM exchange_run WHERE plan = $1 AND number <= $2";
pub(crate) const MARK_GET: &str = "SELECT parcel, next FROM exchange_mark WHERE plan = $1";
pub(crate) const MARK_SET: &str = "
    INSERT INTO exchange_mark (plan, parcel, next) VALUES ($1, $2, $3)
    ON CONFLICT (plan) DO UPDATE SET parcel = excluded.parcel, next = excluded.next";
/// Zero rows: the page is in the table already.
pub(crate) const MARK_NEXT: &str = "
    UPDATE exchange_mark SET next = next + 1 WHERE plan = $1 AND parcel = $2 AND next = $3";

/// Every statement, for the test that prepares them on both databases.
#[cfg(test)]
pub(crate) const ALL: &[&str] = &[
    REQUEST_ADD,
    REQUEST_GET,
    REQUEST_LIST,
    REQUEST_SET,
    REQUEST_WAITING,
    REQUEST_UNSIGNED,
    REQUEST_UNNOTED,
    REQUEST_NOTE,
    HEARD_ADD,
    HEARD_LIST,
    AGREEMENT_ADD,
    AGREEMENT_GET,
    AGREEMENT_LIST,
    AGREEMENT_PROVIDERS,
    AGREEMENT_LIVE,
    AGREEMENT_REVOKE,
    AGREEMENT_SPEND,
    AGREEMENT_UNSPEND,
    AGREEMENT_OPEN,
    CALL_ADD,
    CALL_GET,
    CALL_DONE,
    CALL_LOST,
    CALL_DROP,
    CALL_FORGET,
    AGREEMENT_CLOSE,
    AGREEMENT_RECLAIM,
    HELD_AGREEMENTS,
    HELD_REQUESTS,
    HELD_RECEIPTS,
    UNTOLD_ADD,
    UNTOLD_LIST,
    UNTOLD_TRIED,
    UNTOLD_TOLD,
    UNTOLD_FORGET,
    NONCE_CLAIM,
    NONCE_FORGET,
    RECEIPT_ADD,
    RECEIPT_GET,
    RECEIPT_LIST,
    UNSIGNED_ADD,
    UNSIGNED_LIST,
    ACKNOWLEDGEMENT_ADD,
    RECEIPT_DUE,
    RECEIPT_OPEN,
    RECEIPT_MISSED,
    RECEIPT_DUE_PEERS,
    RECEIPT_ACKNOWLEDGE,
    PARCEL_ADD,
    PARCEL_GET,
    PARCEL_READY,
    PART_ADD,
    PART_LIST,
    PART_RECEIPT,
    PARCEL_LOST,
    PART_ISSUED,
    PULL_ADD,
    PULL_SET,
    PULL_GET,
    PULL_UNDER_WAY,
    PULL_PARTS,
    PULL_PART,
    FOLLOW_OPEN,
    FOLLOW_GET,
    FOLLOW_PASS,
    FOLLOW_NEXT,
    PAGE_ADD,
    PAGE_GET,
    PLAN_ADD,
    PLAN_GET,
    PLAN_LIST,
    PLAN_DUE,
    PLAN_DUE_WHOLE,
    PLAN_UNDER,
    PLAN_STATE,
    PLAN_WANT,
    PLAN_PROGRESS,
    PLAN_NEXT,
    RUN_ADD,
    RUN_LIST,
    RUN_FORGET,
    MARK_GET,
    MARK_SET,
    MARK_NEXT,
    OBJECTION_ADD,
    OBJECTION_GET,
    OBJECTION_LIST,
    OBJECTION_WAITING,
    OBJECTION_SET,
    OBJECTION_UNRULED,
    AGREEMENT_HELD,
    PARCEL_LAST,
    CORRECTION_ADD,
    CORRECTION_GET,
    CORRECTION_ABOUT,
    CORRECTION_LIST,
    CORRECTION_ASK,
    CORRECTION_SET,
    CORRECTION_UNCONFIRMED,
    CORRECTION_ASKED,
    CANDIDATE_ADD,
    CANDIDATE_LIST,
    CANDIDATE_TOLD,
    CANDIDATE_FORGET,
    LETTER_ADD,
    LETTER_COUNT,
    LETTER_LIST,
    LETTER_ABOUT,
    LETTER_SILENT,
    LETTER_OF,
    LETTER_HEARD,
    LETTER_FAILED,
    NOTICE_ADD,
    NOTICE_FORGET,
    NOTICE_LIST,
    NOTICE_GET,
    ACCOUNT_REQUESTS,
    ACCOUNT_OBJECTIONS,
    ACCOUNT_CORRECTIONS,
    ACCOUNT_AGREEMENTS,
    ACCOUNT_CALLS,
    ACCOUNT_RECEIPTS,
];

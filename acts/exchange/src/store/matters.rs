//! Statements of what is wrong and what is told: objections, corrections, letters, notices.

// Objections.
pub(crate) const OBJECTION_ADD: &str = "
    INSERT INTO exchange_objection (id, side, peer, agreement, record, stage, version, document, at)
    VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8) ON CONFLICT (id) DO NOTHING";
pub(crate) const OBJECTION_GET: &str = "SELECT version, document FROM exchange_objection WHERE id = $1";
pub(crate) const OBJECTION_LIST: &str = "SELECT document FROM exchange_objection ORDER BY at DESC, id LIMIT $1";
pub(crate) const OBJECTION_WAITING: &str = "
    SELECT document FROM exchange_objection
     WHERE side = 'received' AND stage IN ('open', 'accepted') ORDER BY at, id LIMIT $1";
/// Ours, and nobody has ruled on them for good; those that were passed on wait for whoever has them now.
pub(crate) const OBJECTION_UNRULED: &str = "
    SELECT document FROM exchange_objection
     WHERE side = 'raised' AND stage IN ('open', 'accepted', 'passed-on') ORDER BY at, id LIMIT $1";
pub(crate) const OBJECTION_SET: &str = "
    UPDATE exchange_objection SET document = $3, stage = $4, version = version + 1 WHERE id = $1 AND version = $2";

// Corrections.
/// The agreements under which something may have been delivered, by id.
pub(crate) const AGREEMENT_HELD: &str = "
    SELECT id, day, delivered, document FROM exchange_agreement
     WHERE side = 'provider' AND state <> 'proposed' AND id > $1 ORDER BY id LIMIT $2";
pub(crate) const PARCEL_LAST: &str = "SELECT MAX(at) AS at FROM exchange_parcel WHERE agreement = $1";
pub(crate) const CORRECTION_ADD: &str = "
    INSERT INTO exchange_correction (id, side, peer, agreement, about, telling, document, at, moved)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT (id) DO NOTHING";
pub(crate) const CORRECTION_GET: &str = "
    SELECT side, telling, document, confirmation FROM exchange_correction WHERE id = $1 AND side = $2";
pub(crate) const CORRECTION_ABOUT: &str = "
    SELECT side, telling, document, confirmation FROM exchange_correction
     WHERE about = $1 AND side = 'provider' ORDER BY id";
pub(crate) const CORRECTION_LIST: &str = "
    SELECT side, telling, document, confirmation FROM exchange_correction ORDER BY at DESC, id LIMIT $1";
pub(crate) const CORRECTION_ASK: &str = "
    SELECT side, telling, document, confirmation FROM exchange_correction
     WHERE side = 'consumer' AND telling = 'told' ORDER BY moved, id LIMIT $1";
pub(crate) const CORRECTION_SET: &str = "
    UPDATE exchange_correction SET telling = $3, confirmation = COALESCE($4, confirmation), moved = $5
     WHERE id = $1 AND telling = $2";
/// Heard of and not confirmed, or never put on its way because too many letters waited for that member.
pub(crate) const CORRECTION_UNCONFIRMED: &str = "
    SELECT document FROM exchange_correction
     WHERE side = 'provider' AND moved < $1
       AND (telling = 'told' OR telling = 'untold' AND NOT EXISTS (
               SELECT 1 FROM exchange_letter AS l WHERE l.about = exchange_correction.id))
     ORDER BY moved, id LIMIT $2";
pub(crate) const CORRECTION_ASKED: &str = "UPDATE exchange_correction SET moved = $2 WHERE id = $1";
pub(crate) const CANDIDATE_ADD: &str = "
    INSERT INTO exchange_candidate (about, agreement, document, at, until) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (about, agreement) DO NOTHING";
/// Whoever had a delivery since it was wrong, or a batch made, as it shows by now: what was read before the correction
/// may have been noted behind it, with the time at which it was asked for.
pub(crate) const CANDIDATE_LIST: &str = "
    SELECT about, agreement, c.document FROM exchange_candidate AS c JOIN exchange_agreement AS a ON a.id = c.agreement
     WHERE a.delivered >= c.at
        OR EXISTS (SELECT 1 FROM exchange_parcel AS p WHERE p.agreement = c.agreement AND p.at >= c.at)
     ORDER BY about, c.agreement LIMIT $1";
pub(crate) const CANDIDATE_TOLD: &str = "DELETE FROM exchange_candidate WHERE about = $1 AND agreement = $2";
pub(crate) const CANDIDATE_FORGET: &str = "DELETE FROM exchange_candidate WHERE until < $1";

// Letters and notices.
/// A later one about the same takes the place of one that was not heard.
pub(crate) const LETTER_ADD: &str = "
    INSERT INTO exchange_letter (id, about, peer, kind, digest, letter, at, tried)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 0)
    ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, letter = excluded.letter, tried = 0";
pub(crate) const LETTER_COUNT: &str = "SELECT COUNT(*) AS n FROM exchange_letter WHERE peer = $1";
pub(crate) const LETTER_LIST: &str = "
    SELECT id, peer, digest, letter FROM exchange_letter ORDER BY tried, at, id LIMIT $1";
/// Those about an objection and the corrections that it led to, or about whatever else is named.
pub(crate) const LETTER_ABOUT: &str = "
    SELECT id, peer, digest, letter FROM exchange_letter
     WHERE about = $1 OR about IN (SELECT id FROM exchange_correction WHERE about = $1)
     ORDER BY tried, at, id LIMIT $2";
pub(crate) const LETTER_OF: &str = "
    SELECT peer, kind, problem, at FROM exchange_letter WHERE about = $1 ORDER BY id";
pub(crate) const LETTER_HEARD: &str = "DELETE FROM exchange_letter WHERE id = $1 AND digest = $2";
pub(crate) const LETTER_FAILED: &str = "UPDATE exchange_letter SET problem = $2, tried = $3 WHERE id = $1";
/// A member that does not answer answers none of its letters: all of them are tried after those to others.
pub(crate) const LETTER_SILENT: &str = "UPDATE exchange_letter SET problem = $2, tried = $3 WHERE peer = $1";
pub(crate) const NOTICE_FORGET: &str = "DELETE FROM exchange_notice WHERE at < $1";
pub(crate) const NOTICE_ADD: &str = "
    INSERT INTO exchange_notice (id, role, about, document, at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (id) DO NOTHING";
pub(crate) const NOTICE_GET: &str = "SELECT at FROM exchange_notice WHERE id = $1";
pub(crate) const NOTICE_LIST: &str = "
    SELECT document FROM exchange_notice WHERE role = $1 ORDER BY at DESC, id LIMIT $2";

// Accounts.
pub(crate) const ACCOUNT_REQUESTS: &str = "
    SELECT id, document FROM exchange_request WHERE id > $1 AND at < $2 ORDER BY id LIMIT $3";
pub(crate) const ACCOUNT_OBJECTIONS: &str = "
    SELECT id, document FROM exchange_objection WHERE id > $1 AND at < $2 ORDER BY id LIMIT $3";
pub(crate) const ACCOUNT_CORRECTIONS: &str = "
    SELECT id, side, telling, document, confirmation FROM exchange_correction
     WHERE side = 'provider' AND id > $1 AND at < $2 ORDER BY id LIMIT $3";
pub(crate) const ACCOUNT_AGREEMENTS: &str = "SELECT id, offer FROM exchange_agreement WHERE side = 'provider'";
pub(crate) const ACCOUNT_CALLS: &str = "
    SELECT peer, agreement, COUNT(*) AS n FROM exchange_receipt
     WHERE side = 'provider' AND at >= $1 AND at < $2 GROUP BY peer, agreement ORDER BY peer, agreement";
pub(crate) const ACCOUNT_RECEIPTS: &str = "
    SELECT id FROM exchange_receipt
     WHERE side = 'provider' AND peer = $1 AND at >= $2 AND at < $3 AND id > $4 ORDER BY id LIMIT $5";

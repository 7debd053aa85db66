//! Letters to other nodes, told until they are heard, and notices to our own people, given once.

use crate::{
    Letter,
    store::{
        LETTER_ABOUT, LETTER_ADD, LETTER_COUNT, LETTER_FAILED, LETTER_HEARD, LETTER_LIST, LETTER_OF, LETTER_SILENT,
        NOTICE_ADD, NOTICE_FORGET, NOTICE_LIST, text,
    },
};
use ::store::{Reader, Row, Statement, Tx, args};
use policy::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vocabulary::{
    Bilingual, Date, Digest, Kind, OrganisationId, Problem, Timestamp, canonical_digest, ensure, micros,
    timestamp_from_micros,
};

/// Letters told in one step at most.
const LETTERS_MAX: u32 = 100;
/// Letters that may wait for one member at most; past it whoever writes one more hears so.
const LETTERS_WAITING_MAX: i64 = 100_000;
/// Notices listed at once at most.
const NOTICES_MAX: u32 = 500;
/// Notices are kept for so many days; what still waits then is told anew.
pub const NOTICES_KEPT_DAYS: i64 = 731;
const DAY_MICROS: i64 = 86_400 * 1_000_000;

/// Too many letters wait for one member.
const TOO_MANY: &str = "letter.too_many";

/// A letter on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Names it: what it is about and to whom.
    pub id: String,
    /// To whom.
    pub peer: OrganisationId,
    /// What it says.
    pub letter: Letter,
    /// Its digest, as it was read.
    pub digest: Digest,
}

/// A letter that has not arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Undelivered {
    /// To whom.
    pub to: OrganisationId,
    /// What it is.
    pub kind: String,
    /// What came back at the last try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Since when it waits.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

/// Puts a letter on its way; one about the same matter to the same member takes the earlier one's place.
pub(crate) async fn send(
    tx: &mut Tx,
    about: &str,
    peer: &OrganisationId,
    letter: &Letter,
    now: Timestamp,
) -> Result<(), Problem> {
    let waiting = tx.row(LETTER_COUNT, args![peer.as_str()]).await?.map_or(Ok(0), |it| it.int("n"))?;
    ensure!(
        waiting < LETTERS_WAITING_MAX,
        Problem::new(
            Kind::Unavailable,
            TOO_MANY,
            format!("待送达 {peer} 的消息已达 {LETTERS_WAITING_MAX} 条；请先恢复与其连接"),
            format!("{LETTERS_WAITING_MAX} letters wait for {peer}; restore the connection to it first"),
        )
    );
    let kind = letter.word();
    let digest = canonical_digest(vocabulary::Suite::default(), letter)?.to_string();
    let id = match letter {
        // Each step of a matter is told, whatever became of the one before.
        Letter::Escalation(it) => format!("{about}/{kind}/{}/{peer}", it.body.step),
        _ => format!("{about}/{kind}/{peer}"),
    };
    tx.execute(LETTER_ADD, args![id, about, peer.as_str(), kind, digest, text(letter)?, micros(now)]).await.map(|_| ())
}

/// Puts a letter on its way unless too many wait for that member already; whoever writes to many at once goes on with
/// the others. Says whether it is on its way.
pub(crate) async fn send_or_leave(
    tx: &mut Tx,
    about: &str,
    peer: &OrganisationId,
    letter: &Letter,
    now: Timestamp,
) -> Result<bool, Problem> {
    match send(tx, about, peer, letter, now).await {
        Ok(()) => Ok(true),
        Err(problem) if problem.code == TOO_MANY => Ok(false),
        Err(problem) => Err(problem),
    }
}

/// Letters on their way, those tried longest ago first, at most 100.
///
/// # Errors
/// Those of the store.
pub async fn letters(reader: &mut Reader) -> Result<Vec<Outgoing>, Problem> {
    reader.rows(LETTER_LIST, args![LETTERS_MAX]).await?.iter().map(outgoing).collect()
}

/// Letters on their way about something, or about the corrections that an objection led to, at most 100.
///
/// # Errors
/// Those of the store.
pub async fn letters_about(reader: &mut Reader, about: &str) -> Result<Vec<Outgoing>, Problem> {
    reader.rows(LETTER_ABOUT, args![about, LETTERS_MAX]).await?.iter().map(outgoing).collect()
}

fn outgoing(row: &Row) -> Result<Outgoing, Problem> {
    let (peer, digest) = (OrganisationId::new(row.text("peer")?)?, row.text("digest")?.parse()?);
    Ok(Outgoing { id: row.text("id")?.to_owned(), peer, letter: row.json("letter")?, digest })
}

/// Takes a letter that was heard off the list, unless another has taken its place; says whether it was there.
pub(crate) async fn heard(tx: &mut Tx, sent: &Outgoing) -> Result<bool, Problem> {
    Ok(tx.execute(LETTER_HEARD, args![&sent.id, sent.digest.to_string()]).await? == 1)
}

/// Notes that a letter did not arrive; it is tried again after the others. Where its member did not answer at all, that
/// is said of all of its letters.
///
/// # Errors
/// Those of the store.
pub async fn letter_failed(tx: &mut Tx, sent: &Outgoing, problem: &Problem, now: Timestamp) -> Result<(), Problem> {
    let (statement, whose) = match problem.kind {
        Kind::Unavailable => (LETTER_SILENT, sent.peer.as_str()),
        _ => (LETTER_FAILED, sent.id.as_str()),
    };
    tx.execute(statement, args![whose, problem.code.as_ref(), micros(now)]).await.map(|_| ())
}

/// The letters about something that have not arrived.
///
/// # Errors
/// Those of the store.
pub async fn undelivered(reader: &mut Reader, about: &str) -> Result<Vec<Undelivered>, Problem> {
    let rows = reader.rows(LETTER_OF, args![about]).await?;
    rows.iter()
        .map(|it| {
            Ok(Undelivered {
                to: OrganisationId::new(it.text("peer")?)?,
                kind: it.text("kind")?.to_owned(),
                problem: it.opt_text("problem")?.map(str::to_owned),
                at: timestamp_from_micros(it.int("at")?)?,
            })
        })
        .collect()
}

/// Something that the people of a role should know, told them once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// What it is about: a request, an objection, a correction.
    pub about: String,
    /// What happened to it: `objection-received`, `clock-yellow`.
    pub kind: String,
    /// For whom.
    pub role: Role,
    /// In words.
    pub title: Bilingual,
    /// By when something is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub due: Option<Date>,
    /// When it was given.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

/// The word of a role, as it stands in a column.
fn role_word(role: Role) -> Result<String, Problem> {
    text(&role).map(|it| it.trim_matches('"').to_owned())
}

/// What makes a notice the same one.
pub(crate) fn notice_id(notice: &Notice) -> Result<String, Problem> {
    Ok(format!("{}/{}/{}", notice.about, notice.kind, role_word(notice.role)?))
}

/// Gives a notice; the same kind about the same matter is given to a role once. Says whether it was new.
///
/// # Errors
/// Those of the store.
pub async fn notify(tx: &mut Tx, notice: &Notice) -> Result<bool, Problem> {
    let (id, role) = (notice_id(notice)?, role_word(notice.role)?);
    let args = args![id, role, &notice.about, text(notice)?, micros(notice.at)];
    Ok(tx.execute(NOTICE_ADD, args).await? == 1)
}

/// Forgets notices of more than two years ago; says how many.
///
/// # Errors
/// Those of the store.
pub async fn forget_notices(tx: &mut Tx, now: Timestamp) -> Result<u64, Problem> {
    tx.execute(Statement::long(NOTICE_FORGET), args![micros(now) - NOTICES_KEPT_DAYS * DAY_MICROS]).await
}

/// The newest notices to any of these roles, at most 500.
///
/// # Errors
/// Those of the store.
pub async fn notices(reader: &mut Reader, roles: impl IntoIterator<Item = Role>) -> Result<Vec<Notice>, Problem> {
    let mut all = Vec::new();
    for role in roles {
        let rows = reader.rows(NOTICE_LIST, args![role_word(role)?, NOTICES_MAX]).await?;
        all.extend(rows.iter().map(|it: &Row| it.json("document")).collect::<Result<Vec<Notice>, _>>()?);
    }
    all.sort_by(|a, b| (b.at, &a.about, &a.kind).cmp(&(a.at, &b.about, &b.kind)));
    all.truncate(NOTICES_MAX as usize);
    Ok(all)
}

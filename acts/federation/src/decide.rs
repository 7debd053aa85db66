//! What an entry may change: order, quorum, keys.
//!
//! Pure. Invariants, each with a property test:
//! - nothing changes a view but an entry that continues it and that a quorum of its founders has signed;
//! - a key never belongs to two organisations, not even after one of them has gone;
//! - replaying a log gives the same view, and a changed byte stops it.

use crate::format::{FOUNDERS_MAX, KEYS_MAX};
use crate::levels::LEVELS_MAX;
use crate::{Change, Entry, EntryBody, Expelled, Format, Founders, Genesis, Keys, Member, Organisation, VERSION, View};
use policy::MemberRole;
use signing::{PublicKey, Purpose};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use vocabulary::{Digest, FederationName, Kind, OrganisationId, Problem, Suite, Timestamp, ensure};

/// A federation has at most this many members.
pub const MEMBERS_MAX: usize = 20_000;
/// A view may not be asked to stay good for longer than this.
const VIEW_HOURS_MAX: u32 = 7 * 24;
/// A title or a reason is at most this long.
const TITLE_CHARS_MAX: usize = 200;

/// The view after `entry`.
///
/// # Errors
/// As [`check`]; `view` is then as if nobody had asked.
pub fn apply(view: &View, entry: &Entry) -> Result<View, Problem> {
    let head = check(view, entry)?;
    let mut next = view.clone();
    carry_out(&mut next, &entry.body, head);
    Ok(next)
}

/// The view after all of `entries`.
///
/// # Errors
/// The first that [`check`] says.
pub fn replay<'a>(genesis: Genesis, entries: impl IntoIterator<Item = &'a Entry>) -> Result<View, Problem> {
    extend(View::new(genesis)?, entries)
}

/// The view after `entries` as well.
///
/// # Errors
/// The first that [`check`] says.
pub fn extend<'a>(mut view: View, entries: impl IntoIterator<Item = &'a Entry>) -> Result<View, Problem> {
    for entry in entries {
        let head = check(&view, entry)?;
        carry_out(&mut view, &entry.body, head);
    }
    Ok(view)
}

/// Whether `entry` continues `view`, is signed by a quorum, and may change what it changes; says its digest.
///
/// # Errors
/// `federation.order`, `federation.signature`, `federation.quorum`, or the first reason of [`check_body`].
pub fn check(view: &View, entry: &Entry) -> Result<Digest, Problem> {
    let digest = check_body(view, &entry.body)?;
    check_quorum(&view.founders, entry)?;
    Ok(digest)
}

/// Whether `body` continues `view` and may change what it changes, signatures apart: for proposals.
///
/// # Errors
/// `federation.order`, `federation.organisation`, `federation.keys`, `federation.key_taken`, `federation.overlap`,
/// `federation.member`, `federation.genesis`, `federation.full`, `peer.not_member`.
pub fn check_body(view: &View, body: &EntryBody) -> Result<Digest, Problem> {
    let continues = body.format == Format::Entry
        && body.version == VERSION
        && body.federation == view.genesis.federation
        && Some(body.number) == view.number.checked_add(1)
        && body.previous == view.head
        && body.at >= view.at;
    ensure!(continues, out_of_order(view, body));
    match &body.change {
        Change::Join { organisation } => check_join(view, organisation)?,
        Change::Update { organisation } => check_update(view, organisation)?,
        Change::Rotate { id, keys, emergency } => check_rotation(view, id, keys, *emergency)?,
        Change::Expel { id, reason, .. } => {
            view.member(id)?;
            ensure!(has_title(&reason.zh) && has_title(&reason.en), bad(id, "reason", "理由应有中英文"));
        }
        Change::Founders { founders } => check_founders(&view.genesis.federation, founders)?,
    }
    body.digest()
}

/// How many more founders must sign `body` before it counts, given `signatures`, all of which must hold.
///
/// # Errors
/// `federation.signature` when one does not hold or is no founder's.
pub fn missing(founders: &Founders, entry: &Entry) -> Result<u32, Problem> {
    let bytes = Purpose::Membership.bytes(&entry.body)?;
    let mut signed = BTreeSet::new();
    for signature in &entry.signatures {
        let key = founders.keys.iter().map(|it| it.key).find(|it| it.base64() == signature.key);
        let key = key.ok_or_else(|| bad_signature(&signature.key))?;
        key.verify(&bytes, signature).map_err(|_| bad_signature(&signature.key))?;
        ensure!(signed.insert(key), bad_signature(&signature.key));
    }
    let signed = u32::try_from(signed.len()).unwrap_or(u32::MAX);
    Ok(founders.quorum.saturating_sub(signed))
}

fn check_quorum(founders: &Founders, entry: &Entry) -> Result<(), Problem> {
    // That none is repeated, `missing` sees.
    let ordered = entry.signatures.is_sorted_by_key(|it| &it.key);
    ensure!(ordered && entry.signatures.len() <= FOUNDERS_MAX, bad_signature("signatures"));
    let missing = missing(founders, entry)?;
    ensure!(
        missing == 0,
        Problem::new(
            Kind::Refused,
            "federation.quorum",
            format!("此条目须 {} 位创始成员签名，还差 {missing} 位", founders.quorum),
            format!("this entry needs the signatures of {} founders; {missing} are missing", founders.quorum),
        )
        .with("missing", missing)
    );
    Ok(())
}

/// Whether a genesis can begin a federation.
///
/// # Errors
/// `federation.genesis`.
pub fn check_genesis(genesis: &Genesis) -> Result<(), Problem> {
    let sound = genesis.format == Format::Genesis
        && genesis.version == VERSION
        && genesis.suite == Suite::default()
        && (1..=VIEW_HOURS_MAX).contains(&genesis.view_hours_max)
        && has_title(&genesis.title.zh)
        && has_title(&genesis.title.en);
    ensure!(sound, bad_genesis(&genesis.federation));
    check_founders(&genesis.federation, &genesis.founders)
}

fn check_founders(federation: &FederationName, founders: &Founders) -> Result<(), Problem> {
    let number = founders.keys.len();
    let quorum = usize::try_from(founders.quorum).unwrap_or(usize::MAX);
    let sound = (1..=FOUNDERS_MAX).contains(&number)
        && (1..=number).contains(&quorum)
        && founders.keys.is_sorted_by(|one, other| one.key < other.key)
        && founders.keys.iter().all(|it| has_title(&it.title.zh) && has_title(&it.title.en));
    ensure!(sound, bad_genesis(federation));
    Ok(())
}

fn check_join(view: &View, organisation: &Organisation) -> Result<(), Problem> {
    let id = &organisation.id;
    ensure!(!view.members.contains_key(id), already_member(id));
    ensure!(view.members.len() < MEMBERS_MAX, full());
    check_organisation(view, organisation)?;
    check_keys(view, id, &organisation.keys)?;
    let expelled = view.expelled.get(id).and_then(|it| it.last());
    let fresh = expelled.is_none_or(|before| {
        let keys = &organisation.keys;
        let known = |it: &PublicKey| view.used_keys.contains_key(it);
        !keys.messages.iter().any(known)
            && !known(&keys.log.key)
            && !keys.tls.iter().any(|it| view.used_pins.contains_key(it))
            && before.member.organisation.keys.log.origin.epoch < keys.log.origin.epoch
    });
    ensure!(
        fresh,
        overlap(id, "被除名后重新加入须换用全部新密钥与新日志", "after an expulsion all keys and the log must be new")
    );
    Ok(())
}

fn check_update(view: &View, organisation: &Organisation) -> Result<(), Problem> {
    let before = view.member(&organisation.id)?;
    check_organisation(view, organisation)?;
    ensure!(
        before.organisation.keys == organisation.keys,
        overlap(
            &organisation.id,
            "更新不换密钥，换密钥请用 rotate",
            "an update keeps the keys; to change them, rotate"
        )
    );
    Ok(())
}

fn check_rotation(view: &View, id: &OrganisationId, keys: &Keys, emergency: bool) -> Result<(), Problem> {
    let before = &view.member(id)?.organisation.keys;
    check_keys(view, id, keys)?;
    let kept = |one: bool, other: bool| if emergency { !one && !other } else { one && other };
    let messages = keys.messages.iter().any(|it| before.messages.contains(it));
    let tls = keys.tls.iter().any(|it| before.tls.contains(it));
    ensure!(
        kept(messages, tls),
        overlap(
            id,
            "平时换密钥应新旧并存，密钥失窃时（emergency）应全部换新",
            "old and new keys overlap, but none of the old stays in an emergency"
        )
    );
    let back = keys.messages.iter().any(|it| view.used_keys.contains_key(it) && !before.messages.contains(it));
    let pins_back = keys.tls.iter().any(|it| view.used_pins.contains_key(it) && !before.tls.contains(it));
    ensure!(!back && !pins_back, overlap(id, "用过又停用的密钥不得再用", "a key that was given up does not come back"));
    let log_moves_on = before.log == keys.log || before.log.origin.epoch < keys.log.origin.epoch;
    let log_key_sound = before.log.key == keys.log.key || !view.used_keys.contains_key(&keys.log.key);
    ensure!(log_moves_on && log_key_sound, overlap(id, "换日志须用新的 epoch", "another log needs a later epoch"));
    Ok(())
}

fn check_organisation(view: &View, organisation: &Organisation) -> Result<(), Problem> {
    let id = &organisation.id;
    let digits = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    ensure!(has_title(&organisation.title.zh) && has_title(&organisation.title.en), bad(id, "title", "名称应有中英文"));
    ensure!(
        matches!(organisation.division.len(), 2 | 4 | 6 | 9 | 12) && digits(&organisation.division),
        bad(id, "division", "行政区划代码应为 2、4、6、9 或 12 位数字")
    );
    ensure!(organisation.uscc.as_deref().is_none_or(is_credit_code), bad(id, "uscc", "统一社会信用代码应为 18 位"));
    ensure!(!organisation.roles.is_empty(), bad(id, "roles", "至少一个角色"));
    ensure!(is_host(&organisation.host), bad(id, "host", "应为小写主机名"));
    let taken = view.by_host.get(&organisation.host).is_some_and(|it| it != id);
    ensure!(!taken, key_taken(id, &organisation.host));
    let addresses = &organisation.addresses;
    ensure!(
        (1..=KEYS_MAX).contains(&addresses.len()) && addresses.iter().all(|it| is_address(it)),
        bad(id, "addresses", "应有 1 至 8 个“主机:端口”")
    );
    check_superior(view, organisation)
}

/// A superior is an authority on the same level or a higher one, and nobody is above itself.
fn check_superior(view: &View, organisation: &Organisation) -> Result<(), Problem> {
    let (id, Some(superior)) = (&organisation.id, &organisation.superior) else { return Ok(()) };
    let above = view.members.get(superior).map(|it| &it.organisation);
    let fit = above.is_some_and(|it| it.roles.contains(&MemberRole::Authority) && it.level <= organisation.level);
    ensure!(fit && superior != id, bad(id, "superior", "上级应为同级或更高层级的主管部门成员"));
    let known = view.members.get(id).and_then(|it| it.organisation.superior.as_ref()) == Some(superior);
    let line = view.line(superior);
    let deep = |below: usize| below + line.len() > LEVELS_MAX;
    let lines = view.members.keys().map(|it| view.line(it));
    let fits =
        known || !line.contains(&id) && !lines.into_iter().any(|it| place(&it, id).is_some_and(deep)) && !deep(1);
    ensure!(fits, bad(id, "superior", "上下级不得成环，且不超过 8 级"));
    Ok(())
}

/// How many from the beginning of a line to `id`, both counted.
fn place(line: &[&OrganisationId], id: &OrganisationId) -> Option<usize> {
    line.iter().position(|it| *it == id).map(|it| it + 1)
}

fn check_keys(view: &View, id: &OrganisationId, keys: &Keys) -> Result<(), Problem> {
    let bounded = (1..=KEYS_MAX).contains(&keys.messages.len()) && (1..=KEYS_MAX).contains(&keys.tls.len());
    let messages: BTreeSet<_> = keys.messages.iter().collect();
    let pins: BTreeSet<_> = keys.tls.iter().collect();
    let distinct =
        messages.len() == keys.messages.len() && pins.len() == keys.tls.len() && !messages.contains(&keys.log.key);
    ensure!(bounded && distinct, bad(id, "keys", "消息、TLS 密钥各 1 至 8 个且互不相同，日志密钥另立"));
    ensure!(
        keys.log.key.suite() == Suite::default(),
        bad(id, "keys/log/key", "日志密钥应为 Ed25519（C2SP）；SM2 由消息密钥并列签名")
    );
    let origin = &keys.log.origin;
    ensure!(
        origin.federation == view.genesis.federation && origin.organisation == *id,
        bad(id, "keys/log/origin", "日志名应为 <联邦>/<组织>/<epoch>")
    );
    for key in keys.messages.iter().chain([&keys.log.key]) {
        ensure!(view.used_keys.get(key).is_none_or(|(it, _)| it == id), key_taken(id, &key.to_string()));
    }
    for pin in &keys.tls {
        ensure!(view.used_pins.get(pin).is_none_or(|it| it == id), key_taken(id, &pin.to_string()));
    }
    Ok(())
}

/// Changes `view` by an entry that [`check`] has passed.
fn carry_out(view: &mut View, body: &EntryBody, head: Digest) {
    (view.head, view.number, view.at) = (head, body.number, body.at);
    match &body.change {
        Change::Join { organisation } => {
            let member = Member {
                organisation: (**organisation).clone(),
                since: body.at,
                former_messages: Vec::new(),
                former_logs: Vec::new(),
            };
            admit(view, member);
        }
        Change::Update { organisation } => {
            if let Some(mut member) = dismiss(view, &organisation.id) {
                member.organisation = (**organisation).clone();
                admit(view, member);
            }
        }
        Change::Rotate { id, keys, .. } => {
            if let Some(mut member) = dismiss(view, id) {
                retire(&mut member, keys, body.at);
                admit(view, member);
            }
        }
        Change::Expel { id, reason, .. } => {
            if let Some(member) = dismiss(view, id) {
                let expelled = Expelled { member: Arc::new(member), at: body.at, reason: reason.clone() };
                view.expelled.entry(id.clone()).or_default().push(expelled);
            }
        }
        Change::Founders { founders } => view.founders = founders.clone(),
    }
}

fn retire(member: &mut Member, keys: &Keys, at: Timestamp) {
    let before = std::mem::replace(&mut member.organisation.keys, keys.clone());
    let gone = before.messages.into_iter().filter(|it| !keys.messages.contains(it));
    member.former_messages.extend(gone.map(|it| (it, at)));
    if before.log != keys.log {
        member.former_logs.push((before.log, at));
    }
}

fn admit(view: &mut View, member: Member) {
    let at = view.at;
    let id = &member.organisation.id;
    let keys = &member.organisation.keys;
    view.by_host.insert(member.organisation.host.clone(), id.clone());
    for pin in &keys.tls {
        view.by_tls.insert(*pin, id.clone());
        view.used_pins.insert(*pin, id.clone());
    }
    for key in &keys.messages {
        view.by_message.insert(key.to_string(), (*key, id.clone()));
        view.used_keys.entry(*key).or_insert_with(|| (id.clone(), at));
    }
    view.used_keys.entry(keys.log.key).or_insert_with(|| (id.clone(), at));
    view.members.insert(id.clone(), Arc::new(member));
}

fn dismiss(view: &mut View, id: &OrganisationId) -> Option<Member> {
    let member = view.members.remove(id)?;
    view.by_host.remove(&member.organisation.host);
    for pin in &member.organisation.keys.tls {
        view.by_tls.remove(pin);
    }
    for key in &member.organisation.keys.messages {
        view.by_message.remove(&key.to_string());
    }
    Some(Arc::unwrap_or_clone(member))
}

fn has_title(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= TITLE_CHARS_MAX && !text.contains(char::is_control)
}

fn is_credit_code(text: &str) -> bool {
    text.len() == 18 && text.bytes().all(|it| it.is_ascii_digit() || it.is_ascii_uppercase() && !b"IOSVZ".contains(&it))
}

fn is_host(text: &str) -> bool {
    let label = |it: &str| {
        (1..=63).contains(&it.len())
            && it.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
            && !it.starts_with('-')
            && !it.ends_with('-')
    };
    // Not an IPv4 address: TLS chooses by name.
    let named = text.rsplit('.').next().is_some_and(|it| it.starts_with(|it: char| it.is_ascii_lowercase()));
    text.len() <= 253 && named && text.split('.').all(label)
}

fn is_address(text: &str) -> bool {
    let named = || {
        let (host, port) = text.rsplit_once(':')?;
        (is_host(host) && port.parse::<u16>().is_ok_and(|it| it > 0)).then_some(())
    };
    text.parse::<SocketAddr>().is_ok_and(|it| it.port() > 0) || named().is_some()
}

fn out_of_order(view: &View, body: &EntryBody) -> Problem {
    let next = view.number.saturating_add(1);
    Problem::new(
        Kind::Conflict,
        "federation.order",
        format!("条目（第 {} 条）不接续当前成员日志：应为第 {next} 条，前一摘要 {}", body.number, view.head),
        format!("entry {} does not continue the log: entry {next} after {} is due", body.number, view.head),
    )
    .with("number", next)
    .with("previous", view.head.to_string())
}

fn bad_signature(key: &str) -> Problem {
    Problem::new(
        Kind::Refused,
        "federation.signature",
        format!("签名（公钥 {key}）不是创始成员对此条目的有效签名，或重复、未按序"),
        format!("the signature by {key} is no founder's over this entry, or is repeated or out of order"),
    )
}

fn bad_genesis(federation: &FederationName) -> Problem {
    let zh = "创始成员按公钥升序且不重复，门限不超过人数，名称中英文齐全";
    let en = "founders by ascending distinct keys, a quorum within their number, titles in both languages";
    Problem::new(
        Kind::Unprocessable,
        "federation.genesis",
        format!(
            "联邦 {federation} 的创始内容有误：{zh}，1 至 {FOUNDERS_MAX} 位，视图有效期 1 至 {VIEW_HOURS_MAX} 小时"
        ),
        format!("{federation} is not founded so: 1 to {FOUNDERS_MAX} {en}, a view age of 1 to {VIEW_HOURS_MAX} h"),
    )
}

fn bad(id: &OrganisationId, field: &str, zh: &str) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "federation.organisation",
        format!("组织 {id} 的 {field} 有误：{zh}"),
        format!("{field} of organisation {id} is not as its schema says"),
    )
    .field(format!("/change/organisation/{field}"))
}

fn key_taken(id: &OrganisationId, what: &str) -> Problem {
    Problem::new(
        Kind::Conflict,
        "federation.key_taken",
        format!("{what} 已属于另一组织，{id} 不能再用；请另换"),
        format!("{what} belongs to another organisation, {id} cannot have it; take another"),
    )
}

fn overlap(id: &OrganisationId, zh: &str, en: &str) -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "federation.overlap",
        format!("组织 {id}：{zh}"),
        format!("organisation {id}: {en}"),
    )
}

fn already_member(id: &OrganisationId) -> Problem {
    Problem::new(
        Kind::Conflict,
        "federation.member",
        format!("{id} 已是成员；变更请用 update 或 rotate"),
        format!("{id} is a member already; to change it, update or rotate"),
    )
}

fn full() -> Problem {
    Problem::new(
        Kind::TooLarge,
        "federation.full",
        format!("一个联邦最多 {MEMBERS_MAX} 个成员"),
        format!("a federation has at most {MEMBERS_MAX} members"),
    )
}

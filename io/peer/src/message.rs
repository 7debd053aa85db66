//! Signed HTTP messages between nodes: RFC 9421 signatures with RFC 9530 digests, in one strict profile.
//!
//! Pure: time, nonce and body digest are arguments. Why our own three hundred lines and no crate: `httpsig` brings RSA
//! (a release candidate), two more curves and a second Ed25519, and leaves to its caller what must be covered. Here
//! that is fixed:
//! - a request covers `@method @authority @path @query content-digest` and every field of [`COVERED`] that it has;
//! - an answer covers `@status content-digest`, those fields, and the request's own signature, hence the whole request;
//! - the key decides the suite: `alg` is `ed25519` with `content-digest: sha-256`, or `sm2-sm3` with `sm3`;
//! - the parameters are `created expires nonce keyid alg tag` in this order, the label and the tag are `yunhe`.
//!
//! Invariant: no covered byte can change without being refused.

mod base;
mod field;

use base::signature_base;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use field::{Bare, Component, Input, Malformed};
use http::{HeaderMap, HeaderValue, request, response};
use jiff::ToSpan as _;
use signing::{PublicKey, Signer};
use std::{fmt, str::FromStr};
use vocabulary::{Digest, Kind, Problem, Suite, Timestamp, ensure};

pub(crate) use base::authority;

/// A signature is good this long before and after its `created`.
pub const WINDOW_SECONDS: i64 = 300;
/// The fields that are covered wherever they occur.
pub const COVERED: [&str; 6] = ["content-type", "content-encoding", "accept", "range", "idempotency-key", "location"];

const CONTENT_DIGEST: &str = "content-digest";
const SIGNATURE_INPUT: &str = "signature-input";
const SIGNATURE: &str = "signature";
const LABEL: &str = "yunhe";
const REQUEST_PARAMS_ZH: &str = "应依次为 created expires nonce keyid alg tag";
const REQUEST_PARAMS_EN: &str = "should be created expires nonce keyid alg tag in this order";

/// A drawn nonce begins with its time, in milliseconds.
const TIME_BYTES: usize = 6;

/// Sixteen bytes that make a request unique; prints as 32 hex digits. Any will do; ours begin with the time, so that
/// whoever keeps them keeps neighbours side by side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(pub [u8; 16]);

impl Nonce {
    /// Draws one: the time, then ten bytes of the system's randomness.
    ///
    /// # Errors
    /// `signing.entropy` when the system gives none.
    pub fn draw(now: Timestamp) -> Result<Self, Problem> {
        let mut bytes = [0; 16];
        let (time, random) = bytes.split_at_mut(TIME_BYTES);
        time.copy_from_slice(&now.as_millisecond().to_be_bytes()[8 - TIME_BYTES..]);
        getrandom::fill(random).map_err(|it| {
            Problem::new(Kind::Internal, "signing.entropy", format!("系统未提供随机数：{it}"), it.to_string())
        })?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Nonce {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let nonce = hex::decode(text).ok().and_then(|it| it.try_into().ok()).map(Self);
        nonce
            .filter(|it| it.to_string() == text)
            .ok_or_else(|| unsigned("nonce", "应为 32 位小写十六进制", "should be 32 lower-case hex digits"))
    }
}

/// A request as it was signed: what its answer must be bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The nonce.
    pub nonce: Nonce,
    /// The signature in base64.
    pub signature: String,
}

/// A request whose signature holds. Its nonce is still to be claimed, in the transaction that acts on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The key that signed.
    pub key: PublicKey,
    /// When, by the signer's clock.
    pub created: Timestamp,
    /// The digest of the body that was signed; [`Verified::check_body`] compares.
    pub digest: Digest,
    /// The nonce and the signature.
    pub sent: Sent,
    /// The signature base: with it the signature is proof to anybody, long after the connection.
    pub base: String,
}

impl Verified {
    /// Checks the body that came.
    ///
    /// # Errors
    /// `peer.digest` (400) when it is not the body that was signed.
    pub fn check_body(&self, body: &[u8]) -> Result<(), Problem> {
        check_digest(&self.digest, &Digest::by(self.digest.suite, body))
    }

    /// What the store must keep so that this request passes only once.
    pub fn claim(&self) -> NonceClaim {
        let keep_until = self.created.saturating_add((2 * WINDOW_SECONDS).seconds()).unwrap_or(Timestamp::MAX);
        NonceClaim { key: self.key, nonce: self.sent.nonce, keep_until }
    }
}

/// A row of the nonce table, whose primary key is `keep_until`, key and nonce: it is inserted in the transaction that
/// acts on the request, and where it is there already the request is a replay. Rows are dropped after `keep_until`,
/// which is later than the last instant at which the signature could pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NonceClaim {
    /// The key that signed.
    pub key: PublicKey,
    /// Its nonce.
    pub nonce: Nonce,
    /// The row may go after this instant.
    pub keep_until: Timestamp,
}

impl NonceClaim {
    /// `peer.replay` (409): what the caller hears when the row was there.
    pub fn replay(&self) -> Problem {
        Problem::new(
            Kind::Conflict,
            "peer.replay",
            format!("随机数 {} 已用过，此请求为重放；请重新签名后再发", self.nonce),
            format!("nonce {} was used before, this request is a replay; sign anew and send again", self.nonce),
        )
    }
}

/// Signs a request: sets `content-digest`, `signature-input` and `signature`. `parts.uri` carries the authority, or
/// `Host` does.
///
/// # Errors
/// `peer.signature` when a covered field is not ASCII or the authority is missing; what the signer says.
pub fn sign_request(
    parts: &mut request::Parts,
    body: &Digest,
    key: &dyn Signer,
    nonce: Nonce,
    now: Timestamp,
) -> Result<Sent, Problem> {
    set_digest(&mut parts.headers, body)?;
    let (created, public) = (now.as_second(), key.public());
    let params = vec![
        ("created".to_owned(), Bare::Integer(created)),
        ("expires".to_owned(), Bare::Integer(created + WINDOW_SECONDS)),
        ("nonce".to_owned(), Bare::Text(nonce.to_string())),
        ("keyid".to_owned(), Bare::Text(public.to_string())),
        ("alg".to_owned(), Bare::Text(algorithm(public.suite()).to_owned())),
        ("tag".to_owned(), Bare::Text(LABEL.to_owned())),
    ];
    let input = Input { components: request_components(&parts.headers), params };
    let base = signature_base(parts, &input, |_| None).map_err(unreadable)?;
    let signature = set_signature(&mut parts.headers, &input, &base, key)?;
    Ok(Sent { nonce, signature })
}

/// Checks the signature of a request before its body is read. `keys` answers with the key of a `keyid`, or refuses it.
/// `parts` must be as they came: a router that strips a prefix from the path comes later.
///
/// # Errors
/// `peer.signature` (401), `peer.clock` (401, with `offset_ms`: how far the signer's clock is ahead of `now`), and what
/// `keys` refuses with.
pub fn verify_head(
    parts: &request::Parts,
    keys: impl FnOnce(&str) -> Result<PublicKey, Problem>,
    now: Timestamp,
) -> Result<Verified, Problem> {
    let (input, signature) = ours(&parts.headers)?;
    ensure!(input.components == request_components(&parts.headers), uncovered());
    let [
        (created_name, Bare::Integer(created)),
        (expires_name, Bare::Integer(expires)),
        (nonce_name, Bare::Text(nonce)),
        (key_name, Bare::Text(key_id)),
        (algorithm_name, Bare::Text(named)),
        (tag_name, Bare::Text(tag)),
    ] = input.params.as_slice()
    else {
        return Err(unsigned("parameters", REQUEST_PARAMS_ZH, REQUEST_PARAMS_EN));
    };
    let names = [created_name, expires_name, nonce_name, key_name, algorithm_name, tag_name];
    ensure!(
        names == ["created", "expires", "nonce", "keyid", "alg", "tag"] && tag == LABEL,
        unsigned("parameters", REQUEST_PARAMS_ZH, REQUEST_PARAMS_EN)
    );
    let key = keys(key_id)?;
    check_algorithm(named, &key)?;
    let nonce: Nonce = nonce.parse()?;
    let base = signature_base(parts, &input, |_| None).map_err(unreadable)?;
    verify(&key, &base, &signature)?;
    let created = check_clock(*created, *expires, now)?;
    let digest = read_digest(&parts.headers, key.suite())?;
    let sent = Sent { nonce, signature: STANDARD.encode(signature) };
    Ok(Verified { key, created, digest, sent, base })
}

/// [`verify_head`], and then the body.
///
/// # Errors
/// As [`verify_head`] and [`Verified::check_body`].
pub fn verify_request(
    parts: &request::Parts,
    body: &[u8],
    keys: impl FnOnce(&str) -> Result<PublicKey, Problem>,
    now: Timestamp,
) -> Result<Verified, Problem> {
    let verified = verify_head(parts, keys, now)?;
    verified.check_body(body)?;
    Ok(verified)
}

/// Signs the answer to `request`; `body` is its digest, which for a streamed body must be known beforehand.
///
/// # Errors
/// As [`sign_request`].
pub fn sign_answer(
    parts: &mut response::Parts,
    body: &Digest,
    request: &Sent,
    key: &dyn Signer,
    now: Timestamp,
) -> Result<(), Problem> {
    set_digest(&mut parts.headers, body)?;
    let public = key.public();
    let params = vec![
        ("created".to_owned(), Bare::Integer(now.as_second())),
        ("keyid".to_owned(), Bare::Text(public.to_string())),
        ("alg".to_owned(), Bare::Text(algorithm(public.suite()).to_owned())),
        ("tag".to_owned(), Bare::Text(LABEL.to_owned())),
    ];
    let input = Input { components: answer_components(&parts.headers), params };
    let base = signature_base(parts, &input, |it| bound(it, request)).map_err(unreadable)?;
    set_signature(&mut parts.headers, &input, &base, key).map(|_| ())
}

/// Checks the head of the answer to `request` and says who signed, and the digest that its body must have. The binding
/// to the request's signature makes a replayed answer fail, so the answerer's clock does not matter.
///
/// # Errors
/// `peer.signature`, and what `keys` refuses with.
pub fn verify_answer(
    parts: &response::Parts,
    request: &Sent,
    keys: impl FnOnce(&str) -> Result<PublicKey, Problem>,
) -> Result<(PublicKey, Digest), Problem> {
    let (input, signature) = ours(&parts.headers)?;
    ensure!(input.components == answer_components(&parts.headers), uncovered());
    let [
        (created_name, Bare::Integer(_)),
        (key_name, Bare::Text(key_id)),
        (algorithm_name, Bare::Text(named)),
        (tag_name, Bare::Text(tag)),
    ] = input.params.as_slice()
    else {
        return Err(unsigned("parameters", "应依次为 created keyid alg tag", "should be created keyid alg tag"));
    };
    let names = [created_name, key_name, algorithm_name, tag_name];
    ensure!(
        names == ["created", "keyid", "alg", "tag"] && tag == LABEL,
        unsigned("parameters", "应依次为 created keyid alg tag", "should be created keyid alg tag")
    );
    let key = keys(key_id)?;
    check_algorithm(named, &key)?;
    let base = signature_base(parts, &input, |it| bound(it, request)).map_err(unreadable)?;
    verify(&key, &base, &signature)?;
    Ok((key, read_digest(&parts.headers, key.suite())?))
}

/// Whether a message carries a signature at all.
pub fn is_signed(fields: &HeaderMap) -> bool {
    fields.contains_key(SIGNATURE_INPUT) || fields.contains_key(SIGNATURE)
}

/// Compares the digest that was signed with that of the body that came.
///
/// # Errors
/// `peer.digest` (400).
pub fn check_digest(signed: &Digest, body: &Digest) -> Result<(), Problem> {
    ensure!(
        signed == body,
        Problem::new(
            Kind::Malformed,
            "peer.digest",
            format!("正文摘要为 {body}，与签名中的 {signed} 不符：正文在途中被改动，请重发"),
            format!("the body's digest is {body}, but {signed} was signed: it changed under way, send it again"),
        )
    );
    Ok(())
}

fn request_components(fields: &HeaderMap) -> Vec<Component> {
    let names = ["@method", "@authority", "@path", "@query", CONTENT_DIGEST];
    names.into_iter().chain(present(fields)).map(Component::plain).collect()
}

fn answer_components(fields: &HeaderMap) -> Vec<Component> {
    let mut components: Vec<_> =
        ["@status", CONTENT_DIGEST].into_iter().chain(present(fields)).map(Component::plain).collect();
    components.push(request_signature());
    components
}

/// `"signature";req;key="yunhe"`: the request's signature as a component of its answer (RFC 9421 section 2.4).
fn request_signature() -> Component {
    let params = vec![("req".to_owned(), Bare::Flag(true)), ("key".to_owned(), Bare::Text(LABEL.to_owned()))];
    Component { name: SIGNATURE.to_owned(), params }
}

fn bound(component: &Component, request: &Sent) -> Option<String> {
    (*component == request_signature()).then(|| format!(":{}:", request.signature))
}

fn present(fields: &HeaderMap) -> impl Iterator<Item = &'static str> {
    COVERED.into_iter().filter(|it| fields.contains_key(*it))
}

/// The input and the signature under our label; other labels are other people's.
fn ours(fields: &HeaderMap) -> Result<(Input, [u8; 64]), Problem> {
    let missing = || unsigned("signature", "缺少标签为 yunhe 的签名", "there is none labelled yunhe");
    let input = base::field(fields, SIGNATURE_INPUT).ok_or_else(missing)?;
    let signature = base::field(fields, SIGNATURE).ok_or_else(missing)?;
    let inputs = field::inputs(&input).map_err(unreadable)?;
    let signatures = field::byte_sequences(&signature).map_err(unreadable)?;
    let (_, input) = inputs.into_iter().find(|(label, _)| label == LABEL).ok_or_else(missing)?;
    let (_, signature) = signatures.into_iter().find(|(label, _)| label == LABEL).ok_or_else(missing)?;
    Ok((input, signature.try_into().map_err(|_| unsigned("signature", "应为 64 字节", "should be 64 bytes"))?))
}

/// The word of `alg`. That of SM2 is our own: RFC 9421's registry has none.
fn algorithm(suite: Suite) -> &'static str {
    match suite {
        Suite::Ed25519Sha256 => "ed25519",
        Suite::Sm2Sm3 => "sm2-sm3",
    }
}

/// The word for a digest in `content-digest`. That of SM3 is our own: RFC 9530's registry has none.
fn digest_word(suite: Suite) -> &'static str {
    match suite {
        Suite::Ed25519Sha256 => "sha-256",
        Suite::Sm2Sm3 => "sm3",
    }
}

/// The key decides how it is verified; a message that names another way is refused, not interpreted.
fn check_algorithm(named: &str, key: &PublicKey) -> Result<(), Problem> {
    let due = algorithm(key.suite());
    ensure!(named == due, unsigned("alg", &format!("应为 {due}"), &format!("should be {due} with that key")));
    Ok(())
}

fn verify(key: &PublicKey, base: &str, signature: &[u8; 64]) -> Result<(), Problem> {
    key.verify_raw(base.as_bytes(), signature)
        .map_err(|_| unsigned("signature", "与内容或公钥不符", "does not fit content and key"))
}

fn check_clock(created: i64, expires: i64, now: Timestamp) -> Result<Timestamp, Problem> {
    let at = Timestamp::from_second(created)
        .map_err(|_| unsigned("created", "超出可表示范围", "is outside the years that can be written"))?;
    let offset_ms = at.as_millisecond() - now.as_millisecond();
    ensure!(
        offset_ms.abs() <= WINDOW_SECONDS * 1000 && expires >= now.as_second() && expires >= created,
        Problem::new(
            Kind::Unauthenticated,
            "peer.clock",
            format!("签名时间 {at} 与本机时间 {now} 相差 {offset_ms} 毫秒，超过 {WINDOW_SECONDS} 秒；请校准时钟"),
            format!(
                "signed at {at}, {offset_ms} ms from our clock ({now}), more than {WINDOW_SECONDS} s; set your clock"
            ),
        )
        .with("offset_ms", offset_ms)
    );
    Ok(at)
}

fn set_digest(fields: &mut HeaderMap, body: &Digest) -> Result<(), Problem> {
    let word = digest_word(body.suite);
    fields.insert(CONTENT_DIGEST, header(format!("{word}=:{}:", STANDARD.encode(body.hash)))?);
    Ok(())
}

/// The digest of a message whose signature is of `suite`: it is made by that suite's hash.
fn read_digest(fields: &HeaderMap, suite: Suite) -> Result<Digest, Problem> {
    let text = base::field(fields, CONTENT_DIGEST).ok_or_else(|| unsigned(CONTENT_DIGEST, "缺少", "is missing"))?;
    let members = field::byte_sequences(&text).map_err(unreadable)?;
    let word = digest_word(suite);
    let (_, hash) = members
        .into_iter()
        .find(|(name, _)| name == word)
        .ok_or_else(|| unsigned(CONTENT_DIGEST, &format!("缺少 {word}"), &format!("has no {word}")))?;
    let hash = hash.try_into().map_err(|_| unsigned(CONTENT_DIGEST, "应为 32 字节", "should be 32 bytes"))?;
    Ok(Digest { suite, hash })
}

fn set_signature(fields: &mut HeaderMap, input: &Input, base: &str, key: &dyn Signer) -> Result<String, Problem> {
    let signature = key.sign_bytes(base.as_bytes())?.value;
    fields.insert(SIGNATURE_INPUT, header(format!("{LABEL}={input}"))?);
    fields.insert(SIGNATURE, header(format!("{LABEL}=:{signature}:"))?);
    Ok(signature)
}

fn header(text: String) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(text).map_err(|_| unreadable(Malformed))
}

fn unreadable(_: Malformed) -> Problem {
    unsigned("fields", "无法读懂，见 RFC 9421 与 RFC 8941", "cannot be read, see RFC 9421 and RFC 8941")
}

fn uncovered() -> Problem {
    unsigned("components", "未恰好覆盖应签的内容", "do not cover exactly what must be signed")
}

fn unsigned(part: &'static str, zh: &str, en: &str) -> Problem {
    Problem::new(
        Kind::Unauthenticated,
        "peer.signature",
        format!("消息签名无效：{part} {zh}；请用成员登记的消息密钥按 RFC 9421 签名"),
        format!(
            "the message signature does not hold: {part} {en}; sign by RFC 9421 with the message key of your membership"
        ),
    )
    .with("part", part)
}

#[cfg(test)]
mod tests;

//! One-time codes by time (RFC 6238): HMAC-SHA-1, six digits, thirty seconds, as every authenticator app has them.
//!
//! Pure. A code counts for the step before, its own and the one after, and no step counts twice.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use vocabulary::Timestamp;

/// A code holds this long.
pub const STEP_SECONDS: i64 = 30;
/// Steps before and after the present one that count.
const STEPS_AROUND: i64 = 1;
const DIGITS: usize = 6;
/// 10^[`DIGITS`].
const CODES: u32 = 1_000_000;
/// Bytes of a secret: those of the hash, as RFC 4226 recommends.
pub(crate) const SECRET_BYTES: usize = 20;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The step that `now` is in.
pub(crate) fn step(now: Timestamp) -> i64 {
    now.as_second().div_euclid(STEP_SECONDS)
}

/// The number of a step, before it is cut to digits (RFC 4226).
pub(crate) fn number(secret: &[u8], step: i64) -> u32 {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[hash.len() - 1] & 0x0f);
    u32::from_be_bytes([hash[at] & 0x7f, hash[at + 1], hash[at + 2], hash[at + 3]])
}

/// The code of a secret at a moment, as its holder's app shows it.
pub fn code(secret: &[u8], at: Timestamp) -> String {
    format!("{:0DIGITS$}", number(secret, step(at)) % CODES)
}

/// The step that `shown` is the code of, among those that count at `now` and come after `last`.
pub(crate) fn matching(secret: &[u8], shown: &str, last: i64, now: Timestamp) -> Option<i64> {
    let shown: u32 =
        (shown.len() == DIGITS && shown.bytes().all(|it| it.is_ascii_digit())).then(|| shown.parse().ok()).flatten()?;
    let present = step(now);
    let steps = present - STEPS_AROUND..=present + STEPS_AROUND;
    steps.filter(|it| *it > last).find(|it| number(secret, *it) % CODES == shown)
}

/// Base32 (RFC 4648) without padding.
pub(crate) fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(letter(held >> bits));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(letter(held << (5 - bits)));
    }
    text
}

fn letter(number: u32) -> char {
    char::from(BASE32[usize::try_from(number & 31).unwrap_or(0)])
}

/// The bytes of a Base32 text; none when it is none.
pub fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut held, mut bits) = (0_u32, 0);
    for letter in text.bytes() {
        let value = BASE32.iter().position(|it| *it == letter)?;
        held = (held << 5) | u32::try_from(value).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).ok()?);
        }
        held &= (1 << bits) - 1;
    }
    Some(bytes)
}

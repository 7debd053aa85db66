//! Passwords: Argon2id as OWASP sets it (19 MiB, two passes, one lane), in PHC text so that parameters can grow, over
//! the password's keyed SM3 by the organisation's pepper: the database alone is not enough to try one. Which version of
//! the pepper is kept beside; a hash of an older one, or of none, is made anew at the next sign-in.
//!
//! Making or checking one takes tens of milliseconds of a core: the edge does it outside the unit of work, on a thread
//! that may block.

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc::PasswordHash as Phc,
};
use signing::{PepperPurpose, Peppers};
use std::fmt;
use unicode_normalization::UnicodeNormalization;
use vocabulary::{Kind, Personal, Problem, ensure};
use zeroize::Zeroizing;

/// Memory of one hash: 19 MiB.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over it.
const PASSES: u32 = 2;
/// Lanes.
const LANES: u32 = 1;
/// Bytes that come out.
const OUTPUT_BYTES: usize = 32;
/// Fewer characters are refused, unless three classes of them make up for it.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Fewer are refused however mixed.
pub const MIXED_CHARS_MIN: usize = 8;
/// So many of the four classes (capitals, small letters, digits, anything else) make a shorter password do.
pub const CLASSES_MIN: usize = 3;
/// More characters are refused, so that nobody makes us hash a book.
pub const PASSWORD_CHARS_MAX: usize = 128;
/// A password has at least this many characters that differ.
const DISTINCT_CHARS_MIN: usize = 6;

/// What is checked against where there is no such account: a hash nobody knows the password of, of the same cost.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A password as it was typed; it prints as a dot.
#[derive(Clone, Debug)]
pub struct Password(Personal<String>);

impl Password {
    /// Takes what was typed, as NFC: two keyboards may write é differently.
    pub fn new(text: &str) -> Self {
        Self(Personal::new(text.nfc().collect()))
    }

    fn bytes(&self) -> &[u8] {
        self.0.open().as_bytes()
    }

    /// Whether it may be chosen for the account called `login`.
    ///
    /// # Errors
    /// `identity.password_weak`, which says what is missing and never repeats the password.
    pub fn check(&self, login: &str) -> Result<(), Problem> {
        let text = self.0.open();
        let weak = |zh: String, en: String| Problem::new(Kind::Unprocessable, "identity.password_weak", zh, en);
        let (chars, classes) = (text.chars().count(), classes(text));
        let long = chars >= PASSWORD_CHARS_MIN || (chars >= MIXED_CHARS_MIN && classes >= CLASSES_MIN);
        ensure!(
            long && chars <= PASSWORD_CHARS_MAX,
            weak(
                format!(
                    "密码应有 {PASSWORD_CHARS_MIN}–{PASSWORD_CHARS_MAX} 个字符，或至少 {MIXED_CHARS_MIN} 个且含大写、\
                     小写、数字、其他四类中的 {CLASSES_MIN} 类；现为 {chars} 个、{classes} 类"
                ),
                format!(
                    "a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters, or {MIXED_CHARS_MIN} of \
                     {CLASSES_MIN} of the classes capital, small letter, digit, other; this has {chars} of {classes}"
                ),
            )
        );
        let distinct = text.chars().collect::<std::collections::BTreeSet<_>>().len();
        ensure!(
            distinct >= DISTINCT_CHARS_MIN,
            weak(
                format!("密码至少用 {DISTINCT_CHARS_MIN} 个不同字符，现为 {distinct} 个"),
                format!("a password uses at least {DISTINCT_CHARS_MIN} different characters; this uses {distinct}"),
            )
        );
        ensure!(
            !text.to_lowercase().contains(login),
            weak("密码不得含有账号名".to_owned(), "a password does not contain the account's name".to_owned())
        );
        Ok(())
    }
}

fn classes(text: &str) -> usize {
    let is: [fn(char) -> bool; 4] = [
        char::is_uppercase,
        char::is_lowercase,
        |it| it.is_ascii_digit(),
        |it| !it.is_uppercase() && !it.is_lowercase() && !it.is_ascii_digit(),
    ];
    is.iter().filter(|is| text.chars().any(**is)).count()
}

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: String,
    /// The version of the pepper; 0: none, as it was before there were any.
    pepper: u32,
}

impl PasswordHash {
    /// Hashes `password` with a salt that the edge has drawn. Slow on purpose.
    ///
    /// # Errors
    /// `identity.fault` when the hash cannot be made: a bug or too little memory.
    pub fn make(password: &Password, salt: [u8; 16], peppers: &Peppers) -> Result<Self, Problem> {
        let pepper = peppers.newest();
        let seasoned = seasoned(password, pepper, peppers).ok_or_else(|| fault(&"no pepper of that version"))?;
        let made: Phc = hasher()?.hash_password_with_salt(&seasoned, &salt).map_err(|it| fault(&it))?;
        Ok(Self { text: made.to_string(), pepper })
    }

    /// Whether `password` is the one. Slow on purpose, and as slow where it is not.
    pub(crate) fn admits(&self, password: &Password, peppers: &Peppers) -> bool {
        let Some(seasoned) = seasoned(password, self.pepper, peppers) else {
            tracing::error!(version = self.pepper, "a password's pepper is not in the key folder");
            return false;
        };
        let parsed = Phc::new(&self.text);
        parsed.is_ok_and(|it| Argon2::default().verify_password(&seasoned, &it).is_ok())
    }

    /// Stands in where there is no account, so that the time to refuse is the same.
    pub(crate) fn nobody() -> Self {
        Self { text: NOBODY.to_owned(), pepper: 0 }
    }

    pub(crate) fn stored(text: &str, pepper: u32) -> Self {
        Self { text: text.to_owned(), pepper }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn pepper(&self) -> u32 {
        self.pepper
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•")
    }
}

/// What is hashed of a password: its keyed SM3, or of old the password itself.
fn seasoned(password: &Password, pepper: u32, peppers: &Peppers) -> Option<Zeroizing<Vec<u8>>> {
    if pepper == 0 {
        return Some(Zeroizing::new(password.bytes().to_vec()));
    }
    let mac = peppers.mac(pepper, PepperPurpose::Password, &[password.bytes()])?;
    Some(Zeroizing::new(mac.to_vec()))
}

fn hasher() -> Result<Argon2<'static>, Problem> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(OUTPUT_BYTES)).map_err(|it| fault(&it))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn fault(cause: &dyn fmt::Display) -> Problem {
    tracing::error!(%cause, "password hash");
    Problem::new(
        Kind::Internal,
        "identity.fault",
        "无法计算密码摘要；请查看节点日志",
        "the password hash could not be made; see the node's log",
    )
}

//! Signed notes (C2SP signed-note): a text with the signatures of named keys, and verifier keys.
//!
//! Pure. Parsing is strict: what is printed again is what was parsed, byte for byte. Signatures by unknown keys are
//! kept and ignored, as the specification demands, so that witnesses can add theirs, and SM2 stands beside Ed25519:
//! its signature type is of our own (`ff`, as the specification reserves for such, and then [`SM2`]), what it signs
//! is `yunhe/v1/note\n` and the text, and the signature is `r ‖ s`.

use crate::Fault;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use signing::{PublicKey, Purpose, Signer};
use std::{borrow::Cow, fmt};
use vocabulary::{Problem, Suite, ensure, hash_all};

/// A note is at most this long: sixteen post-quantum signatures fit several times.
pub const NOTE_BYTES_MAX: usize = 256 * 1024;
/// A note carries at most this many signatures.
pub const SIGNATURES_MAX: usize = 64;
/// The signature type of plain Ed25519.
const ED25519: &[u8] = &[1];
/// The signature type of SM2: that of types without a byte of their own, and a name that nobody else gives.
const SM2: &[u8] = b"\xffyunhe/sm2-sm3";

/// What stands before a key of `suite`.
fn type_of(suite: Suite) -> &'static [u8] {
    match suite {
        Suite::Ed25519Sha256 => ED25519,
        Suite::Sm2Sm3 => SM2,
    }
}

/// The bytes that a key of `suite` signs for `text`.
fn signed(suite: Suite, text: &str) -> Cow<'_, [u8]> {
    match suite {
        Suite::Ed25519Sha256 => Cow::Borrowed(text.as_bytes()),
        Suite::Sm2Sm3 => Cow::Owned(Purpose::Note.wrap(text.as_bytes())),
    }
}

/// The public half of a note key: `<name>+<hex key id>+<base64 of type and key>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: PublicKey,
}

impl VerifierKey {
    /// The key `key` under `name`.
    ///
    /// # Errors
    /// [`Fault::Key`] when the name is empty or holds a space or a plus.
    pub fn new(name: impl Into<String>, key: PublicKey) -> Result<Self, Fault> {
        let name = name.into();
        ensure!(is_key_name(&name), Fault::Key("a key name is not empty and has no space and no plus"));
        Ok(Self { name, key })
    }

    /// Parses a verifier key. Ed25519 (type 1) is known, and our own type of SM2.
    ///
    /// # Errors
    /// [`Fault::Key`].
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Fault::Key("it has three parts, joined by a plus"));
        };
        let bytes = STANDARD.decode(key).map_err(|_| Fault::Key("the third part is base64"))?;
        let typed = |suite: Suite| bytes.strip_prefix(type_of(suite)).map(|it| (suite, it));
        let found = Suite::ALL.into_iter().find_map(typed);
        let (suite, raw) = found.ok_or(Fault::Key("only Ed25519 (type 1) and yunhe/sm2-sm3 are known"))?;
        let key = PublicKey::from_bytes(suite, raw);
        let found = Self::new(name, key.map_err(|_| Fault::Key("the key is no usable point"))?)?;
        ensure!(id == hex::encode(found.id()), Fault::Key("the key id does not fit name and key"));
        Ok(found)
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// The key id: the first four bytes of SHA-256 over name, newline, type and key.
    pub fn id(&self) -> [u8; 4] {
        let kind = type_of(self.key.suite());
        let hash = hash_all(Suite::Ed25519Sha256, &[self.name.as_bytes(), b"\n", kind, self.key.raw()]);
        [hash[0], hash[1], hash[2], hash[3]]
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [type_of(self.key.suite()), self.key.raw()].concat();
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(bytes))
    }
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    /// The key's id.
    pub id: [u8; 4],
    /// The signature; its form depends on the key.
    pub bytes: Vec<u8>,
}

/// A text and its signatures; not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// Signs `text`, which ends in a newline, with the key called `name`.
    ///
    /// # Errors
    /// `evidence.note` when the text cannot stand in a note, `evidence.key` when the name cannot, and what the signer
    /// says.
    pub fn sign(text: String, name: &str, signer: &dyn Signer) -> Result<Self, Problem> {
        check_text(&text)?;
        let mut note = Self { text, signatures: Vec::new() };
        note.countersign(name, signer)?;
        Ok(note)
    }

    /// Adds the signature of the key called `name`.
    ///
    /// # Errors
    /// `evidence.key` when the name cannot stand in a note, and what the signer says.
    pub fn countersign(&mut self, name: &str, signer: &dyn Signer) -> Result<(), Problem> {
        let key = VerifierKey::new(name, signer.public())?;
        let signature = signer.sign_bytes(&signed(key.key.suite(), &self.text))?;
        let bytes = STANDARD.decode(signature.value).map_err(|_| Fault::Note("a signature is base64"))?;
        self.signatures.push(NoteSignature { name: key.name.clone(), id: key.id(), bytes });
        Ok(())
    }

    /// Parses a note.
    ///
    /// # Errors
    /// [`Fault::Note`].
    pub fn parse(note: &str) -> Result<Self, Fault> {
        ensure!(note.len() <= NOTE_BYTES_MAX, Fault::Note("it is longer than 256 KiB"));
        let at = note.rfind("\n\n").ok_or(Fault::Note("an empty line stands before the signatures"))?;
        let (text, lines) = (&note[..=at], &note[at + 2..]);
        check_text(text)?;
        ensure!(lines.ends_with('\n'), Fault::Note("it ends in a newline"));
        let signatures = lines.split_terminator('\n').map(parse_signature).collect::<Result<Vec<_>, _>>()?;
        ensure!(!signatures.is_empty(), Fault::Note("it has a signature"));
        ensure!(signatures.len() <= SIGNATURES_MAX, Fault::Note("it has more than 64 signatures"));
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text, with its last newline; to be believed only after [`Note::verify`].
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All signatures, known or not.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature line, for example a witness's.
    pub fn add(&mut self, signature: NoteSignature) {
        self.signatures.push(signature);
    }

    /// Verifies the signatures by `known` keys and says whose they are.
    ///
    /// # Errors
    /// [`Fault::Signature`] when one by a known key is wrong, [`Fault::Unsigned`] when there is none.
    pub fn verify<'a>(&self, known: &'a [VerifierKey]) -> Result<Vec<&'a VerifierKey>, Fault> {
        let mut verified = Vec::new();
        for signature in &self.signatures {
            if let Some(key) = known.iter().find(|it| it.name == signature.name && it.id() == signature.id) {
                let value = signature.bytes.as_slice().try_into();
                let bytes = signed(key.key.suite(), &self.text);
                let fits = value.is_ok_and(|it| key.key.verify_raw(&bytes, it).is_ok());
                ensure!(fits, Fault::Signature(key.name.clone()));
                verified.push(key);
            }
        }
        let names = || known.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        ensure!(!verified.is_empty(), Fault::Unsigned(names()));
        Ok(verified)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for signature in &self.signatures {
            let bytes = [&signature.id[..], &signature.bytes].concat();
            writeln!(f, "— {} {}", signature.name, STANDARD.encode(bytes))?;
        }
        Ok(())
    }
}

fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|it| it.is_whitespace() || it.is_control() || it == '+')
}

fn check_text(text: &str) -> Result<(), Fault> {
    ensure!(text.ends_with('\n'), Fault::Note("its text ends in a newline"));
    let control = text.bytes().any(|it| it < 0x20 && it != b'\n');
    ensure!(!control, Fault::Note("its text has no control characters"));
    Ok(())
}

fn parse_signature(line: &str) -> Result<NoteSignature, Fault> {
    let rest = line.strip_prefix("— ").ok_or(Fault::Note("a signature line begins with a dash and a space"))?;
    let (name, encoded) = rest.split_once(' ').ok_or(Fault::Note("a signature line has a name and a signature"))?;
    ensure!(is_key_name(name), Fault::Note("a key name is not empty and has no space and no plus"));
    let bytes = STANDARD.decode(encoded).map_err(|_| Fault::Note("a signature is base64"))?;
    let (id, bytes) = bytes.split_first_chunk::<4>().ok_or(Fault::Note("a signature begins with a key id"))?;
    ensure!(!bytes.is_empty(), Fault::Note("a signature is not empty"));
    Ok(NoteSignature { name: name.to_owned(), id: *id, bytes: bytes.to_vec() })
}

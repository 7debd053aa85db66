//! The part of RFC 8941 (structured fields) that message signatures need: dictionaries of inner lists of strings, and
//! dictionaries of byte sequences. Strict: whatever does not write back as it was read is refused, never repaired.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::fmt::{self, Write as _};

/// A field is at most this long.
pub(crate) const FIELD_BYTES_MAX: usize = 4096;
/// A dictionary or a list has at most this many members.
const MEMBERS_MAX: usize = 32;

/// A field that is not written as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A bare item; decimals do not occur.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bare {
    Integer(i64),
    Text(String),
    Token(String),
    Bytes(Vec<u8>),
    Flag(bool),
}

pub(crate) type Params = Vec<(String, Bare)>;

/// A covered component: a field name or an `@` name, with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Component {
    pub name: String,
    pub params: Params,
}

impl Component {
    pub fn plain(name: &str) -> Self {
        Self { name: name.to_owned(), params: Params::new() }
    }
}

/// One member of `Signature-Input`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub components: Vec<Component>,
    pub params: Params,
}

impl fmt::Display for Bare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Token(token) => f.write_str(token),
            Self::Bytes(bytes) => write!(f, ":{}:", STANDARD.encode(bytes)),
            Self::Flag(flag) => write!(f, "?{}", u8::from(*flag)),
            Self::Text(text) => {
                f.write_char('"')?;
                for it in text.chars() {
                    if matches!(it, '"' | '\\') {
                        f.write_char('\\')?;
                    }
                    f.write_char(it)?;
                }
                f.write_char('"')
            }
        }
    }
}

fn write_params(f: &mut fmt::Formatter<'_>, params: &Params) -> fmt::Result {
    params.iter().try_for_each(|(name, value)| match value {
        Bare::Flag(true) => write!(f, ";{name}"),
        _ => write!(f, ";{name}={value}"),
    })
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.name)?;
        write_params(f, &self.params)
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('(')?;
        for (at, component) in self.components.iter().enumerate() {
            if at > 0 {
                f.write_char(' ')?;
            }
            component.fmt(f)?;
        }
        f.write_char(')')?;
        write_params(f, &self.params)
    }
}

/// Reads a `Signature-Input` field.
pub(crate) fn inputs(text: &str) -> Result<Vec<(String, Input)>, Malformed> {
    dictionary(text, |reader| {
        let components = reader.inner_list()?;
        Ok(Input { components, params: reader.params()? })
    })
}

/// Reads a `Signature` or `Content-Digest` field: byte sequences without parameters.
pub(crate) fn byte_sequences(text: &str) -> Result<Vec<(String, Vec<u8>)>, Malformed> {
    dictionary(text, |reader| match reader.bare()? {
        Bare::Bytes(bytes) => Ok(bytes),
        _ => Err(Malformed),
    })
}

fn dictionary<T>(
    text: &str,
    read: impl Fn(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<Vec<(String, T)>, Malformed> {
    vocabulary::ensure!(text.len() <= FIELD_BYTES_MAX, Malformed);
    let mut reader = Reader { rest: text.trim_matches(' ') };
    let mut members: Vec<(String, T)> = Vec::new();
    loop {
        let key = reader.key()?;
        reader.expect('=')?;
        vocabulary::ensure!(members.len() < MEMBERS_MAX && members.iter().all(|(it, _)| *it != key), Malformed);
        members.push((key, read(&mut reader)?));
        if reader.rest.is_empty() {
            return Ok(members);
        }
        reader.spaces();
        reader.expect(',')?;
        reader.spaces();
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn spaces(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn expect(&mut self, it: char) -> Result<(), Malformed> {
        self.rest = self.rest.strip_prefix(it).ok_or(Malformed)?;
        Ok(())
    }

    fn take(&mut self, belongs: impl Fn(u8) -> bool) -> &'a str {
        let end = self.rest.bytes().position(|it| !belongs(it)).unwrap_or(self.rest.len());
        // What belongs is ASCII, so `end` is a character boundary.
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or(("", self.rest));
        self.rest = rest;
        taken
    }

    fn key(&mut self) -> Result<String, Malformed> {
        let key = self.take(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || b"_-.*".contains(&it));
        vocabulary::ensure!(key.starts_with(|it: char| it.is_ascii_lowercase() || it == '*'), Malformed);
        Ok(key.to_owned())
    }

    fn inner_list(&mut self) -> Result<Vec<Component>, Malformed> {
        self.expect('(')?;
        let mut components = Vec::new();
        loop {
            if self.rest.starts_with(')') {
                self.expect(')')?;
                return Ok(components);
            }
            if !components.is_empty() {
                self.expect(' ')?;
            }
            vocabulary::ensure!(components.len() < MEMBERS_MAX, Malformed);
            let Bare::Text(name) = self.bare()? else { return Err(Malformed) };
            components.push(Component { name, params: self.params()? });
        }
    }

    fn params(&mut self) -> Result<Params, Malformed> {
        let mut params = Params::new();
        while self.rest.starts_with(';') {
            self.expect(';')?;
            let key = self.key()?;
            let value = match self.expect('=') {
                Ok(()) => self.bare()?,
                Err(_) => Bare::Flag(true),
            };
            vocabulary::ensure!(params.len() < MEMBERS_MAX && params.iter().all(|(it, _)| *it != key), Malformed);
            params.push((key, value));
        }
        Ok(params)
    }

    fn bare(&mut self) -> Result<Bare, Malformed> {
        match self.rest.bytes().next().ok_or(Malformed)? {
            b'"' => self.text().map(Bare::Text),
            b':' => self.bytes().map(Bare::Bytes),
            b'?' => {
                self.expect('?')?;
                match self.take(|it| it == b'0' || it == b'1') {
                    "0" => Ok(Bare::Flag(false)),
                    "1" => Ok(Bare::Flag(true)),
                    _ => Err(Malformed),
                }
            }
            it if it == b'-' || it.is_ascii_digit() => self.integer().map(Bare::Integer),
            it if it == b'*' || it.is_ascii_alphabetic() => {
                let token = self.take(|it| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&it));
                Ok(Bare::Token(token.to_owned()))
            }
            _ => Err(Malformed),
        }
    }

    fn integer(&mut self) -> Result<i64, Malformed> {
        let digits = self.take(|it| it == b'-' || it.is_ascii_digit());
        let number: i64 = digits.parse().map_err(|_| Malformed)?;
        vocabulary::ensure!(digits.len() <= 15 && number.to_string() == digits, Malformed);
        Ok(number)
    }

    fn text(&mut self) -> Result<String, Malformed> {
        self.expect('"')?;
        let mut text = String::new();
        let mut escaped = false;
        for (at, it) in self.rest.char_indices() {
            match it {
                '"' | '\\' if escaped => {
                    text.push(it);
                    escaped = false;
                }
                _ if escaped => return Err(Malformed),
                '\\' => escaped = true,
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                ' '..='~' => text.push(it),
                _ => return Err(Malformed),
            }
        }
        Err(Malformed)
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Malformed> {
        self.expect(':')?;
        let text = self.take(|it| it.is_ascii_alphanumeric() || b"+/=".contains(&it));
        self.expect(':')?;
        STANDARD.decode(text).map_err(|_| Malformed)
    }
}

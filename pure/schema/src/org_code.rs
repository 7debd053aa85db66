//! Codes of organisations: 统一社会信用代码 (GB 32100-2015) and the organisation code inside it (GB 11714-1997).
//!
//! The check digit of GB 32100 is taken modulo the prime 31 and finds every change of one character. That of GB 11714
//! is taken modulo 11 over values to 35: it finds every change of one digit, but not `0` against `B`.

use crate::Fault;

/// Characters of GB 32100 in the order of their values: no I, O, S, V, Z.
const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
/// Powers of 3 modulo 31.
const WEIGHTS: [u32; 17] = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
/// Weights of GB 11714.
const INNER_WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];

/// The value of each byte, 255 outside the alphabet: imports check millions of codes.
const VALUES: [u8; 256] = {
    let mut values = [u8::MAX; 256];
    let mut at = 0;
    while at < ALPHABET.len() {
        values[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    values
};

fn value(character: u8) -> Option<u32> {
    let value = VALUES[usize::from(character)];
    (value != u8::MAX).then_some(u32::from(value))
}

/// The check character of the 17 characters before it, or `None` when one is outside the alphabet.
fn uscc_digit(body: &[u8]) -> Option<u8> {
    let mut sum = 0;
    for (character, weight) in body.iter().zip(WEIGHTS) {
        sum += value(*character)? * weight;
    }
    Some(ALPHABET[((31 - sum % 31) % 31) as usize])
}

/// The check character of the eight characters before it, or `None` when one is no digit or capital letter.
fn inner_digit(body: &[u8]) -> Option<u8> {
    let mut sum = 0;
    for (character, weight) in body.iter().zip(INNER_WEIGHTS) {
        let value = match character {
            b'0'..=b'9' => character - b'0',
            b'A'..=b'Z' => character - b'A' + 10,
            _ => return None,
        };
        sum += u32::from(value) * weight;
    }
    Some(match 11 - sum % 11 {
        10 => b'X',
        11 => b'0',
        digit => b'0' + digit as u8,
    })
}

/// Checks a unified social credit code: 18 characters of the alphabet, six digits of division, the check character.
///
/// The organisation code inside is not judged here, see [`inner_agrees`]: a code in use that its registrar printed
/// must be recordable, and the outer check already finds every slip of one character.
///
/// # Errors
/// A [`Fault`] that says what is wrong.
pub fn check_uscc(code: &str) -> Result<(), Fault> {
    let bytes = code.as_bytes();
    if bytes.len() != 18 {
        let count = code.chars().count();
        return Err(Fault::new(
            "value.shape",
            format!("统一社会信用代码应为 18 位，实为 {count} 位"),
            format!("a unified social credit code has 18 characters, not {count}"),
        ));
    }
    let Some(expected) = uscc_digit(&bytes[..17]).filter(|_| value(bytes[17]).is_some()) else {
        return Err(Fault::new(
            "value.shape",
            "统一社会信用代码只用数字和大写字母，不用 I、O、S、V、Z",
            "a unified social credit code has digits and capital letters without I, O, S, V, Z",
        ));
    };
    if !bytes[2..8].iter().all(u8::is_ascii_digit) {
        return Err(Fault::new(
            "value.shape",
            "统一社会信用代码第 3–8 位应为登记机关行政区划数字",
            "characters 3 to 8 of a unified social credit code are the registrar's division in digits",
        ));
    }
    if expected != bytes[17] {
        let (expected, found) = (char::from(expected), char::from(bytes[17]));
        return Err(Fault::new(
            "value.check_digit",
            format!("统一社会信用代码校验位应为 {expected}，实为 {found}"),
            format!("the check character of the unified social credit code should be {expected}, not {found}"),
        ));
    }
    Ok(())
}

/// Checks an organisation code of GB 11714: eight characters and a check character, a hyphen between them or not.
///
/// # Errors
/// A [`Fault`] that says what is wrong.
pub fn check_inner(code: &str) -> Result<(), Fault> {
    let bytes: Vec<u8> = match code.as_bytes() {
        [body @ .., b'-', digit] => body.iter().copied().chain([*digit]).collect(),
        bytes => bytes.to_vec(),
    };
    let expected = if bytes.len() == 9 { inner_digit(&bytes[..8]) } else { None };
    match expected {
        None => Err(Fault::new(
            "value.shape",
            "组织机构代码应为 8 位数字或大写字母加 1 位校验码",
            "an organisation code has eight digits or capital letters and a check character",
        )),
        Some(expected) if expected != bytes[8] => Err(Fault::new(
            "value.check_digit",
            format!("组织机构代码校验位应为 {}", char::from(expected)),
            format!("the check character of the organisation code should be {}", char::from(expected)),
        )),
        Some(_) => Ok(()),
    }
}

/// Whether the organisation code inside a unified social credit code agrees with GB 11714.
pub fn inner_agrees(uscc: &str) -> bool {
    uscc.get(8..17).is_some_and(|it| check_inner(it).is_ok())
}

/// The organisation code of eight characters with its check character: for generators.
pub fn make_inner(body: &str) -> Option<String> {
    let digit = if body.len() == 8 { inner_digit(body.as_bytes()) } else { None };
    digit.map(|digit| format!("{body}{}", char::from(digit)))
}

/// A unified social credit code of `prefix` (registrar and kind, two characters), division (six digits) and the first
/// eight characters of the organisation code: for generators.
pub fn make_uscc(prefix: &str, division: &str, body: &str) -> Option<String> {
    let inner = make_inner(body)?;
    let mut code = format!("{prefix}{division}{inner}");
    let digit = if code.len() == 17 { uscc_digit(code.as_bytes()) } else { None };
    code.push(char::from(digit?));
    check_uscc(&code).ok().map(|()| code)
}

/// The check character for the first 17 characters of a unified social credit code.
pub fn uscc_check_character(body: &str) -> Option<char> {
    (body.len() == 17).then(|| uscc_digit(body.as_bytes())).flatten().map(char::from)
}

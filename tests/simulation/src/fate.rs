//! What becomes of one message.

use crate::draw::Draw;
use std::fmt;

/// Rounds that a message takes at most.
const WAY_ROUNDS_MAX: i64 = 3;
/// Rounds after which a message that was given up, or a copy of one, still arrives, at most.
const LATE_ROUNDS_MAX: i64 = 200;

/// What becomes of one request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    /// Rounds on the way out.
    pub out: u64,
    /// Rounds on the way back.
    pub back: u64,
    /// The request never arrives.
    pub request_lost: bool,
    /// The client gives up, and so many rounds later the request arrives.
    pub late: Option<u64>,
    /// The same bytes arrive again so many rounds later.
    pub copy: Option<u64>,
    /// The answer never arrives.
    pub answer_lost: bool,
    /// The answer breaks off after so many per cent of its body.
    pub cut: Option<u64>,
}

/// Nothing goes wrong.
pub(crate) const CALM: Fate =
    Fate { out: 0, back: 0, request_lost: false, late: None, copy: None, answer_lost: false, cut: None };

impl Fate {
    pub fn draw(draw: &mut Draw) -> Self {
        let rounds = |draw: &mut Draw, max: i64| draw.between(0, max).unsigned_abs();
        let (out, back) = (rounds(draw, WAY_ROUNDS_MAX), rounds(draw, WAY_ROUNDS_MAX));
        let mut fate = Self { out, back, ..CALM };
        match draw.below(100) {
            0..5 => fate.request_lost = true,
            5..9 => fate.late = Some(rounds(draw, LATE_ROUNDS_MAX)),
            9..14 => fate.answer_lost = true,
            14..19 => fate.cut = Some(rounds(draw, 99)),
            _ => {}
        }
        if draw.chance(10) {
            fate.copy = Some(rounds(draw, LATE_ROUNDS_MAX));
        }
        fate
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = [
            self.request_lost.then(|| " request lost".to_owned()),
            self.late.map(|it| format!(" late by {it}")),
            self.copy.map(|it| format!(" copied after {it}")),
            self.answer_lost.then(|| " answer lost".to_owned()),
            self.cut.map(|it| format!(" cut at {it} %")),
        ];
        told.into_iter().flatten().try_for_each(|it| f.write_str(&it))
    }
}

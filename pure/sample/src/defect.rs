//! Planted defects and the answer file that says where they are.

use std::{fmt, io};

/// A kind of planted defect; a strict import refuses each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The check character of the credit code is another one.
    CheckDigit,
    /// The credit code of an earlier clean row, the name changed by one character.
    DuplicateKey,
    /// A day that no calendar has.
    ImpossibleDate,
    /// A division that was never issued.
    UnknownDivision,
    /// Staff in full-width digits.
    FullWidth,
    /// A name longer than its field.
    TooLong,
    /// Fewer than no staff.
    Negative,
    /// A mandatory field is empty.
    Missing,
    /// An industry that the classification does not have.
    UnknownCode,
    /// Revenue with thousands separators.
    Separator,
    /// Neither true nor false.
    NotBoolean,
    /// Capital with a third digit behind the point.
    Rounding,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::CheckDigit,
        Self::DuplicateKey,
        Self::ImpossibleDate,
        Self::UnknownDivision,
        Self::FullWidth,
        Self::TooLong,
        Self::Negative,
        Self::Missing,
        Self::UnknownCode,
        Self::Separator,
        Self::NotBoolean,
        Self::Rounding,
    ];

    /// The column that it spoils.
    pub fn column(self) -> &'static str {
        match self {
            Self::CheckDigit | Self::DuplicateKey => "uscc",
            Self::ImpossibleDate => "founded",
            Self::UnknownDivision => "division",
            Self::FullWidth | Self::Negative => "staff",
            Self::TooLong => "name",
            Self::Missing => "status",
            Self::UnknownCode => "industry",
            Self::Separator => "revenue",
            Self::NotBoolean => "violation",
            Self::Rounding => "capital",
        }
    }

    /// Its name in the answer file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CheckDigit => "check-digit",
            Self::DuplicateKey => "duplicate-key",
            Self::ImpossibleDate => "impossible-date",
            Self::UnknownDivision => "unknown-division",
            Self::FullWidth => "full-width",
            Self::TooLong => "too-long",
            Self::Negative => "negative",
            Self::Missing => "missing",
            Self::UnknownCode => "unknown-code",
            Self::Separator => "separator",
            Self::NotBoolean => "not-boolean",
            Self::Rounding => "rounding",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One planted defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Defect {
    /// The line of the file, its header being line 1.
    pub line: u64,
    /// Which defect; it names the column.
    pub kind: Kind,
}

/// What was made, and what an import must find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Rows in all, without the header.
    pub rows: u64,
    /// Every planted defect in the order of lines, at most one a line.
    pub defects: Vec<Defect>,
}

impl Answers {
    /// The lines that an import of these columns must reject: defects in other columns do not concern it.
    pub fn rejected<'a>(&'a self, columns: &'a [&str]) -> impl Iterator<Item = &'a Defect> {
        self.defects.iter().filter(|it| columns.contains(&it.kind.column()))
    }

    /// Writes the answer file: `line,column,defect`.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        writeln!(out, "line,column,defect")?;
        for Defect { line, kind } in &self.defects {
            writeln!(out, "{line},{},{kind}", kind.column())?;
        }
        Ok(())
    }
}

//! What is in the generated file, read from the file itself: the yardstick for what nodes say.

use crate::exit::file_problem;
use sample::{Answers, Enterprise, policies};
use schema::division::Zones;
use std::collections::BTreeSet;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use vocabulary::Problem;

/// The seed of the sample.
const SEED: u64 = 2026;
/// The division of the consumer.
const NANJING: &str = "320100";

/// A row that a step asks for.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Its key.
    pub uscc: String,
    /// Its staff as the file has it.
    pub staff: String,
    /// Its telephone as the file has it, in clear.
    pub telephone: String,
}

/// The generated file and what it holds.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The file.
    pub file: PathBuf,
    /// The planted defects.
    pub answers: Answers,
    /// Good rows of 法人经营与信用信息 in Nanjing, functional zones included.
    pub nanjing: u64,
    /// Of these, those in a functional zone that counts as a county of its own.
    pub in_zones: u64,
    /// One of them with staff and telephone.
    pub inside: Known,
    /// One elsewhere.
    pub outside: Known,
    /// Enterprises of Nanjing for which some policy is.
    pub matched: u64,
}

/// Makes the file with its answer file beside it.
///
/// # Errors
/// `cli.file`.
pub fn make(folder: &Path, rows: u64) -> Result<(PathBuf, Answers), Problem> {
    std::fs::create_dir_all(folder).map_err(|it| file_problem(folder, &it))?;
    let (path, answers_path) = (folder.join("legal-persons.csv"), folder.join("legal-persons.answers.csv"));
    let create = |path: &Path| std::fs::File::create(path).map(|it| BufWriter::with_capacity(1 << 20, it));
    let mut file = create(&path).map_err(|it| file_problem(&path, &it))?;
    let answers = sample::legal_persons(SEED, rows, &mut file).map_err(|it| file_problem(&path, &it))?;
    std::io::Write::flush(&mut file).map_err(|it| file_problem(&path, &it))?;
    let mut file = create(&answers_path).map_err(|it| file_problem(&answers_path, &it))?;
    answers.write(&mut file).map_err(|it| file_problem(&answers_path, &it))?;
    Ok((path, answers))
}

/// The lines that an import of `columns` must turn away.
pub fn rejected(answers: &Answers, columns: &[String]) -> BTreeSet<u64> {
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    answers.rejected(&columns).map(|it| it.line).collect()
}

/// Reads the file.
///
/// # Errors
/// `cli.file`.
pub fn survey(
    file: PathBuf,
    answers: Answers,
    zones: &Zones,
    base: &BTreeSet<u64>,
    operation: &BTreeSet<u64>,
) -> Result<Sample, Problem> {
    let mut reader = csv::Reader::from_path(&file).map_err(|it| file_problem(&file, &it))?;
    let header = reader.headers().map_err(|it| file_problem(&file, &it))?.clone();
    let at = |name: &str| header.iter().position(|it| it == name).unwrap_or(usize::MAX);
    let column = ["uscc", "division", "staff", "revenue", "abnormal", "violation", "telephone", "industry"].map(at);
    let mut sample = Sample {
        file: file.clone(),
        answers,
        nanjing: 0,
        in_zones: 0,
        inside: Known::default(),
        outside: Known::default(),
        matched: 0,
    };
    let all = policies();
    let mut row = csv::StringRecord::new();
    let mut line = 1;
    while reader.read_record(&mut row).map_err(|it| file_problem(&file, &it))? {
        line += 1;
        if operation.contains(&line) {
            continue;
        }
        let [uscc, division, staff, revenue, abnormal, violation, telephone, industry] =
            column.map(|it| row.get(it).unwrap_or(""));
        let known = || Known { uscc: uscc.to_owned(), staff: staff.to_owned(), telephone: telephone.to_owned() };
        let complete = !staff.is_empty() && !telephone.is_empty() && !base.contains(&line);
        if !zones.under(division, NANJING) {
            if sample.outside.uscc.is_empty() && complete {
                sample.outside = known();
            }
            continue;
        }
        sample.nanjing += 1;
        sample.in_zones += u64::from(zones.parent_of(division).is_some());
        if sample.inside.uscc.is_empty() && complete {
            sample.inside = known();
        }
        let enterprise = enterprise(industry, staff, revenue, abnormal, violation);
        sample.matched += u64::from(!base.contains(&line) && all.iter().any(|it| it.matches(&enterprise)));
    }
    Ok(sample)
}

/// An enterprise from its texts.
pub fn enterprise<'a>(
    industry: &'a str,
    staff: &str,
    revenue: &str,
    abnormal: &str,
    violation: &str,
) -> Enterprise<'a> {
    Enterprise {
        industry,
        staff: staff.parse().ok(),
        revenue: fen(revenue),
        abnormal: !abnormal.is_empty(),
        violation: violation == "true" || violation == "1",
    }
}

/// An amount in yuan as fen.
pub fn fen(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let mut digits = part.to_owned();
    while digits.len() < 2 {
        digits.push('0');
    }
    let minor: i64 = digits.get(..2)?.parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yuan_become_fen() {
        assert_eq!(["", "12", "12.5", "12.05"].map(fen), [None, Some(1200), Some(1250), Some(1205)]);
    }

    /// What is counted in the file is what is in it: good rows of Nanjing, and one row inside and one outside.
    #[test]
    fn a_survey_counts_good_rows() {
        let folder = tempfile::tempdir().unwrap();
        let (file, answers) = make(folder.path(), 3_000).unwrap();
        let columns: Vec<String> =
            ["uscc", "division", "staff", "revenue", "abnormal", "violation", "telephone"].map(String::from).into();
        let rejected = rejected(&answers, &columns);
        let sample = survey(file, answers, &Zones::default(), &BTreeSet::new(), &rejected).unwrap();
        assert!(sample.nanjing > 0 && sample.nanjing < 3_000 && sample.matched <= sample.nanjing);
        assert!(!sample.inside.uscc.is_empty() && !sample.outside.uscc.is_empty());
    }
}

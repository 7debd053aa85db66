//! A problem as people and programs see it: code, the fact in both languages, the field, findings line by line.

use super::Voice;
use crate::cli::Language;
use serde_json::Value;
use std::io::{self, IsTerminal as _, Write as _};
use vocabulary::Problem;

/// Prints `problem` on standard error: one JSON object for programs, lines for people.
pub fn print(problem: &Problem, voice: Voice) {
    let mut err = io::stderr().lock();
    let text = if voice.json {
        serde_json::to_string(problem).unwrap_or_else(|_| problem.to_string())
    } else {
        lines(problem, voice, io::stderr().is_terminal())
    };
    let _ = writeln!(err, "{text}");
}

/// The lines for people: each sentence says the fact and what to do next.
pub fn lines(problem: &Problem, voice: Voice, colour: bool) -> String {
    let (red, dim, plain) = if colour { ("\u{1b}[31m", "\u{1b}[2m", "\u{1b}[0m") } else { ("", "", "") };
    let (first, second) = match voice.language {
        Language::Zh => (&problem.detail.zh, &problem.detail.en),
        Language::En => (&problem.detail.en, &problem.detail.zh),
    };
    let mut text = format!("{red}✗ {}{plain}", problem.code);
    if let Some(field) = &problem.field {
        text.push_str(&format!("  {} {field}", voice.pick("字段", "field")));
    }
    match problem.more.get("findings").and_then(Value::as_array) {
        Some(findings) => findings.iter().for_each(|it| text.push_str(&finding(it, voice))),
        None => {
            for (sentence, before, after) in [(first, "", ""), (second, dim, plain)] {
                text.push_str(&format!("\n  {before}{}{after}", sentence.replace('\n', "\n  ")));
            }
            for (name, value) in &problem.more {
                text.push_str(&format!("\n  {dim}{name} = {value}{plain}"));
            }
        }
    }
    text
}

fn finding(finding: &Value, voice: Voice) -> String {
    let at = |pointer| super::cell::at(voice, finding, pointer);
    // Two shapes of a finding: with `fact` and `remedy` in both languages, or with `zh`/`en` and a remedy.
    let fact = if finding.get("fact").is_some() { at("/fact") } else { voice.pick(&at("/zh"), &at("/en")).to_owned() };
    let place = [at("/file"), at("/line"), at("/column")];
    let place: Vec<&str> = place.iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
    format!("\n  {} {fact}\n    → {}", place.join(":"), at("/remedy"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use vocabulary::Kind;

    #[test]
    fn a_problem_says_code_field_and_both_sentences() {
        let voice = Voice { language: Language::En, json: false };
        let problem = Problem::new(Kind::Refused, "exchange.purpose", "用途不符", "other purpose").field("/purpose");
        assert_eq!(lines(&problem, voice, false), "✗ exchange.purpose  field /purpose\n  other purpose\n  用途不符");
    }

    #[test]
    fn findings_stand_one_after_another() {
        let voice = Voice { language: Language::Zh, json: false };
        let finding = json!({"file": "pack.yaml", "line": 3, "column": 1,
            "fact": {"zh": "未知键", "en": "unknown key"}, "remedy": {"zh": "删去", "en": "remove it"}});
        let problem =
            Problem::new(Kind::Unprocessable, "pack.findings", "有", "some").with("findings", json!([finding]));
        assert_eq!(lines(&problem, voice, false), "✗ pack.findings\n  pack.yaml:3:1 未知键\n    → 删去");
    }
}

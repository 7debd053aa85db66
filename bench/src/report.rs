//! Figures: each is said in one line as soon as it is known, with what it must reach (gate) or should reach (goal), and
//! the machine's load beside it.

use serde_json::{Value, json};

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// How many in a second.
    PerSecond,
    /// One speed as a multiple of another.
    Ratio,
    /// Milliseconds.
    Millis,
    /// Seconds.
    Seconds,
    /// Megabytes in a second.
    MegabytesPerSecond,
    /// Megabytes.
    Megabytes,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "",
            Self::PerSecond => "/s",
            Self::Ratio => "×",
            Self::Millis => "ms",
            Self::Seconds => "s",
            Self::MegabytesPerSecond => "MB/s",
            Self::Megabytes => "MB",
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Self::Ratio | Self::Seconds => format!("{value:.2} {}", self.name()),
            Self::Millis => format!("{value:.1} {}", self.name()),
            _ => format!("{value:.0} {}", self.name()),
        }
    }
}

/// A bound and on which side of it a figure must lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Not less than this.
    AtLeast(f64),
    /// Less than this.
    Below(f64),
}

impl Bound {
    /// Whether `value` lies on the right side. What is no number lies on none.
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::Below(bound) => value < bound,
        }
    }

    fn show(self, unit: Unit) -> String {
        match self {
            Self::AtLeast(bound) => format!("≥ {bound} {}", unit.name()),
            Self::Below(bound) => format!("< {bound} {}", unit.name()),
        }
    }

    fn json(self, value: f64) -> Value {
        let (side, bound) = match self {
            Self::AtLeast(bound) => ("at_least", bound),
            Self::Below(bound) => ("below", bound),
        };
        json!({side: bound, "held": self.holds(value)})
    }
}

/// One figure.
#[derive(Clone, Debug)]
pub struct Figure {
    bench: &'static str,
    name: String,
    value: f64,
    unit: Unit,
    gate: Option<Bound>,
    goal: Option<Bound>,
    note: String,
}

impl Figure {
    /// What a measurement found.
    pub fn new(bench: &'static str, name: impl Into<String>, value: f64, unit: Unit) -> Self {
        Self { bench, name: name.into(), value, unit, gate: None, goal: None, note: String::new() }
    }

    /// Past this bound the run fails.
    #[must_use]
    pub fn gate(mut self, bound: Bound) -> Self {
        self.gate = Some(bound);
        self
    }

    /// Past this bound the line says so.
    #[must_use]
    pub fn goal(mut self, bound: Bound) -> Self {
        self.goal = Some(bound);
        self
    }

    /// Under which conditions it was found.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Whether its gate holds; without one it does.
    pub fn passes(&self) -> bool {
        self.gate.is_none_or(|it| it.holds(self.value))
    }

    /// The line for people.
    pub fn line(&self, load: &str) -> String {
        let mut line = format!("{:<8} {:<52} {:>14}", self.bench, self.name, self.unit.show(self.value));
        for (word, bound) in [("门槛 gate", self.gate), ("目标 goal", self.goal)] {
            if let Some(bound) = bound {
                let verdict = if bound.holds(self.value) { "达到 held" } else { "未达 missed" };
                line += &format!("  {word} {} {verdict}", bound.show(self.unit));
            }
        }
        if !self.note.is_empty() {
            line += &format!("  ({})", self.note);
        }
        line + &format!("  load {load}")
    }

    /// The same for programs.
    pub fn json(&self, load: &str) -> Value {
        let bound = |it: Option<Bound>| it.map(|it| it.json(self.value));
        json!({
            "bench": self.bench, "figure": self.name, "value": self.value, "unit": self.unit.name(),
            "gate": bound(self.gate), "goal": bound(self.goal), "note": self.note, "load": load.parse::<f64>().ok(),
        })
    }
}

/// Says figures and remembers whether every gate held.
pub struct Report {
    as_json: bool,
    held: bool,
}

impl Report {
    /// With nothing told yet; a line for people each, or a JSON object a line.
    pub fn new(as_json: bool) -> Self {
        Self { as_json, held: true }
    }

    /// Says a figure.
    pub fn tell(&mut self, figure: &Figure) {
        self.held &= figure.passes();
        let load = load();
        if self.as_json {
            println!("{}", figure.json(&load));
        } else {
            println!("{}", figure.line(&load));
        }
    }

    /// Something could not be measured that has a gate: the run fails, and says what to do.
    pub fn fail(&mut self, bench: &'static str, zh: &str, en: &str) {
        self.held = false;
        self.say(bench, zh, en);
    }

    /// Something could not be measured that has no gate.
    pub fn skip(&mut self, bench: &'static str, zh: &str, en: &str) {
        self.say(bench, zh, en);
    }

    fn say(&self, bench: &'static str, zh: &str, en: &str) {
        if self.as_json {
            println!("{}", json!({"bench": bench, "not_measured": {"zh": zh, "en": en}}));
        } else {
            println!("{bench:<8} 未测量 not measured：{zh}\n{:<8} {en}", "");
        }
    }

    /// Whether every gate held so far.
    pub fn held(&self) -> bool {
        self.held
    }
}

/// How many wanted to run in the last minute.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_holds_on_its_side_only_and_never_for_what_is_no_number() {
        for (bound, value, holds) in [
            (Bound::AtLeast(0.2), 0.2, true),
            (Bound::AtLeast(0.2), 0.199, false),
            (Bound::AtLeast(0.2), f64::NAN, false),
            (Bound::Below(25.0), 24.9, true),
            (Bound::Below(25.0), 25.0, false),
            (Bound::Below(25.0), f64::NAN, false),
        ] {
            assert_eq!(bound.holds(value), holds, "{bound:?} {value}");
        }
    }

    #[test]
    fn a_missed_gate_fails_the_run_and_a_missed_goal_does_not() {
        let figure = Figure::new("query", "a ratio", 0.1, Unit::Ratio).goal(Bound::AtLeast(0.35));
        let mut report = Report::new(true);
        report.tell(&figure);
        assert!(report.held());
        report.tell(&figure.gate(Bound::AtLeast(0.2)));
        report.tell(&Figure::new("query", "another", 1.0, Unit::Ratio).gate(Bound::AtLeast(0.2)));
        assert!(!report.held(), "a gate that held does not mend one that was missed");
    }

    #[test]
    fn people_and_programs_hear_the_same() {
        let figure = Figure::new("idle", "resident", 79.6, Unit::Megabytes).gate(Bound::Below(80.0)).note("fresh");
        let line = figure.line("1.50");
        for part in ["idle", "resident", "80 MB", "< 80 MB 达到 held", "(fresh)", "load 1.50"] {
            assert!(line.contains(part), "{part}: {line}");
        }
        let json = figure.json("1.50");
        assert_eq!(json["gate"], json!({"below": 80.0, "held": true}));
        assert_eq!((json["value"].as_f64(), json["load"].as_f64()), (Some(79.6), Some(1.5)));
        assert!(json["goal"].is_null());
    }
}

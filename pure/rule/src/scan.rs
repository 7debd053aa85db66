//! A look at the characters of a source before `cel` parses it.
//!
//! `cel` recurses once per bracket and per link of a chain (`a < b < c`), so the depth is bounded here. For the count
//! to hold, strings and comments must end where `cel` says they end: whatever could be read in two ways (other quotes,
//! unknown escapes, backticks) is a finding, and `cel` then never sees the source.

use crate::finding::{Finding, Place, Said};
use crate::{FINDINGS_MAX, SOURCE_BRACKETS_MAX, SOURCE_BYTES_MAX, SOURCE_DEPTH_MAX};

/// Everything about `source` that keeps it from being parsed; empty when it may be.
pub(crate) fn scan(source: &str) -> Vec<Finding> {
    if source.len() > SOURCE_BYTES_MAX {
        let (zh, en) = (
            format!("条件共 {} 字节，超过上限 {SOURCE_BYTES_MAX}", source.len()),
            format!("the condition has {} bytes, more than {SOURCE_BYTES_MAX}", source.len()),
        );
        let remedy = ("请缩短，或把长名单改为代码表", "shorten it, or turn a long list into a code list");
        return vec![Finding::new(Place::START, "rule.too_large", (&zh, &en), remedy)];
    }
    let mut scanner = Scanner {
        chars: source.chars().collect(),
        at: 0,
        place: Place::START,
        open: Vec::new(),
        links: vec![Links::default()],
        findings: Vec::new(),
    };
    scanner.run();
    scanner.findings
}

/// Links of the chains between one pair of brackets.
#[derive(Default)]
struct Links {
    /// Operators and dots since the last `&&`, `||` or comma.
    chain: usize,
    /// Question marks since the last comma: the ternary nests to the right over `&&`.
    questions: usize,
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
    place: Place,
    open: Vec<(char, Place)>,
    links: Vec<Links>,
    findings: Vec<Finding>,
}

impl Scanner {
    fn run(&mut self) {
        let mut before = ' ';
        while let Some(it) = self.peek(0) {
            if self.findings.len() >= FINDINGS_MAX {
                return;
            }
            let place = self.place;
            match it {
                '"' | '\'' => self.string(it, before),
                '/' if self.peek(1) == Some('/') => self.skip_while(|it| it != '\n'),
                'a'..='z' | 'A'..='Z' | '_' => self.word(before),
                '0'..='9' | ' ' | '\t' | '\r' | '\n' | '\u{c}' => self.next(),
                '(' | '[' | '{' => self.opens(it),
                ')' | ']' | '}' => self.closes(it),
                '&' | '|' | '=' | '!' | '<' | '>' => self.operator(it),
                ',' => {
                    self.links_here().chain = 0;
                    self.links_here().questions = 0;
                    self.next();
                }
                '?' => {
                    self.links_here().questions += 1;
                    self.next();
                }
                '.' | '+' | '-' | '*' | '/' | '%' => {
                    self.links_here().chain += 1;
                    self.next();
                }
                ':' => self.next(),
                other => self.foreign(other),
            }
            before = it;
            if self.depth() > SOURCE_DEPTH_MAX || self.open.len() > SOURCE_BRACKETS_MAX {
                let (zh, en) = (
                    format!("括号超过 {SOURCE_BRACKETS_MAX} 层，或连写超过 {SOURCE_DEPTH_MAX} 个"),
                    format!(
                        "brackets more than {SOURCE_BRACKETS_MAX} deep, or a chain of more than {SOURCE_DEPTH_MAX}"
                    ),
                );
                let remedy = ("请拆开写，用 && 和 || 连接", "split it and join the parts with && and ||");
                self.findings.push(Finding::new(place, "rule.too_deep", (&zh, &en), remedy));
                return;
            }
        }
        for (bracket, place) in std::mem::take(&mut self.open) {
            let (zh, en) = (format!("“{bracket}”没有闭合"), format!("{bracket:?} is never closed"));
            self.report(place, "rule.bracket", (&zh, &en), ("请补上对应的括号", "add the closing bracket"));
        }
    }

    fn depth(&self) -> usize {
        self.links.iter().map(|it| it.chain + it.questions).sum()
    }

    fn links_here(&mut self) -> &mut Links {
        if self.links.is_empty() {
            self.links.push(Links::default());
        }
        let last = self.links.len() - 1;
        &mut self.links[last]
    }

    fn report(&mut self, place: Place, code: &'static str, fact: Said<'_>, remedy: Said<'_>) {
        self.findings.push(Finding::new(place, code, fact, remedy));
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn next(&mut self) {
        if let Some(it) = self.peek(0) {
            self.place = self.place.after(it);
            self.at += 1;
        }
    }

    fn skip_while(&mut self, holds: impl Fn(char) -> bool) {
        while self.peek(0).is_some_and(&holds) {
            self.next();
        }
    }

    fn opens(&mut self, bracket: char) {
        // One for the nesting, which stays as a link of the outer chain: `a[0][0]` nests to the left.
        self.links_here().chain += 1;
        self.open.push((bracket, self.place));
        self.links.push(Links::default());
        self.next();
    }

    fn closes(&mut self, bracket: char) {
        let place = self.place;
        self.next();
        let expected = |open| match open {
            '(' => ')',
            '[' => ']',
            _ => '}',
        };
        match self.open.pop() {
            Some((open, _)) if expected(open) == bracket => {
                self.links.pop();
            }
            Some((open, at)) => {
                let right = expected(open);
                let zh = format!("{}:{} 的“{open}”被“{bracket}”闭合", at.line, at.column);
                let en = format!("{open:?} at {}:{} is closed by {bracket:?}", at.line, at.column);
                let remedy = (format!("请改为“{right}”"), format!("write {right:?}"));
                self.report(place, "rule.bracket", (&zh, &en), (&remedy.0, &remedy.1));
                self.links.pop();
            }
            None => {
                let (zh, en) = (format!("“{bracket}”没有对应的左括号"), format!("{bracket:?} closes nothing"));
                self.report(
                    place,
                    "rule.bracket",
                    (&zh, &en),
                    ("请删去，或补上左括号", "remove it, or open it before"),
                );
            }
        }
    }

    fn operator(&mut self, first: char) {
        let (place, second) = (self.place, self.peek(1));
        let two = match (first, second) {
            ('&', Some('&')) | ('|', Some('|')) => {
                self.links_here().chain = 0;
                true
            }
            ('=' | '!' | '<' | '>', Some('=')) => {
                self.links_here().chain += 1;
                true
            }
            ('!' | '<' | '>', _) => {
                self.links_here().chain += 1;
                false
            }
            (alone, _) => {
                let (zh, en) = (format!("单个“{alone}”不是运算符"), format!("a single {alone:?} is no operator"));
                let remedy = (format!("请写“{alone}{alone}”"), format!("write \"{alone}{alone}\""));
                self.report(place, "rule.character", (&zh, &en), (&remedy.0, &remedy.1));
                false
            }
        };
        self.next();
        if two {
            self.next();
        }
    }

    /// Words: `in` is a link of a chain; words of SQL are met with what CEL writes instead.
    fn word(&mut self, before: char) {
        let (place, start) = (self.place, self.at);
        self.skip_while(|it| it.is_ascii_alphanumeric() || it == '_');
        let word: String = self.chars[start..self.at].iter().collect();
        if word == "in" {
            self.links_here().chain += 1;
        }
        let instead = match word.to_ascii_lowercase().as_str() {
            "and" => "&&",
            "or" => "||",
            "not" => "!",
            "is" => "== null",
            "like" => ".startsWith() .endsWith() .contains()",
            "between" => ">= … && <= …",
            _ => return,
        };
        if before != '.' {
            let (zh, en) = (format!("“{word}”是 SQL 的写法"), format!("{word:?} is SQL"));
            let remedy = (format!("请写 {instead}"), format!("write {instead}"));
            self.report(place, "rule.sql_word", (&zh, &en), (&remedy.0, &remedy.1));
        }
    }

    fn string(&mut self, quote: char, before: char) {
        let place = self.place;
        let remedy = ("文本请写成一行内的 \"…\"", "write text as \"…\" in one line");
        if before.is_ascii_alphanumeric() || before == '_' {
            let fact = (
                "引号紧跟在字母或数字之后（r\"…\"、b\"…\" 不受支持）",
                "a quote right after a letter or digit (r\"…\" and b\"…\" are refused)",
            );
            self.report(place, "rule.quote", fact, remedy);
        }
        if self.peek(1) == Some(quote) && self.peek(2) == Some(quote) {
            self.report(place, "rule.quote", ("三重引号不受支持", "triple quotes are refused"), remedy);
        }
        self.next();
        loop {
            match self.peek(0) {
                None | Some('\n' | '\r') => {
                    self.report(
                        place,
                        "rule.quote",
                        ("引号没有在本行闭合", "the quote is not closed in its line"),
                        remedy,
                    );
                    return;
                }
                Some('\\') => self.escape(),
                Some(it) => {
                    self.next();
                    if it == quote {
                        return;
                    }
                }
            }
        }
    }

    fn escape(&mut self) {
        let place = self.place;
        let hex = |it: &char| it.is_ascii_hexdigit();
        let octal = |it: &char| matches!(it, '0'..='7');
        let rest = &self.chars[self.at + 1..];
        let digits =
            |count: usize, good: &dyn Fn(&char) -> bool| rest.len() > count && rest[1..=count].iter().all(good);
        let length = match rest.first() {
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '"' | '\'' | '\\' | '?' | '`') => 2,
            Some('x' | 'X') if digits(2, &hex) => 4,
            Some('u') if digits(4, &hex) => 6,
            Some('U') if digits(8, &hex) => 10,
            Some('0'..='3') if digits(2, &octal) => 4,
            _ => {
                let remedy = (
                    "反斜杠请写 \\\\，字符请直接写或写 \\uXXXX",
                    "write a backslash as \\\\, a character itself or as \\uXXXX",
                );
                self.report(place, "rule.escape", ("不认识的转义", "an unknown escape"), remedy);
                1
            }
        };
        for _ in 0..length {
            self.next();
        }
    }

    fn foreign(&mut self, other: char) {
        let (place, instead) = (self.place, ascii_for(other));
        let (zh, en) = (
            format!("字符“{}”不能出现在文本之外", other.escape_debug()),
            format!("{other:?} may not stand outside text"),
        );
        let remedy = match instead {
            Some(it) => (format!("请改用半角 {it}"), format!("write the ASCII {it}")),
            None => ("请删去，或放进 \"…\"".to_owned(), "remove it, or put it into \"…\"".to_owned()),
        };
        self.report(place, "rule.character", (&zh, &en), (&remedy.0, &remedy.1));
        self.next();
    }
}

/// What an input method's punctuation most likely stood for.
fn ascii_for(other: char) -> Option<char> {
    match other {
        '“' | '”' | '„' | '‟' | '«' | '»' | '「' | '」' => Some('"'),
        '‘' | '’' => Some('\''),
        '。' => Some('.'),
        '、' => Some(','),
        '【' => Some('['),
        '】' => Some(']'),
        '《' | '≤' => Some('<'),
        '》' | '≥' => Some('>'),
        '\u{3000}' | '\u{a0}' => Some(' '),
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(other as u32 - 0xff01 + 0x21),
        _ => None,
    }
}

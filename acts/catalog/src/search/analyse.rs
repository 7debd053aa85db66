//! Text into terms: for the index, and for a query.
//!
//! Pure. Latin words are folded and stemmed. Of Chinese every pair of neighbouring characters is a term, so that any
//! part of a word is found; jieba says which pairs belong to a word, and those weigh more than pairs across a border.
//! A field's weight is how often its terms count (BM25F): one field holds them all, and one list per term is read.

use std::sync::LazyLock;
use tantivy::tokenizer::{Language, RawTokenizer, Stemmer, TextAnalyzer, Token, TokenStream, Tokenizer};
use tantivy_jieba::JiebaTokenizer;
use unicode_normalization::UnicodeNormalization;

/// The name of [`Weighted`] in the index.
pub(crate) const TOKENIZER: &str = "catalogue";
/// A query is cut to this many characters.
const QUERY_CHARS_MAX: usize = 200;
/// A query is cut to this many terms.
const QUERY_TERMS_MAX: usize = 32;
/// A Latin word is cut to this many characters.
const WORD_CHARS_MAX: usize = 40;

/// Words that nearly every entry has: asked for together with others, they are left out.
const EMPTY_WORDS: [&str; 22] = [
    "信息", "数据", "情况", "目录", "基本", "相关", "有关", "查询", "的", "和", "与", "及", "data", "inform", "of",
    "the", "and", "for", "in", "by", "a", "to",
];

/// Marks that begin a section of a text and say how often its terms count.
pub(crate) mod section {
    /// Title.
    pub(crate) const TITLE: char = '\u{1}';
    /// Keywords.
    pub(crate) const KEYWORDS: char = '\u{2}';
    /// Items.
    pub(crate) const ITEMS: char = '\u{3}';
    /// Abstract, provider, theme.
    pub(crate) const REST: char = '\u{4}';
}

fn weight(mark: char) -> u32 {
    match mark {
        section::TITLE => 5,
        section::KEYWORDS => 4,
        section::ITEMS => 2,
        _ => 1,
    }
}

/// Splits Chinese into words, without the guesses for unknown ones: those stay single characters. The dictionary is
/// loaded when this is first used.
static JIEBA: LazyLock<JiebaTokenizer> = LazyLock::new(|| {
    let mut jieba = JiebaTokenizer::with_search_mode(false);
    jieba.set_hmm(false);
    jieba
});

/// A stretch of text of one kind.
enum Run<'a> {
    Chinese(&'a str),
    Latin(&'a str),
}

/// One form for all ways to write the same: full and half width, capital and small.
pub(crate) fn fold(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).collect()
}

fn is_chinese(letter: char) -> bool {
    matches!(letter, '〇' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
        || matches!(letter, '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

fn runs(folded: &str) -> impl Iterator<Item = Run<'_>> {
    let kind = |it: char| if is_chinese(it) { 2 } else { u8::from(it.is_alphanumeric()) };
    let mut rest = folded;
    std::iter::from_fn(move || {
        loop {
            let first = kind(rest.chars().next()?);
            let end = rest.char_indices().find(|(_, it)| kind(*it) != first).map_or(rest.len(), |(at, _)| at);
            let (run, after) = rest.split_at(end);
            rest = after;
            match first {
                2 => return Some(Run::Chinese(run)),
                1 => return Some(Run::Latin(run)),
                _ => {}
            }
        }
    })
}

/// The words of a Chinese run; neighbouring single characters count as one unknown word.
fn chinese_words(run: &str) -> Vec<&str> {
    let mut bounds: Vec<(usize, usize, bool)> = Vec::new();
    let mut jieba = JIEBA.clone();
    let mut stream = jieba.token_stream(run);
    while stream.advance() {
        let token = stream.token();
        let single = token.text.chars().nth(1).is_none();
        match bounds.last_mut() {
            Some((_, end, true)) if single && *end == token.offset_from => *end = token.offset_to,
            _ => bounds.push((token.offset_from, token.offset_to, single)),
        }
    }
    bounds.into_iter().filter_map(|(from, to, _)| run.get(from..to)).collect()
}

/// Stems Latin words one at a time.
#[derive(Clone)]
struct Stem(TextAnalyzer);

impl Stem {
    fn new() -> Self {
        Self(TextAnalyzer::builder(RawTokenizer::default()).filter(Stemmer::new(Language::English)).build())
    }

    fn word(&mut self, word: &str) -> String {
        let end = word.char_indices().nth(WORD_CHARS_MAX).map_or(word.len(), |(at, _)| at);
        let word = &word[..end];
        let mut stream = self.0.token_stream(word);
        stream.next().map_or_else(|| word.to_owned(), |it| it.text.clone())
    }
}

/// The pairs of neighbours in a text.
fn pairs(text: &str) -> impl Iterator<Item = &str> {
    let ends = text.char_indices().skip(2).map(|(at, _)| at).chain([text.len()]);
    text.char_indices().zip(ends).map(|((from, _), to)| &text[from..to]).filter(|it| it.chars().nth(1).is_some())
}

/// What a query asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Every one of these should be there.
    pub(crate) required: Vec<String>,
    /// These only lift what has them.
    pub(crate) optional: Vec<String>,
}

/// The terms of a query.
pub(crate) fn query(text: &str) -> Asked {
    let folded: String = fold(text).chars().take(QUERY_CHARS_MAX).collect();
    let mut stem = Stem::new();
    let mut asked = Asked::default();
    let mut empty = Vec::new();
    for run in runs(&folded) {
        match run {
            Run::Latin(word) => {
                let term = stem.word(word);
                if EMPTY_WORDS.contains(&term.as_str()) { empty.push(term) } else { asked.required.push(term) }
            }
            Run::Chinese(run) => {
                for word in chinese_words(run) {
                    let found = pairs(word).map(str::to_owned);
                    if EMPTY_WORDS.contains(&word) {
                        empty.push(word.to_owned());
                    } else if word.chars().nth(1).is_none() {
                        asked.optional.push(word.to_owned());
                    } else {
                        asked.required.extend(found);
                    }
                }
            }
        }
    }
    if asked.required.is_empty() {
        asked.required.append(&mut asked.optional);
    }
    if asked.required.is_empty() {
        asked.required.append(&mut empty);
    }
    for terms in [&mut asked.required, &mut asked.optional] {
        let mut seen = std::collections::HashSet::new();
        terms.retain(|it| seen.insert(it.clone()));
        terms.truncate(QUERY_TERMS_MAX);
    }
    asked
}

/// Makes the terms of a text in sections, each as often as it counts.
#[derive(Clone)]
pub(crate) struct Weighted {
    stem: Stem,
}

impl Weighted {
    pub(crate) fn new() -> Self {
        Self { stem: Stem::new() }
    }

    fn terms(&mut self, text: &str) -> Vec<(String, u32)> {
        let mut terms = Vec::new();
        for part in text.split_inclusive(|it: char| it < '\u{5}') {
            // A mark stands behind its section: see [`section`] and `document` in `index.rs`.
            let mark = part.chars().next_back().unwrap_or(section::REST);
            let (folded, weight) = (fold(part), weight(mark));
            for run in runs(&folded) {
                match run {
                    Run::Latin(word) => terms.push((self.stem.word(word), weight)),
                    Run::Chinese(run) => chinese_terms(run, mark, weight, &mut terms),
                }
            }
        }
        terms
    }
}

fn chinese_terms(run: &str, mark: char, weight: u32, terms: &mut Vec<(String, u32)>) {
    let mut last: Option<char> = None;
    for word in chinese_words(run) {
        if let (Some(last), Some(first)) = (last, word.chars().next()) {
            terms.push((String::from_iter([last, first]), 1));
        }
        terms.extend(pairs(word).map(|it| (it.to_owned(), weight)));
        let single = word.chars().nth(1).is_none();
        if mark == section::TITLE || mark == section::KEYWORDS || single {
            // Single characters of titles, so that a query of one character finds them.
            terms.extend(word.chars().map(|it| (it.to_string(), if single { weight } else { 1 })));
        }
        last = word.chars().next_back();
    }
}

impl Tokenizer for Weighted {
    type TokenStream<'a> = WeightedStream;

    fn token_stream(&mut self, text: &str) -> WeightedStream {
        WeightedStream { terms: self.terms(text).into_iter(), token: Token::default(), left: 0 }
    }
}

/// The stream of [`Weighted`].
pub(crate) struct WeightedStream {
    terms: std::vec::IntoIter<(String, u32)>,
    token: Token,
    left: u32,
}

impl TokenStream for WeightedStream {
    fn advance(&mut self) -> bool {
        if self.left == 0 {
            let Some((term, weight)) = self.terms.next() else { return false };
            self.token.text = term;
            self.left = weight;
        }
        self.left -= 1;
        self.token.position = self.token.position.wrapping_add(1);
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

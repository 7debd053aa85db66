//! A search: words, filters, a page; hits in the order of how well they fit, and counts of facets.

use super::{
    Counts, Facet, Hit, Search,
    analyse::{self, Asked, fold},
    index::{Fields, fault},
    tally::Tally,
};
use crate::decide::code_is_formed;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tantivy::{
    Searcher, TantivyDocument, Term,
    collector::{Count, TopDocs},
    query::{AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, Occur, Query as TantivyQuery, RegexQuery, TermQuery},
    schema::{Field, IndexRecordOption, Value},
};
use vocabulary::{Kind, Problem, ensure};

/// Hits on a page at most.
pub const PAGE_MAX: u32 = 100;
/// Pages reach this far at most; who needs more narrows the search or reads the feed.
pub const OFFSET_MAX: u32 = 10_000;
/// Values counted of one facet at most.
const VALUES_MAX: usize = 100;
/// Values filtered by in one facet at most.
const FILTER_VALUES_MAX: usize = 50;
/// Suggestions at most.
pub const SUGGESTIONS_MAX: usize = 20;
/// An entry whose title is just what was asked stands before all others.
const EXACT_BOOST: f32 = 1_000.0;

/// What is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Query {
    /// Words in Chinese or English, or a code or its beginning; empty: everything.
    pub text: String,
    /// Only entries that have one of the values in each facet named.
    pub filters: BTreeMap<Facet, BTreeSet<String>>,
    /// Hits to skip.
    pub offset: u32,
    /// Hits wanted.
    pub limit: u32,
    /// Whether the facets are counted too.
    pub facets: bool,
}

impl Query {
    /// The first ten hits for `text`, with facets.
    pub fn words(text: &str) -> Self {
        Self { text: text.to_owned(), limit: 10, facets: true, ..Self::default() }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Found {
    /// How many entries fit.
    pub total: u64,
    /// Nothing had every word, so these have most of them.
    pub relaxed: bool,
    /// A page of them, the best first.
    pub hits: Vec<Hit>,
    /// Counts over all that fit.
    pub facets: Counts,
}

/// The queries that an ask comes to.
struct Plan {
    strict: Box<dyn TantivyQuery>,
    relaxed: Option<Box<dyn TantivyQuery>>,
}

impl Search {
    /// Searches. Takes milliseconds, but reads from disk: an asynchronous caller lets a thread that may block do it.
    ///
    /// # Errors
    /// `catalog.page` past the bounds of paging, `catalog.filter`, `catalog.index_absent` before the first
    /// [`Search::follow`].
    pub fn search(&self, query: &Query) -> Result<Found, Problem> {
        ensure!(query.limit <= PAGE_MAX && query.offset <= OFFSET_MAX, page());
        ensure!(query.filters.values().all(|it| it.len() <= FILTER_VALUES_MAX), too_many_values());
        let opened = self.opened().ok_or_else(absent)?;
        let searcher = opened.reader.searcher();
        let plan = plan(&searcher, &opened.fields, query)?;
        let found = run(&searcher, opened.fields.hit, &*plan.strict, query)?;
        match plan.relaxed {
            Some(relaxed) if found.total == 0 => {
                Ok(Found { relaxed: true, ..run(&searcher, opened.fields.hit, &*relaxed, query)? })
            }
            _ => Ok(found),
        }
    }

    /// Titles that begin with `prefix`, then titles that contain it, at most `limit`.
    ///
    /// # Errors
    /// As [`Search::search`].
    pub fn suggest(&self, prefix: &str, limit: usize) -> Result<Vec<Hit>, Problem> {
        let limit = limit.min(SUGGESTIONS_MAX);
        let opened = self.opened().ok_or_else(absent)?;
        let searcher = opened.reader.searcher();
        let folded = fold(prefix.trim());
        let mut hits: Vec<Hit> = Vec::new();
        if folded.is_empty() || limit == 0 {
            return Ok(hits);
        }
        let begin = beginning_with(&searcher, &opened.fields, &folded, limit).map_err(|it| fault(&it))?;
        let contain = self.search(&Query { facets: false, limit: limit as u32, ..Query::words(prefix) })?;
        for hit in begin.into_iter().chain(if contain.relaxed { Vec::new() } else { contain.hits }) {
            if hits.len() < limit && !hits.iter().any(|it| it.title == hit.title) {
                hits.push(hit);
            }
        }
        Ok(hits)
    }
}

fn term(field: Field, word: &str) -> Box<dyn TantivyQuery> {
    Box::new(TermQuery::new(Term::from_field_text(field, word), IndexRecordOption::WithFreqs))
}

fn plan(searcher: &Searcher, fields: &Fields, query: &Query) -> Result<Plan, Problem> {
    let text = query.text.trim();
    let asked = analyse::query(text);
    let mut clauses: Vec<(Occur, Box<dyn TantivyQuery>)> = Vec::new();
    let mut relaxed = None;
    if code_is_formed(text) {
        clauses.push((Occur::Must, term(fields.code, text)));
    } else if is_code_beginning(text) {
        let codes = RegexQuery::from_pattern(&format!("{text}.*"), fields.code).map_err(|it| fault(&it))?;
        clauses.push((Occur::Must, Box::new(codes)));
    } else {
        let Asked { required, optional } = &asked;
        clauses.extend(required.iter().map(|it| (Occur::Must, term(fields.text, it))));
        if required.len() > 1 {
            relaxed = Some(most_of(fields, required));
        }
        clauses.extend(optional.iter().map(|it| (Occur::Should, term(fields.text, it))));
        let exact = Term::from_field_text(fields.exact, &fold(text));
        if !text.is_empty() && searcher.doc_freq(&exact).map_err(|it| fault(&it))? > 0 {
            let exact = term(fields.exact, &fold(text));
            if required.is_empty() {
                clauses.push((Occur::Must, exact));
            } else {
                let exact = BoostQuery::new(Box::new(ConstScoreQuery::new(exact, 1.0)), EXACT_BOOST);
                clauses.push((Occur::Should, Box::new(exact)));
            }
        }
        // Words of which nothing is left, such as "?!": nothing is found, rather than everything.
        if !text.is_empty() && clauses.is_empty() {
            clauses.push((Occur::Must, Box::new(tantivy::query::EmptyQuery)));
        }
    }
    Ok(Plan {
        strict: filtered(fields, clauses, query),
        relaxed: relaxed.map(|it| filtered(fields, vec![(Occur::Must, it)], query)),
    })
}

/// At least three in five of the terms.
fn most_of(fields: &Fields, required: &[String]) -> Box<dyn TantivyQuery> {
    let clauses = required.iter().map(|it| (Occur::Should, term(fields.text, it))).collect();
    let at_least = (required.len() * 3).div_ceil(5);
    Box::new(BooleanQuery::with_minimum_required_clauses(clauses, at_least))
}

fn filtered(fields: &Fields, mut clauses: Vec<(Occur, Box<dyn TantivyQuery>)>, query: &Query) -> Box<dyn TantivyQuery> {
    if clauses.is_empty() {
        clauses.push((Occur::Must, Box::new(AllQuery)));
    }
    for (facet, values) in query.filters.iter().filter(|(_, it)| !it.is_empty()) {
        let field = fields.facet(*facet);
        let any: Vec<_> = values
            .iter()
            .map(|it| Box::new(TermQuery::new(Term::from_field_text(field, it), IndexRecordOption::Basic)) as _)
            .collect();
        let any = BooleanQuery::union(any);
        clauses.push((Occur::Must, Box::new(ConstScoreQuery::new(Box::new(any), 0.0))));
    }
    match clauses.pop() {
        Some((Occur::Must, only)) if clauses.is_empty() => only,
        Some(last) => {
            clauses.push(last);
            Box::new(BooleanQuery::new(clauses))
        }
        None => Box::new(AllQuery),
    }
}

fn is_code_beginning(text: &str) -> bool {
    let front = text.split('/').next().unwrap_or_default();
    (3..=11).contains(&front.len())
        && text.len() <= 20
        && text.bytes().all(|it| it.is_ascii_digit() || it == b'/')
        && matches!(text.as_bytes()[0], b'1'..=b'3')
}

fn run(searcher: &Searcher, hit: Field, strict: &dyn TantivyQuery, query: &Query) -> Result<Found, Problem> {
    let (total, facets) = if query.facets {
        let tallied = searcher.search(strict, &Tally).map_err(|it| fault(&it))?;
        (tallied.total, tallied.by_facet(VALUES_MAX))
    } else {
        (searcher.search(strict, &Count).map_err(|it| fault(&it))? as u64, Counts::new())
    };
    let mut hits = Vec::new();
    if query.limit > 0 && total > u64::from(query.offset) {
        let page = TopDocs::with_limit(query.limit as usize).and_offset(query.offset as usize).order_by_score();
        for (_, address) in searcher.search(strict, &page).map_err(|it| fault(&it))? {
            let document: TantivyDocument = searcher.doc(address).map_err(|it| fault(&it))?;
            hits.extend(read(&document, hit)?);
        }
    }
    Ok(Found { total, relaxed: false, hits, facets })
}

fn read(document: &TantivyDocument, hit: Field) -> Result<Option<Hit>, Problem> {
    let text = document.get_first(hit).and_then(|it| it.as_str());
    text.map(|it| serde_json::from_str(it).map_err(|cause| fault(&cause))).transpose()
}

/// Entries whose title, name or code begins with `prefix`, in the order of those.
fn beginning_with(searcher: &Searcher, fields: &Fields, prefix: &str, limit: usize) -> tantivy::Result<Vec<Hit>> {
    let mut found: BTreeMap<Vec<u8>, Hit> = BTreeMap::new();
    for segment in searcher.segment_readers() {
        let index = segment.inverted_index(fields.exact)?;
        let mut terms = index.terms().range().ge(prefix.as_bytes()).into_stream()?;
        let store = segment.get_store_reader(1)?;
        let mut taken = 0;
        while taken < limit && terms.advance() && terms.key().starts_with(prefix.as_bytes()) {
            let mut postings = index.read_postings_from_terminfo(terms.value(), IndexRecordOption::Basic)?;
            let mut doc = tantivy::DocSet::doc(&postings);
            while doc != tantivy::TERMINATED && segment.is_deleted(doc) {
                doc = tantivy::DocSet::advance(&mut postings);
            }
            if doc == tantivy::TERMINATED {
                continue;
            }
            let document: TantivyDocument = store.get(doc)?;
            if let Ok(Some(hit)) = read(&document, fields.hit) {
                found.entry(terms.key().to_vec()).or_insert(hit);
                taken += 1;
            }
        }
    }
    Ok(found.into_values().take(limit).collect())
}

fn absent() -> Problem {
    Problem::new(
        Kind::Unavailable,
        "catalog.index_absent",
        "检索索引正在建立，请稍后重试",
        "the search index is being built; try again in a moment",
    )
}

fn page() -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "catalog.page",
        format!("每页至多 {PAGE_MAX} 条，至多跳过 {OFFSET_MAX} 条；请用筛选缩小范围"),
        format!("a page has at most {PAGE_MAX} hits, at most {OFFSET_MAX} are skipped; narrow the search by filters"),
    )
    .field("/limit")
}

fn too_many_values() -> Problem {
    Problem::new(
        Kind::Unprocessable,
        "catalog.filter",
        format!("一个分面至多按 {FILTER_VALUES_MAX} 个值筛选"),
        format!("at most {FILTER_VALUES_MAX} values are filtered by in one facet"),
    )
    .field("/filters")
}

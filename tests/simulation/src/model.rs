//! The naive model: what each agreement shows of each state of the table, and what must therefore have come of it all.
//!
//! It knows nothing of SQL, feeds or logs: a table is a map, a state is a copy of it, and everything is looked up by
//! going through all of it.

use crate::{
    Who,
    net::{Heard, code},
    offer::{Offer, Shown, Table, shown_json},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use exchange::{AgreementId, DeliveryId, Receipt, ReceiptId, Revocation, Signed};
use http::StatusCode;
use registry::ImportId;
use std::collections::{BTreeMap, BTreeSet};

/// Entries of the feed before the first import: the record type's.
const POSITIONS_BEFORE: i64 = 1;
/// Whatever must never leave the provider bears this.
pub(crate) const CANARY: &str = "CANARY";

/// An agreement that is live at both sides.
#[derive(Clone, Debug)]
pub(crate) struct Agreement {
    pub id: AgreementId,
    pub offer: Offer,
    /// The round since which the provider must deliver nothing under it.
    pub over_at_provider: Option<u64>,
    /// The round since which the consumer itself has taken it back.
    pub over_at_consumer: Option<u64>,
}

impl Agreement {
    /// Whether a side has taken it back.
    pub fn is_over(&self) -> bool {
        self.over_at_provider.is_some() || self.over_at_consumer.is_some()
    }
}

/// A query that was put.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub agreement: usize,
    pub key: Option<String>,
    pub after: Option<String>,
    pub limit: u32,
    /// The round in which it was put.
    pub begun: u64,
    /// The rows that the program got, once it got any.
    pub got: Option<Vec<Shown>>,
}

/// A batch that was begun.
#[derive(Clone, Debug)]
pub(crate) struct Pull {
    pub id: DeliveryId,
    pub agreement: usize,
    pub format: &'static str,
}

/// A file that is being imported.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    pub id: ImportId,
    pub csv: Vec<u8>,
}

/// All that should be so.
#[derive(Default)]
pub(crate) struct Model {
    /// The table after so many imports.
    pub states: Vec<Table>,
    /// So many imports have taken effect; one more may have.
    pub certain: usize,
    pub import: Option<Import>,
    pub agreements: Vec<Agreement>,
    pub queries: Vec<Query>,
    pub pulls: Vec<Pull>,
    /// Receipts that left the provider.
    pub issued: BTreeMap<ReceiptId, Receipt>,
    /// Every telephone number that was ever in the table, in full.
    pub telephones: BTreeSet<String>,
    pub findings: Vec<String>,
}

impl Model {
    /// Nothing has happened, and the table is empty.
    pub fn new() -> Self {
        Self { states: vec![Table::new()], ..Self::default() }
    }

    /// The first rows are there, imported and not numbered yet.
    pub fn with_first(table: &Table) -> Self {
        let mut model = Self::new();
        model.add_state(table.clone());
        model.end_import();
        model
    }

    fn add_state(&mut self, table: Table) {
        self.telephones.extend(table.values().filter_map(|it| it.telephone.clone()));
        self.states.push(table);
    }

    /// The imports that have taken effect for certain, and those that may have.
    pub fn imports(&self) -> (usize, usize) {
        (self.certain, self.states.len() - 1)
    }

    /// The newest table there may be.
    pub fn newest(&self) -> &Table {
        &self.states[self.states.len() - 1]
    }

    /// A further import begins; it changes the table to this.
    pub fn begin_import(&mut self, import: Import, table: Table) {
        self.add_state(table);
        self.import = Some(import);
    }

    /// It is done.
    pub fn end_import(&mut self) {
        self.certain = self.states.len() - 1;
        self.import = None;
    }

    /// The table as it was at a position of the feed.
    pub fn at_position(&self, position: i64) -> Option<&Table> {
        let imports = usize::try_from((position - POSITIONS_BEFORE).max(0)).ok()?;
        self.states.get(imports)
    }

    pub fn agreement(&self, id: AgreementId) -> Option<&Agreement> {
        self.agreements.iter().find(|it| it.id == id)
    }

    pub fn find(&mut self, finding: String) {
        self.findings.push(finding);
    }

    /// An answer left a node: nothing in it may be what the asker must not see.
    pub fn hear(&mut self, heard: &Heard, round: u64) {
        let (letter, reply) = (&heard.letter, &heard.reply);
        self.look_for_canaries(heard);
        if letter.to != Who::Provider || reply.head.status != StatusCode::OK {
            return;
        }
        let path = letter.head.uri.path();
        if path == "/peer/v1/revocations" {
            if let Ok(revocation) = serde_json::from_slice::<Signed<Revocation>>(&letter.body) {
                self.over_at_provider(revocation.body.agreement, round);
            }
        } else if let Some(field) = reply.head.headers.get("yunhe-receipt") {
            match STANDARD.decode(field).ok().and_then(|it| serde_json::from_slice::<Receipt>(&it).ok()) {
                Some(receipt) => self.hear_delivery(heard, receipt),
                None => self.find("a delivery whose receipt cannot be read".to_owned()),
            }
        } else if path == "/peer/v1/query" || path.contains("/parts/") {
            self.find(format!("{}: a delivery without a receipt", letter.name()));
        }
    }

    /// From this round on the provider must deliver nothing under it.
    pub fn over_at_provider(&mut self, id: AgreementId, round: u64) {
        if let Some(agreement) = self.agreements.iter_mut().find(|it| it.id == id) {
            agreement.over_at_provider.get_or_insert(round);
        }
    }

    fn look_for_canaries(&mut self, heard: &Heard) {
        let body = String::from_utf8_lossy(&heard.reply.body);
        let raw = self.telephones.iter().find(|it| body.contains(it.as_str()));
        if body.contains(CANARY) || raw.is_some() {
            self.findings.push(format!("{}: the answer shows what was not agreed", heard.letter.name()));
        }
    }

    fn hear_delivery(&mut self, heard: &Heard, receipt: Receipt) {
        let name = heard.letter.name();
        let id = receipt.body.agreement;
        match self.agreement(id) {
            None => self.find(format!("{name}: delivered under an agreement that is not live")),
            Some(agreement) if agreement.over_at_provider.is_some_and(|over| over < heard.came) => {
                self.find(format!("{name}: delivered after the revocation took effect"));
            }
            Some(agreement) => {
                let offer = agreement.offer;
                if receipt.body.part.is_none() {
                    self.hear_query(heard, offer);
                }
            }
        }
        self.issued.insert(receipt.body.id, receipt);
    }

    /// What a query was answered must be what is permitted in some state that the table may have been in meanwhile.
    fn hear_query(&mut self, heard: &Heard, offer: Offer) {
        let asked = serde_json::from_slice::<exchange::Query>(&heard.letter.body).ok();
        let number = asked.and_then(|it| query_number(&it.actor));
        let Some(query) = number.and_then(|it| self.queries.get(it)) else {
            return self.find("an answer to a query that nobody put".to_owned());
        };
        let rows = page_rows(&heard.reply.body, offer);
        let (from, to) = heard.imports;
        let fits = self.states[from..=to].iter().any(|table| rows.as_ref() == Some(&query.rows(offer, table)));
        if !fits {
            let code = code(&heard.reply).unwrap_or_default();
            self.find(format!("query {number:?}: other rows than permitted in states {from} to {to} {code}: {rows:?}"));
        }
    }
}

impl Query {
    /// The rows that it is permitted to see in `table`.
    pub fn rows(&self, offer: Offer, table: &Table) -> Vec<Shown> {
        let all = offer.rows(table).into_iter();
        let of_key = all.filter(|it| self.key.is_none() || it[0] == self.key);
        let behind = of_key.filter(|it| self.after.is_none() || it[0] > self.after);
        behind.take(self.limit as usize).collect()
    }
}

/// The number of the query that was put by this actor.
pub(crate) fn query_number(actor: &str) -> Option<usize> {
    actor.strip_prefix("job:query-")?.parse().ok()
}

fn page_rows(body: &[u8], offer: Offer) -> Option<Vec<Shown>> {
    let page: serde_json::Value = serde_json::from_slice(body).ok()?;
    page["rows"].as_array()?.iter().map(|row| shown_json(row.as_object()?, offer)).collect()
}

//! What must hold once everything has come to rest: no delivery lost, doubled or unreceipted.

use crate::{Who, model::query_number, parts::decode, stage::organisation_id, world::World};
use evidence::{VerifierKey, merkle};
use exchange::{Keys, Pull, PullState, Receipt, ReceiptBody, ReceiptId, ReceiptState, ReceiptView};
use node::Organisation;
use policy::AgreementState;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use vocabulary::{Digest, Problem, date_in_shanghai};

use crate::acts::everyone;

/// A batch may end without being whole for these reasons alone.
const MAY_FAIL_WITH: &[&str] = &["exchange.quota", "exchange.revoked"];

/// What both sides hold at the end.
struct Ends {
    provider: Vec<ReceiptView>,
    consumer: Vec<ReceiptView>,
}

/// What binds a delivery to its receipt, at most once each.
fn delivered(body: &ReceiptBody) -> String {
    match (body.delivery, body.part) {
        (Some(delivery), Some(part)) => format!("{delivery} part {part}"),
        _ => body.actor.clone(),
    }
}

impl World {
    /// Checks all of it; what does not hold becomes a finding.
    pub fn judge(&mut self) {
        let read = |world: &mut Self, who| {
            let mut all = world.perform(who, async |org| org.receipts(None).await);
            // Their ids, by which those of one moment are listed, are drawn outside the seed.
            all.sort_by_key(|it| delivered(&it.body));
            all
        };
        let ends = Ends { provider: read(self, Who::Provider), consumer: read(self, Who::Consumer) };
        let line =
            format!("receipts: {} at the provider, {} at the consumer", ends.provider.len(), ends.consumer.len());
        self.net.note(line);
        self.nothing_doubled(&ends);
        self.nothing_lost(&ends);
        self.nothing_open(&ends);
        self.quota_kept(&ends);
        for number in 0..self.model.pulls.len() {
            self.batch_whole(number, &ends);
        }
        self.receipts_prove(&ends);
        for who in Who::ALL {
            self.log_only_grew(who);
        }
        self.catalogue_came();
        self.revocations_stand();
    }

    /// A query, and a part of a batch, has one receipt at most on each side; a signed request is good for one.
    fn nothing_doubled(&mut self, ends: &Ends) {
        for (side, views) in [("provider", &ends.provider), ("consumer", &ends.consumer)] {
            let mut of = BTreeSet::new();
            for view in views.iter().filter(|it| !of.insert(delivered(&it.body))) {
                let what = short(&delivered(&view.body));
                self.model.find(format!("{what}: delivered twice, says the {side}"));
            }
        }
        let mut signed = BTreeSet::new();
        let files = ends.provider.iter().filter_map(|it| it.file.as_ref());
        let twice = files.filter(|it| !signed.insert(it.asked.signature.value.clone())).count();
        if twice > 0 {
            self.model.find(format!("{twice} signed requests were good for more than one delivery"));
        }
    }

    /// What was sent is receipted at the provider; what arrived is receipted at both, by the same receipt.
    fn nothing_lost(&mut self, ends: &Ends) {
        let provider: BTreeMap<_, _> = ends.provider.iter().map(|it| (it.body.id, it)).collect();
        let lost = self.model.issued.keys().filter(|it| !provider.contains_key(it)).count();
        if lost > 0 {
            self.model.find(format!("{lost} receipts were sent, and the provider does not have them"));
        }
        for ours in &ends.consumer {
            let what = short(&delivered(&ours.body));
            let same = provider.get(&ours.body.id).is_some_and(|theirs| same_receipt(ours, theirs));
            if !same {
                self.model.find(format!("{what}: the consumer's receipt is not the provider's"));
            }
            let got = query_number(&ours.body.actor).is_some_and(|it| self.model.queries[it].got.is_some());
            let should = if got { ours.state == ReceiptState::Acknowledged } else { is_countersigned(ours) };
            if !should {
                self.model.find(format!("{what}: {:?} in the end", ours.state));
            }
        }
        let taken: BTreeSet<usize> = ends.consumer.iter().filter_map(|it| query_number(&it.body.actor)).collect();
        for (number, query) in self.model.queries.iter().enumerate() {
            if query.got.is_some() && !taken.contains(&number) {
                self.model.findings.push(format!("query {number}: answered without a receipt at the consumer"));
            }
        }
    }

    /// No receipt stays open: what never arrived is countersigned as such.
    fn nothing_open(&mut self, ends: &Ends) {
        let taken: BTreeSet<_> = ends.consumer.iter().map(|it| it.body.id).collect();
        let mut open: BTreeMap<_, u64> = BTreeMap::new();
        for view in &ends.provider {
            let what = short(&delivered(&view.body));
            let countersigned = is_countersigned(view);
            if countersigned && !taken.contains(&view.body.id) {
                self.model.find(format!("{what}: countersigned, but the consumer does not have it"));
            }
            if countersigned {
                continue;
            }
            *open.entry(view.body.agreement).or_default() += 1;
            self.model.find(format!("{what}: open for ever"));
        }
        let counted = self.perform(Who::Provider, async |org| org.agreements().await);
        for view in counted {
            let should = open.get(&view.agreement.body.id).copied().unwrap_or(0);
            if view.open_receipts != should {
                self.model.find(format!("{} receipts are counted as open, {should} are", view.open_receipts));
            }
        }
    }

    /// By the provider's own days, which never run back, in the order of its log.
    fn quota_kept(&mut self, ends: &Ends) {
        let places: BTreeMap<ReceiptId, Option<u64>> = self.perform(Who::Provider, async |org| {
            let mut reader = org.store().read().await?;
            let mut places = BTreeMap::new();
            for view in &ends.provider {
                if let Some(file) = &view.file {
                    let leaf = evidence::leaf(&mut reader, &file.log.leaf).await?;
                    places.insert(view.body.id, leaf.and_then(|it| it.position));
                }
            }
            Ok(places)
        });
        let mut in_order: Vec<&ReceiptView> = ends.provider.iter().collect();
        in_order.sort_by_key(|it| places.get(&it.body.id));
        let mut rows: BTreeMap<_, u64> = BTreeMap::new();
        let mut latest = BTreeMap::new();
        for view in in_order {
            let today = date_in_shanghai(view.body.at);
            let day = latest.entry(view.body.agreement).or_insert(today);
            *day = today.max(*day);
            *rows.entry((view.body.agreement, *day)).or_default() += view.body.rows;
        }
        for ((id, day), rows) in rows {
            let quota = self.model.agreement(id).map_or(0, |it| it.offer.quota());
            if rows > quota {
                self.model.find(format!("{rows} rows on {day}, {quota} were agreed"));
            }
        }
    }

    /// A batch is what the model says of its position: every part once, with one receipt at both sides.
    fn batch_whole(&mut self, number: usize, ends: &Ends) {
        let pull = self.model.pulls[number].clone();
        let state = self.attempt(Who::Consumer, async |org| org.pull_state(pull.id).await);
        let state: Pull = match state {
            Ok(state) => state,
            // Its beginning never took effect.
            Err(problem) if problem.code == "exchange.pull_missing" => return,
            Err(problem) => return self.model.find(format!("batch {number}: {problem}")),
        };
        if state.state != PullState::Done {
            let code = state.problem.map(|it| it.code.into_owned()).unwrap_or_default();
            self.net.note(format!("batch {number} ended with {code}"));
            if !MAY_FAIL_WITH.contains(&code.as_str()) {
                self.model.find(format!("batch {number} ended with {code:?}"));
            }
            return;
        }
        let consumer = organisation_id(Who::Consumer);
        let parcel = self.perform(Who::Provider, async |org| {
            exchange::parcel(&mut org.store().read().await?, pull.id, &consumer).await
        });
        let agreement = self.model.agreements[pull.agreement].clone();
        let mut rows = Vec::new();
        for part in &parcel.parts {
            let receipts = [&ends.provider, &ends.consumer].map(|it| {
                it.iter().filter(|it| it.body.delivery == Some(pull.id) && it.body.part == Some(part.number)).count()
            });
            if receipts != [1, 1] {
                let what = format!("batch {number} part {}: {receipts:?} receipts", part.number);
                self.model.find(format!("{what} at provider and consumer"));
            }
            let bytes = self.attempt(Who::Consumer, async |org| {
                org.pulled_part(&everyone(&org, "judge"), pull.id, part.number).await
            });
            let Ok(bytes) = bytes else {
                self.model.find(format!("batch {number} part {}: its bytes are lost", part.number));
                continue;
            };
            self.net.note(format!("batch {number} part {} is {} of {} rows", part.number, part.digest, part.rows));
            let decoded = decode(pull.format, &bytes);
            if Digest::of(&bytes) != part.digest || decoded.len() as u64 != part.rows {
                self.model.find(format!("batch {number} part {}: other bytes than receipted", part.number));
            }
            rows.extend(decoded);
        }
        let position = parcel.position;
        let should = self.model.at_position(position).map(|it| agreement.offer.rows(it));
        if should.as_ref() != Some(&rows) {
            let should = should.map(|it| it.len());
            self.model.find(format!(
                "batch {number}: {} rows, which are not the {should:?} of position {position}",
                rows.len()
            ));
        }
    }

    /// Every receipt file is proof without asking anybody, and its log proof hangs on the log that everybody saw.
    fn receipts_prove(&mut self, ends: &Ends) {
        let (provider, consumer) = (self.home(Who::Provider).keys(), self.home(Who::Consumer).keys());
        let origin = self.perform(Who::Provider, async |org| Ok(org.origin()?.to_string()));
        let log = VerifierKey::new(origin, provider.log.public());
        let (providers, consumers) = ([provider.messages.public()], [consumer.messages.public()]);
        let logs: Vec<VerifierKey> = log.into_iter().collect();
        let keys = Keys { provider: &providers, consumer: &consumers, log: &logs };
        for (who, views) in [(Who::Provider, &ends.provider), (Who::Consumer, &ends.consumer)] {
            for view in views {
                let id = view.body.id;
                let file = self.attempt(who, async |org| org.receipt(id).await);
                let proven = file.and_then(|it| Ok((exchange::verify(&reread(&it)?, &keys)?, it)));
                let what = short(&delivered(&view.body));
                match proven {
                    Ok((proven, _)) if !proven.logged => {
                        self.model.find(format!("{what}: not in the log, says the file at {}", who.id()));
                    }
                    Ok(_) => {}
                    Err(problem) => {
                        self.model.find(format!("{what}: the file at {} is no proof: {problem}", who.id()));
                    }
                }
            }
        }
    }

    /// Each checkpoint that anybody saw is a beginning of the next one.
    fn log_only_grew(&mut self, who: Who) {
        let seen: Vec<_> = self.seen.get(&who).into_iter().flatten().copied().collect();
        for pair in seen.windows(2) {
            let [(from, old), (to, new)] = pair else { continue };
            let grew = self.attempt(who, async |org: Arc<Organisation>| {
                let path = evidence::consistency(&mut org.store().read().await?, *from, *to).await?;
                Ok::<_, Problem>(merkle::verify_consistency((*from, old), (*to, new), &path)?)
            });
            if let Err(problem) = grew {
                self.model.find(format!("the log of {} was rewritten between {from} and {to}: {problem}", who.id()));
            }
        }
        self.net.note(format!("log of {} at {:?}", who.id(), seen.last().map(|it| it.0)));
    }

    /// What a side has taken back is over at both: the other is told until it has heard.
    fn revocations_stand(&mut self) {
        for who in [Who::Provider, Who::Consumer] {
            let views = self.perform(who, async |org| org.agreements().await);
            for view in views.iter().filter(|it| it.state != AgreementState::Revoked) {
                let Some(agreement) = self.model.agreement(view.agreement.body.id) else { continue };
                if agreement.is_over() {
                    self.model.find(format!("a revoked agreement is live at {}", who.id()));
                }
            }
        }
    }

    /// The hub's catalogue of the provider is the provider's own.
    fn catalogue_came(&mut self) {
        let own = organisation_id(Who::Provider);
        let list = async |org: Arc<Organisation>| {
            let all = catalog::entries(&mut org.store().read().await?, None, catalog::ENTRIES_PAGE_MAX).await?;
            Ok(all.into_iter().filter(|it| it.organisation == own).collect::<Vec<_>>())
        };
        let theirs = self.perform(Who::Provider, list);
        let harvested = self.perform(Who::Hub, list);
        if theirs != harvested {
            self.model.find(format!("the hub has {} entries, the provider {}", harvested.len(), theirs.len()));
        }
    }
}

/// The consumer has it, whether or not the answer arrived.
fn is_countersigned(view: &ReceiptView) -> bool {
    matches!(view.state, ReceiptState::Acknowledged | ReceiptState::Unreceived)
}

/// The same receipt but for what each side adds.
fn same_receipt(ours: &ReceiptView, theirs: &ReceiptView) -> bool {
    let core = |it: &ReceiptView| it.file.as_ref().map(|it| (it.salt.clone(), it.log.clone(), it.asked.clone()));
    ours.body == theirs.body && core(ours) == core(theirs) && ours.file.is_some()
}

/// As it is read from a file.
fn reread(receipt: &Receipt) -> Result<Receipt, Problem> {
    exchange::read(&serde_json::to_vec(receipt).unwrap_or_default())
}

/// Without the id that is drawn elsewhere.
fn short(what: &str) -> String {
    what.strip_prefix("job:").unwrap_or(what).to_owned()
}

//! The operations that the seed draws, and what the model notes when each has ended.

use crate::{
    FORGETS_NONCES_TOO_EARLY, Who,
    model::{Agreement, Import, Pull, Query},
    offer::{self, Offer, PURPOSE},
    stage::{agreed, import_ask, organisation_id},
    work::{Done, Job, Outcome, Step, Work},
    world::World,
};
use evidence::{Checkpoint, VerifierKey};
use exchange::{AgreementId, DeliveryId, LegalBasis, RequestId};
use node::{Organisation, PullAsk, QueryAsk, RequestDraft};
use peer::message;
use policy::{AnswerStep, Principal};
use registry::ImportId;
use serde_json::{Value, json};
use std::io;
use vocabulary::ResourceId;

/// Catalogue entries of the provider.
const ENTRIES: usize = 4;
/// So many of a hundred asks are under an agreement that nobody has taken back.
const LIVE_PERCENT: u32 = 80;
/// What a caller may hear when others, the network or a crash came in between. Anything else is a finding.
const MAY_BE_HEARD: &[&str] = &[
    "peer.unreachable",
    "peer.clock",
    "store.commit_unknown",
    "receipt.promise",
    "exchange.quota",
    "exchange.revoked",
    "exchange.restriction",
    "exchange.turn",
    "exchange.request_missing",
    "exchange.agreement_missing",
];

/// Somebody who may do all business and keeps the node, by that name.
pub(crate) fn everyone(org: &Organisation, name: &str) -> Principal {
    Principal::job(
        org.id().clone(),
        name,
        identity::ROLES.into_iter().filter(|it| !it.administers() || *it == policy::Role::SystemAdministrator),
    )
}

pub(crate) fn draft(id: RequestId, offer: Offer) -> RequestDraft {
    RequestDraft {
        provider: organisation_id(Who::Provider),
        offer: ResourceId::new(offer.name()).expect("a name"),
        columns: Vec::new(),
        operations: Vec::new(),
        purpose: PURPOSE.to_owned(),
        basis: LegalBasis { law: "《政务数据共享条例》".to_owned(), article: "第二十一条".to_owned() },
        matter: "惠企政策兑现".to_owned(),
        system: "惠企政策平台".to_owned(),
        frequency: "daily".to_owned(),
        until: "2026-12-31".parse().expect("a date"),
        in_charge: "产业政策处".to_owned(),
        attachments: Vec::new(),
        numbers: Vec::new(),
        id: Some(id),
    }
}

fn entry(number: usize, version: usize) -> Value {
    json!({
        "entry": {
            "entry": format!("entry-{number}"), "code": format!("102001001/{number:06}"), "class": "base",
            "title": {"zh": format!("目录{number}第{version}版"), "en": format!("entry {number} version {version}")},
            "theme": "legal-persons", "provider": {"zh": "省市场监督管理局", "en": "Market regulation"},
            "description": {"zh": "仿真", "en": "simulation"}, "formats": ["csv"],
            "items": [{"title": {"zh": "代码", "en": "code"}, "type": "text"}],
            "share": "unconditional", "method": "platform", "open": false, "cycle": "daily",
            "published": "2026-11-01", "grade": "一般/1",
        },
        "review": {"number": "1", "by": "保密办", "on": "2026-11-01"},
    })
}

fn nothing<T>(_: T) -> Done {
    Done::Nothing
}

impl World {
    /// An agreement to ask under: mostly one that nobody has taken back.
    fn pick_agreement(&mut self) -> usize {
        let all = self.model.agreements.iter().enumerate();
        let live: Vec<usize> = all.filter(|(_, it)| !it.is_over()).map(|(at, _)| at).collect();
        if !live.is_empty() && self.draw.chance(LIVE_PERCENT) {
            self.draw.of(&live)
        } else {
            self.draw.below(self.model.agreements.len())
        }
    }

    /// A query under one of the agreements: one row by its key, or a page.
    pub fn begin_query(&mut self) {
        let agreement = self.pick_agreement();
        let codes: Vec<String> = self.model.newest().keys().cloned().collect();
        let at = self.draw.below(codes.len());
        let by_key = self.draw.chance(40);
        let key = by_key.then(|| codes[at].clone());
        let after = (!by_key && self.draw.chance(50)).then(|| codes[at].clone());
        let limit = u32::try_from(self.draw.between(1, 9)).unwrap_or(1);
        let begun = self.net.round();
        let number = self.model.queries.len();
        let query = Query { agreement, key: key.clone(), after: after.clone(), limit, begun, got: None };
        self.model.queries.push(query);
        let ask = QueryAsk {
            agreement: self.model.agreements[agreement].id,
            purpose: None,
            columns: Vec::new(),
            key: key.map(|it| vec![it]),
            rows: None,
            after: after.map(|it| vec![it]),
            limit: Some(limit),
        };
        self.begin(Who::Consumer, Work::Query(number), async move |org| {
            let program = everyone(&org, &format!("query-{number}"));
            Ok(Done::Answer(Box::new(org.query(&program, ask).await?)))
        });
    }

    /// A batch under one of the agreements.
    pub fn begin_pull(&mut self) {
        let agreement = self.pick_agreement();
        let id = DeliveryId::from_uuid(self.draw.uuid());
        let format = self.draw.of(&["arrow", "parquet", "csv"]);
        let number = self.model.pulls.len();
        self.model.pulls.push(Pull { id, agreement, format });
        let ask = PullAsk { agreement: self.model.agreements[agreement].id, format: format.to_owned(), id: Some(id) };
        self.begin(Who::Consumer, Work::Pull(number), async move |org| {
            org.pull(&everyone(&org, "pull"), ask).await.map(nothing)
        });
    }

    /// A file for the provider's table, or the one that stopped once more.
    pub fn begin_import(&mut self) {
        if self.ops.iter().any(|it| matches!(it.work, Work::Import(_))) {
            return;
        }
        if self.model.import.is_none() {
            let (csv, table) = offer::draw_file(&mut self.draw, self.model.newest());
            if table == *self.model.newest() || self.running(Who::Provider).is_none() {
                return;
            }
            let import = Import { id: ImportId::from_uuid(self.draw.uuid()), csv };
            self.model.begin_import(import, table);
        }
        let Some(Import { id, csv }) = self.model.import.clone() else { return };
        let number = self.model.states.len() - 1;
        self.begin(Who::Provider, Work::Import(number), async move |org| {
            let file = Box::new(io::Cursor::new(csv));
            org.import(&everyone(&org, "import"), import_ask(id), file).await.map(nothing)
        });
    }

    /// One of a node's jobs does one step.
    pub fn begin_job(&mut self, who: Who, job: Job) {
        if self.ops.iter().any(|it| it.who == who && it.work == Work::Job(job)) {
            return;
        }
        let ahead = self.home(who).clock.ahead_seconds();
        if job == Job::Forget && FORGETS_NONCES_TOO_EARLY && ahead > message::WINDOW_SECONDS {
            return;
        }
        self.begin(who, Work::Job(job), async move |org| match job {
            Job::Sequence => org.sequence_once().await.map(nothing),
            Job::Pull => org.carry_pulls().await.map(nothing),
            Job::Acknowledge => org.acknowledge_due().await.map(nothing),
            Job::Tell => org.tell_revocations().await.map(nothing),
            Job::Settle => org.settle_missed().await.map(nothing),
            Job::Membership => org.follow_membership().await.map(nothing),
            Job::Forget => org.forget_once().await.map(nothing),
            Job::Harvest => {
                let provider = organisation_id(Who::Provider);
                org.harvest(&everyone(&org, "harvest"), &provider).await.map(nothing)
            }
        });
    }

    pub fn begin_publishing(&mut self) {
        let (number, version) = (self.draw.below(ENTRIES), self.draw.below(1_000));
        self.begin(Who::Provider, Work::Publish(number), async move |org| {
            org.publish_entry(&everyone(&org, "publish"), entry(number, version)).await.map(nothing)
        });
    }

    /// Somebody looks at a node's log.
    pub fn begin_look(&mut self, who: Who) {
        let key = self.home(who).keys().log.public();
        self.begin(who, Work::Look(who), async move |org| {
            let note = evidence::checkpoint(&mut org.store().read().await?).await?;
            let key = VerifierKey::new(org.origin()?.to_string(), key)?;
            let head = note.map(|it| Checkpoint::open(&it, &[key])).transpose()?;
            Ok(Done::Log(head.map(|it| (it.size, it.root))))
        });
    }

    /// One side takes an agreement back.
    pub fn begin_revocation(&mut self, number: usize, who: Who) {
        let id = self.model.agreements[number].id;
        self.begin(who, Work::Revoke(number, who), async move |org| {
            org.revoke(&everyone(&org, "revoke"), id, "依据变更".to_owned()).await.map(nothing)
        });
    }

    /// A step towards a new agreement.
    pub fn begin_step(&mut self, number: usize, step: Step) {
        let (id, offer) = (self.stories[number].id, self.stories[number].offer);
        let who = match step {
            Step::Authority => Who::Hub,
            Step::Provider => Who::Provider,
            _ => Who::Consumer,
        };
        self.begin(who, Work::Story(number, step), async move |org| {
            let person = everyone(&org, "story");
            match step {
                Step::Ask => org.request(&person, draft(id, offer)).await.map(nothing),
                Step::News => org.request_view(id).await.map(nothing),
                Step::OwnDepartment => org.answer(&person, id, agreed(AnswerStep::OwnDepartment)).await.map(nothing),
                Step::Authority => org.answer(&person, id, agreed(AnswerStep::Authority)).await.map(nothing),
                Step::Provider => org.answer(&person, id, agreed(AnswerStep::Provider)).await.map(nothing),
                Step::Sign => org.agree(&person, id).await.map(nothing),
            }
        });
    }

    /// What an operation's end means to the model.
    pub fn settle_work(&mut self, work: Work, outcome: Option<Outcome>) {
        let round = self.net.round();
        match outcome {
            None => {}
            Some(Err(problem)) if MAY_BE_HEARD.contains(&problem.code.as_ref()) => {}
            Some(Err(problem)) => self.model.find(format!("{work}: {} {problem}", problem.code)),
            Some(Ok(done)) => match (work, done) {
                (Work::Query(number), Done::Answer(answer)) => self.got(number, &answer),
                (Work::Look(who), Done::Log(Some(head))) => drop(self.seen.entry(who).or_default().insert(head)),
                (Work::Import(_), _) => self.model.end_import(),
                (Work::Revoke(number, Who::Consumer), _) => {
                    self.model.agreements[number].over_at_consumer.get_or_insert(round);
                }
                (Work::Revoke(number, _), _) => {
                    let id = self.model.agreements[number].id;
                    self.model.over_at_provider(id, round);
                }
                (Work::Story(number, step), _) => self.went_on(number, step),
                _ => {}
            },
        }
    }

    fn got(&mut self, number: usize, answer: &node::QueryAnswer) {
        let query = &self.model.queries[number];
        let agreement = &self.model.agreements[query.agreement];
        let rows = answer.rows.iter().filter_map(|it| offer::shown_json(it, agreement.offer)).collect();
        if agreement.over_at_consumer.is_some_and(|over| over < query.begun) {
            self.model.find(format!("query {number}: delivered after the consumer had taken the agreement back"));
        }
        self.model.queries[number].got = Some(rows);
    }

    fn went_on(&mut self, number: usize, step: Step) {
        let story = &mut self.stories[number];
        match step {
            Step::Ask => story.asked = true,
            Step::Sign if !story.signed => {
                story.signed = true;
                let id = AgreementId::from_uuid(story.id.uuid());
                let offer = story.offer;
                let agreement = Agreement { id, offer, over_at_provider: None, over_at_consumer: None };
                self.model.agreements.push(agreement);
            }
            _ => {}
        }
    }
}

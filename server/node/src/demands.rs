//! Demands for data that is in no catalogue, as the organisation's own people make and answer them.

use crate::{DossiersAsk, Organisation, catalogs::Look, draw_salt};
use catalog::{
    DoDemand,
    compile::{self, Demand, DemandAct, DemandState, Dossier, Listing, Past},
};
use policy::Principal;
use schemars::JsonSchema;
use serde::Serialize;
use store::transact;
use vocabulary::{Date, Problem, ResourceId, Timestamp, date_in_shanghai};

/// A demand.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DemandView {
    /// Its name.
    pub name: ResourceId,
    /// The version of its dossier.
    pub version: i64,
    /// Since when it stands so.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// What it says.
    pub demand: Demand,
    /// Whether the day until which its state was to be left is over.
    pub overdue: bool,
    /// What was done to it, the newest first; left out in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Past>,
}

fn view(it: Dossier<Demand>, history: Vec<Past>, today: Date) -> DemandView {
    let overdue = it.body.due.is_some_and(|due| due < today);
    DemandView { name: it.name, version: it.version, since: it.at, demand: it.body, overdue, history }
}

impl Organisation {
    /// Does something to a demand.
    ///
    /// # Errors
    /// As [`catalog::compile::do_demand`].
    pub async fn do_demand(
        &self,
        principal: &Principal,
        name: &ResourceId,
        act: DemandAct,
    ) -> Result<DemandView, Problem> {
        let permit = self.permit(principal, DoDemand { name: name.clone(), act })?;
        let (salt, now, packs) = (draw_salt()?, self.now(), self.packs());
        let today = date_in_shanghai(now);
        let done = transact!(self.store, None, |tx| {
            let due = |days| packs.working_days_after(today, days);
            compile::do_demand(tx, &permit, due, salt, now).await
        })?;
        Ok(view(done, Vec::new(), today))
    }

    /// A page of demands (需求清单), the next one behind its last name; a page shorter than its limit is the last.
    /// `unheard`: those of the caller's own that ended and that he has not read yet.
    ///
    /// # Errors
    /// `catalog.state` when there is no such state, `policy.role`.
    pub async fn demands(
        &self,
        principal: &Principal,
        ask: DossiersAsk,
        unheard: bool,
    ) -> Result<Vec<DemandView>, Problem> {
        self.permit(principal, Look)?;
        if let Some(state) = &ask.state {
            crate::compilations::known_word(state, &DemandState::ALL.map(DemandState::word))?;
        }
        let today = date_in_shanghai(self.now());
        let own = principal.actor.to_string();
        let ended = |it: &Demand| matches!(it.state, DemandState::Fulfilled | DemandState::Refused);
        let wanted = |it: &Dossier<Demand>| !unheard || (it.body.asker == own && ended(&it.body) && !it.body.heard);
        let mut which = Listing::from(ask);
        let limit = which.limit as usize;
        let (mut reader, mut views) = (self.store.read().await?, Vec::new());
        loop {
            let page = compile::demands(&mut reader, &which).await?;
            let Some(last) = page.last() else { break };
            which.after = last.name.to_string();
            views.extend(page.into_iter().filter(wanted).map(|it| view(it, Vec::new(), today)));
            if views.len() >= limit {
                break;
            }
        }
        views.truncate(limit);
        Ok(views)
    }

    /// One demand with its history.
    ///
    /// # Errors
    /// `catalog.no_demand`, `policy.role`.
    pub async fn demand(&self, principal: &Principal, name: &ResourceId) -> Result<DemandView, Problem> {
        self.permit(principal, Look)?;
        let (found, history) = compile::demand(&mut self.store.read().await?, name).await?;
        Ok(view(found, history, date_in_shanghai(self.now())))
    }
}

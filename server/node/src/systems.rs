//! The register of information systems (政务信息系统台账): what each feeds, and whether anything is still fetched from it.

use crate::{DossiersAsk, Organisation, ThingLine, catalogs::Look};
use catalog::compile::{self, AttachedKind, Compilation, Dossier, Listing, Thing, ThingKind};
use exchange::Side;
use policy::Principal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use store::Reader;
use vocabulary::{Date, Problem, ResourceId, date_in_shanghai};

/// A connected system from which nothing was delivered for so many days is sleeping, when nothing else is asked for.
pub const SLEEPING_DAYS: u16 = 90;

/// Whether a system takes part in sharing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Connection {
    /// 未接入.
    Unconnected,
    /// 沉睡: connected, but nothing of it was delivered for days.
    Sleeping,
    /// 在用.
    Connected,
}

/// Which systems.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemsAsk {
    /// In this state of connection alone.
    #[serde(default)]
    pub connection: Option<Connection>,
    /// After how many days without a delivery a system sleeps.
    #[serde(default)]
    pub days: Option<u16>,
    /// Of this department alone, by its Chinese name.
    #[serde(default)]
    pub owner: Option<String>,
    /// Behind this name.
    #[serde(default)]
    pub after: Option<String>,
    /// At most so many.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// A system with its part in sharing.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SystemLine {
    /// The system.
    #[serde(flatten)]
    pub line: ThingLine,
    /// Whether it takes part.
    pub connection: Connection,
    /// The published entries that it feeds.
    pub entries: Vec<ResourceId>,
    /// The last day on which anything of them was delivered, by the receipts.
    #[schemars(with = "Option<String>")]
    pub delivered: Option<Date>,
}

/// What an entry is delivered as: by its offer, or by the record type that it is attached to.
fn delivered_as(compilation: &Compilation) -> Vec<&ResourceId> {
    let Some(live) = &compilation.live else { return Vec::new() };
    live.entry.offer.iter().collect()
}

fn record_of(compilation: &Compilation) -> Option<ResourceId> {
    let attached = compilation.live.as_ref()?.links.resource.as_ref()?;
    (attached.kind == AttachedKind::Record).then(|| ResourceId::new(attached.name.as_str()).ok()).flatten()
}

type LastDays = BTreeMap<ResourceId, Date>;

/// A system with the entries that it feeds, and when anything of them was delivered last.
async fn system_line(
    reader: &mut Reader,
    it: Dossier<Thing>,
    (by_offer, by_record): (&LastDays, &LastDays),
    awake_since: Date,
) -> Result<SystemLine, Problem> {
    let users = compile::thing_users(reader, ThingKind::System, &it.name).await?;
    let mut entries = BTreeSet::new();
    let mut delivered: Option<Date> = None;
    for user in users.into_iter().filter(|it| it.published) {
        let name = ResourceId::new(user.name)?;
        if let Some(found) = compile::compilation(reader, &name).await? {
            let offers = delivered_as(&found.body).into_iter().filter_map(|it| by_offer.get(it));
            let record = record_of(&found.body).and_then(|it| by_record.get(&it));
            delivered = offers.chain(record).copied().chain(delivered).max();
        }
        entries.insert(name);
    }
    // A system that was connected only lately had no time to be used.
    let since = delivered.max(Some(date_in_shanghai(it.at)));
    let connection = match it.body.connected {
        false => Connection::Unconnected,
        true if since < Some(awake_since) => Connection::Sleeping,
        true => Connection::Connected,
    };
    Ok(SystemLine { line: it.into(), connection, entries: entries.into_iter().collect(), delivered })
}

impl Organisation {
    /// A page of the register of systems, open ones, with whether each is connected, unconnected or sleeping; the next
    /// one begins behind its last name, and a page shorter than its limit is the last.
    ///
    /// # Errors
    /// `policy.role`.
    pub async fn systems(&self, principal: &Principal, ask: SystemsAsk) -> Result<Vec<SystemLine>, Problem> {
        self.permit(principal, Look)?;
        let SystemsAsk { connection, days, owner, after, limit } = ask;
        let which = DossiersAsk { state: Some("open".to_owned()), owner, after, limit };
        let today = date_in_shanghai(self.now());
        let awake_since = today.checked_sub(jiff::Span::new().days(i64::from(days.unwrap_or(SLEEPING_DAYS))));
        let awake_since = awake_since.unwrap_or(Date::MIN);
        let (by_offer, by_record) = self.last_deliveries().await?;
        let mut reader = self.store.read().await?;
        let (mut which, mut lines) = (Listing::from(which), Vec::new());
        let limit = which.limit as usize;
        loop {
            let page = compile::things(&mut reader, ThingKind::System, &which).await?;
            let Some(last) = page.last() else { break };
            which.after = last.name.to_string();
            for it in page {
                let line = system_line(&mut reader, it, (&by_offer, &by_record), awake_since).await?;
                lines.extend(Some(line).filter(|it| connection.is_none_or(|wanted| wanted == it.connection)));
            }
            if lines.len() >= limit {
                break;
            }
        }
        lines.truncate(limit);
        Ok(lines)
    }

    /// The last day of delivery by offer and by record type, from the agreements under which receipts were issued.
    async fn last_deliveries(&self) -> Result<(LastDays, LastDays), Problem> {
        let (mut by_offer, mut by_record) = (BTreeMap::new(), BTreeMap::new());
        let agreements = exchange::agreements(&mut self.store.read().await?).await?;
        for it in agreements.into_iter().filter(|it| it.side == Side::Provider) {
            let Ok(day) = it.day.parse::<Date>() else { continue };
            let body = it.agreement.body;
            for (map, name) in [(&mut by_offer, body.offer), (&mut by_record, body.terms.record)] {
                let last = map.entry(name).or_insert(day);
                *last = day.max(*last);
            }
        }
        Ok((by_offer, by_record))
    }
}

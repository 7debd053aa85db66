//! Setting an organisation up, and its place in the federation.

use crate::{
    IssuedToken, NodeConfig, Organisation, OrganisationConfig, SystemClock,
    audit::leave,
    clock::Clock,
    draw_bytes, draw_salt, draw_uuid,
    organisation::{dialled, fault, origin},
    requests::from_json,
};
use federation::{
    Entry, Genesis, Keys, LogKey,
    ask::{Adopt, Confirm, Pin},
};
use identity::{Holder, IssueToken, Scope, TokenId, TokenSecret};
use peer::Call;
use policy::{MemberRole, Principal, Role};
use serde::Deserialize;
use serde_json::json;
use signing::KeyRing;
use std::{
    collections::BTreeSet,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};
use store::transact;
use vocabulary::{Digest, FederationName, Kind, Problem, Suite, Timestamp, ensure};

/// What an organisation hands to the founders to become a member.
pub type Card = federation::Organisation;

/// The membership log as the hub tells it.
#[derive(Deserialize)]
struct Told {
    genesis: Genesis,
    entries: Vec<Entry>,
}

fn fork(federation: &FederationName) -> Problem {
    Problem::new(
        Kind::Conflict,
        "federation.fork",
        format!("枢纽所述的联邦 {federation} 与本机固定的创世文件不同；未采用，请与创始成员核实"),
        format!("the hub tells of a federation {federation} with another genesis; nothing was used, ask the founders"),
    )
}

/// The card of an organisation: its public keys and where to dial it.
///
/// # Errors
/// Those of the keys.
pub fn make_card(
    federation: &FederationName,
    config: &OrganisationConfig,
    keys: &KeyRing,
    addresses: Vec<String>,
) -> Result<Card, Problem> {
    Ok(Card {
        id: config.id.clone(),
        title: config.title.clone(),
        uscc: None,
        division: config.division.clone(),
        level: config.level,
        roles: config.roles.iter().copied().collect(),
        superior: config.superior.clone(),
        host: config.host.clone(),
        addresses,
        keys: Keys {
            messages: vec![keys.messages.public()],
            tls: vec![keys.tls.pin()?],
            log: LogKey { origin: origin(federation, config)?, key: keys.log.public() },
        },
    })
}

/// Makes a node's data folder: configuration, keys, cards (`<org>/card.json`) and the three administrators
/// with their first passwords (`<org>/first/sysadmin`, `secadmin`, `auditadmin`). Their message keys are of `suite`,
/// and that is where it is written. What is there already is never written over.
///
/// # Errors
/// `signing.exists` when there are keys already, and what the disk says.
pub async fn init(folder: &Path, config: &NodeConfig, suite: Suite) -> Result<Vec<(PathBuf, Card)>, Problem> {
    std::fs::create_dir_all(folder).map_err(|it| fault("folder", &it))?;
    let mut cards = Vec::new();
    for one in &config.organisation {
        let home = folder.join(one.id.as_str());
        std::fs::create_dir_all(&home).map_err(|it| fault("folder", &it))?;
        let keys = KeyRing::create(&home.join("keys"), suite)?;
        let addresses = config.peer.iter().map(ToString::to_string).collect();
        let card = make_card(&config.federation, one, &keys, addresses)?;
        let text = serde_json::to_string_pretty(&card).map_err(|it| fault("card", &it))?;
        let path = home.join("card.json");
        std::fs::write(&path, text).map_err(|it| fault("card", &it))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let organisation = Organisation::open(&home, &config.federation, one, clock).await?;
        organisation.first_administrators().await?;
        organisation.close().await;
        cards.push((path, card));
    }
    config.write(folder)?;
    Ok(cards)
}

/// Writes a first password where only its owner reads it; one that was never used is replaced.
pub(crate) fn write_secret(folder: &Path, name: &str, secret: &str) -> Result<PathBuf, Problem> {
    std::fs::create_dir_all(folder).map_err(|it| fault("folder of first passwords", &it))?;
    let path = folder.join(name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&path).map_err(|it| fault("first password", &it))?;
    file.write_all(secret.as_bytes()).map_err(|it| fault("first password", &it))?;
    Ok(path)
}

impl Organisation {
    pub(crate) async fn new_token(
        &self,
        principal: &Principal,
        holder: Holder,
        (scopes, expires_at): (BTreeSet<Scope>, Timestamp),
    ) -> Result<IssuedToken, Problem> {
        let now = self.now();
        let (id, secret) = (TokenId::from_uuid(draw_uuid(now)), TokenSecret::from_bytes(draw_bytes()?));
        let ask = IssueToken { id, digest: secret.digest(), holder, scopes, expires_at };
        let permit = self.permit(principal, ask)?;
        let salt = draw_salt()?;
        transact!(self.store, None, |tx| identity::issue_token(tx, &permit, salt, now).await)?;
        Ok(IssuedToken { id, token: secret.reveal(), expires_at })
    }

    pub(crate) async fn reload_members(&self) -> Result<(), Problem> {
        let mut reader = self.store.read().await?;
        if federation::federations(&mut reader).await?.contains(&self.federation) {
            self.set_members(federation::view(&mut reader, &self.federation).await?);
        }
        Ok(())
    }

    /// Pins the federation by its genesis.
    ///
    /// # Errors
    /// `federation.genesis`, `federation.pinned`, `policy.role`.
    pub async fn join(&self, principal: &Principal, genesis: Genesis, digest: Digest) -> Result<(), Problem> {
        let about = json!({"federation": genesis.federation, "genesis": digest});
        let permit = self.permit(principal, Pin { genesis, digest })?;
        let (salt, now) = (draw_salt()?, self.now());
        let pinned = transact!(self.store, None, |tx| {
            federation::pin(tx, &permit, now).await?;
            leave(tx, principal, ("federation.join", about.clone()), salt, now).await?;
            Ok(())
        });
        self.with_members_reloaded(pinned).await
    }

    /// Whatever was heard of a commit, what stands in the database holds from now on.
    async fn with_members_reloaded(&self, done: Result<(), Problem>) -> Result<(), Problem> {
        let reloaded = self.reload_members().await;
        done.and(reloaded)
    }

    /// Takes over entries of the membership log; they prove themselves.
    ///
    /// # Errors
    /// `federation.…` for the first entry that does not hold.
    pub async fn adopt(&self, principal: &Principal, entries: Vec<Entry>) -> Result<(), Problem> {
        let last = entries.last().map(|it| it.body.digest()).transpose()?;
        let (salt, of_act) = (draw_salt()?, draw_salt()?);
        let about = json!({
            "federation": self.federation, "from": entries.first().map(|it| it.body.number),
            "to": entries.last().map(|it| it.body.number), "head": last,
        });
        let permit = self.permit(principal, Adopt { federation: self.federation.clone(), entries, salt })?;
        let now = self.now();
        let once = async || {
            transact!(self.store, None, |tx| {
                federation::adopt(tx, &permit, now).await?;
                leave(tx, principal, ("federation.adopt", about.clone()), of_act, now).await?;
                Ok(())
            })
        };
        let mut done = once().await;
        if done.as_ref().is_err_and(|it| it.code == "store.duplicate") {
            // The job took over the same entry at the same moment: now it is known.
            done = once().await;
        }
        if let (Ok(()), Some(head)) = (&done, last) {
            done = self.confirm(principal, head, now).await;
        }
        self.with_members_reloaded(done).await
    }

    /// Asks the hub for the membership log, takes over what is new, and notes how young the view is. What the hub
    /// itself knows is the newest there is. Says whether there was anything new.
    ///
    /// # Errors
    /// `peer.unreachable`; `federation.fork` when the hub tells of another federation; `federation.…` for an entry that
    /// does not hold.
    pub async fn follow_membership(&self) -> Result<bool, Problem> {
        let Ok(view) = self.members() else { return Ok(false) };
        let (principal, now) = (self.job("membership", [Role::SystemAdministrator]), self.now());
        let hub = view.members().find(|it| it.organisation.roles.contains(&MemberRole::Hub));
        let Some(hub) = hub else { return Ok(false) };
        if hub.organisation.id == *self.id() {
            self.confirm(&principal, view.head(), now).await?;
            self.reload_members().await?;
            return Ok(false);
        }
        // However old our view is: it is made young here.
        let answer = self.client.send(&dialled(hub), &Call::get("/peer/v1/federation"), now).await?;
        let told: Told = from_json(&answer.body)?;
        ensure!(told.genesis.digest()? == view.genesis().digest()?, fork(&self.federation));
        let known = usize::try_from(view.number()).unwrap_or(usize::MAX);
        let new = told.entries.get(known..).unwrap_or_default().to_vec();
        let (any, knows_all) = (!new.is_empty(), told.entries.len() >= known);
        if any {
            self.adopt(&principal, new).await?;
        } else if knows_all {
            self.confirm(&principal, view.head(), now).await?;
            self.reload_members().await?;
        }
        Ok(any)
    }

    /// Notes that `head` was the newest entry at `at`.
    ///
    /// # Errors
    /// `federation.behind`.
    pub(crate) async fn confirm(&self, principal: &Principal, head: Digest, at: Timestamp) -> Result<(), Problem> {
        let permit = self.permit(principal, Confirm { federation: self.federation.clone(), head, at })?;
        let now = self.now();
        transact!(self.store, None, |tx| {
            federation::confirm(tx, &permit, now).await?;
            Ok(())
        })
    }

    /// The whole membership log.
    ///
    /// # Errors
    /// `federation.none`.
    pub async fn membership_log(&self) -> Result<serde_json::Value, Problem> {
        self.members()?;
        let mut reader = self.store.read().await?;
        let genesis = federation::genesis(&mut reader, &self.federation).await?;
        let mut entries = Vec::new();
        loop {
            let after = u32::try_from(entries.len()).unwrap_or(u32::MAX);
            let page = federation::entries(&mut reader, &self.federation, after, 100).await?;
            if page.is_empty() {
                break;
            }
            entries.extend(page);
        }
        Ok(serde_json::json!({"genesis": genesis, "entries": entries}))
    }
}

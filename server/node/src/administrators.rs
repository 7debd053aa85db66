//! The three administrators: who is appointed first, and by a command on the machine while nobody is in office.

use crate::{Clock as _, NodeConfig, Organisation, OrganisationConfig, SystemClock, draw_bytes, draw_salt};
use crate::{membership::write_secret, organisation::open_store};
use identity::{AccountName, Appoint, Password, role_title};
use policy::{Facts, Principal, Role};
use signing::{KeyRing, Peppers};
use std::path::{Path, PathBuf};
use store::{Store, transact};
use vocabulary::{Kind, Personal, Problem, Timestamp};

/// The three offices with the word for each and the account that `init` opens for it.
pub const OFFICES: [(Role, &str, &str); 3] = [
    (Role::SystemAdministrator, "system", "sysadmin"),
    (Role::SecurityAdministrator, "security", "secadmin"),
    (Role::AuditAdministrator, "audit", "auditadmin"),
];

/// The word for an office on the command line.
pub fn office_word(office: Role) -> &'static str {
    OFFICES.into_iter().find(|it| it.0 == office).map_or("", |it| it.1)
}

/// A drawn password may by chance hold a short account name: then another is drawn, so often at most.
const DRAWS_MAX: usize = 64;

/// A first password, drawn: its holder must change it before anything else.
pub(crate) fn draw_password(name: &AccountName) -> Result<String, Problem> {
    let mut told = Ok(());
    for _ in 0..DRAWS_MAX {
        let secret: [u8; 18] = draw_bytes()?;
        let text = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, secret);
        told = Password::new(&text).check(name.as_str());
        if told.is_ok() {
            return Ok(text);
        }
    }
    // A name of one letter is in nearly all of them.
    told.map(|()| String::new())
}

/// Appoints somebody of an organisation of the node in `folder` to an office in which nobody is; gives the file with
/// the first password. Whoever can run this has the machine and its keys.
///
/// # Errors
/// `identity.in_office` with who is, `identity.apart`, `node.organisation` when there is no such one, `store.…`.
pub async fn appoint(folder: &Path, organisation: &str, office: Role, name: &str) -> Result<PathBuf, Problem> {
    let config = NodeConfig::read(folder)?;
    let one = config.organisation.iter().find(|it| it.id.as_str() == organisation).ok_or_else(|| {
        Problem::new(
            Kind::Missing,
            "node.organisation",
            format!("节点上没有单位 {organisation}"),
            format!("the node has no organisation {organisation}"),
        )
    })?;
    let home = folder.join(one.id.as_str());
    let keys = KeyRing::open(&home.join("keys"))?;
    let store = open_store(&home, one).await?;
    let place = Place { store: &store, config: one, peppers: &keys.peppers, now: SystemClock.now() };
    let done = place.put(office, &AccountName::new(name)?, &home).await;
    store.close().await;
    done
}

/// Where somebody is appointed.
struct Place<'a> {
    store: &'a Store,
    config: &'a OrganisationConfig,
    peppers: &'a Peppers,
    now: Timestamp,
}

impl Place<'_> {
    async fn put(&self, office: Role, name: &AccountName, home: &Path) -> Result<PathBuf, Problem> {
        let first = draw_password(name)?;
        let password = identity::new_password(name, Password::new(&first), draw_bytes()?, self.peppers).await?;
        let ask = Appoint { office, name: name.clone(), person: Personal::new(role_title(office).zh), password };
        let organisation = self.config.id.clone();
        let principal = Principal::job(organisation.clone(), "appoint", []);
        let permit = policy::decide(&Facts { organisation, principal, now: self.now, agreement: None }, ask)?;
        let (salt, now) = (draw_salt()?, self.now);
        transact!(self.store, None, |tx| identity::appoint(tx, &permit, salt, now).await)?;
        write_secret(&home.join("first"), name.as_str(), &first)
    }
}

impl Organisation {
    /// The first three administrators, each with a file that holds a first password.
    pub(crate) async fn first_administrators(&self) -> Result<Vec<PathBuf>, Problem> {
        let place = Place { store: &self.store, config: &self.config, peppers: &self.keys.peppers, now: self.now() };
        let mut files = Vec::new();
        for (office, _, name) in OFFICES {
            files.push(place.put(office, &AccountName::new(name)?, self.folder()).await?);
        }
        Ok(files)
    }

    /// The offices in which nobody is who has ever come in, each with the account that waits to, if any.
    ///
    /// # Errors
    /// As the store's.
    pub async fn vacancies(&self) -> Result<Vec<(Role, Option<AccountName>)>, Problem> {
        identity::vacancies(&mut self.store.read().await?).await
    }
}

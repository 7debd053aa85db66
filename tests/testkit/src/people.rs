//! How people come in: accounts with roles, administrators with a second factor and a session. What has a route goes
//! the way that a person goes; only the first permits are the node's own.

use crate::{Desk, World};
use identity::totp;
use node::{Credentials, NewApplication, NewToken, NewUser, NodeConfig, OFFICES, Organisation, SystemClock};
use policy::{Actor, Principal, Role};
use serde_json::json;
use std::{collections::BTreeSet, fs, os::unix::fs::OpenOptionsExt as _, path::Path, sync::Arc};
use vocabulary::{Personal, Problem, Timestamp};

/// The password of everybody in a story.
pub const PASSWORD: &str = "长江 runs to the sea 7";
/// What an administrator gives, to be changed.
pub const FIRST_PASSWORD: &str = "given and to be changed 1";
/// Tokens live this long.
const TOKEN_DAYS: u32 = 90;
/// The program that queries.
const APPLICATION: &str = "policy-platform";

/// What somebody shows, and how to come in again.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) token: String,
    /// The secret of the second factor: only of administrators.
    secret: Option<Vec<u8>>,
}

/// The role of a word; plain `administrator` and `auditor` are the system's and the audit's.
fn role_of(word: &str) -> Role {
    match word {
        "administrator" => Role::SystemAdministrator,
        "auditor" => Role::AuditAdministrator,
        word => serde_json::from_value(word.into()).unwrap(),
    }
}

/// The node's own principal with one role.
pub(crate) fn principal(org: &Organisation, role: Role) -> Principal {
    Principal::job(org.id().clone(), "testkit", [role])
}

fn credentials(name: &str, password: &str) -> Credentials {
    Credentials { name: name.to_owned(), password: Personal::new(password.to_owned()), new: None, code: None }
}

fn with_code(name: &str, secret: &[u8], at: Timestamp) -> Credentials {
    Credentials { code: Some(Personal::new(totp::code(secret, at))), ..credentials(name, PASSWORD) }
}

/// An account with a role, called after it, and what it shows.
pub(crate) async fn somebody(org: &Organisation, word: &str) -> Result<Held, Problem> {
    if word == "application" {
        let new = NewApplication { name: APPLICATION.to_owned(), title: None, matter: None };
        org.register_application(&principal(org, Role::SystemAdministrator), new).await?;
        let by = principal(org, Role::SecurityAdministrator);
        let token = token(org, &by, (None, Some(APPLICATION.to_owned()))).await?;
        return Ok(Held { token, secret: None });
    }
    let role = role_of(word);
    let password = Some(Personal::new(FIRST_PASSWORD.to_owned()));
    let user = NewUser { name: word.to_owned(), person: None, password };
    org.create_user(&principal(org, Role::SystemAdministrator), user).await?;
    let roles = BTreeSet::from([role]);
    org.set_roles(&principal(org, Role::SecurityAdministrator), word, roles.clone()).await?;
    if role.administers() {
        let secret = enrol(org, word, FIRST_PASSWORD).await?;
        let held = Held { token: String::new(), secret: Some(secret) };
        return again(org, word, &held).await;
    }
    let own = Principal { organisation: org.id().clone(), actor: Actor::Person(word.to_owned()), roles };
    Ok(Held { token: token(org, &own, (Some(word.to_owned()), None)).await?, secret: None })
}

async fn token(
    org: &Organisation,
    by: &Principal,
    (user, application): (Option<String>, Option<String>),
) -> Result<String, Problem> {
    let ask = NewToken { user, application, days: TOKEN_DAYS, scopes: Vec::new() };
    Ok(org.create_token(by, ask).await?.token)
}

/// Changes a first password and enrols a second factor; its secret.
async fn enrol(org: &Organisation, name: &str, first: &str) -> Result<Vec<u8>, Problem> {
    let new = Some(Personal::new(PASSWORD.to_owned()));
    org.change_password(Credentials { new, ..credentials(name, first) }).await?;
    let begun = org.enrol(credentials(name, PASSWORD)).await?;
    let secret = totp::from_base32(&begun.secret).unwrap();
    org.confirm_factor(with_code(name, &secret, org.now())).await?;
    Ok(secret)
}

/// What somebody shows still, or signed in again: sessions of administrators end when nothing was asked for a while.
pub(crate) async fn again(org: &Organisation, name: &str, held: &Held) -> Result<Held, Problem> {
    let Some(secret) = &held.secret else { return Ok(held.clone()) };
    if !held.token.is_empty() && org.caller(&held.token, &[]).await.is_ok() {
        return Ok(held.clone());
    }
    // The code of now may be spent; the next one counts already.
    let next = org.now().checked_add(jiff::SignedDuration::from_secs(totp::STEP_SECONDS)).unwrap();
    let token = match org.sign_in(with_code(name, secret, org.now())).await {
        Err(problem) if problem.code == "identity.code" => org.sign_in(with_code(name, secret, next)).await?.token,
        done => done?.token,
    };
    org.caller(&token, &[]).await?;
    Ok(Held { token, secret: Some(secret.clone()) })
}

/// All three administrators of each organisation that `init` made in `folder` come in, and their sessions are saved
/// where the command line finds them: `tokens/sysadmin`, `secadmin`, `auditadmin`. The node must not run yet.
pub async fn enter_administrators(folder: &Path, config: &NodeConfig) {
    for one in &config.organisation {
        let home = folder.join(one.id.as_str());
        let clock = Arc::new(SystemClock);
        let org = Organisation::open(&home, &config.federation, one, clock).await.unwrap();
        fs::create_dir_all(home.join("tokens")).unwrap();
        for (_, _, name) in OFFICES {
            let first = fs::read_to_string(home.join("first").join(name)).unwrap();
            let secret = enrol(&org, name, &first).await.unwrap();
            let held = again(&org, name, &Held { token: String::new(), secret: Some(secret) }).await.unwrap();
            let mut options = fs::File::options();
            let file = options.write(true).create_new(true).mode(0o600).open(home.join("tokens").join(name));
            std::io::Write::write_all(&mut file.unwrap(), held.token.as_bytes()).unwrap();
        }
        org.close().await;
    }
}

/// Opens an account with these roles over HTTP, has its holder change the first password to [`PASSWORD`].
pub async fn open_account(system: &Desk, security: &Desk, name: &str, roles: &[&str]) {
    let user = json!({"name": name, "password": FIRST_PASSWORD});
    system.post("/v1/users", user).await.expect_status(200);
    security.post(&format!("/v1/users/{name}/roles"), json!({"roles": roles})).await.expect_status(200);
    let change = json!({"name": name, "password": FIRST_PASSWORD, "new": PASSWORD});
    system.post("/v1/passwords", change).await.expect_status(200);
}

/// A token of a person's own, over HTTP.
pub async fn own_token(stranger: &Desk, name: &str, scopes: &[&str]) -> String {
    let session = stranger.post("/v1/sessions", json!({"name": name, "password": PASSWORD})).await.expect_status(200);
    let desk = stranger.showing(session["token"].as_str().unwrap());
    let ask = json!({"user": name, "days": TOKEN_DAYS, "scopes": scopes});
    let issued = desk.post("/v1/tokens", ask).await.expect_status(200);
    issued["token"].as_str().unwrap().to_owned()
}

impl World {
    /// An account of `organisation` with that role, whose holder has come in once; its password is [`PASSWORD`].
    pub async fn account(&self, organisation: &str, name: &str, role: &str) {
        let system = self.as_(organisation, "administrator").desk().await;
        let security = self.as_(organisation, "security-administrator").desk().await;
        open_account(&system, &security, name, &[role]).await;
    }
}

use crate::decide::{
    ATTEMPTS_MAX, AdministratorFacts, Attempts, LOCK_MICROS, TokenFacts, attempt, change_account, lifetime,
    roles_together, scope, token,
};
use crate::*;
use ::store::{Store, args, transact};
use policy::{Actor, Ask, Facts, Permit, Principal, Role, decide};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use vocabulary::{Bilingual, OrganisationId, Personal, Problem, Timestamp, micros};

static NUMBER: AtomicU32 = AtomicU32::new(0);
const GOOD: &str = "长江 runs to the sea 7";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn salt() -> evidence::Salt {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&NUMBER.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    evidence::Salt(bytes)
}

fn office() -> OrganisationId {
    OrganisationId::new("js-scjg").unwrap()
}

fn account(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

fn facts(name: &str, roles: impl IntoIterator<Item = Role>) -> Facts {
    let actor = Actor::Person(name.to_owned());
    let principal = Principal { organisation: office(), actor, roles: roles.into_iter().collect() };
    Facts { organisation: office(), principal, now: at(0), agreement: None }
}

/// A permit of the administrator called `by`.
fn permit<A: Ask>(by: &str, ask: A) -> Permit<A> {
    decide(&facts(by, [Role::Administrator]), ask).unwrap()
}

async fn stores() -> (Vec<Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let mut stores = vec![Store::open(&format!("sqlite:{}", path.display()), "t").await.unwrap()];
    if let Ok(url) = std::env::var("YUNHE_TEST_POSTGRES") {
        let schema = format!("identity_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        stores.push(Store::open(&url, &schema).await.unwrap());
    }
    for store in &stores {
        evidence::migrate(store).await.unwrap();
        migrate(store).await.unwrap();
        let origin = "jiangsu/js-scjg/1".parse().unwrap();
        transact!(store, None, |tx| evidence::open(tx, &origin, salt(), at(0)).await).unwrap();
    }
    (stores, folder)
}

async fn open(store: &Store, name: &str, roles: impl IntoIterator<Item = Role>) -> Result<(), Problem> {
    let password = new_password(&account(name), Password::new(GOOD), [7; 16]).await?;
    let person = Personal::new("王小明".to_owned());
    let ask = CreateAccount { name: account(name), person, password, roles: roles.into_iter().collect() };
    let permit = permit("init", ask);
    transact!(store, None, |tx| create_account(tx, &permit, salt(), at(0)).await)
}

fn token_id(number: u128) -> TokenId {
    TokenId::from_uuid(uuid::Uuid::from_u128(number))
}

fn try_as(name: &str, password: &str, seed: u8) -> (SignIn, TokenSecret) {
    let secret = TokenSecret::from_bytes([seed; 32]);
    let ask = SignIn {
        organisation: office(),
        name: account(name),
        password: Password::new(password),
        token: token_id(seed.into()),
        digest: secret.digest(),
        salt: salt(),
    };
    (ask, secret)
}

async fn who(store: &Store, secret: &TokenSecret, now: Timestamp) -> Result<Caller, Problem> {
    authenticate(&mut store.read().await.unwrap(), &office(), secret.digest(), now).await
}

/// What the log says, oldest first.
async fn traces(store: &Store) -> Vec<String> {
    let key = signing::SigningKey::from_seed(vocabulary::Suite::default(), &[5; 32]);
    evidence::sequence(store, &key, at(0)).await.unwrap();
    let leaves = evidence::leaves(&mut store.read().await.unwrap(), 0, 1000).await.unwrap();
    leaves.into_iter().map(|it| it.kind).collect()
}

#[tokio::test]
async fn whoever_knows_the_password_gets_a_session_that_ends() {
    let (stores, _folder) = stores().await;
    for store in stores {
        open(&store, "wang", [Role::Cataloguer]).await.unwrap();
        let (ask, secret) = try_as("wang", GOOD, 1);
        let session = sign_in(&store, ask, at(0)).await.unwrap();
        assert_eq!(session.expires_at, at(12 * 3600));
        let caller = who(&store, &secret, at(5)).await.unwrap();
        assert_eq!(caller.principal.actor, Actor::Person("wang".to_owned()));
        assert_eq!(caller.principal.roles, BTreeSet::from([Role::Cataloguer]));
        assert!(caller.first_use_today && caller.covers(&[]).is_ok());
        transact!(store, None, |tx| used(tx, caller.token, at(5)).await).unwrap();
        assert!(!who(&store, &secret, at(6)).await.unwrap().first_use_today);
        assert_eq!(who(&store, &secret, at(12 * 3600)).await.unwrap_err().code, "identity.token_expired");
        transact!(store, None, |tx| sign_out(tx, &caller, secret.digest(), salt(), at(9)).await).unwrap();
        assert_eq!(who(&store, &secret, at(10)).await.unwrap_err().code, "identity.token_revoked");
        assert_eq!(traces(&store).await, ["identity.create_account", "identity.sign_in", "identity.sign_out"]);
    }
}

#[tokio::test]
async fn an_unknown_name_looks_like_a_wrong_password_and_locks_alike() {
    let (stores, _folder) = stores().await;
    for store in stores {
        open(&store, "wang", []).await.unwrap();
        for name in ["wang", "nobody"] {
            for _ in 0..ATTEMPTS_MAX {
                let wrong = sign_in(&store, try_as(name, "wrong", 1).0, at(0)).await.unwrap_err();
                assert_eq!(wrong.code, "identity.credentials");
            }
            let locked = sign_in(&store, try_as(name, GOOD, 1).0, at(899)).await.unwrap_err();
            assert_eq!((locked.code.as_ref(), locked.kind.status()), ("identity.locked", 429));
            assert_eq!(locked.more["until"], at(900).to_string());
        }
        sign_in(&store, try_as("wang", GOOD, 1).0, at(900)).await.unwrap();
    }
}

#[tokio::test]
async fn many_tries_at_once_do_not_slip_through() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let tries = (0..20).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                transact!(store, None, |tx| crate::session::count_attempt(tx, &account("x"), at(0)).await)
            })
        });
        let mut counted = 0;
        for one in tries.collect::<Vec<_>>() {
            counted += i64::from(one.await.unwrap().is_ok());
        }
        assert_eq!(counted, ATTEMPTS_MAX);
    }
}

#[tokio::test]
async fn disabling_an_account_ends_its_tokens_and_sign_in() {
    let (stores, _folder) = stores().await;
    for store in stores {
        open(&store, "wang", []).await.unwrap();
        let (ask, secret) = try_as("wang", GOOD, 1);
        sign_in(&store, ask, at(0)).await.unwrap();
        let off = permit("init", SetEnabled { account: account("wang"), enabled: false });
        transact!(store, None, |tx| set_enabled(tx, &off, salt(), at(1)).await).unwrap();
        assert_eq!(who(&store, &secret, at(2)).await.unwrap_err().code, "identity.token_revoked");
        let refused = sign_in(&store, try_as("wang", GOOD, 2).0, at(2)).await.unwrap_err();
        assert_eq!(refused.code, "identity.credentials");
    }
}

#[tokio::test]
async fn a_changed_password_ends_all_sessions_and_the_old_one_no_longer_opens() {
    let (stores, _folder) = stores().await;
    for store in stores {
        open(&store, "wang", []).await.unwrap();
        let (ask, secret) = try_as("wang", GOOD, 1);
        sign_in(&store, ask.clone(), at(0)).await.unwrap();
        let new = Password::new("another long enough 句子");
        change_password(&store, ask, new.clone(), [8; 16], at(1)).await.unwrap();
        assert_eq!(who(&store, &secret, at(2)).await.unwrap_err().code, "identity.token_revoked");
        let old = sign_in(&store, try_as("wang", GOOD, 2).0, at(2)).await.unwrap_err();
        assert_eq!(old.code, "identity.credentials");
        let reset = ResetPassword { account: account("wang"), password: PasswordHash::make(&new, [9; 16]).unwrap() };
        let reset = permit("init", reset);
        transact!(store, None, |tx| reset_password(tx, &reset, salt(), at(3)).await).unwrap();
        sign_in(&store, try_as("wang", "another long enough 句子", 3).0, at(4)).await.unwrap();
    }
}

#[tokio::test]
async fn the_last_administrator_stays_and_nobody_changes_themselves() {
    let (stores, _folder) = stores().await;
    for store in stores {
        open(&store, "first", [Role::Administrator]).await.unwrap();
        let demote = |by: &str, name: &str| permit(by, SetRoles { account: account(name), roles: BTreeSet::new() });
        let own = demote("first", "first");
        let refused = transact!(store, None, |tx| set_roles(tx, &own, salt(), at(1)).await);
        assert_eq!(refused.unwrap_err().code, "identity.oneself");
        let last = demote("init", "first");
        let refused = transact!(store, None, |tx| set_roles(tx, &last, salt(), at(1)).await);
        assert_eq!(refused.unwrap_err().code, "identity.last_administrator");
        open(&store, "second", [Role::Administrator]).await.unwrap();
        // Each takes the other's role away at the same time: one of them stays.
        let (one, other) = (demote("first", "second"), demote("second", "first"));
        let (one, other) =
            tokio::join!(async { transact!(store, None, |tx| set_roles(tx, &one, salt(), at(2)).await) }, async {
                transact!(store, None, |tx| set_roles(tx, &other, salt(), at(2)).await)
            });
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    }
}

#[tokio::test]
async fn a_program_has_a_token_with_scopes_of_its_application() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let name = ApplicationName::new("policy-platform").unwrap();
        let title = Bilingual::new("惠企政策平台", "Policies for enterprises");
        let ask = RegisterApplication { name: name.clone(), title, matter: "惠企政策匹配".to_owned() };
        let register = permit("init", ask);
        transact!(store, None, |tx| register_application(tx, &register, salt(), at(0)).await).unwrap();
        let twice = transact!(store, None, |tx| register_application(tx, &register, salt(), at(0)).await);
        assert_eq!(twice.unwrap_err().code, "identity.application_exists");
        let secret = TokenSecret::from_bytes([3; 32]);
        let issue = |until: i64, scopes: &[Scope]| {
            let scopes = scopes.iter().copied().collect();
            let holder = Holder::Application(name.clone());
            permit(
                "init",
                IssueToken { id: token_id(3), digest: secret.digest(), holder, scopes, expires_at: at(until) },
            )
        };
        for (bad, code) in [
            (issue(0, &[Scope::Exchange]), "identity.lifetime"),
            (issue(367 * 86_400, &[Scope::Exchange]), "identity.lifetime"),
            (issue(60, &[]), "identity.no_scope"),
        ] {
            let refused = transact!(store, None, |tx| issue_token(tx, &bad, salt(), at(0)).await);
            assert_eq!(refused.unwrap_err().code, code);
        }
        let good = issue(60, &[Scope::Exchange]);
        transact!(store, None, |tx| issue_token(tx, &good, salt(), at(0)).await).unwrap();
        let caller = who(&store, &TokenSecret::parse(&secret.reveal()).unwrap(), at(1)).await.unwrap();
        assert_eq!(caller.principal.actor, Actor::Application("policy-platform".to_owned()));
        assert_eq!(caller.principal.roles, BTreeSet::from([Role::Application]));
        assert!(caller.covers(&[Scope::Read, Scope::Exchange]).is_ok());
        assert_eq!(caller.covers(&[Scope::Record]).unwrap_err().code, "identity.scope");
        assert_eq!(caller.covers(&[]).unwrap_err().code, "identity.scope");
        let list = permit("init", ListIdentities);
        let listed = tokens(&mut store.read().await.unwrap(), &list, None, 10).await.unwrap();
        assert_eq!((listed.len(), listed[0].holder.clone()), (1, Holder::Application(name.clone())));
        let retire = permit("init", RetireApplication { name: name.clone() });
        transact!(store, None, |tx| retire_application(tx, &retire, salt(), at(2)).await).unwrap();
        assert_eq!(who(&store, &secret, at(3)).await.unwrap_err().code, "identity.token_revoked");
        assert_eq!(
            transact!(store, None, |tx| issue_token(tx, &good, salt(), at(2)).await).unwrap_err().code,
            "identity.holder_disabled"
        );
        assert!(application(&mut store.read().await.unwrap(), &name).await.unwrap().retired);
    }
}

#[tokio::test]
async fn lists_are_for_administrators_and_auditors() {
    let (stores, _folder) = stores().await;
    for store in stores {
        open(&store, "wang", [Role::Auditor]).await.unwrap();
        assert_eq!(open(&store, "wang", []).await.unwrap_err().code, "identity.account_exists");
        assert_eq!(open(&store, "both", [Role::Auditor, Role::Checker]).await.unwrap_err().code, "identity.apart");
        let permit = decide(&facts("wang", [Role::Auditor]), ListIdentities).unwrap();
        let all = accounts(&mut store.read().await.unwrap(), &permit, "", 10).await.unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(format!("{:?}", all[0].person), "•");
        assert_eq!(decide(&facts("wang", [Role::Cataloguer]), ListIdentities).unwrap_err().code, "policy.role");
        let no_one = RevokeToken { id: token_id(99) };
        let revoke = crate::tests::permit("init", no_one);
        let missing = transact!(store, None, |tx| revoke_token(tx, &revoke, salt(), at(0)).await);
        assert_eq!(missing.unwrap_err().code, "identity.no_token");
    }
}

#[tokio::test]
async fn every_statement_prepares_on_both_databases() {
    let (stores, _folder) = stores().await;
    for store in stores {
        for (sql, count) in crate::store::STATEMENTS.iter().chain(crate::session::STATEMENTS) {
            let explain = ::store::Statement::built(format!("EXPLAIN {sql}"));
            let values = vec![::store::Arg::Null; *count];
            let done = transact!(store, None, |tx| tx.execute(explain.clone(), values.clone()).await);
            assert!(done.is_ok(), "{sql}: {done:?}");
        }
    }
}

#[test]
fn a_password_is_long_varied_and_not_the_name() {
    for bad in ["short", "aaaaaaaaaaaaaaaa", "my-wang-secret-pass", &"长".repeat(129)] {
        assert_eq!(Password::new(bad).check("wang").unwrap_err().code, "identity.password_weak", "{bad}");
    }
    Password::new(GOOD).check("wang").unwrap();
    assert_eq!(format!("{:?}", Password::new(GOOD)), "Password(•)");
}

#[test]
fn a_hash_states_its_parameters_and_admits_one_password_however_it_is_composed() {
    let hash = PasswordHash::make(&Password::new("caf\u{e9} am Kanal"), [1; 16]).unwrap();
    assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
    assert!(hash.admits(&Password::new("cafe\u{301} am Kanal")));
    assert!(!hash.admits(&Password::new("cafe am Kanal")));
    assert!(!PasswordHash::nobody().admits(&Password::new("")));
    assert_eq!(format!("{hash:?}"), "•");
}

#[test]
fn the_stand_in_for_unknown_names_costs_the_same() {
    let real = PasswordHash::make(&Password::new(GOOD), [1; 16]).unwrap();
    let head = |it: &PasswordHash| it.as_str().split('$').take(4).collect::<Vec<_>>().join("$");
    assert_eq!(head(&real), head(&PasswordHash::nobody()));
    assert_eq!(real.as_str().len(), PasswordHash::nobody().as_str().len());
}

fn any_role() -> impl Strategy<Value = Role> {
    prop::sample::select(ROLES.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// However tries are spread: a window has its tries and no more, and one begins only when the last has ended.
    #[test]
    fn a_window_has_its_tries_and_no_more(steps in prop::collection::vec(0_i64..400, 1..120)) {
        let mut state = Attempts::default();
        let mut now = 0;
        let mut windows: Vec<(i64, i64)> = Vec::new();
        for step in steps {
            now += step;
            let at = at(now);
            let open = windows.last().is_some_and(|(since, _)| micros(at) < since + LOCK_MICROS);
            let full = open && windows.last().is_some_and(|(_, count)| *count == ATTEMPTS_MAX);
            let next = attempt(state, at);
            prop_assert_eq!(next.is_err(), full);
            if let Ok(next) = next {
                match windows.last_mut() {
                    Some((_, count)) if open => *count += 1,
                    _ => windows.push((micros(at), 1)),
                }
                prop_assert_eq!(Some(&(next.since, next.count)), windows.last());
                state = next;
            }
        }
    }

    #[test]
    fn a_token_is_good_only_before_its_end_and_unrevoked(ends in -5_i64..5, revoked: bool, holder_disabled: bool) {
        let facts = TokenFacts { expires_at: at(ends), revoked, holder_disabled };
        prop_assert_eq!(token(Some(facts), at(0)).is_ok(), ends > 0 && !revoked && !holder_disabled);
        prop_assert_eq!(token(None, at(0)), Err(Refusal::TokenUnknown));
    }

    #[test]
    fn a_lifetime_is_bounded(days in -400_i64..800) {
        prop_assert_eq!(lifetime(at(days * 86_400), at(0)).is_ok(), (1..=366).contains(&days));
    }

    #[test]
    fn nobody_audits_and_changes(roles in prop::collection::btree_set(any_role(), 0..5)) {
        let apart = roles.contains(&Role::Auditor) && roles.len() > 1;
        prop_assert_eq!(roles_together(&roles).is_ok(), !apart && !roles.contains(&Role::Application));
    }

    #[test]
    fn an_administrator_remains(was: bool, stays: bool, others in 0_i64..3) {
        let facts = AdministratorFacts { was, stays, others };
        let by = Actor::Person("other".to_owned());
        let done = change_account(&by, &account("wang"), facts);
        prop_assert_eq!(done.is_ok(), !was || stays || others > 0);
        prop_assert!(change_account(&Actor::Person("wang".to_owned()), &account("wang"), facts).is_err());
    }

    #[test]
    fn role_words_read_back(role in any_role()) {
        prop_assert_eq!(parse_role(role_word(role)).unwrap(), role);
        prop_assert_eq!(serde_json::to_value(role).unwrap(), role_word(role));
        prop_assert!(!role_title(role).zh.is_empty());
    }

    #[test]
    fn a_secret_reads_back_and_never_prints(bytes: [u8; 32]) {
        let secret = TokenSecret::from_bytes(bytes);
        let shown = secret.reveal();
        prop_assert!(shown.starts_with("yht_") && shown.len() == 47);
        prop_assert_eq!(TokenSecret::parse(&shown).unwrap().digest(), secret.digest());
        prop_assert_eq!(format!("{secret:?}"), "•");
    }

    #[test]
    fn what_is_no_token_is_refused_without_repeating_it(text in "\\PC{0,60}") {
        let refused = TokenSecret::parse(&text);
        let repeats = |detail: &str| text.len() >= 5 && detail.contains(&text);
        prop_assert!(refused.is_err_and(|it| it.code == "identity.token" && !repeats(&it.detail.en)));
    }

    #[test]
    fn a_token_covers_what_one_of_its_scopes_covers(held in any_scopes(), needs in any_scopes()) {
        let all: Vec<Scope> = needs.iter().copied().collect();
        let covered = held.contains(&Scope::All) || !held.is_disjoint(&needs);
        prop_assert_eq!(scope(Some(&held), &all).is_ok(), covered);
        prop_assert!(scope(None, &all).is_ok(), "a session covers whatever its roles allow");
    }

    #[test]
    fn scope_words_read_back(scope in prop::sample::select(&SCOPES)) {
        prop_assert_eq!(Scope::parse(scope.word()).unwrap(), scope);
        prop_assert_eq!(serde_json::to_value(scope).unwrap(), scope.word());
        prop_assert!(!scope.title().zh.is_empty());
    }
}

fn any_scopes() -> impl Strategy<Value = BTreeSet<Scope>> {
    prop::sample::subsequence(&SCOPES, 0..=SCOPES.len()).prop_map(|it| it.into_iter().collect())
}

/// The statement that counts tries says what [`attempt`] says.
#[tokio::test]
async fn the_statement_counts_as_the_function_does() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let mut state = Attempts::default();
        for second in [0, 1, 1, 400, 899, 899, 900, 1000, 1799, 1800, 1800, 5000] {
            let expected = attempt(state, at(second));
            let counted =
                transact!(store, None, |tx| crate::session::count_attempt(tx, &account("x"), at(second)).await);
            assert_eq!(counted.is_ok(), expected.is_ok(), "at {second}");
            state = expected.unwrap_or(state);
            let sql = "SELECT count, since FROM identity_attempt WHERE name = $1";
            let row = store.read().await.unwrap().row(sql, args!["x"]).await.unwrap().unwrap();
            assert_eq!(Attempts { count: row.int("count").unwrap(), since: row.int("since").unwrap() }, state);
        }
    }
}

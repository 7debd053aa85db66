use crate::decide::{
    ATTEMPTS_MAX, AdministratorFacts, Attempts, EntryFacts, IDLE_MINUTES_MAX, LOCK_MICROS, LOCK_MICROS_MAX,
    PASSWORD_DAYS_MAX, SESSIONS_MAX, TokenFacts, Wish, attempt, change_account, entry, lifetime, roles_together, scope,
    token,
};
use crate::*;
use ::store::{Store, args, transact};
use policy::{ADMINISTRATORS, Actor, Ask, Facts, Need, Permit, Principal, Role, decide};
use proptest::prelude::*;
use signing::{PepperPurpose, Peppers};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use vocabulary::{Bilingual, OrganisationId, Personal, Problem, Timestamp, micros};

static NUMBER: AtomicU32 = AtomicU32::new(0);
const GOOD: &str = "长江 runs to the sea 7";
const FIRST: &str = "given and to be changed";

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

/// A permit of whoever may, called `by`.
fn permit<A: Ask>(by: &str, ask: A) -> Permit<A> {
    let facts = match ask.need() {
        Need::Role(roles) => facts(by, [roles[0]]),
        Need::Oneself(name) => facts(name, []),
        Need::Job => Facts { principal: Principal::job(office(), by, []), ..facts(by, []) },
        other => panic!("{other:?}"),
    };
    decide(&facts, ask).unwrap()
}

fn peppers() -> Peppers {
    Peppers::new([9; 32])
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
    given(store, name).await?;
    grant(store, name, roles).await?;
    let (ask, _) = try_as(name, FIRST, 0);
    change_password(store, &peppers(), ask, Password::new(GOOD), at(0)).await
}

/// An account with a password that must be changed.
async fn given(store: &Store, name: &str) -> Result<(), Problem> {
    let password = new_password(&account(name), Password::new(FIRST), [7; 16], &peppers()).await?;
    let person = Personal::new("王小明".to_owned());
    let permit = permit("init", CreateAccount { name: account(name), person, password });
    transact!(store, None, |tx| create_account(tx, &permit, salt(), at(0)).await)
}

async fn grant(store: &Store, name: &str, roles: impl IntoIterator<Item = Role>) -> Result<(), Problem> {
    let permit = permit("init", SetRoles { account: account(name), roles: roles.into_iter().collect() });
    transact!(store, None, |tx| set_roles(tx, &permit, salt(), at(0)).await)
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
        code: None,
        token: token_id(seed.into()),
        digest: secret.digest(),
        fresh: [seed; 16],
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
        let session = sign_in(&store, &peppers(), ask, at(0)).await.unwrap();
        assert_eq!(session.expires_at, at(12 * 3600));
        let caller = who(&store, &secret, at(5)).await.unwrap();
        assert_eq!(caller.principal.actor, Actor::Person("wang".to_owned()));
        assert_eq!(caller.principal.roles, BTreeSet::from([Role::Cataloguer]));
        assert!(caller.to_note && caller.covers(&[]).is_ok());
        transact!(store, None, |tx| used(tx, caller.token, at(5)).await).unwrap();
        assert!(!who(&store, &secret, at(64)).await.unwrap().to_note);
        assert!(who(&store, &secret, at(65)).await.unwrap().to_note);
        let idle = 5 + IDLE_MINUTES_MAX * 60;
        who(&store, &secret, at(idle - 1)).await.unwrap();
        assert_eq!(who(&store, &secret, at(idle)).await.unwrap_err().code, "identity.idle");
        assert_eq!(who(&store, &secret, at(12 * 3600)).await.unwrap_err().code, "identity.token_expired");
        transact!(store, None, |tx| sign_out(tx, &caller, secret.digest(), salt(), at(9)).await).unwrap();
        assert_eq!(who(&store, &secret, at(10)).await.unwrap_err().code, "identity.token_revoked");
        assert_eq!(
            traces(&store).await,
            [
                "identity.create_account",
                "identity.set_roles",
                "identity.change_password",
                "identity.sign_in",
                "identity.sign_out"
            ]
        );
    }
}

#[tokio::test]
async fn an_unknown_name_looks_like_a_wrong_password_and_locks_alike() {
    let (stores, _folder) = stores().await;
    for store in stores {
        open(&store, "wang", []).await.unwrap();
        for name in ["wang", "nobody"] {
            for _ in 0..ATTEMPTS_MAX {
                let wrong = sign_in(&store, &peppers(), try_as(name, "wrong", 1).0, at(0)).await.unwrap_err();
                assert_eq!(wrong.code, "identity.credentials");
            }
            let locked = sign_in(&store, &peppers(), try_as(name, GOOD, 1).0, at(899)).await.unwrap_err();
            assert_eq!((locked.code.as_ref(), locked.kind.status()), ("identity.locked", 429));
            assert_eq!(locked.more["until"], at(900).to_string());
        }
        sign_in(&store, &peppers(), try_as("wang", GOOD, 1).0, at(900)).await.unwrap();
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
        sign_in(&store, &peppers(), ask, at(0)).await.unwrap();
        let off = permit("init", SetEnabled { account: account("wang"), enabled: false });
        transact!(store, None, |tx| set_enabled(tx, &off, salt(), at(1)).await).unwrap();
        assert_eq!(who(&store, &secret, at(2)).await.unwrap_err().code, "identity.token_revoked");
        let refused = sign_in(&store, &peppers(), try_as("wang", GOOD, 2).0, at(2)).await.unwrap_err();
        assert_eq!(refused.code, "identity.credentials");
    }
}

#[tokio::test]
async fn a_changed_password_ends_all_sessions_and_the_old_one_no_longer_opens() {
    let (stores, _folder) = stores().await;
    for store in stores {
        open(&store, "wang", []).await.unwrap();
        let (ask, secret) = try_as("wang", GOOD, 1);
        sign_in(&store, &peppers(), ask.clone(), at(0)).await.unwrap();
        let new = Password::new("another long enough 句子");
        change_password(&store, &peppers(), ask, new.clone(), at(1)).await.unwrap();
        assert_eq!(who(&store, &secret, at(2)).await.unwrap_err().code, "identity.token_revoked");
        let old = sign_in(&store, &peppers(), try_as("wang", GOOD, 2).0, at(2)).await.unwrap_err();
        assert_eq!(old.code, "identity.credentials");
        let password = PasswordHash::make(&Password::new(FIRST), [9; 16], &peppers()).unwrap();
        let reset = permit("init", ResetPassword { account: account("wang"), password: password.clone() });
        transact!(store, None, |tx| reset_password(tx, &reset, salt(), at(3)).await).unwrap();
        // Whoever reset it does not come in by it alone, nor does whoever unlocks know it.
        let told = async |at_: i64| sign_in(&store, &peppers(), try_as("wang", FIRST, 3).0, at(at_)).await.unwrap_err();
        assert_eq!(told(4).await.code, "identity.awaits_unlock");
        let change =
            change_password(&store, &peppers(), try_as("wang", FIRST, 3).0, Password::new("a third one, 12 3"), at(4))
                .await;
        assert_eq!(change.unwrap_err().code, "identity.awaits_unlock");
        let open = permit("security", Unlock { account: account("wang") });
        transact!(store, None, |tx| unlock(tx, &open, salt(), at(5)).await).unwrap();
        assert_eq!(told(6).await.code, "identity.change_first");
        let ask = try_as("wang", FIRST, 3).0;
        let repeated = change_password(&store, &peppers(), ask.clone(), new, at(7)).await;
        assert_eq!(repeated.unwrap_err().code, "identity.password_repeated");
        change_password(&store, &peppers(), ask, Password::new("a third one, 12 3"), at(8)).await.unwrap();
        sign_in(&store, &peppers(), try_as("wang", "a third one, 12 3", 4).0, at(9)).await.unwrap();
        for (own, by) in [(true, "wang"), (false, "other")] {
            let reset = ResetPassword { account: account("wang"), password: password.clone() };
            let (reset, open) = (permit(by, reset), permit(by, Unlock { account: account("wang") }));
            let reset = transact!(store, None, |tx| reset_password(tx, &reset, salt(), at(10)).await);
            let open = transact!(store, None, |tx| unlock(tx, &open, salt(), at(10)).await);
            assert_eq!((reset.is_err(), open.is_err()), (own, own));
        }
    }
}

#[tokio::test]
async fn the_last_administrator_stays_and_nobody_changes_themselves() {
    let (stores, _folder) = stores().await;
    for store in stores {
        for office in ADMINISTRATORS {
            let name = |it: &str| format!("{it}-{}", role_word(office));
            let (first, second) = (name("first"), name("second"));
            open(&store, &first, [office]).await.unwrap();
            let demote = |by: &str, it: &str| permit(by, SetRoles { account: account(it), roles: BTreeSet::new() });
            let own = demote(&first, &first);
            let refused = transact!(store, None, |tx| set_roles(tx, &own, salt(), at(1)).await);
            assert_eq!(refused.unwrap_err().code, "identity.oneself");
            let last = demote("init", &first);
            let refused = transact!(store, None, |tx| set_roles(tx, &last, salt(), at(1)).await);
            assert_eq!(refused.unwrap_err().code, "identity.last_administrator");
            let off = permit("init", SetEnabled { account: account(&first), enabled: false });
            let refused = transact!(store, None, |tx| set_enabled(tx, &off, salt(), at(1)).await);
            assert_eq!(refused.unwrap_err().code, "identity.last_administrator");
            open(&store, &second, [office]).await.unwrap();
            // Each takes the other's role away at the same time: one of them stays.
            let (one, other) = (demote(&first, &second), demote(&second, &first));
            let (one, other) =
                tokio::join!(async { transact!(store, None, |tx| set_roles(tx, &one, salt(), at(2)).await) }, async {
                    transact!(store, None, |tx| set_roles(tx, &other, salt(), at(2)).await)
                });
            assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        }
    }
}

/// Two of the three, or one beside any other role, are refused in one hand: when granted together, and when two grant
/// one each at the same moment.
#[tokio::test]
async fn no_crossing_is_granted_even_by_a_race() {
    let (stores, _folder) = stores().await;
    for store in stores {
        for one in ADMINISTRATORS {
            for other in ROLES.into_iter().filter(|it| *it != one && *it != Role::Application) {
                let name = format!("{}-{}", role_word(one), role_word(other));
                given(&store, &name).await.unwrap();
                let both = grant(&store, &name, [one, other]).await;
                assert_eq!(both.unwrap_err().code, "identity.apart", "{name}");
                let (first, second) = tokio::join!(grant(&store, &name, [one]), grant(&store, &name, [other]));
                assert!(first.is_ok() || second.is_ok(), "{name}: {first:?} {second:?}");
                let permit = permit("init", ListIdentities);
                let all = accounts(&mut store.read().await.unwrap(), &permit, "", 500).await.unwrap();
                let held = &all.iter().find(|it| it.name.as_str() == name).unwrap().roles;
                assert_eq!(held.len(), 1, "{name}: {held:?}");
                // Past every check there is the index.
                let add = "INSERT INTO identity_role (account, role) VALUES ($1, $2)";
                if held.iter().any(|it| it.administers()) && other.administers() {
                    let rest = [one, other].into_iter().find(|it| !held.contains(it)).unwrap();
                    let forced = transact!(store, None, |tx| {
                        tx.execute(::store::Statement::built(add.to_owned()), args![name.as_str(), role_word(rest)])
                            .await
                    });
                    assert!(forced.is_err(), "{name}");
                }
            }
        }
    }
}

/// The secret of a second factor that was begun, as its holder's app learns it.
async fn begun(store: &Store, name: &str, ask: SignIn, second: i64) -> Vec<u8> {
    let told = enrol(store, &peppers(), ask, at(second)).await.unwrap();
    assert!(told.uri.open().starts_with(&format!("otpauth://totp/yunhe-js-scjg:{name}?secret=")));
    assert_eq!(format!("{told:?}").matches('•').count(), 2);
    totp::from_base32(told.secret.open()).unwrap()
}

fn with(code: &str, seed: u8) -> (SignIn, TokenSecret) {
    let (ask, secret) = try_as("wang", GOOD, seed);
    (SignIn { code: Some(Code::new(code)), ..ask }, secret)
}

fn recovery() -> [RecoveryCode; RECOVERY_CODES] {
    std::array::from_fn(|it| RecoveryCode::from_bytes([u8::try_from(it).unwrap() + 1; RECOVERY_BYTES]))
}

#[tokio::test]
async fn an_administrator_comes_in_by_a_second_factor_alone() {
    let (stores, _folder) = stores().await;
    for store in stores {
        given(&store, "wang").await.unwrap();
        grant(&store, "wang", [Role::AuditAdministrator]).await.unwrap();
        let enter = async |ask: SignIn, second: i64| {
            sign_in(&store, &peppers(), ask, at(second)).await.map(|_| ()).map_err(|it| it.code.into_owned())
        };
        let refused = |code: &str| Err::<(), _>(code.to_owned());
        assert_eq!(enter(try_as("wang", FIRST, 1).0, 0).await, refused("identity.change_first"));
        let early = enrol(&store, &peppers(), try_as("wang", FIRST, 1).0, at(0)).await;
        assert_eq!(early.unwrap_err().code, "identity.change_first");
        let ask = try_as("wang", FIRST, 1).0;
        change_password(&store, &peppers(), ask, Password::new(GOOD), at(0)).await.unwrap();
        assert_eq!(enter(try_as("wang", GOOD, 1).0, 0).await, refused("identity.enrol_first"));
        let none = confirm(&store, &peppers(), with("000000", 1).0, &recovery(), at(0)).await;
        assert_eq!(none.unwrap_err().code, "identity.not_enrolling");
        let secret = begun(&store, "wang", try_as("wang", GOOD, 1).0, 0).await;
        // Not confirmed, it is nothing.
        assert_eq!(enter(with(&totp::code(&secret, at(0)), 1).0, 0).await, refused("identity.enrol_first"));
        let code = totp::code(&secret, at(0));
        confirm(&store, &peppers(), with(&code, 1).0, &recovery(), at(0)).await.unwrap();
        assert_eq!(enter(try_as("wang", GOOD, 1).0, 0).await, refused("identity.code_needed"));
        assert_eq!(enter(with(&code, 1).0, 1).await, refused("identity.code"), "it confirmed, and is spent");
        assert_eq!(enter(with(&totp::code(&secret, at(90)), 1).0, 1).await, refused("identity.code"), "too early");
        let next = totp::code(&secret, at(30));
        let (ask, token) = with(&next, 2);
        assert_eq!(enter(ask, 1).await, Ok(()));
        assert!(who(&store, &token, at(2)).await.unwrap().principal.roles.contains(&Role::AuditAdministrator));
        assert_eq!(enter(with(&next, 3).0, 40).await, refused("identity.code"), "a replay within its window");
        // A recovery code opens once, however it is typed.
        let shown = recovery()[0].reveal();
        assert_eq!(enter(with(&shown.replace('-', " ").to_uppercase(), 4).0, 41).await, Ok(()));
        assert_eq!(enter(with(&shown, 5).0, 42).await, refused("identity.code"));
        // Of two who show one code at once, one comes in.
        let code = totp::code(&secret, at(120));
        let (one, other) = tokio::join!(enter(with(&code, 6).0, 120), enter(with(&code, 7).0, 120));
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        // Another factor takes the present one, and taken away from outside it takes the security administrator.
        let again = enrol(&store, &peppers(), try_as("wang", GOOD, 8).0, at(200)).await;
        assert_eq!(again.unwrap_err().code, "identity.code_needed");
        let own = permit("wang", ResetFactor { account: account("wang") });
        let own = transact!(store, None, |tx| reset_factor(tx, &own, salt(), at(201)).await);
        assert_eq!(own.unwrap_err().code, "identity.oneself");
        let reset = permit("security", ResetFactor { account: account("wang") });
        transact!(store, None, |tx| reset_factor(tx, &reset, salt(), at(201)).await).unwrap();
        assert_eq!(who(&store, &token, at(202)).await.unwrap_err().code, "identity.token_revoked");
        assert_eq!(enter(try_as("wang", GOOD, 8).0, 203).await, refused("identity.enrol_first"));
    }
}

#[tokio::test]
async fn a_wrong_code_counts_as_a_try() {
    let (stores, _folder) = stores().await;
    for store in stores {
        open(&store, "wang", []).await.unwrap();
        let secret = begun(&store, "wang", try_as("wang", GOOD, 1).0, 0).await;
        let ask = with(&totp::code(&secret, at(0)), 1).0;
        confirm(&store, &peppers(), ask, &recovery(), at(0)).await.unwrap();
        for _ in 0..ATTEMPTS_MAX {
            let wrong = sign_in(&store, &peppers(), with("12345", 2).0, at(60)).await.unwrap_err();
            assert_eq!(wrong.code, "identity.code");
        }
        let right = with(&totp::code(&secret, at(60)), 3).0;
        let locked = sign_in(&store, &peppers(), right.clone(), at(60)).await.unwrap_err();
        assert_eq!(locked.code, "identity.locked");
        let open = permit("security", Unlock { account: account("wang") });
        transact!(store, None, |tx| unlock(tx, &open, salt(), at(61)).await).unwrap();
        sign_in(&store, &peppers(), right, at(61)).await.unwrap();
        let refused = traces(&store).await.into_iter().filter(|it| it == "identity.sign_in_refused").count();
        assert_eq!(refused, 2, "the first of a window and the one that locks");
    }
}

#[tokio::test]
async fn one_more_session_ends_the_oldest() {
    let (stores, _folder) = stores().await;
    for store in stores {
        open(&store, "wang", []).await.unwrap();
        let mut secrets = Vec::new();
        for second in 1..=SESSIONS_MAX + 1 {
            let (ask, secret) = try_as("wang", GOOD, u8::try_from(second).unwrap());
            sign_in(&store, &peppers(), ask, at(second)).await.unwrap();
            secrets.push(secret);
        }
        let oldest = who(&store, &secrets[0], at(10)).await.unwrap_err();
        assert_eq!(oldest.code, "identity.token_revoked");
        for live in &secrets[1..] {
            who(&store, live, at(10)).await.unwrap();
        }
    }
}

/// Every ask of identity is one administrator's, or one's own, or the machine's: with the others, and with two of the
/// three in one hand, it is refused.
#[test]
fn every_ask_is_one_administrators() {
    fn held<A: Ask + Clone>(ask: &A) -> Vec<Role> {
        for one in ADMINISTRATORS {
            for other in ADMINISTRATORS.into_iter().filter(|it| *it != one) {
                let crossed = decide(&facts("li", [one, other]), ask.clone()).map(|_| ()).unwrap_err();
                assert_eq!(crossed.code, "policy.crossed");
            }
        }
        assert!(decide(&facts("li", [Role::DataSteward, Role::ProviderOfficer]), ask.clone()).is_err());
        ADMINISTRATORS.into_iter().filter(|it| decide(&facts("li", [*it]), ask.clone()).is_ok()).collect()
    }
    let wang = account("wang");
    let name = ApplicationName::new("board").unwrap();
    let password = PasswordHash::make(&Password::new(FIRST), [1; 16], &peppers()).unwrap();
    let person = Personal::new("li".to_owned());
    let (system, security) = (vec![Role::SystemAdministrator], vec![Role::SecurityAdministrator]);
    let create = CreateAccount { name: wang.clone(), person: person.clone(), password: password.clone() };
    assert_eq!(held(&create), system);
    assert_eq!(held(&SetEnabled { account: wang.clone(), enabled: false }), system);
    assert_eq!(held(&ResetPassword { account: wang.clone(), password: password.clone() }), system);
    let title = Bilingual::new("板", "board");
    assert_eq!(held(&RegisterApplication { name: name.clone(), title, matter: "试".to_owned() }), system);
    assert_eq!(held(&RetireApplication { name: name.clone() }), system);
    assert_eq!(held(&SetRoles { account: wang.clone(), roles: BTreeSet::new() }), security);
    assert_eq!(held(&Unlock { account: wang.clone() }), security);
    assert_eq!(held(&ResetFactor { account: wang.clone() }), security);
    assert_eq!(held(&RevokeToken { id: token_id(1) }), security);
    let token = |holder| IssueToken {
        id: token_id(1),
        digest: TokenSecret::from_bytes([1; 32]).digest(),
        holder,
        scopes: BTreeSet::from([Scope::All]),
        expires_at: at(1),
    };
    assert_eq!(held(&token(Holder::Application(name))), security);
    assert_eq!(held(&token(Holder::Account(wang.clone()))), vec![]);
    let appoint = Appoint { office: Role::AuditAdministrator, name: wang, person, password };
    assert_eq!(held(&appoint), vec![]);
    assert_eq!(held(&ListIdentities), ADMINISTRATORS.to_vec());
}

/// An office is filled from the machine while nobody is in it who ever came in, and by nobody else.
#[tokio::test]
async fn an_office_is_filled_while_it_is_vacant() {
    let (stores, _folder) = stores().await;
    for store in stores {
        let appointing = async |office: Role, name: &str, second: i64| {
            let password = new_password(&account(name), Password::new(FIRST), [7; 16], &peppers()).await.unwrap();
            let ask = Appoint { office, name: account(name), person: Personal::new(name.to_owned()), password };
            let permit = permit("appoint", ask);
            transact!(store, None, |tx| appoint(tx, &permit, salt(), at(second)).await)
        };
        let vacant = async || vacancies(&mut store.read().await.unwrap()).await.unwrap();
        assert_eq!(vacant().await.len(), 3);
        appointing(Role::SecurityAdministrator, "wang", 0).await.unwrap();
        assert!(vacant().await.contains(&(Role::SecurityAdministrator, Some(account("wang")))));
        let crossed = appointing(Role::AuditAdministrator, "wang", 0).await.unwrap_err();
        assert_eq!(crossed.code, "identity.apart");
        // The first password was lost: again.
        appointing(Role::SecurityAdministrator, "wang", 1).await.unwrap();
        let ask = try_as("wang", FIRST, 1).0;
        change_password(&store, &peppers(), ask, Password::new(GOOD), at(2)).await.unwrap();
        let secret = begun(&store, "wang", try_as("wang", GOOD, 1).0, 3).await;
        let ask = with(&totp::code(&secret, at(3)), 1).0;
        confirm(&store, &peppers(), ask, &recovery(), at(3)).await.unwrap();
        let taken = appointing(Role::SecurityAdministrator, "li", 4).await.unwrap_err();
        assert_eq!(taken.code, "identity.in_office");
        assert_eq!(vacant().await.len(), 2);
        let password = PasswordHash::make(&Password::new(FIRST), [1; 16], &peppers()).unwrap();
        let person = Personal::new("li".to_owned());
        let ask = Appoint { office: Role::AuditAdministrator, name: account("li"), person, password };
        for role in ADMINISTRATORS {
            assert_eq!(decide(&facts("wang", [role]), ask.clone()).map(|_| ()).unwrap_err().code, "policy.job");
        }
    }
}

/// A password that was kept before there was a pepper, or with an older one, opens and is kept with the newest then.
#[tokio::test]
async fn an_older_hash_is_made_anew_at_the_next_sign_in() {
    let (stores, _folder) = stores().await;
    for store in stores {
        open(&store, "wang", []).await.unwrap();
        let plain = {
            use argon2::{Argon2, PasswordHasher as _, password_hash::phc::PasswordHash as Phc};
            let made: Phc = Argon2::default().hash_password_with_salt(GOOD.as_bytes(), &[3; 16]).unwrap();
            made.to_string()
        };
        let set = "UPDATE identity_account SET password = $1, pepper = 0";
        transact!(store, None, |tx| tx.execute(::store::Statement::built(set.to_owned()), args![&plain]).await)
            .unwrap();
        let kept = async || {
            let row = store.read().await.unwrap().row("SELECT pepper FROM identity_account", args![]).await;
            row.unwrap().unwrap().int("pepper").unwrap()
        };
        sign_in(&store, &peppers(), try_as("wang", GOOD, 1).0, at(1)).await.unwrap();
        assert_eq!(kept().await, 1);
        let newer = peppers().and(2, [5; 32]);
        sign_in(&store, &newer, try_as("wang", GOOD, 2).0, at(2)).await.unwrap();
        assert_eq!(kept().await, 2);
        // The database without its key folder opens nothing.
        let lost = sign_in(&store, &Peppers::new([1; 32]), try_as("wang", GOOD, 3).0, at(3)).await.unwrap_err();
        assert_eq!(lost.code, "identity.credentials");
        sign_in(&store, &newer, try_as("wang", GOOD, 4).0, at(4)).await.unwrap();
    }
}

/// RFC 6238, appendix B: the vectors of HMAC-SHA-1, to the six digits that we show.
#[test]
fn codes_are_those_of_the_rfc() {
    let secret = b"12345678901234567890";
    let vectors = [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ];
    for (second, code) in vectors {
        let at = Timestamp::from_second(second).unwrap();
        assert_eq!(totp::code(secret, at), code, "at {second}");
        let step = totp::step(at);
        assert_eq!(totp::matching(secret, code, step - 1, at), Some(step));
        assert_eq!(totp::matching(secret, code, step, at), None, "once");
    }
    assert_eq!(totp::number(secret, 59 / 30) % 100_000_000, 94_287_082, "all eight digits");
    assert_eq!(totp::base32(b"foobar"), "MZXW6YTBOI");
    assert_eq!(totp::from_base32("MZXW6YTBOI").unwrap(), b"foobar");
    assert_eq!(totp::from_base32("MZ1"), None);
}

/// HMAC-SM3 as OpenSSL computes it, over purpose, and length and bytes of each part:
/// `openssl mac -digest SM3 -macopt hexkey:0909… -in FILE HMAC`.
#[test]
fn a_pepper_separates_purposes_and_versions() {
    let peppers = peppers().and(2, [8; 32]);
    let mac = |version, purpose, bytes: &[&[u8]]| peppers.mac(version, purpose, bytes);
    let one = mac(1, PepperPurpose::Password, &[b"a", b"bc"]).unwrap();
    assert_eq!(hex::encode(one), "a7759ad7a554bba04ef0217aeb26dcce6ed70cffbde474305c87e9a8cab53b2b");
    assert_ne!(one, mac(2, PepperPurpose::Password, &[b"a", b"bc"]).unwrap());
    assert_ne!(one, mac(1, PepperPurpose::SecondFactor, &[b"a", b"bc"]).unwrap());
    assert_ne!(one, mac(1, PepperPurpose::Password, &[b"ab", b"c"]).unwrap());
    assert_eq!(mac(3, PepperPurpose::Password, &[]), None);
    assert!(!format!("{peppers:?}").contains('8'));
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
async fn lists_are_for_the_three_administrators() {
    let (stores, _folder) = stores().await;
    for store in stores {
        open(&store, "wang", [Role::AuditAdministrator]).await.unwrap();
        assert_eq!(open(&store, "wang", []).await.unwrap_err().code, "identity.account_exists");
        let permit = decide(&facts("wang", [Role::AuditAdministrator]), ListIdentities).unwrap();
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
        for (sql, count) in crate::store::STATEMENTS
            .iter()
            .chain(crate::session::STATEMENTS)
            .chain(crate::account::STATEMENTS)
            .chain(crate::factor::STATEMENTS)
        {
            let explain = ::store::Statement::built(format!("EXPLAIN {sql}"));
            let values = vec![::store::Arg::Null; *count];
            let done = transact!(store, None, |tx| tx.execute(explain.clone(), values.clone()).await);
            assert!(done.is_ok(), "{sql}: {done:?}");
        }
    }
}

#[test]
fn a_password_is_long_varied_and_not_the_name() {
    for bad in ["short", "Ab3-xy", "abcdefgh12", "aaaaaaaaaaaaaaaa", "my-wang-secret-pass", &"长".repeat(129)] {
        assert_eq!(Password::new(bad).check("wang").unwrap_err().code, "identity.password_weak", "{bad}");
    }
    Password::new(GOOD).check("wang").unwrap();
    Password::new("Abc-1234").check("wang").unwrap();
    assert_eq!(format!("{:?}", Password::new(GOOD)), "Password(•)");
}

#[test]
fn a_hash_states_its_parameters_and_admits_one_password_however_it_is_composed() {
    let hash = PasswordHash::make(&Password::new("caf\u{e9} am Kanal"), [1; 16], &peppers()).unwrap();
    assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
    assert!(hash.admits(&Password::new("cafe\u{301} am Kanal"), &peppers()));
    assert!(!hash.admits(&Password::new("cafe am Kanal"), &peppers()));
    assert!(!PasswordHash::nobody().admits(&Password::new(""), &peppers()));
    assert_eq!(format!("{hash:?}"), "•");
}

#[test]
fn the_stand_in_for_unknown_names_costs_the_same() {
    let real = PasswordHash::make(&Password::new(GOOD), [1; 16], &peppers()).unwrap();
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
    fn a_window_has_its_tries_and_no_more(steps in prop::collection::vec(0_i64..4_000, 1..120)) {
        let mut state = Attempts::default();
        let mut now = 0;
        let mut windows: Vec<(i64, i64)> = Vec::new();
        for step in steps {
            now += step;
            let at = at(now);
            let open = windows.last().is_some_and(|(since, _)| micros(at) < since + state.span);
            let full = open && windows.last().is_some_and(|(_, count)| *count == ATTEMPTS_MAX);
            let next = attempt(state, at);
            prop_assert_eq!(next.is_err(), full);
            if let Ok(next) = next {
                match windows.last_mut() {
                    Some((_, count)) if open => *count += 1,
                    _ => windows.push((micros(at), 1)),
                }
                prop_assert_eq!(Some(&(next.since, next.count)), windows.last());
                if !open {
                    let locked = state.count >= ATTEMPTS_MAX;
                    let grown = if locked { (state.span * 2).min(LOCK_MICROS_MAX) } else { state.span };
                    prop_assert_eq!(next.span, grown.max(LOCK_MICROS));
                }
                state = next;
            }
        }
    }

    #[test]
    fn a_token_is_good_only_before_its_end_and_unrevoked(
        ends in -5_i64..5, revoked: bool, holder_disabled: bool, seen in prop::option::of(-40_i64..1),
        administers: bool, second_factor: bool,
    ) {
        let session_seen_at = seen.map(|it| at(it * 60));
        let facts =
            TokenFacts { expires_at: at(ends), revoked, holder_disabled, session_seen_at, administers, second_factor };
        let live = ends > 0 && !revoked && !holder_disabled && seen.is_none_or(|it| it > -IDLE_MINUTES_MAX);
        prop_assert_eq!(token(Some(facts), at(0)).is_ok(), live && (!administers || second_factor));
        prop_assert_eq!(token(None, at(0)), Err(Refusal::TokenUnknown));
    }

    #[test]
    fn a_lifetime_is_bounded(days in -400_i64..800) {
        prop_assert_eq!(lifetime(at(days * 86_400), at(0)).is_ok(), (1..=366).contains(&days));
    }

    /// A session begins only for whoever is unlocked, has chosen a fresh password and, administering, proves a factor.
    #[test]
    fn nothing_is_skipped_on_the_way_in(
        awaits_unlock: bool, must_change: bool, age in 0_i64..200, administers: bool, has_factor: bool,
        shows_code: bool,
    ) {
        let password_at = at(-age * 86_400);
        let facts = EntryFacts { awaits_unlock, must_change, password_at, administers, has_factor, shows_code };
        let unlocked = !awaits_unlock && (!has_factor || shows_code);
        let chosen = !must_change && age < PASSWORD_DAYS_MAX;
        prop_assert_eq!(entry(facts, Wish::Password, at(0)).is_ok(), unlocked);
        prop_assert_eq!(entry(facts, Wish::Factor, at(0)).is_ok(), unlocked && chosen);
        let factor = !administers || has_factor;
        prop_assert_eq!(entry(facts, Wish::Session, at(0)).is_ok(), unlocked && chosen && factor);
    }

    #[test]
    fn an_administrator_has_one_role(roles in prop::collection::btree_set(any_role(), 0..5)) {
        let apart = roles.iter().any(|it| it.administers()) && roles.len() > 1;
        prop_assert_eq!(roles_together(&roles).is_ok(), !apart && !roles.contains(&Role::Application));
    }

    #[test]
    fn an_administrator_remains(
        office in prop::option::of(prop::sample::select(&ADMINISTRATORS)), stays: bool, others in 0_i64..3,
    ) {
        let facts = AdministratorFacts { office, stays, others };
        let by = Actor::Person("other".to_owned());
        let done = change_account(&by, &account("wang"), facts);
        prop_assert_eq!(done.is_ok(), office.is_none() || stays || others > 0);
        prop_assert!(change_account(&Actor::Person("wang".to_owned()), &account("wang"), facts).is_err());
    }

    #[test]
    fn a_recovery_code_reads_back(bytes: [u8; RECOVERY_BYTES]) {
        let shown = RecoveryCode::from_bytes(bytes).reveal();
        prop_assert_eq!(shown.len(), 19);
        let read = totp::from_base32(&shown.replace('-', "").to_uppercase()).unwrap();
        prop_assert_eq!(read, bytes.to_vec());
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
        for second in [0, 1, 1, 400, 899, 899, 900, 1000, 1001, 1002, 1003, 2699, 2700, 5000, 5001, 9000, 90_000] {
            let expected = attempt(state, at(second));
            let counted =
                transact!(store, None, |tx| crate::session::count_attempt(tx, &account("x"), at(second)).await);
            assert_eq!(counted.is_ok(), expected.is_ok(), "at {second}");
            state = expected.unwrap_or(state);
            let sql = "SELECT count, since, span FROM identity_attempt WHERE name = $1";
            let row = store.read().await.unwrap().row(sql, args!["x"]).await.unwrap().unwrap();
            let int = |name: &str| row.int(name).unwrap();
            assert_eq!(Attempts { count: int("count"), since: int("since"), span: int("span") }, state, "at {second}");
        }
    }
}

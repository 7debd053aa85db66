//! The refusal table: `docs/refusals.md` is read, and each of its cases brought about.

use exchange::AgreementId;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path};
use testkit::{Hostile, PURPOSE, Reply, World};
use vocabulary::Timestamp;

/// Code and status, as the table writes them.
type Refusal = (String, String);

/// The table: case → code and status.
fn table() -> BTreeMap<String, Refusal> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/refusals.md");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|it| it.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, case, code, status, trace, _] = cells[..] else { panic!("five bars in a row: {row}") };
        let case = case.split('`').nth(1).unwrap().to_owned();
        assert!(trace.len() > 10, "{case}: how to trace it?");
        (case, (code.trim_matches('`').to_owned(), status.to_owned()))
    })
    .collect()
}

fn of(reply: &Reply) -> Refusal {
    (reply.code(), reply.status.to_string())
}

macro_rules! refusals {
    ($($case:ident)*) => {
        const CASES: &[&str] = &[$(stringify!($case)),*];

        $(mod $case {
            async fn told(world: testkit::World) {
                let expected = super::table().remove(stringify!($case)).expect("a row in docs/refusals.md");
                assert_eq!(super::cases::$case(world).await, expected);
            }

            #[tokio::test]
            async fn on_sqlite() {
                told(testkit::World::new(testkit::Database::Sqlite).await).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                if let Some(database) = testkit::Database::postgres() {
                    told(testkit::World::new(database).await).await;
                }
            }
        })*
    };
}

refusals! {
    no_agreement other_purpose column_outside masked_filter row_outside expired revoked quota_spent receipts_open
    replayed body_changed clock_off unsigned signed_by_another not_a_member unknown_key body_too_large page_too_large
    offer_for_others no_token wrong_role old_view wrong_id token_scope wrong_password name_locked refused_too_often
    operation_undeclared operation_not_agreed call_of_records calls_spent calls_too_fast key_of_another_call
    call_of_unknown_fate
}

/// What the table promises is tested, and what is tested stands in the table.
#[test]
fn the_table_and_the_cases_are_the_same() {
    let mut cases: Vec<&str> = CASES.to_vec();
    cases.sort_unstable();
    assert_eq!(table().keys().map(String::as_str).collect::<Vec<_>>(), cases);
}

/// A little of the province and a live agreement on operation and credit.
async fn agreed(world: &World, until: &str) -> String {
    world.province(300).await;
    world.agree_operation(until).await
}

fn query(agreement: &str) -> Value {
    json!({"agreement": agreement, "purpose": PURPOSE, "actor": "application:policy-platform"})
}

/// A query as the consumer's node would send it, from whoever holds its keys.
async fn asks(world: &World, who: &Hostile, body: &Value) -> Reply {
    let letter = who.write(&world.host("js-scjg"), "/peer/v1/query", body);
    who.send(world, "js-scjg", letter).await
}

mod cases {
    use super::*;
    use crate::calls::{agreed as agreed_on_calls, call, declare, send};
    use testkit::TestService;

    pub async fn operation_undeclared(mut world: World) -> Refusal {
        let service = TestService::start().await;
        let agreement = agreed_on_calls(&mut world, &service, "").await;
        of(&call(&world, &agreement, "GET", "/admin").await)
    }

    pub async fn operation_not_agreed(mut world: World) -> Refusal {
        let service = TestService::start().await;
        agreed_on_calls(&mut world, &service, "").await;
        let mut draft = World::draft("market-calls", "2026-12-31");
        draft["operations"] = json!(["get-enterprise"]);
        let asked = world.as_("nj-gxj", "requester").post("/v1/requests", draft).await.expect_status(200);
        let agreement = world.sign(asked["request"]["body"]["id"].as_str().unwrap()).await;
        // Our own node refuses what it did not sign for; here comes one that does not look.
        let head = json!({
            "format": "yunhe-call/1", "agreement": agreement, "purpose": PURPOSE, "actor": "application:x",
            "method": "GET", "target": "/status/200",
        });
        let member = Hostile::member(&world, "nj-gxj");
        let letter = member.write_bytes("POST", &world.host("js-scjg"), "/peer/v1/calls", format!("{head}\n"));
        of(&member.send(&world, "js-scjg", letter).await)
    }

    pub async fn call_of_records(world: World) -> Refusal {
        world.province(20).await;
        let agreement = world.agree_base().await;
        of(&call(&world, &agreement, "GET", "/enterprises/9").await)
    }

    pub async fn calls_spent(mut world: World) -> Refusal {
        let service = TestService::start().await;
        let agreement = agreed_on_calls(&mut world, &service, "calls: {per_day: 1}\n").await;
        assert_eq!(call(&world, &agreement, "GET", "/enterprises/9").await.status, 200);
        of(&call(&world, &agreement, "GET", "/enterprises/9").await)
    }

    pub async fn calls_too_fast(mut world: World) -> Refusal {
        let service = TestService::start().await;
        let agreement = agreed_on_calls(&mut world, &service, "calls: {per_second: 1}\n").await;
        assert_eq!(call(&world, &agreement, "GET", "/enterprises/9").await.status, 200);
        of(&call(&world, &agreement, "GET", "/enterprises/9").await)
    }

    pub async fn key_of_another_call(mut world: World) -> Refusal {
        let service = TestService::start().await;
        let agreement = agreed_on_calls(&mut world, &service, "").await;
        assert_eq!(declare(&world, &agreement, "k", "{}").await.status, 201);
        of(&declare(&world, &agreement, "k", "[]").await)
    }

    pub async fn call_of_unknown_fate(mut world: World) -> Refusal {
        let service = TestService::start().await;
        let agreement = agreed_on_calls(&mut world, &service, "").await;
        of(&send(&world, &agreement, ("POST", "/hangup"), &[("idempotency-key", "k")], "").await)
    }

    pub async fn no_agreement(world: World) -> Refusal {
        let agreement = agreed(&world, "2026-12-31").await;
        // Another member gets no further with this one than with one that was never made.
        let other = asks(&world, &Hostile::member(&world, "nj-data"), &query(&agreement)).await;
        let none = AgreementId::from_uuid(uuid::Uuid::nil()).to_string();
        let reply = asks(&world, &Hostile::member(&world, "nj-gxj"), &query(&none)).await;
        assert_eq!(of(&other), of(&reply));
        of(&reply)
    }

    pub async fn other_purpose(world: World) -> Refusal {
        let agreement = agreed(&world, "2026-12-31").await;
        let reply = world.query(&agreement, json!({"purpose": "营销"})).await;
        assert_eq!(
            (&reply.json()["field"], &reply.json()["peer"]),
            (&json!("/purpose"), &json!(world.host("js-scjg")))
        );
        of(&reply)
    }

    pub async fn column_outside(world: World) -> Refusal {
        let agreement = agreed(&world, "2026-12-31").await;
        let reply = world.query(&agreement, json!({"columns": ["uscc", "division"]})).await;
        assert_eq!(reply.json()["field"], "/columns");
        // A column that is not agreed cannot be found out by filtering either.
        let filtered = world.query(&agreement, json!({"rows": "row.division == '320102'"})).await;
        assert_eq!(of(&filtered), of(&reply));
        of(&reply)
    }

    pub async fn masked_filter(world: World) -> Refusal {
        let agreement = agreed(&world, "2026-12-31").await;
        of(&world.query(&agreement, json!({"rows": "row.telephone.startsWith('1290')"})).await)
    }

    pub async fn row_outside(world: World) -> Refusal {
        let province = world.province(300).await;
        let agreement = world.agree_operation("2026-12-31").await;
        let columns = ["uscc", "division", "staff", "revenue", "abnormal", "violation", "telephone"];
        let elsewhere = province.sound(&columns).into_values().find(|it| !it["division"].starts_with("3201")).unwrap();
        let reply = world.query(&agreement, json!({"key": [elsewhere["uscc"]]})).await;
        // One that is nowhere gets the same answer, to the letter.
        let missing = world.query(&agreement, json!({"key": [nowhere(&province)]})).await;
        assert_eq!(reply.json(), missing.json());
        of(&reply)
    }

    pub async fn expired(world: World) -> Refusal {
        let agreement = agreed(&world, "2026-11-24").await;
        let midnight: Timestamp = "2026-11-24T16:00:00Z".parse().unwrap();
        world.advance_to(midnight - jiff::SignedDuration::from_micros(1));
        world.query(&agreement, json!({})).await.expect_status(200);
        world.advance_to(midnight);
        let reply = world.query(&agreement, json!({})).await;
        assert_eq!(reply.json()["until"], "2026-11-24");
        of(&reply)
    }

    pub async fn revoked(world: World) -> Refusal {
        let agreement = agreed(&world, "2026-12-31").await;
        world.query(&agreement, json!({})).await.expect_status(200);
        let path = format!("/v1/agreements/{agreement}/revocation");
        let body = json!({"reason": "依据变更"});
        world.as_("js-scjg", "provider-officer").post(&path, body).await.expect_status(200);
        // The same instant: the clock has not moved.
        of(&world.query(&agreement, json!({})).await)
    }

    pub async fn quota_spent(world: World) -> Refusal {
        world.province_with_quota(300, 10).await;
        let agreement = world.agree_operation("2026-12-31").await;
        world.query(&agreement, json!({"limit": 7})).await.expect_status(200);
        // Four more are one too many; three are exactly what is left.
        let over = world.query(&agreement, json!({"limit": 4})).await;
        assert_eq!(over.json()["rows_left"], 3);
        world.query(&agreement, json!({"limit": 3})).await.expect_status(200);
        let reply = world.query(&agreement, json!({"limit": 1})).await;
        assert_eq!(of(&over), of(&reply));
        // A new day in Shanghai, a new quota.
        world.advance_to("2026-11-24T16:00:00Z".parse().unwrap());
        world.query(&agreement, json!({"limit": 10})).await.expect_status(200);
        of(&reply)
    }

    pub async fn receipts_open(world: World) -> Refusal {
        let agreement = agreed(&world, "2026-12-31").await;
        // One who takes and never countersigns.
        let hostile = Hostile::member(&world, "nj-gxj");
        let line = hostile.dial(&world, "js-scjg").await.unwrap();
        let body =
            json!({"limit": 1, "agreement": agreement, "purpose": PURPOSE, "actor": "application:policy-platform"});
        let host = world.host("js-scjg");
        let ask = || line.send(hostile.write(&host, "/peer/v1/query", &body));
        for _ in 0..20 {
            for reply in futures::future::join_all((0..50).map(|_| ask())).await {
                reply.unwrap().expect_status(200);
            }
        }
        of(&ask().await.unwrap())
    }

    pub async fn replayed(world: World) -> Refusal {
        let agreement = agreed(&world, "2026-12-31").await;
        let hostile = Hostile::member(&world, "nj-gxj");
        let letter = hostile.write(&world.host("js-scjg"), "/peer/v1/query", &query(&agreement));
        hostile.send(&world, "js-scjg", letter.clone()).await.expect_status(200);
        // Byte for byte the same, at the last moment at which its signature still holds.
        world.advance(jiff::SignedDuration::from_secs(299));
        of(&hostile.send(&world, "js-scjg", letter).await)
    }

    pub async fn body_changed(world: World) -> Refusal {
        let agreement = agreed(&world, "2026-12-31").await;
        let hostile = Hostile::member(&world, "nj-gxj");
        let mut letter = hostile.write(&world.host("js-scjg"), "/peer/v1/query", &query(&agreement));
        let changed = String::from_utf8(letter.body().to_vec()).unwrap().replace("policy-platform", "policy-platforn");
        *letter.body_mut() = changed.into();
        of(&hostile.send(&world, "js-scjg", letter).await)
    }

    pub async fn clock_off(world: World) -> Refusal {
        let agreement = agreed(&world, "2026-12-31").await;
        for minutes in [-6, 6] {
            let hostile = Hostile::member(&world, "nj-gxj").off_by(jiff::SignedDuration::from_mins(minutes));
            let reply = asks(&world, &hostile, &query(&agreement)).await;
            assert_eq!(reply.json()["offset_ms"], minutes * 60_000);
        }
        let within = Hostile::member(&world, "nj-gxj").off_by(jiff::SignedDuration::from_mins(4));
        asks(&world, &within, &query(&agreement)).await.expect_status(200);
        let hostile = Hostile::member(&world, "nj-gxj").off_by(jiff::SignedDuration::from_mins(10));
        of(&asks(&world, &hostile, &query(&agreement)).await)
    }

    pub async fn unsigned(world: World) -> Refusal {
        let line = Hostile::member(&world, "nj-gxj").dial(&world, "js-scjg").await.unwrap();
        of(&line.send_unsigned("POST", &world.host("js-scjg"), "/peer/v1/query").await.unwrap())
    }

    pub async fn signed_by_another(world: World) -> Refusal {
        let agreement = agreed(&world, "2026-12-31").await;
        let hostile = Hostile::member(&world, "nj-data").signing_as(&world, "nj-gxj");
        of(&asks(&world, &hostile, &query(&agreement)).await)
    }

    pub async fn not_a_member(mut world: World) -> Refusal {
        let agreement = agreed(&world, "2026-12-31").await;
        let hostile = Hostile::member(&world, "nj-gxj");
        let standing = hostile.dial(&world, "js-scjg").await.unwrap();
        world.expel("nj-gxj").await;
        let letter = || hostile.write(&world.host("js-scjg"), "/peer/v1/query", &query(&agreement));
        // Over the connection that stood, and over a new one.
        let over_the_old = standing.send(letter()).await.unwrap();
        let reply = hostile.send(&world, "js-scjg", letter()).await;
        assert_eq!(of(&over_the_old), of(&reply));
        of(&reply)
    }

    pub async fn unknown_key(world: World) -> Refusal {
        // It knows a member's message key, and no TLS key that anybody pinned.
        let hostile = Hostile::stranger(&world).signing_as(&world, "nj-gxj");
        let refused = match hostile.dial(&world, "js-scjg").await {
            Ok(line) => line.send_unsigned("GET", &world.host("js-scjg"), "/peer/v1/offers").await.map(|_| ()),
            Err(error) => Err(error),
        };
        let alert = refused.unwrap_err().to_string();
        let counted = async || world.stranger("js-scjg").get("/metrics").await.text();
        world.until("the counter", || async { counted().await.contains("reason=\"unknown-key\"} 1\n") }).await;
        assert!(!alert.is_empty());
        ("TLS alert".to_owned(), "–".to_owned())
    }

    pub async fn body_too_large(world: World) -> Refusal {
        let hostile = Hostile::member(&world, "nj-gxj");
        let body = vec![b' '; web::BODY_BYTES_MAX + 1];
        let letter = hostile.write_bytes("POST", &world.host("js-scjg"), "/peer/v1/query", body.clone());
        let reply = hostile.send(&world, "js-scjg", letter).await;
        assert_eq!(reply.json()["bytes_max"], web::BODY_BYTES_MAX);
        let client = world.as_("nj-gxj", "requester").upload("/v1/queries", body).await;
        assert_eq!(of(&client), of(&reply));
        // A request may bring files, and has a bound of its own.
        let files = vec![b' '; web::FILES_BYTES_MAX + 1];
        let client = world.as_("nj-gxj", "requester").upload("/v1/requests", files).await;
        assert_eq!(of(&client), of(&reply));
        of(&reply)
    }

    pub async fn page_too_large(world: World) -> Refusal {
        let agreement = agreed(&world, "2026-12-31").await;
        of(&world.query(&agreement, json!({"limit": 1001})).await)
    }

    pub async fn offer_for_others(world: World) -> Refusal {
        world.install_packs(|_, text| text).await;
        // The offer is for departments of cities and counties; this is a province's.
        let draft = World::draft("legal-person-operation", "2026-12-31");
        of(&world.as_("js-data", "requester").post("/v1/requests", draft).await)
    }

    pub async fn no_token(world: World) -> Refusal {
        of(&world.stranger("js-scjg").get("/v1/records").await)
    }

    pub async fn wrong_role(world: World) -> Refusal {
        // An administrator has no data.
        world.install_packs(|_, text| text).await;
        of(&world.as_("js-scjg", "administrator").get("/v1/records/legal-person").await)
    }

    pub async fn old_view(mut world: World) -> Refusal {
        let agreement = agreed(&world, "2026-12-31").await;
        world.kill("js-data").await;
        world.advance(jiff::SignedDuration::from_hours(169));
        let reply = asks(&world, &Hostile::member(&world, "nj-gxj"), &query(&agreement)).await;
        assert_eq!(reply.json()["age_seconds"], 169 * 3600);
        of(&reply)
    }

    pub async fn wrong_id(world: World) -> Refusal {
        of(&world.as_("nj-gxj", "requester").get("/v1/agreements/agr_1").await)
    }

    pub async fn token_scope(world: World) -> Refusal {
        let ask = json!({"user": "requester", "days": 1, "scopes": ["read"]});
        let issued = world.as_("nj-gxj", "requester").post("/v1/tokens", ask).await.expect_status(200);
        let reader = world.with_token("nj-gxj", issued["token"].as_str().unwrap());
        let reply = reader.post("/v1/pulls", json!({})).await;
        assert_eq!(reply.json()["scopes"], "exchange");
        of(&reply)
    }

    /// Somebody tries a password.
    async fn tries(world: &World, name: &str) -> Reply {
        let body = json!({"name": name, "password": "not this one"});
        world.stranger("nj-gxj").post("/v1/sessions", body).await
    }

    pub async fn wrong_password(world: World) -> Refusal {
        world.token("nj-gxj", "requester").await;
        assert_eq!(of(&tries(&world, "requester").await), of(&tries(&world, "nobody").await));
        of(&tries(&world, "requester").await)
    }

    pub async fn name_locked(world: World) -> Refusal {
        for _ in 0..5 {
            tries(&world, "requester").await;
        }
        let reply = tries(&world, "requester").await;
        assert!(reply.json()["until"].is_string());
        of(&reply)
    }

    pub async fn refused_too_often(world: World) -> Refusal {
        for number in 0..20 {
            tries(&world, &format!("name{number}")).await;
        }
        let reply = tries(&world, "requester").await;
        assert_eq!(reply.field("retry-after"), Some("60"));
        of(&reply)
    }

    /// A credit code that is well formed and in no row.
    fn nowhere(province: &testkit::Province) -> String {
        let more = testkit::Province::draw(302);
        let unknown = more.lines[300..].iter().map(|it| it["uscc"].clone());
        unknown.into_iter().find(|it| province.lines.iter().all(|row| row["uscc"] != *it)).unwrap()
    }
}

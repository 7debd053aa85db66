use crate::*;

id!(
    /// A test id.
    ThingId, "thg"
);

#[test]
fn an_id_prints_its_kind_and_reads_back() {
    let id = ThingId::from_uuid(uuid::Uuid::from_u128(7));
    assert_eq!(id.to_string(), "thg_00000000000000000000000000000007");
    assert_eq!(id.to_string().parse::<ThingId>(), Ok(id));
    assert!("oth_00000000000000000000000000000007".parse::<ThingId>().is_err());
    assert!("thg_7".parse::<ThingId>().is_err());
    assert_eq!((id.uuid().as_u128(), ThingId::PREFIX), (7, "thg"));
}

#[test]
fn canonical_bytes_are_those_of_rfc_8785() {
    // RFC 8785 section 3.2.2: keys sorted by UTF-16 code units, shortest numbers, minimal escapes.
    let value = serde_json::json!({"b": [56.0, 1e30, 4.50, 2e-3], "\u{20ac}": "\u{000f}\nA'\u{0042}\"\\", "a": null});
    let bytes = canonical_bytes(&value).unwrap();
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "{\"a\":null,\"b\":[56,1e+30,4.5,0.002],\"€\":\"\\u000f\\nA'B\\\"\\\\\"}"
    );
}

#[test]
fn a_digest_names_its_suite_and_reads_back() {
    let digest = Digest::of(b"abc");
    let text = "ed25519-sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(digest.to_string(), text);
    assert_eq!(text.parse::<Digest>().unwrap(), digest);
    assert_eq!("sm2-sm3:00".parse::<Digest>().unwrap_err().code, "format.suite_planned");
    assert_eq!(text.to_uppercase().parse::<Digest>().unwrap_err().code, "format.suite");
    assert_eq!(text.replace("ba78", "BA78").parse::<Digest>().unwrap_err().code, "format.digest");
}

#[test]
fn a_problem_is_rfc_9457_and_reads_back() {
    let problem = Problem::new(Kind::Refused, "exchange.purpose", "用途不符", "other purpose").field("/purpose");
    let json = serde_json::to_value(&problem).unwrap();
    assert_eq!(json["status"], 403);
    assert_eq!(json["type"], "urn:yunhe:problem:exchange.purpose");
    assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), problem);
}

#[test]
fn values_about_people_do_not_print() {
    assert_eq!(format!("{:?} {}", Personal::new("13900000000"), Personal::new(1)), "• •");
}

#[test]
fn names_are_safe_in_paths() {
    for bad in ["", "-a", "a-", "A", "a/b", "..", "a_b", "1a", &"a".repeat(65)] {
        assert_eq!(OrganisationId::new(bad).unwrap_err().code, "format.name", "{bad}");
    }
    assert_eq!(OrganisationId::new("js-scjg").unwrap().as_str(), "js-scjg");
}

#[test]
fn a_day_begins_at_midnight_in_shanghai() {
    let before: Timestamp = "2026-11-24T15:59:59Z".parse().unwrap();
    let after: Timestamp = "2026-11-24T16:00:00Z".parse().unwrap();
    assert_eq!(date_in_shanghai(before).to_string(), "2026-11-24");
    assert_eq!(date_in_shanghai(after).to_string(), "2026-11-25");
}

#[test]
fn money_never_wraps() {
    let all = Money { minor: i64::MAX, currency: Currency::CNY };
    assert_eq!(all.plus(Money { minor: 1, currency: Currency::CNY }), None);
    assert_eq!(Money { minor: -105, currency: Currency::CNY }.to_string(), "-1.05 CNY");
}

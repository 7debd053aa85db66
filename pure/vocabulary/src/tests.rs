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
    assert_eq!(canonical_text(&value).unwrap().into_bytes(), canonical_bytes(&value).unwrap());
}

#[test]
fn a_digest_names_its_suite_and_reads_back() {
    let digest = Digest::of(b"abc");
    let text = "ed25519-sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(digest.to_string(), text);
    assert_eq!(text.parse::<Digest>().unwrap(), digest);
    assert_eq!("sm2-sm3:00".parse::<Digest>().unwrap_err().code, "format.digest");
    let sm = text.replace("ed25519-sha256", "sm2-sm3").parse::<Digest>().unwrap();
    assert_eq!((sm.suite, sm.hash, sm == digest), (Suite::Sm2Sm3, digest.hash, false));
    assert!(digest.fits(b"abc") && !digest.fits(b"abd") && !sm.fits(b"abc"));
    assert_eq!(text.to_uppercase().parse::<Digest>().unwrap_err().code, "format.suite");
    assert_eq!(text.replace("ba78", "BA78").parse::<Digest>().unwrap_err().code, "format.digest");
}

/// GB/T 32905-2016 appendix A: `abc`, and sixteen times `abcd`.
#[test]
fn sm3_is_that_of_the_standard() {
    let abc = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0";
    let long = "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732";
    assert_eq!(Digest::by(Suite::Sm2Sm3, b"abc").to_string(), format!("sm2-sm3:{abc}"));
    assert_eq!(Digest::by(Suite::Sm2Sm3, "abcd".repeat(16).as_bytes()).hex(), long);
    let mut pieces = Hasher::new(Suite::Sm2Sm3);
    (0..16).for_each(|_| pieces.update(b"abcd"));
    assert_eq!(pieces.digest().hex(), long);
    assert_eq!(hash_all(Suite::Sm2Sm3, &[b"a", b"", b"bc"]), hash(Suite::Sm2Sm3, b"abc"));
}

#[test]
fn a_suite_has_one_name() {
    for suite in Suite::ALL {
        assert_eq!(
            (suite.to_string().parse::<Suite>().unwrap(), serde_json::to_value(suite).unwrap()),
            (suite, suite.id().into())
        );
    }
    for other in ["", "SM2-SM3", "sm2", "sm3", "ed25519", " sm2-sm3"] {
        assert_eq!(other.parse::<Suite>().unwrap_err().code, "format.suite", "{other}");
    }
}

#[test]
fn a_problem_is_rfc_9457_and_reads_back() {
    let problem = Problem::new(Kind::Refused, "exchange.purpose", "用途不符", "other purpose").field("/purpose");
    let json = serde_json::to_value(&problem).unwrap();
    assert_eq!(json["status"], 403);
    assert_eq!(json["type"], "urn:yunhe:problem:exchange.purpose");
    assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), problem);
}

/// Another node's problem comes back as the kind it was sent as, and people read a title of its own in both languages.
#[test]
fn a_kind_survives_its_status_and_has_its_own_title() {
    use Kind::*;
    let kinds = [
        Malformed,
        Unauthenticated,
        Refused,
        Missing,
        Conflict,
        TooLarge,
        Unprocessable,
        TooMany,
        Internal,
        Peer,
        Unavailable,
    ];
    let mut titles = std::collections::BTreeSet::new();
    for kind in kinds {
        assert_eq!(Kind::from_status(kind.status()), kind);
        let json = serde_json::to_value(Problem::new(kind, "a.code", "", "")).unwrap();
        let title = json["title"].as_str().unwrap().to_owned();
        let (zh, en) = title.split_once(' ').unwrap();
        assert!(!zh.is_ascii() && en.is_ascii() && !en.is_empty(), "{title}");
        assert!(titles.insert(title), "{kind:?}");
    }
    assert_eq!(Kind::from_status(418), Peer);
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

/// What is stored comes back to the microsecond, before 1970 too; what no calendar can write is refused.
#[test]
fn an_instant_survives_its_storage() {
    for (text, stored) in [("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:01.000002Z", 1_000_002)] {
        let at: Timestamp = text.parse().unwrap();
        assert_eq!((micros(at), timestamp_from_micros(stored)), (stored, Ok(at)));
    }
    for stored in [-1, -62_135_596_800_000_000, 253_402_207_199_999_999] {
        assert_eq!(timestamp_from_micros(stored).map(micros), Ok(stored));
    }
    assert_eq!(timestamp_from_micros(i64::MAX).unwrap_err().code, "format.timestamp");
}

#[test]
fn money_adds_and_takes_away_and_never_wraps() {
    let fen = |minor| Money { minor, currency: Currency::CNY };
    assert_eq!((fen(250).plus(fen(-355)), fen(250).minus(fen(355))), (Some(fen(-105)), Some(fen(-105))));
    assert_eq!((fen(i64::MAX).plus(fen(1)), fen(i64::MIN).minus(fen(1))), (None, None));
    assert_eq!(Money { minor: -105, currency: Currency::CNY }.to_string(), "-1.05 CNY");
}

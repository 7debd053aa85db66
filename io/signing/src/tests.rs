use crate::*;
use curve25519_dalek::{Scalar, edwards::CompressedEdwardsY};
use ed25519_dalek::Signer as _;
use proptest::prelude::*;
use serde_json::json;
use vocabulary::{Signature, Suite, Timestamp};

const SUITE: Suite = Suite::Ed25519Sha256;

fn base64_of(bytes: &[u8]) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(SUITE, &[seed; 32])
}

#[test]
fn signatures_are_those_of_rfc_8032() {
    // Section 7.1, test 3.
    let seed = hex::decode("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7").unwrap();
    let key = SigningKey::from_seed(SUITE, &seed.try_into().unwrap());
    assert_eq!(hex::encode(key.public().raw()), "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
    let signed = hex::decode(concat!(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac",
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    ));
    key.public().verify_raw(&[0xaf, 0x82], &signed.unwrap().try_into().unwrap()).unwrap();
    key.public().verify(&[0xaf, 0x82], &key.sign(&[0xaf, 0x82])).unwrap();
}

/// The order of the curve's main subgroup, least byte first: `s` and `s + ORDER` are the same scalar.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn plus_order(scalar: &[u8]) -> [u8; 32] {
    let mut carry = 0;
    std::array::from_fn(|at| {
        let sum = u16::from(scalar[at]) + u16::from(ORDER[at]) + carry;
        carry = sum >> 8;
        sum.to_le_bytes()[0]
    })
}

/// A signature whose point is the neutral element: it fits the equation without a random part.
fn with_neutral_point(key: &ed25519_dalek::SigningKey, bytes: &[u8]) -> [u8; 64] {
    use sha2::Digest as _;
    let point = CompressedEdwardsY([[1].as_slice(), &[0; 31]].concat().try_into().unwrap());
    let hash = sha2::Sha512::new().chain_update(point.0).chain_update(key.verifying_key().as_bytes());
    let challenge = Scalar::from_bytes_mod_order_wide(&hash.chain_update(bytes).finalize().into());
    let scalar = challenge * key.to_scalar();
    [point.0, scalar.to_bytes()].concat().try_into().unwrap()
}

proptest! {
    /// Two independent programs sign the same bytes alike and agree on what is a signature, to the strict reading.
    #[test]
    fn aws_lc_and_dalek_agree(
        seed in any::<[u8; 32]>(), bytes in prop::collection::vec(any::<u8>(), 0..80), at in 0usize..64, by in 1u8..,
    ) {
        let (ours, dalek) = (SigningKey::from_seed(SUITE, &seed), ed25519_dalek::SigningKey::from_bytes(&seed));
        let good = dalek.sign(&bytes).to_bytes();
        prop_assert_eq!(ours.sign(&bytes).value, base64_of(&good));
        let mut changed = good;
        changed[at] ^= by;
        let again: [u8; 64] = [&good[..32], &plus_order(&good[32..])].concat().try_into().unwrap();
        for signature in [good, changed, again, with_neutral_point(&dalek, &bytes), [0; 64]] {
            let strict = dalek.verifying_key().verify_strict(&bytes, &ed25519_dalek::Signature::from_bytes(&signature));
            prop_assert_eq!(ours.public().verify_raw(&bytes, &signature).is_ok(), strict.is_ok());
            prop_assert_eq!(strict.is_ok(), signature == good);
        }
    }

    /// One bit changed in the bytes, the key or the signature, and it does not verify.
    #[test]
    fn a_changed_bit_is_refused(
        bytes in prop::collection::vec(any::<u8>(), 1..64),
        bit in 0usize..512,
        seed in 0u8..9,
        suite in prop::sample::select(Suite::ALL.to_vec()),
    ) {
        let key_of = |seed| SigningKey::from_seed(suite, &[seed; 32]);
        let key = key_of(seed);
        let signature = key.sign(&bytes);
        prop_assert!(key.public().verify(&bytes, &signature).is_ok());
        let mut other = bytes.clone();
        let at = bit % (bytes.len() * 8);
        other[at / 8] ^= 1 << (at % 8);
        prop_assert!(key.public().verify(&other, &signature).is_err());
        prop_assert!(key_of(seed + 1).public().verify(&bytes, &signature).is_err());
        let mut value: Vec<u8> = signature.value.clone().into_bytes();
        let at = bit % (value.len() * 8);
        value[at / 8] ^= 1 << (at % 8);
        if let Ok(value) = String::from_utf8(value) {
            let forged = Signature { value, ..signature };
            prop_assert!(key.public().verify(&bytes, &forged).is_err());
        }
    }

    /// Reading keys never panics, and what reads writes back the same.
    #[test]
    fn public_keys_read_back(
        text in "(ed25519-sha256:|sm2-sm3:)?[A-Za-z0-9+/=]{0,96}",
        bytes in any::<[u8; 32]>(),
        suite in prop::sample::select(Suite::ALL.to_vec()),
    ) {
        let made = SigningKey::from_seed(suite, &bytes).public();
        prop_assert_eq!((made.suite(), made.to_string().parse::<PublicKey>().unwrap()), (suite, made));
        prop_assert_eq!(PublicKey::from_pem(&made.to_pem()).unwrap(), made);
        let json = serde_json::to_string(&made).unwrap();
        prop_assert_eq!(serde_json::from_str::<PublicKey>(&json).unwrap(), made);
        if let Ok(key) = text.parse::<PublicKey>() {
            prop_assert_eq!(key.to_string(), text);
        }
        if let Ok(key) = PublicKey::from_bytes(SUITE, &bytes) {
            prop_assert_eq!(key.raw(), bytes);
            prop_assert_eq!(key.to_string().parse::<PublicKey>().unwrap(), key);
        }
    }
}

#[test]
fn a_signature_of_one_purpose_passes_for_no_other() {
    for suite in Suite::ALL {
        one_purpose(&SigningKey::from_seed(suite, &[1; 32]));
    }
}

/// A signature says of which suite it is; under the other's name it is nothing.
#[test]
fn a_signature_of_one_suite_passes_for_no_other() {
    let [one, other] = Suite::ALL.map(|it| SigningKey::from_seed(it, &[1; 32]));
    for (signs, stranger) in [(&one, &other), (&other, &one)] {
        let signature = signs.sign(b"abc");
        let renamed = Signature { suite: stranger.public().suite(), ..signature.clone() };
        assert!(signs.public().verify(b"abc", &renamed).is_err());
        assert!(stranger.public().verify(b"abc", &renamed).is_err());
        assert!(stranger.public().verify(b"abc", &signature).is_err());
        assert_eq!(PublicKey::of(&renamed).unwrap_err().code, "signing.public_key");
        let swapped = signs.public().to_string().replace(signs.public().suite().id(), stranger.public().suite().id());
        assert_eq!(swapped.parse::<PublicKey>().unwrap_err().code, "signing.public_key");
    }
}

/// The message key that is to follow may be of another suite; the files themselves say of which each is.
#[test]
fn a_ring_is_of_the_suite_of_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let suites = |it: &KeyRing| [&it.messages, &it.packs, &it.log].map(|it| it.public().suite());
    let ring = KeyRing::create(&keys, Suite::Sm2Sm3).unwrap();
    assert_eq!(suites(&ring), [Suite::Sm2Sm3, Suite::Sm2Sm3, SUITE]);
    let again = KeyRing::open(&keys).unwrap();
    assert_eq!((suites(&again), again.messages.public()), (suites(&ring), ring.messages.public()));
    assert_eq!(suites(&KeyRing::renew_log(&keys, 1).unwrap()), suites(&ring));
    KeyRing::prepare_messages(&keys, None).unwrap();
    let next = KeyRing::next_messages(&keys).unwrap().unwrap().public();
    assert_eq!(next.suite(), Suite::Sm2Sm3);
    KeyRing::prepare_messages(&keys, Some(Suite::Sm2Sm3)).unwrap();
    assert_eq!(KeyRing::next_messages(&keys).unwrap().unwrap().public(), next);
    assert_eq!(KeyRing::prepare_messages(&keys, Some(SUITE)).unwrap_err().code, "signing.waiting");
    KeyRing::promote(&keys, Rotated::Messages, "1").unwrap();
    KeyRing::prepare_messages(&keys, Some(SUITE)).unwrap();
    KeyRing::promote(&keys, Rotated::Messages, "2").unwrap();
    assert_eq!(suites(&KeyRing::open(&keys).unwrap()), [SUITE, Suite::Sm2Sm3, SUITE]);
}

fn one_purpose(key: &SigningKey) {
    let value = json!({"b": 1, "a": "江苏"});
    let signature = key.sign_canonical(Purpose::Request, &value).unwrap();
    let public = key.public();
    public.verify_canonical(Purpose::Request, &json!({"a": "江苏", "b": 1}), &signature).unwrap();
    let other = public.verify_canonical(Purpose::Agreement, &value, &signature).unwrap_err();
    assert_eq!(other.code, "signing.mismatch");
    assert!(public.verify(&vocabulary::canonical_bytes(&value).unwrap(), &signature).is_err());
    assert_eq!(Purpose::Request.bytes(&value).unwrap(), "yunhe/v1/request\n{\"a\":\"江苏\",\"b\":1}".as_bytes());
}

#[test]
fn keys_of_low_order_are_refused() {
    let weak = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        // The identity again, written with y = p + 1.
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for text in weak {
        let bytes = hex::decode(text).unwrap();
        assert_eq!(PublicKey::from_bytes(SUITE, &bytes).unwrap_err().code, "signing.public_key", "{text}");
    }
}

#[test]
fn a_signer_behind_the_trait_signs_the_same() {
    let key = key(2);
    let behind: &dyn Signer = &key;
    let value = json!([1, 2]);
    assert_eq!(behind.public(), key.public());
    assert_eq!(
        behind.sign_canonical(Purpose::Receipt, &value).unwrap(),
        key.sign_canonical(Purpose::Receipt, &value).unwrap()
    );
}

#[test]
fn a_ring_is_kept_private_and_never_written_over() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let ring = KeyRing::create(&keys, Suite::default()).unwrap();
    let again = KeyRing::open(&keys).unwrap();
    assert_eq!(ring.messages.public(), again.messages.public());
    assert_eq!(ring.log.public(), again.log.public());
    assert_eq!(ring.packs.public(), again.packs.public());
    assert_eq!(ring.tls.pin().unwrap(), again.tls.pin().unwrap());
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&keys), 0o700);
    assert_eq!(mode(&keys.join("tls.pem")), 0o600);
    assert_eq!(KeyRing::create(&keys, Suite::default()).unwrap_err().code, "signing.exists");
    std::fs::set_permissions(keys.join("log.pem"), PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(KeyRing::open(&keys).unwrap_err().code, "signing.exposed");
    assert!(!format!("{ring:?}").contains("PRIVATE"));
}

#[test]
fn a_key_reads_what_openssl_writes() {
    // openssl genpkey -algorithm ed25519; RFC 8410 section 10.3.
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
               -----END PRIVATE KEY-----\n";
    let key = SigningKey::from_pem(pem).unwrap();
    assert_eq!(*key.to_pem(), pem);
    assert_eq!(key.public().base64(), "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=");
    assert_eq!(SigningKey::from_pem("-----BEGIN").unwrap_err().code, "signing.key");
}

#[test]
fn a_certificate_carries_its_hosts_and_a_renewal_keeps_the_pin() {
    let now: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
    let key = TlsKey::generate().unwrap();
    let hosts = ["nj-gxj.nj.yunhe.internal".to_owned(), "127.0.0.1".into(), "::1".into()];
    let first = Certificate::self_signed(&key, &hosts, now, 90).unwrap();
    let later = Certificate::self_signed(&key, &hosts[..1], now, 365).unwrap();
    assert_eq!(first.pin, later.pin);
    assert_eq!(first.pin, key.pin().unwrap());
    assert_eq!(first.pin.to_string().parse::<Pin>().unwrap(), first.pin);
    let (_, parsed) = x509_parser::parse_x509_certificate(&first.der).unwrap();
    let names = &parsed.subject_alternative_name().unwrap().unwrap().value.general_names;
    assert_eq!(names.len(), 3);
    assert!(parsed.validity().is_valid_at(x509_parser::time::ASN1Time::from_timestamp(now.as_second()).unwrap()));
    for bad in ["", "a b", "héllo"] {
        let problem = Certificate::self_signed(&key, &[bad.to_owned()], now, 1).unwrap_err();
        assert_eq!(problem.code, "signing.host", "{bad}");
    }
    let other = TlsKey::generate().unwrap();
    assert_ne!(other.pin().unwrap(), key.pin().unwrap());
    assert_eq!(TlsKey::from_pem(&key.to_pem()).unwrap().pin().unwrap(), key.pin().unwrap());
}

/// aws-lc by itself takes a signature whose point is of low order; the guard before it does not.
#[test]
fn a_point_of_low_order_is_no_signature() {
    let dalek = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let forged = with_neutral_point(&dalek, b"abc");
    let raw =
        aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, dalek.verifying_key().to_bytes());
    assert!(raw.verify(b"abc", &forged).is_ok(), "then the guard is not needed any more");
    let problem = key(7).public().verify_raw(b"abc", &forged).unwrap_err();
    assert_eq!(problem.code, "signing.mismatch");
}

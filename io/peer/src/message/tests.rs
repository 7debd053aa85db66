use super::base::signature_base;
use super::*;
use proptest::prelude::*;
use signing::SigningKey;

/// Seeds from here on are keys of SM2.
const SM: u8 = 100;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(if seed < SM { Suite::Ed25519Sha256 } else { Suite::Sm2Sm3 }, &[seed; 32])
}

fn now() -> Timestamp {
    "2026-11-24T10:00:00Z".parse().unwrap()
}

fn knows(seed: u8) -> impl FnOnce(&str) -> Result<PublicKey, Problem> {
    move |id| {
        let key = key(seed).public();
        ensure!(key.to_string() == id, unsigned("keyid", "未知", "unknown"));
        Ok(key)
    }
}

fn request(uri: &str) -> request::Parts {
    let request = http::Request::post(uri).header("content-type", "application/json").header("idempotency-key", "k-1");
    request.body(()).unwrap().into_parts().0
}

fn signed(uri: &str, body: &[u8]) -> (request::Parts, Sent) {
    signed_by(1, uri, body)
}

fn digest(seed: u8, body: &[u8]) -> Digest {
    Digest::by(key(seed).public().suite(), body)
}

fn signed_by(seed: u8, uri: &str, body: &[u8]) -> (request::Parts, Sent) {
    let mut parts = request(uri);
    let sent = sign_request(&mut parts, &digest(seed, body), &key(seed), Nonce([7; 16]), now()).unwrap();
    (parts, sent)
}

const URI: &str = "https://nj-gxj.nj.yunhe.internal/peer/query?a=1&b=%E6%B1%9F";

/// RFC 9421 appendix B.2.6: the Ed25519 signature of the standard's test request verifies, and we make the same.
#[test]
fn the_vector_of_rfc_9421_verifies() {
    let parts = http::Request::post("https://example.com/foo?param=Value&Pet=dog")
        .header("Host", "example.com")
        .header("Date", "Tue, 20 Apr 2021 02:07:55 GMT")
        .header("Content-Type", "application/json")
        .header("Content-Length", "18")
        .body(())
        .unwrap()
        .into_parts()
        .0;
    let text = "sig-b26=(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")\
                ;created=1618884473;keyid=\"test-key-ed25519\"";
    let (label, input) = field::inputs(text).unwrap().remove(0);
    assert_eq!(format!("{label}={input}"), text);
    let base = signature_base(&parts, &input, |_| None).unwrap();
    assert_eq!(
        base,
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\"@authority\": example.com\n\
         \"content-type\": application/json\n\"content-length\": 18\n\"@signature-params\": (\"date\" \"@method\" \
         \"@path\" \"@authority\" \"content-type\" \"content-length\");created=1618884473;keyid=\"test-key-ed25519\""
    );
    let secret = SigningKey::from_pem(
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n\
         -----END PRIVATE KEY-----\n",
    )
    .unwrap();
    assert_eq!(secret.public().base64(), "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=");
    let field = "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:";
    let (_, signature) = field::byte_sequences(field).unwrap().remove(0);
    secret.public().verify_raw(base.as_bytes(), &signature.clone().try_into().unwrap()).unwrap();
    assert_eq!(secret.sign(base.as_bytes()).value, STANDARD.encode(signature));
}

/// RFC 9530 appendix D.2.
#[test]
fn content_digest_is_that_of_rfc_9530() {
    let mut fields = HeaderMap::new();
    set_digest(&mut fields, &Digest::of(b"{\"hello\": \"world\"}\n")).unwrap();
    assert_eq!(fields[CONTENT_DIGEST], "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
}

/// Our profile's own vector: the bytes that are signed, and OpenSSL's signature with the key whose seed is 32 times 01.
/// Whoever changes them can no longer speak to nodes of before.
#[test]
fn the_profile_is_frozen() {
    let (parts, _) = signed(URI, b"{}");
    let input = parts.headers[SIGNATURE_INPUT].to_str().unwrap();
    let (_, parsed) = field::inputs(input).unwrap().remove(0);
    let base = signature_base(&parts, &parsed, |_| None).unwrap();
    assert_eq!(base, include_str!("vector.txt").trim_end());
    let signature = "yunhe=:0WCo8nAvgF/WMLXT+5hcOE9zaOl6kkZU3I0pspdN1685juyXMO5jP1Rv8H9HkDmYeeWLF0cCH2x85U1nHNl2DQ==:";
    assert_eq!(parts.headers[SIGNATURE], signature);
}

/// The same of SM2: a signature is the same each time, so that this is frozen too.
#[test]
fn the_profile_of_sm2_is_frozen() {
    let (parts, _) = signed_by(SM, URI, b"{}");
    let digest = "sm3=:8agjqqqv5A4RPH8E3XLCifr4YlLEqbV88dPJ4SVH+a0=:";
    assert_eq!(parts.headers[CONTENT_DIGEST], digest);
    let input = parts.headers[SIGNATURE_INPUT].to_str().unwrap();
    assert!(
        input.contains(";keyid=\"sm2-sm3:BBs6C/a1") && input.ends_with(";alg=\"sm2-sm3\";tag=\"yunhe\""),
        "{input}"
    );
    let signature = "yunhe=:C+20w0OfmpAdSC5BSdEYFvlFwcOrKfGa/uCGH2AXmEN6LisTKhMtG+94K/anzdowTlAgHZwmaSChXQMj5Y9nhw==:";
    assert_eq!(parts.headers[SIGNATURE], signature);
}

/// The key says how it is verified: a message that names the other suite's words is refused.
#[test]
fn a_message_is_of_the_suite_of_its_key() {
    for (seed, other) in [(1, SM), (SM, 1)] {
        let mut parts = request(URI);
        sign_request(&mut parts, &digest(other, b"{}"), &key(seed), Nonce([7; 16]), now()).unwrap();
        let problem = verify_head(&parts, knows(seed), now()).unwrap_err();
        assert_eq!((problem.code.as_ref(), &problem.more["part"]), ("peer.signature", &"content-digest".into()));
        let (parts, _) = signed_by(seed, URI, b"{}");
        let problem = verify_head(&parts, |_| Ok(key(other).public()), now()).unwrap_err();
        assert_eq!((problem.code.as_ref(), &problem.more["part"]), ("peer.signature", &"alg".into()));
    }
}

#[test]
fn a_signed_request_and_its_answer_verify() {
    for (one, other) in [(1, 2), (1, SM), (SM, 1), (SM, SM + 1)] {
        request_and_answer(one, other);
    }
}

fn request_and_answer(one: u8, two: u8) {
    let (parts, sent) = signed_by(one, URI, b"{}");
    let verified = verify_request(&parts, b"{}", knows(one), now()).unwrap();
    assert_eq!((verified.key, verified.created, &verified.sent), (key(one).public(), now(), &sent));
    assert_eq!(verified.claim().keep_until, "2026-11-24T10:10:00Z".parse().unwrap());
    assert_eq!(verified.claim().replay().code, "peer.replay");

    let mut answer = http::Response::builder().header("content-type", "text/csv").body(()).unwrap().into_parts().0;
    sign_answer(&mut answer, &digest(two, b"a,b"), &verified.sent, &key(two), now()).unwrap();
    let (by, whole) = verify_answer(&answer, &sent, knows(two)).unwrap();
    assert_eq!((by, whole), (key(two).public(), digest(two, b"a,b")));

    let (_, other) = signed_by(one, URI, b"{ }");
    assert_eq!(verify_answer(&answer, &other, knows(two)).unwrap_err().code, "peer.signature");
    answer.status = http::StatusCode::CREATED;
    assert_eq!(verify_answer(&answer, &sent, knows(two)).unwrap_err().code, "peer.signature");
}

#[test]
fn an_http_1_request_signs_by_its_host() {
    let (parts, _) = signed(URI, b"");
    let mut arrived = parts.clone();
    arrived.uri = "/peer/query?a=1&b=%E6%B1%9F".parse().unwrap();
    arrived.headers.insert("host", "NJ-gxj.nj.yunhe.internal:443".parse().unwrap());
    verify_head(&arrived, knows(1), now()).unwrap();
    arrived.headers.append("host", "other".parse().unwrap());
    assert_eq!(verify_head(&arrived, knows(1), now()).unwrap_err().code, "peer.signature");
}

#[test]
fn a_clock_that_is_off_hears_by_how_much() {
    let (parts, _) = signed(URI, b"");
    for (seconds, passes) in [(0, true), (300, true), (-300, true), (301, false), (-301, false), (86_400, false)] {
        let result = verify_head(&parts, knows(1), now() + seconds.seconds());
        match result {
            Ok(_) => assert!(passes, "{seconds}"),
            Err(problem) => {
                assert!(!passes, "{seconds}");
                assert_eq!((problem.code.as_ref(), problem.kind.status()), ("peer.clock", 401));
                assert_eq!(problem.more["offset_ms"], -seconds * 1000);
            }
        }
    }
}

#[test]
fn a_changed_body_is_told_apart_from_a_changed_message() {
    let (parts, _) = signed(URI, b"{}");
    let problem = verify_request(&parts, b"{]", knows(1), now()).unwrap_err();
    assert_eq!((problem.code.as_ref(), problem.kind.status()), ("peer.digest", 400));
    let problem = verify_request(&parts, b"{}", knows(2), now()).unwrap_err();
    assert_eq!((problem.code.as_ref(), problem.kind.status()), ("peer.signature", 401));
}

#[test]
fn what_is_covered_can_be_neither_added_nor_dropped() {
    let (parts, _) = signed(URI, b"{}");
    let mut added = parts.clone();
    added.headers.insert("range", "bytes=0-".parse().unwrap());
    let mut dropped = parts.clone();
    dropped.headers.remove("idempotency-key");
    let mut doubled = parts.clone();
    doubled.headers.append("content-type", "text/html".parse().unwrap());
    let mut undigested = parts.clone();
    undigested.headers.remove(CONTENT_DIGEST);
    let mut unsigned = parts;
    unsigned.headers.remove(SIGNATURE);
    for parts in [added, dropped, doubled, undigested, unsigned] {
        assert_eq!(verify_head(&parts, knows(1), now()).unwrap_err().code, "peer.signature");
    }
}

/// Signatures of other people under other labels do no harm.
#[test]
fn another_label_stands_beside_ours() {
    let (mut parts, _) = signed(URI, b"{}");
    let input = format!("proxy=(\"@method\");created=1, {}", parts.headers[SIGNATURE_INPUT].to_str().unwrap());
    let signature = format!("proxy=:AAAA:,\t{}", parts.headers[SIGNATURE].to_str().unwrap());
    parts.headers.insert(SIGNATURE_INPUT, input.parse().unwrap());
    parts.headers.insert(SIGNATURE, signature.parse().unwrap());
    verify_head(&parts, knows(1), now()).unwrap();
}

fn flip(text: &str, at: usize, bit: u8) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    let at = at % bytes.len();
    bytes[at] ^= 1 << (bit % 7);
    String::from_utf8(bytes).ok()
}

/// Texts that look much like a `Signature-Input`.
const NEARLY_AN_INPUT: &str =
    "[a-z]{1,3}=(\\(\"[@a-z]{0,3}\"(;[a-z]=?[?:\"0-9a-z]{0,3})?\\))(;[a-z]=[0-9:\"A-Z=?-]{0,6}){0,3}";

proptest! {
    /// One bit flipped anywhere in what is covered, or in the signature's own fields, and the request is refused.
    #[test]
    fn every_flipped_bit_is_refused(
        seed in prop::sample::select(vec![1, SM]), part in 0usize..8, at in 0usize..1000, bit in 0u8..7,
    ) {
        let (mut parts, _) = signed_by(seed, URI, b"{\"a\":1}");
        let names = ["content-type", "idempotency-key", CONTENT_DIGEST, SIGNATURE, SIGNATURE_INPUT];
        let before = parts.clone();
        match part {
            0 => {
                let Some(method) = flip("POST", at, bit).and_then(|it| it.parse().ok()) else { return Ok(()) };
                parts.method = method;
            }
            1 | 2 => {
                let Some(uri) = flip(URI, at.max(8), bit).and_then(|it| it.parse().ok()) else { return Ok(()) };
                parts.uri = uri;
            }
            _ => {
                let name = names[part - 3];
                let value = flip(parts.headers[name].to_str().unwrap(), at, bit);
                let Some(value) = value.and_then(|it| it.parse().ok()) else { return Ok(()) };
                parts.headers.insert(name, value);
            }
        }
        // A fragment is never sent, letter case in a host means nothing, and the scheme is not covered.
        let same = |it: &request::Parts| (
            authority(it), it.uri.path().to_owned(), it.uri.query().map(str::to_owned), it.method.clone(),
            COVERED.map(|name| base::field(&it.headers, name)), base::field(&it.headers, CONTENT_DIGEST),
            base::field(&it.headers, SIGNATURE), base::field(&it.headers, SIGNATURE_INPUT),
        );
        prop_assume!(same(&parts) != same(&before));
        let result = verify_request(&parts, b"{\"a\":1}", knows(seed), now());
        prop_assert!(result.is_err(), "{parts:?}");
    }

    /// Whatever stands in a field, reading it does not panic, and what reads writes back and reads the same.
    #[test]
    fn fields_never_panic(text in "\\PC{0,80}", near in NEARLY_AN_INPUT) {
        for text in [text, near] {
            let _ = field::byte_sequences(&text);
            if let Ok(members) = field::inputs(&text) {
                for (label, input) in members {
                    let again = field::inputs(&format!("{label}={input}")).unwrap();
                    prop_assert_eq!(again, vec![(label, input)]);
                }
            }
        }
    }

    /// Strings with quotes and backslashes survive.
    #[test]
    fn strings_are_escaped(text in "[ -~]{0,40}") {
        let input = Input { components: vec![], params: vec![("a".into(), Bare::Text(text))] };
        prop_assert_eq!(field::inputs(&format!("x={input}")).unwrap(), vec![("x".to_owned(), input)]);
    }
}

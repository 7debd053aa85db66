use crate::{PublicKey, SM2_IDENTITY, SigningKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use sm2::{Scalar, elliptic_curve::PrimeField as _};
use vocabulary::{Signature, Suite, hash};

const SUITE: Suite = Suite::Sm2Sm3;

/// The example of GM/T 0003.5-2012 appendix A (GB/T 32918.5): the recommended curve, identity and key.
const SECRET: &str = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
const X: &str = "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020";
const Y: &str = "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
const R: &str = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3";
const S: &str = "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa";
const MESSAGE: &[u8] = b"message digest";
/// The order of the curve.
const N: &str = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123";
/// The prime of its field.
const P: &str = "fffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffff";

fn bytes<const LENGTH: usize>(hex: &str) -> [u8; LENGTH] {
    hex::decode(hex).unwrap().try_into().unwrap()
}

fn joined(r: [u8; 32], s: [u8; 32]) -> [u8; 64] {
    [r, s].concat().try_into().unwrap()
}

fn key() -> SigningKey {
    SigningKey::from_seed(SUITE, &bytes(SECRET))
}

/// A number below 2^256 that differs from `number` by one at the end.
fn next(number: [u8; 32], up: bool) -> [u8; 32] {
    let mut number = number;
    number[31] = if up { number[31] + 1 } else { number[31] - 1 };
    number
}

#[test]
fn the_example_of_the_standard_verifies() {
    let public = key().public();
    assert_eq!(hex::encode(public.raw()), format!("04{X}{Y}"));
    assert_eq!(public, PublicKey::from_bytes(SUITE, &hex::decode(format!("04{X}{Y}")).unwrap()).unwrap());
    public.verify_raw(MESSAGE, &joined(bytes(R), bytes(S))).unwrap();
    assert!(public.verify_raw(b"message digesT", &joined(bytes(R), bytes(S))).is_err());
    assert!(public.verify_raw(MESSAGE, &joined(bytes(S), bytes(R))).is_err());
}

/// What the standard hashes before it signs: `Z` of identity and key, and `e` of `Z` and the message.
#[test]
fn identity_and_message_are_hashed_as_the_standard_says() {
    const A: &str = "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc";
    const B: &str = "28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93";
    const GX: &str = "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7";
    const GY: &str = "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0";
    let mut whole = vec![0, 128];
    whole.extend_from_slice(SM2_IDENTITY.as_bytes());
    for part in [A, B, GX, GY, X, Y] {
        whole.extend_from_slice(&bytes::<32>(part));
    }
    let z = hash(SUITE, &whole);
    assert_eq!(hex::encode(z), "b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3");
    let e = hash(SUITE, &[&z, MESSAGE].concat());
    assert_eq!(hex::encode(e), "f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640");
}

/// Numbers outside `1..n`, and pairs whose sum is `n`, are no signatures, whatever they would verify to.
#[test]
fn only_numbers_in_range_are_signatures() {
    let (public, zero, one) = (key().public(), [0; 32], next([0; 32], true));
    let (n, r, s) = (bytes::<32>(N), bytes::<32>(R), bytes::<32>(S));
    let minus = |it: [u8; 32]| -> [u8; 32] { (-Scalar::from_repr(it.into()).unwrap()).to_repr().into() };
    for (r, s) in [
        (zero, s),
        (r, zero),
        (zero, zero),
        (n, s),
        (r, n),
        (n, n),
        (next(n, true), s),
        (r, next(n, true)),
        ([255; 32], s),
        (r, [255; 32]),
        (r, minus(r)),
        (minus(s), s),
        (one, next(n, false)),
        (minus(r), s),
        (r, minus(s)),
        (minus(r), minus(s)),
    ] {
        assert!(public.verify_raw(MESSAGE, &joined(r, s)).is_err(), "{} {}", hex::encode(r), hex::encode(s));
    }
}

/// A public key is `04 ‖ x ‖ y` with both below the prime and on the curve; there is no other way to write one.
#[test]
fn a_public_key_is_written_in_one_way() {
    let raw = hex::decode(format!("04{X}{Y}")).unwrap();
    let refused = |bytes: &[u8]| {
        assert_eq!(PublicKey::from_bytes(SUITE, bytes).unwrap_err().code, "signing.public_key", "{bytes:?}");
    };
    for first in [0, 1, 2, 3, 5, 6, 7, 255] {
        refused(&[&[first], &raw[1..]].concat());
    }
    for compressed in ["02", "03"] {
        refused(&hex::decode(format!("{compressed}{X}")).unwrap());
    }
    refused(&[0]);
    refused(&[0; 65]);
    refused(&[&raw[..], &[0]].concat());
    refused(&raw[..64]);
    refused(&[]);
    for at in 1..65 {
        let mut off = raw.clone();
        off[at] ^= 1;
        refused(&off);
    }
    // Points whose `x` is small could be written with `x + p` as well; so can the numbers of any point be past `p`.
    refused(&[&[4], &bytes::<32>(P)[..], &raw[33..]].concat());
    refused(&[&[4], &raw[1..33], &bytes::<32>(P)[..]].concat());
    refused(&[&[4][..], &[255; 64]].concat());
    let text = STANDARD.encode(&raw);
    assert_eq!(PublicKey::from_base64(SUITE, &text).unwrap().raw(), raw);
    for text in [text.trim_end_matches('='), &format!("{text}="), &format!(" {text}"), &text.repeat(2)] {
        assert_eq!(PublicKey::from_base64(SUITE, text).unwrap_err().code, "signing.public_key");
    }
}

/// `n - 1` has an inverse to be divided by that is not there; zero and `n` are no keys at all.
#[test]
fn a_secret_that_cannot_sign_is_none() {
    let n = bytes(N);
    for number in [[0; 32], next(n, false), n, next(n, true), [255; 32]] {
        assert!(super::Secret::from_bytes(&number).is_none(), "{}", hex::encode(number));
    }
    for number in [next([0; 32], true), next(next(n, false), false)] {
        assert!(super::Secret::from_bytes(&number).is_some(), "{}", hex::encode(number));
    }
    let other = SigningKey::from_seed(SUITE, &[255; 32]).public();
    assert_eq!(other, SigningKey::from_seed(SUITE, &hash(SUITE, &[255; 32])).public());
}

/// One key signs the same bytes alike: what is signed again after a crash is what was signed before it.
#[test]
fn a_signature_is_the_same_each_time() {
    const FROZEN: &str = "JIWO5x1j5of+7+QfWvgKWfB5HrHavCu+cdrw5X8Gw2c9FVUN5SeFpDUATJNyVqxxXA4EF2rFcGLGci+mkvekkQ==";
    let one = key().sign(MESSAGE);
    assert_eq!(one, key().sign(MESSAGE));
    assert_eq!((one.suite, one.value.as_str()), (SUITE, FROZEN));
    assert_ne!(one.value, SigningKey::from_seed(SUITE, &[1; 32]).sign(MESSAGE).value);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a stranger sends as key, signature or file: it is refused or read, and what is read writes back alike.
    #[test]
    fn whatever_comes_is_read_or_refused(
        raw in prop::collection::vec(any::<u8>(), 0..80),
        signature in any::<[u8; 64]>(),
        pem in "(-----BEGIN (PRIVATE|PUBLIC) KEY-----\n)?[A-Za-z0-9+/=\n]{0,160}(-----END (PRIVATE|PUBLIC) KEY-----)?",
    ) {
        if let Ok(read) = PublicKey::from_bytes(SUITE, &raw) {
            prop_assert_eq!(read.raw(), raw.as_slice());
        }
        let _ = (SigningKey::from_pem(&pem), PublicKey::from_pem(&pem));
        prop_assert!(key().public().verify_raw(MESSAGE, &signature).is_err());
        let told = Signature { suite: SUITE, key: STANDARD.encode(&raw), value: STANDARD.encode(signature) };
        prop_assert!(PublicKey::of(&told).is_err() || told.key.len() == 88);
    }

    /// A key goes into a file and comes out of it, secret and public half, and no bit of the file can change unseen.
    #[test]
    fn a_key_is_read_back_from_its_file(seed in any::<[u8; 32]>(), at in 0usize..400, bit in 0u8..7) {
        let key = SigningKey::from_seed(SUITE, &seed);
        let pem = key.to_pem();
        let read = SigningKey::from_pem(&pem).unwrap();
        prop_assert_eq!(read.public(), key.public());
        prop_assert_eq!(read.sign(MESSAGE), key.sign(MESSAGE));
        prop_assert_eq!(PublicKey::from_pem(&key.public().to_pem()).unwrap(), key.public());
        let mut changed = pem.as_bytes().to_vec();
        let at = at % changed.len();
        changed[at] ^= 1 << bit;
        if let Some(other) = String::from_utf8(changed).ok().and_then(|it| SigningKey::from_pem(&it).ok()) {
            // White space at an end of a line.
            prop_assert_eq!(other.public(), key.public());
        }
    }
}

//! OpenSSL 3 and we read each other's SM2 keys and accept each other's signatures, and neither accepts a changed byte.

use crate::sample;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use evidence::Checkpoint;
use serde_json::json;
use signing::{PublicKey, Purpose, SM2_IDENTITY, Sign as _, SigningKey};
use sm2::dsa::Signature as Numbers;
use std::{path::Path, process::Command};
use tempfile::TempDir;
use vocabulary::{Digest, Signature, Suite};

const SUITE: Suite = Suite::Sm2Sm3;

/// `r ‖ s` as OpenSSL writes it, in DER: nowhere else do we speak that.
fn to_der(signature: &Signature) -> Vec<u8> {
    let bytes = STANDARD.decode(&signature.value).unwrap();
    Numbers::from_slice(&bytes).unwrap().to_der().as_bytes().to_vec()
}

fn from_der(der: &[u8]) -> [u8; 64] {
    Numbers::from_der(der).unwrap().to_bytes().into()
}

/// Runs `openssl` in `folder`; says whether it was content.
fn openssl(folder: &Path, arguments: &str) -> bool {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
    let output = output.expect("OpenSSL 3 is there: apt-get install openssl");
    if !output.status.success() {
        eprintln!("openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success()
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn verifies(public: PublicKey, bytes: &[u8], der: &[u8]) -> bool {
    let folder = folder(&[("public.pem", public.to_pem().as_bytes()), ("bytes", bytes), ("signature", der)]);
    let options = format!("-rawin -digest sm3 -pkeyopt distid:{SM2_IDENTITY}");
    openssl(folder.path(), &format!("pkeyutl -verify -pubin -inkey public.pem -in bytes -sigfile signature {options}"))
}

fn signs(pem: &str, bytes: &[u8]) -> Vec<u8> {
    let folder = folder(&[("secret.pem", pem.as_bytes()), ("bytes", bytes)]);
    let options = format!("-rawin -digest sm3 -pkeyopt distid:{SM2_IDENTITY}");
    assert!(openssl(folder.path(), &format!("pkeyutl -sign -inkey secret.pem -in bytes -out signature {options}")));
    std::fs::read(folder.path().join("signature")).unwrap()
}

/// What we sign, in each of the forms that we sign, OpenSSL verifies; a changed byte it refuses.
#[test]
fn openssl_verifies_what_we_sign() {
    let key = sample::beside();
    let document = json!({"b": 1, "a": "江苏"});
    let checkpoint = Checkpoint { origin: sample::origin().unwrap(), size: 0, root: evidence::merkle::root(&[]) };
    let mut note = checkpoint.sign(&sample::keys().log).unwrap();
    note.countersign(sample::ORIGIN, &key).unwrap();
    let line = STANDARD.encode(&note.signatures()[1].bytes);
    let message = b"\"@method\": GET\n\"@signature-params\": (\"@method\");alg=\"sm2-sm3\"".to_vec();
    let signed = |bytes: Vec<u8>| (key.sign(&bytes), bytes);
    for (signature, bytes) in [
        signed(Vec::from(b"message digest")),
        signed(message),
        signed((0..=255).cycle().take(10_000).collect()),
        (key.sign_canonical(Purpose::Receipt, &document).unwrap(), Purpose::Receipt.bytes(&document).unwrap()),
        (Signature { value: line, ..key.sign(b"") }, Purpose::Note.wrap(checkpoint.text().as_bytes())),
    ] {
        assert!(verifies(key.public(), &bytes, &to_der(&signature)));
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 1;
        assert!(!verifies(key.public(), &changed, &to_der(&signature)));
        assert!(!verifies(SigningKey::from_seed(SUITE, &[5; 32]).public(), &bytes, &to_der(&signature)));
    }
}

/// What OpenSSL signs, with our key file and with one of its own, we verify; a changed byte we refuse.
#[test]
fn we_verify_what_openssl_signs() {
    let ours = sample::beside();
    let made = folder(&[]);
    assert!(openssl(made.path(), "genpkey -algorithm SM2 -out secret.pem"));
    assert!(openssl(made.path(), "pkey -in secret.pem -pubout -out public.pem"));
    let [secret, public] =
        ["secret.pem", "public.pem"].map(|it| std::fs::read_to_string(made.path().join(it)).unwrap());
    let theirs = SigningKey::from_pem(&secret).unwrap();
    assert_eq!(PublicKey::from_pem(&public).unwrap(), theirs.public());
    assert_eq!(theirs.public().to_pem(), public);
    for (pem, public) in [(ours.to_pem(), ours.public()), (theirs.to_pem(), theirs.public())] {
        for bytes in [&b""[..], b"message digest", &[7; 4_096]] {
            let signature = from_der(&signs(&pem, bytes));
            public.verify_raw(bytes, &signature).unwrap();
            assert!(public.verify_raw(&[bytes, b"x"].concat(), &signature).is_err());
            assert!(sample::keys().log.public().verify_raw(bytes, &signature).is_err());
        }
    }
}

/// SM3 as OpenSSL computes it.
#[test]
fn openssl_hashes_alike() {
    for length in [0, 1, 55, 56, 63, 64, 65, 1_000] {
        let bytes: Vec<u8> = (0..=255).cycle().take(length).collect();
        let place = folder(&[("bytes", &bytes)]);
        assert!(openssl(place.path(), "dgst -sm3 -binary -out digest bytes"));
        let theirs = std::fs::read(place.path().join("digest")).unwrap();
        assert_eq!(theirs, Digest::by(SUITE, &bytes).hash);
    }
}

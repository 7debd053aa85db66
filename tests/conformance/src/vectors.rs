//! The small vectors: one file per format, as JSON with its inputs and what must come out.

use crate::{
    Files,
    sample::{ORIGIN, at, beside, body, keys, origin, pretty, receipt, salt},
};
use evidence::{Checkpoint, Note, VerifierKey, batch, digest_of_entry, entry, leaf_digest, merkle, merkle_leaf};
use serde_json::{Value, json};
use signing::{Purpose, SM2_IDENTITY, Sign as _};
use vocabulary::{Digest, Hash, Problem, Suite, canonical_bytes, canonical_digest};

/// Texts whose canonical form is pinned: key order by UTF-16, escapes, numbers, CJK, an astral character.
const JSON: [&str; 6] = [
    r#"{"b":2,"a":1}"#,
    r#"{"名称":"江苏省市场监督管理局","𠀀":true,"ﬀ":null,"":[]}"#,
    r#"{"n":[0,-0,1.0,1e21,1e-7,333333333.33333329,4.50,9007199254740992]}"#,
    r#"{"s":"\u0000\u001f\b\f\n\r\t\"\\\/\u007f\u20ac"}"#,
    r#"{"\u20ac":"Euro","\r":"CR","\ufb33":"Hebrew","1":"One","\ud83d\ude00":"Emoji","\u0080":"Control","\u00f6":"o"}"#,
    r#"{"nested":{"z":[{"y":1,"x":2}],"a":{}}}"#,
];

/// All of them.
///
/// # Errors
/// Those of the formats: none, unless a format has changed.
pub fn all() -> Result<Files, Problem> {
    let files = [
        ("canonical.json", canonical()?),
        ("leaf.json", leaves()?),
        ("note.json", note()?),
        ("checkpoint.json", checkpoint()?),
        ("inclusion.json", inclusion()),
        ("consistency.json", consistency()),
        ("batch.json", batches()?),
        ("sm2.json", sm2()?),
    ];
    Ok(files.into_iter().map(|(name, value)| (name.to_owned(), pretty(&value))).collect())
}

fn canonical() -> Result<Value, Problem> {
    let cases = JSON.iter().map(|text| {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let bytes = canonical_bytes(&value)?;
        Ok(json!({"json": text, "canonical": String::from_utf8_lossy(&bytes), "digest": Digest::of(&bytes)}))
    });
    Ok(json!({"about": "RFC 8785 bytes and their digest", "cases": cases.collect::<Result<Vec<_>, Problem>>()?}))
}

fn leaf(number: u64) -> Result<Digest, Problem> {
    Ok(leaf_digest(Suite::default(), &salt(number), &canonical_bytes(&body(number))?))
}

fn leaves() -> Result<Value, Problem> {
    let cases = (0..3).map(|number| {
        let digest = leaf(number)?;
        Ok(json!({
            "body": String::from_utf8_lossy(&canonical_bytes(&body(number))?),
            "salt": hex::encode(salt(number).0),
            "leaf": digest,
            "entry": hex::encode(entry(&digest)),
            "merkle_leaf": hex::encode(merkle_leaf(&digest)),
            "digest_of_entry": digest_of_entry(&entry(&digest))?,
        }))
    });
    let about = "leaf = SHA-256(salt || body); entry = 01 || leaf; merkle_leaf = SHA-256(00 || entry)";
    Ok(json!({"about": about, "cases": cases.collect::<Result<Vec<_>, Problem>>()?}))
}

fn note() -> Result<Value, Problem> {
    let key = keys().log;
    let text = "云河\n\nsecond paragraph\n";
    let note = Note::sign(text.to_owned(), ORIGIN, &key)?;
    Ok(json!({
        "about": "C2SP signed-note; the secret key is 32 bytes of 01",
        "text": text,
        "vkey": VerifierKey::new(ORIGIN, key.public())?.to_string(),
        "note": note.to_string(),
    }))
}

fn checkpoint() -> Result<Value, Problem> {
    let cases = [0, 1, 270].map(|size| {
        let checkpoint = Checkpoint { origin: origin()?, size, root: merkle::root(&hashes(size)) };
        let root = hex::encode(checkpoint.root);
        Ok(json!({"size": size, "root": root, "note": checkpoint.sign(&keys().log)?.to_string()}))
    });
    let cases = cases.into_iter().collect::<Result<Vec<_>, Problem>>()?;
    Ok(json!({"about": "C2SP tlog-checkpoint over the leaves of this sample", "cases": cases}))
}

fn sm2() -> Result<Value, Problem> {
    let key = beside();
    let document = json!({"b": 1, "a": "江苏"});
    let checkpoint = Checkpoint { origin: origin()?, size: 1, root: merkle::root(&hashes(1)) };
    let mut note = checkpoint.sign(&keys().log)?;
    note.countersign(ORIGIN, &key)?;
    Ok(json!({
        "about": "suite sm2-sm3; the secret is 32 bytes of 04; k by RFC 6979 with HMAC-SM3; signatures are r || s",
        "identity": SM2_IDENTITY,
        "public": key.public(),
        "public_pem": key.public().to_pem(),
        "document": document,
        "signed": String::from_utf8_lossy(&Purpose::Request.bytes(&document)?),
        "signature": key.sign_canonical(Purpose::Request, &document)?,
        "digest": canonical_digest(Suite::Sm2Sm3, &document)?,
        "vkey": VerifierKey::new(ORIGIN, key.public())?.to_string(),
        "checkpoint": note.to_string(),
        "signed_by_the_line": String::from_utf8_lossy(&Purpose::Note.wrap(checkpoint.text().as_bytes())),
    }))
}

fn hashes(size: u64) -> Vec<Hash> {
    (0..size).filter_map(|it| leaf(it).ok()).map(|it| merkle_leaf(&it)).collect()
}

fn hex_all(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(hex::encode).collect()
}

fn inclusion() -> Value {
    let cases = [(0, 1), (0, 2), (1, 3), (4, 5), (6, 7), (5, 8), (255, 257), (256, 257), (100, 270)];
    let cases = cases.map(|(index, size)| {
        let leaves = hashes(size);
        let path = merkle::hashes(&leaves, &merkle::inclusion_ranges(index, size));
        let leaf = usize::try_from(index).ok().and_then(|it| leaves.get(it)).map(hex::encode);
        let root = hex::encode(merkle::root(&leaves));
        json!({"index": index, "size": size, "merkle_leaf": leaf, "root": root, "path": hex_all(&path)})
    });
    json!({"about": "RFC 6962 inclusion proofs over the leaves of this sample", "cases": cases})
}

fn consistency() -> Value {
    let cases = [(1, 1), (1, 2), (2, 3), (3, 7), (4, 7), (6, 8), (7, 8), (200, 270), (256, 270)];
    let cases = cases.map(|(from, to)| {
        let (old, new) = (hashes(from), hashes(to));
        let path = merkle::hashes(&new, &merkle::consistency_ranges(from, to));
        json!({
            "from": from, "to": to, "path": hex_all(&path),
            "from_root": hex::encode(merkle::root(&old)), "to_root": hex::encode(merkle::root(&new)),
        })
    });
    json!({"about": "RFC 6962 consistency proofs over the leaves of this sample", "cases": cases})
}

fn batches() -> Result<Value, Problem> {
    let leaves = (0..5).map(leaf).collect::<Result<Vec<_>, _>>()?;
    let proofs = batch::sign(&keys().provider, &origin()?, at(11), &leaves)?;
    let root = proofs.first().map(|it| it.root);
    let statement = json!({
        "format": "yunhe-batch/1", "integrate_by": at(11), "origin": ORIGIN, "root": root, "size": 5,
    });
    let signed = Purpose::Receipt.bytes(&statement)?;
    Ok(json!({
        "about": "one signature per commit batch; the secret key is 32 bytes of 02",
        "leaves": leaves,
        "signed": String::from_utf8_lossy(&signed),
        "proofs": proofs,
        "receipt": receipt(3, None, true)?,
    }))
}

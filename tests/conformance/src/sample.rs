//! A small log with its proofs and receipts, as a folder that `run.sh` verifies. Fixed keys, fixed times, fixed salts.

use crate::Files;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use evidence::{LogPromise, NewLeaf, Origin, Salt, VerifierKey, audit::tiles_of, batch};
use serde_json::{Value, json};
use signing::{Purpose, Sign as _, Signer, SigningKey};
use store::{Store, transact};
use vocabulary::{Digest, Problem, Suite, Timestamp, canonical_bytes};

/// The log of the samples.
pub const ORIGIN: &str = "jiangsu/js-scjg/1";
/// Leaves that become receipts: the issued one and the acknowledged one.
const RECEIPTS: [u64; 2] = [3, 7];

/// The keys of the samples: never used for anything else.
pub struct Keys {
    /// Signs checkpoints.
    pub log: SigningKey,
    /// Signs the provider's batches.
    pub provider: SigningKey,
    /// Signs the consumer's requests and acknowledgements.
    pub consumer: SigningKey,
}

/// The fixed keys.
pub fn keys() -> Keys {
    let key = |seed| SigningKey::from_seed(Suite::default(), &[seed; 32]);
    Keys { log: key(1), provider: key(2), consumer: key(3) }
}

/// The fixed origin.
///
/// # Errors
/// Never: it is well formed.
pub fn origin() -> Result<Origin, Problem> {
    Ok(ORIGIN.parse::<Origin>()?)
}

/// A fixed time: `second` seconds into the sample.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_514_400 + second).unwrap_or_default()
}

/// The fixed salt of leaf `number`.
pub fn salt(number: u64) -> Salt {
    Salt(Digest::of(format!("salt {number}").as_bytes()).hash)
}

/// The body of leaf `number`: a receipt's.
pub fn body(number: u64) -> Value {
    json!({
        "format": "yunhe-receipt/1",
        "id": format!("rcp_{number:032x}"),
        "federation": "jiangsu",
        "provider": "js-scjg",
        "consumer": "nj-gxj",
        "actor": "惠企政策平台",
        "agreement": "agr_00000000000000000000000000000001",
        "agreement_digest": Digest::of(b"agreement"),
        "record": "legal-person-operation",
        "purpose": "惠企政策匹配",
        "request": Digest::of(format!("request {number}").as_bytes()),
        "answer": Digest::of(format!("answer {number}").as_bytes()),
        "rows": number,
        "bytes": 100 * number,
        "at": at(1),
    })
}

fn leaf(number: u64) -> Result<NewLeaf, Problem> {
    let body = String::from_utf8(canonical_bytes(&body(number))?).unwrap_or_default();
    Ok(NewLeaf { kind: "receipt", body, salt: salt(number) })
}

/// The fixed SM2 key that signs checkpoints beside the log's own.
pub fn beside() -> SigningKey {
    SigningKey::from_seed(Suite::Sm2Sm3, &[4; 32])
}

/// The folder of a log that grew to each of `sizes`, with a checkpoint at each.
///
/// # Errors
/// What the store says.
pub async fn folder(sizes: &[u64]) -> Result<Files, Problem> {
    folder_beside(sizes, None).await
}

/// The same folder, where an SM2 key signs each checkpoint too.
///
/// # Errors
/// What the store says.
pub async fn folder_beside(sizes: &[u64], beside: Option<&SigningKey>) -> Result<Files, Problem> {
    let beside = beside.map(|it| it as &dyn Signer);
    let temporary = tempfile::tempdir()
        .map_err(|it| Problem::new(vocabulary::Kind::Internal, "conformance.folder", it.to_string(), it.to_string()))?;
    let store = Store::open(&format!("sqlite:{}", temporary.path().join("log.db").display()), "log").await?;
    evidence::migrate(&store).await?;
    let (keys, origin) = (keys(), origin()?);
    transact!(store, None, |tx| evidence::open(tx, &origin, salt(0), at(0)).await)?;
    let mut files = Files::new();
    let mut from = 0;
    for size in sizes {
        let leaves = (from..*size).map(leaf).collect::<Result<Vec<_>, _>>()?;
        transact!(store, None, |tx| evidence::append_all(tx, &leaves, at(1)).await)?;
        while evidence::sequence_beside(&store, &keys.log, beside, at(2)).await?.is_full() {}
        if let Some(note) = evidence::checkpoint(&mut store.read().await?).await? {
            files.insert(format!("checkpoints/{size}"), note.into_bytes());
        }
        from = *size;
    }
    serve(&store, from, &mut files).await?;
    prove(&store, from, &mut files).await?;
    let key = VerifierKey::new(ORIGIN, keys.log.public())?;
    files.insert("log.vkey".to_owned(), format!("{key}\n").into_bytes());
    let known = json!({"provider": [keys.provider.public().base64()], "consumer": [keys.consumer.public().base64()]});
    files.insert("keys.json".to_owned(), pretty(&known));
    store.close().await;
    Ok(files)
}

async fn serve(store: &Store, size: u64, files: &mut Files) -> Result<(), Problem> {
    let mut reader = store.read().await?;
    let checkpoint = evidence::checkpoint(&mut reader).await?.unwrap_or_default();
    files.insert("checkpoint".to_owned(), checkpoint.into_bytes());
    for path in tiles_of(size) {
        let bytes = evidence::tile(&mut reader, path).await?.unwrap_or_default();
        files.insert(path.to_string(), bytes);
    }
    Ok(())
}

async fn prove(store: &Store, size: u64, files: &mut Files) -> Result<(), Problem> {
    let mut reader = store.read().await?;
    for number in [0, 1, size / 2, size - 1] {
        let digest = leaf(number)?.digest();
        let proof = evidence::inclusion(&mut reader, &digest).await?.map(|it| it.to_string()).unwrap_or_default();
        files.insert(format!("proofs/{}.tlog-proof", digest.hex()), proof.into_bytes());
    }
    for (number, acknowledged) in RECEIPTS.into_iter().zip([false, true]).filter(|(it, _)| *it < size) {
        let digest = leaf(number)?.digest();
        let proof = evidence::inclusion(&mut reader, &digest).await?.map(|it| it.to_string());
        let receipt = receipt(number, proof, acknowledged)?;
        files.insert(format!("receipts/{number}.json"), pretty(&receipt));
    }
    Ok(())
}

/// The receipt of leaf `number`, issued in one batch with the ten leaves from zero on.
///
/// # Errors
/// What the signer says.
pub fn receipt(number: u64, log_proof: Option<String>, acknowledged: bool) -> Result<Value, Problem> {
    let (keys, origin, body) = (keys(), origin()?, body(number));
    let digests = (0..11).map(|it| Ok(leaf(it)?.digest())).collect::<Result<Vec<_>, Problem>>()?;
    let place = usize::try_from(number).unwrap_or_default();
    let batch = batch::sign(&keys.provider, &origin, at(11), &digests)?.swap_remove(place);
    let promise = LogPromise { origin, leaf: digests[place], integrate_by: at(11) };
    let content = STANDARD.encode(Digest::of(format!("request {number}").as_bytes()).hash);
    let base = format!(
        "\"@method\": POST\n\"@path\": /exchange/query\n\"content-digest\": sha-256=:{content}:\n\
         \"@signature-params\": (\"@method\" \"@path\" \"content-digest\");created={};keyid=\"nj-gxj\"",
        at(1).as_second()
    );
    let asked = json!({"signature": keys.consumer.sign(base.as_bytes()), "base": base});
    let mut receipt = json!({
        "body": body, "salt": hex::encode(salt(number).0), "log": promise, "batch": batch, "asked": asked,
    });
    if acknowledged {
        let body = json!({
            "format": "yunhe-acknowledgement/1", "leaves": [promise.leaf], "by": "nj-gxj", "at": at(20),
        });
        let signature = keys.consumer.sign_canonical(Purpose::Acknowledgement, &body)?;
        receipt["acknowledgement"] = json!({"body": body, "signatures": [signature]});
    }
    if let Some(proof) = log_proof {
        receipt["log_proof"] = json!(proof);
    }
    Ok(receipt)
}

/// JSON as it stands in the folder: members sorted, whatever order the JSON library keeps.
pub fn pretty(value: &Value) -> Vec<u8> {
    let sorted = canonical_bytes(value).ok().and_then(|it| serde_json::from_slice::<Value>(&it).ok());
    format!("{:#}\n", sorted.unwrap_or_default()).into_bytes()
}

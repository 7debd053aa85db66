//! Laws of the pure parts: against RFC 6962's own recursion, against crate `ct-merkle`, and against every flipped bit.

use crate::{
    audit::{audit, tiles_of},
    merkle::*,
    tile::*,
    *,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::{collection::vec, prelude::*};
use sha2::Sha256;
use signing::SigningKey;
use vocabulary::{Digest, Hash, Suite, Timestamp, canonical_bytes};

pub(crate) const ORIGIN: &str = "jiangsu/js-scjg/1";

pub(crate) fn origin() -> Origin {
    ORIGIN.parse().unwrap()
}

/// A key that is the same in every run.
pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(Suite::default(), &[seed; 32])
}

pub(crate) fn verifier(name: &str, seed: u8) -> VerifierKey {
    VerifierKey::new(name, key(seed).public()).unwrap()
}

pub(crate) fn digest(number: u64) -> Digest {
    leaf_digest(Suite::default(), &Salt([7; 32]), format!("{{\"number\":{number}}}").as_bytes())
}

fn entries(size: u64) -> Vec<[u8; ENTRY_BYTES]> {
    (0..size).map(|it| entry(&digest(it))).collect()
}

fn leaves(size: u64) -> Vec<Hash> {
    (0..size).map(|it| merkle_leaf(&digest(it))).collect()
}

/// RFC 6962 section 2.1, word for word.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let mut k = 1;
            while k * 2 < leaves.len() {
                k *= 2;
            }
            node_hash(&naive_root(&leaves[..k]), &naive_root(&leaves[k..]))
        }
    }
}

fn oracle(size: u64) -> MemoryBackedTree<Sha256, [u8; ENTRY_BYTES]> {
    let mut tree = MemoryBackedTree::new();
    entries(size).into_iter().for_each(|it| tree.push(it));
    tree
}

/// The tiles of a log that grew in steps of `steps` leaves.
fn grown(steps: &[u64]) -> (Edge, Tiles) {
    let mut edge = Edge::default();
    let mut tiles = Tiles::new();
    let all = entries(steps.iter().sum());
    let mut rest = all.as_slice();
    for step in steps {
        let (now, later) = rest.split_at(usize::try_from(*step).unwrap());
        tiles.extend(edge.append(now));
        rest = later;
    }
    (edge, tiles)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Our root is RFC 6962's and `ct-merkle`'s.
    #[test]
    fn roots_agree(size in 0_u64..700) {
        let leaves = leaves(size);
        prop_assert_eq!(root(&leaves), naive_root(&leaves));
        if size > 0 {
            prop_assert_eq!(root(&leaves).to_vec(), oracle(size).root().as_bytes().to_vec());
        }
    }

    /// What a publication replaces are the tiles that were begun before it and are full after it, and no others.
    #[test]
    fn a_tile_goes_when_its_full_one_is_there(from in 0_u64..700, by in 0_u64..700) {
        let (edge, tiles) = grown(&[from]);
        let head = decide::Head { origin: origin(), size: from, root: edge.root(), signed: from > 0 };
        let more = entries(from + by).split_off(usize::try_from(from).unwrap());
        let pending = decide::Pending { head, edge: tiles.clone(), entries: more };
        let next = decide::publication(&pending, &key(1), None).unwrap();
        prop_assert_eq!(next.is_none(), by == 0 && from > 0);
        let Some(next) = next else { return Ok(()) };
        let begun: Vec<_> = tiles.keys().filter(|it| !it.is_full()).map(|it| it.full()).collect();
        let made: Vec<_> = next.tiles.iter().map(|(path, _)| *path).collect();
        let expected: Vec<_> = made.into_iter().filter(|it| it.is_full() && begun.contains(it)).collect();
        prop_assert_eq!(next.filled, expected);
        let (size, root) = (from + by, root(&leaves(from + by)));
        prop_assert_eq!(next.checkpoint, Checkpoint { origin: origin(), size, root });
    }

    /// An inclusion proof is the oracle's, from leaves and from tiles; it verifies at its place and at no other.
    #[test]
    fn inclusion_agrees((size, index) in (1_u64..700).prop_flat_map(|it| (Just(it), 0..it)), other in 0_u64..700) {
        let leaves = leaves(size);
        let path = hashes(&leaves, &inclusion_ranges(index, size));
        let at = usize::try_from(index).unwrap();
        prop_assert_eq!(path.concat(), oracle(size).prove_inclusion(at).as_bytes().to_vec());
        let plan = Plan::inclusion(index, size).unwrap();
        let (_, tiles) = grown(&[size]);
        prop_assert_eq!(&plan.hashes(&tiles).unwrap(), &path);
        let top = root(&leaves);
        prop_assert_eq!(verify_inclusion(&leaves[at], index, size, &path, &top), Ok(()));
        if other != index {
            prop_assert!(verify_inclusion(&leaves[at], other, size, &path, &top).is_err());
        }
        // A size that splits elsewhere may still fit the path of this leaf, but never a path of another length.
        let mut longer = path.clone();
        longer.push(top);
        prop_assert!(verify_inclusion(&leaves[at], index, size, &longer, &top).is_err());
        for place in 0..path.len() {
            let mut bad = path.clone();
            bad[place][5] ^= 1;
            prop_assert_eq!(verify_inclusion(&leaves[at], index, size, &bad, &top), Err(Fault::RootDiffers));
        }
    }

    /// A consistency proof is the oracle's, from leaves and from tiles; it verifies for its two trees and for no other.
    #[test]
    fn consistency_agrees((to, from) in (1_u64..700).prop_flat_map(|it| (Just(it), 0..=it))) {
        let leaves = leaves(to);
        let at = usize::try_from(from).unwrap();
        let (old, new) = (root(&leaves[..at]), root(&leaves));
        let path = hashes(&leaves, &consistency_ranges(from, to));
        if 0 < from && from < to {
            let additions = usize::try_from(to - from).unwrap();
            prop_assert_eq!(path.concat(), oracle(to).prove_consistency(additions).as_bytes().to_vec());
        }
        let (_, tiles) = grown(&[to]);
        prop_assert_eq!(&Plan::consistency(from, to).unwrap().hashes(&tiles).unwrap(), &path);
        prop_assert_eq!(verify_consistency((from, &old), (to, &new), &path), Ok(()));
        let mut fork = leaves.clone();
        if from > 0 {
            fork[at - 1][0] ^= 1;
            let forked = root(&fork);
            prop_assert!(verify_consistency((from, &old), (to, &forked), &path).is_err());
            prop_assert!(verify_consistency((from, &forked), (to, &new), &path).is_err());
        }
        for place in 0..path.len() {
            let mut bad = path.clone();
            bad[place][31] ^= 0x80;
            prop_assert!(verify_consistency((from, &old), (to, &new), &bad).is_err());
        }
    }

    /// However a log grows, its tiles are those of the finished log, no path ever changes its bytes, its edge can be
    /// loaded from them, and the root is right after every step.
    #[test]
    fn tiles_do_not_depend_on_the_steps(steps in vec(0_u64..300, 1..6)) {
        let mut edge = Edge::default();
        let mut tiles = Tiles::new();
        let all = entries(steps.iter().sum());
        let mut size = 0;
        for step in &steps {
            let (from, to) = (usize::try_from(size).unwrap(), usize::try_from(size + step).unwrap());
            for (path, bytes) in edge.append(&all[from..to]) {
                prop_assert_eq!(bytes.len(), path.bytes());
                prop_assert!(tiles.insert(path, bytes.clone()).is_none_or(|it| it == bytes), "{} changed", path);
            }
            size += step;
            prop_assert_eq!(edge.root(), root(&leaves(size)));
            prop_assert_eq!(Edge::load(size, &tiles).unwrap().root(), edge.root());
        }
        let (_, whole) = grown(&[size]);
        prop_assert!(whole.iter().all(|(path, bytes)| tiles.get(path) == Some(bytes)));
        prop_assert_eq!(whole.keys().copied().collect::<Vec<_>>(), sorted(tiles_of(size)));
        prop_assert_eq!(audit(size, &edge.root(), &tiles), vec![]);
    }

    /// A tile path reads back; what reads back is how it prints.
    #[test]
    fn tile_paths_read_back(level in 0_u8..=63, index in any::<u64>(), width in 1_u16..=256, entries in any::<bool>()) {
        let level = if entries { Level::Entries } else { Level::Hashes(level) };
        let path = TilePath { level, index, width };
        prop_assert_eq!(path.to_string().parse::<TilePath>(), Ok(path));
    }

    /// In a batch of any size each leaf has its proof, and no other leaf has.
    #[test]
    fn batches_prove_each_leaf(size in 1_u64..70, other in 0_u64..100) {
        let (promises, proofs) = batch(size);
        for (index, (promise, proof)) in (0_u64..).zip(promises.iter().zip(&proofs)) {
            prop_assert_eq!(proof.verify(promise).unwrap(), key(2).public());
            if other != index {
                let strange = LogPromise { leaf: digest(other), ..promise.clone() };
                prop_assert_eq!(proof.verify(&strange).unwrap_err().code, "evidence.root");
            }
        }
    }
}

fn sorted(mut paths: Vec<TilePath>) -> Vec<TilePath> {
    paths.sort();
    paths
}

fn batch(size: u64) -> (Vec<LogPromise>, Vec<BatchProof>) {
    let origin = origin();
    let integrate_by: Timestamp = "2026-11-24T10:00:01Z".parse().unwrap();
    let leaves = (0..size).map(digest).collect::<Vec<_>>();
    let proofs = batch::sign(&key(2), &origin, integrate_by, &leaves).unwrap();
    let promise = |leaf| LogPromise { origin: origin.clone(), leaf, integrate_by };
    (leaves.into_iter().map(promise).collect(), proofs)
}

/// The vectors of the Certificate Transparency reference implementation (RFC 6962).
#[test]
fn certificate_transparency_vectors_hold() {
    let inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    assert_eq!(hex::encode(empty_root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let leaves = inputs.map(|it| leaf_hash(&hex::decode(it).unwrap()));
    for (size, expected) in (1..).zip(roots) {
        assert_eq!(hex::encode(root(&leaves[..size])), expected, "size {size}");
    }
}

/// The tile counts of the specification's example.
#[test]
fn seventy_thousand_leaves_have_the_tiles_of_the_specification() {
    let of = |level| tiles_of(70_000).into_iter().filter(|it| it.level == Level::Hashes(level)).collect::<Vec<_>>();
    assert_eq!(of(0).iter().filter(|it| it.is_full()).count(), 273);
    assert_eq!(of(0).last().unwrap().to_string(), "tile/0/273.p/112");
    assert_eq!(of(1).iter().map(ToString::to_string).collect::<Vec<_>>(), ["tile/1/000", "tile/1/001.p/17"]);
    assert_eq!(of(2).iter().map(ToString::to_string).collect::<Vec<_>>(), ["tile/2/000.p/1"]);
    assert_eq!(of(3), vec![]);
    let deep = TilePath { level: Level::Entries, index: 1_234_067, width: 256 };
    assert_eq!(deep.to_string(), "tile/entries/x001/x234/067");
}

#[test]
fn strange_tile_paths_are_refused() {
    for bad in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/000",
        "tile/0/x001",
        "tile/0/001/002",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p/1/",
        "tile/0/../000",
        "/tile/0/000",
        "tile/entry/000",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/0/000.p/-1",
        "tile/0/+00",
    ] {
        assert_eq!(bad.parse::<TilePath>(), Err(Fault::TilePath(bad.to_owned())), "{bad}");
    }
}

/// The example of C2SP signed-note, with its verifier key.
#[test]
fn the_note_of_the_specification_verifies() {
    let key = VerifierKey::parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k").unwrap();
    assert_eq!(key.to_string(), "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k");
    let text = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2\
        ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    let note = Note::parse(text).unwrap();
    assert_eq!(note.text(), "This is an example message.\n");
    assert_eq!(note.verify(std::slice::from_ref(&key)).unwrap(), [&key]);
    assert_eq!(note.to_string(), text);
    let other = verifier("example.com/foo", 9);
    assert!(matches!(note.verify(&[other]), Err(Fault::Unsigned(_))));
}

/// Texts with empty lines, several signatures, unknown ones among them: kept, ignored, printed again as they were.
#[test]
fn unknown_signatures_are_kept_and_ignored() {
    let key = verifier("example.com/ours", 3);
    let mut note = Note::sign("one\n\ntwo\n".to_owned(), key.name(), &super::tests::key(3)).unwrap();
    note.add(NoteSignature { name: "witness.example/火".to_owned(), id: [1, 2, 3, 4], bytes: vec![6; 2500] });
    let again = Note::parse(&note.to_string()).unwrap();
    assert_eq!(again, note);
    assert_eq!(again.text(), "one\n\ntwo\n");
    assert_eq!(again.signatures().len(), 2);
    assert_eq!(again.verify(std::slice::from_ref(&key)).unwrap(), [&key]);
    // A wrong signature by a known key spoils the note, however many right ones stand beside it.
    note.add(NoteSignature { name: key.name().to_owned(), id: key.id(), bytes: vec![0; 64] });
    assert_eq!(note.verify(std::slice::from_ref(&key)), Err(Fault::Signature("example.com/ours".to_owned())));
}

/// A key of SM2, which signs checkpoints beside the log's own.
fn sm2_key(seed: u8) -> SigningKey {
    SigningKey::from_seed(Suite::Sm2Sm3, &[seed; 32])
}

/// SM2 stands beside Ed25519 and never in its place; whoever does not know it reads the note as ever.
#[test]
fn an_sm2_line_stands_beside_the_log_s_own() {
    let checkpoint = Checkpoint { origin: origin(), size: 3, root: root(&leaves(3)) };
    let mut note = checkpoint.sign(&key(1)).unwrap();
    note.countersign(ORIGIN, &sm2_key(1)).unwrap();
    let (ours, beside) = (verifier(ORIGIN, 1), VerifierKey::new(ORIGIN, sm2_key(1).public()).unwrap());
    assert_eq!(VerifierKey::parse(&beside.to_string()).unwrap(), beside);
    assert!(beside.to_string().contains("+/3l1bmhlL3NtMi1zbTM"), "{beside}");
    assert_ne!(beside.id(), ours.id());
    let text = note.to_string();
    for known in [vec![ours.clone()], vec![ours.clone(), beside.clone()]] {
        assert_eq!(Checkpoint::open(&text, &known).unwrap(), checkpoint);
        assert_eq!(Note::parse(&text).unwrap().verify(&known).unwrap().len(), known.len());
    }
    assert_eq!(Checkpoint::open(&text, std::slice::from_ref(&beside)), Err(Fault::Unsigned(ORIGIN.to_owned())));
    let first = text.lines().find(|it| it.starts_with("— ")).unwrap();
    let alone = Note::parse(&text.replace(&format!("{first}\n"), "")).unwrap();
    assert_eq!(alone.signatures(), &note.signatures()[1..]);
    let both = [ours, beside];
    assert_eq!(Checkpoint::open(&alone.to_string(), &both), Err(Fault::Unsigned(ORIGIN.to_owned())));
    // The line is of another text, or signed as the log's own line is: then it spoils the note for whoever knows it.
    let other = Checkpoint { size: 2, ..checkpoint.clone() };
    let mut stolen = other.sign(&key(1)).unwrap();
    stolen.add(note.signatures()[1].clone());
    assert_eq!(Checkpoint::open(&stolen.to_string(), &both), Err(Fault::Signature(ORIGIN.to_owned())));
    let plain = sm2_key(1).sign(checkpoint.text().as_bytes());
    let bytes = STANDARD.decode(plain.value).unwrap();
    let mut bare = checkpoint.sign(&key(1)).unwrap();
    bare.add(NoteSignature { bytes, ..note.signatures()[1].clone() });
    assert_eq!(Checkpoint::open(&bare.to_string(), &both), Err(Fault::Signature(ORIGIN.to_owned())));
    for (_, bad) in flips(text.as_bytes()).step_by(3) {
        let opened = String::from_utf8(bad).ok().map(|it| Checkpoint::open(&it, &both));
        // A flip in name or id of one line makes it a stranger's: then the other one counts, if it is the log's own.
        assert!(!matches!(opened, Some(Ok(other)) if other != checkpoint));
    }
}

/// A batch is signed by either suite; its tree is RFC 6962's, whichever suite its leaves are of.
#[test]
fn a_batch_is_signed_by_either_suite() {
    let integrate_by: Timestamp = "2026-11-24T10:00:01Z".parse().unwrap();
    let leaves: Vec<_> = Suite::ALL.into_iter().map(|it| leaf_digest(it, &Salt([7; 32]), b"{}")).collect();
    let proofs = batch::sign(&sm2_key(2), &origin(), integrate_by, &leaves).unwrap();
    for (leaf, proof) in leaves.iter().zip(proofs) {
        assert_eq!(digest_of_entry(&entry(leaf)), Ok(*leaf));
        let promise = LogPromise { origin: origin(), leaf: *leaf, integrate_by };
        assert_eq!(proof.verify(&promise).unwrap(), sm2_key(2).public());
        let renamed = Digest { suite: Suite::Sm2Sm3, ..proof.root };
        assert_eq!(BatchProof { root: renamed, ..proof.clone() }.verify(&promise).unwrap_err().code, "evidence.batch");
        let later = LogPromise { integrate_by: "2027-01-01T00:00:00Z".parse().unwrap(), ..promise.clone() };
        assert_eq!(proof.verify(&later).unwrap_err().code, "evidence.signature");
        let mut other = proof.clone();
        other.signature.suite = Suite::default();
        assert_eq!(other.verify(&promise).unwrap_err().code, "signing.public_key");
    }
    assert_eq!(
        digest_of_entry(&[&[3][..], &[0; 32]].concat()),
        Err(Fault::Proof("an entry begins with a known suite code"))
    );
}

#[test]
fn malformed_notes_are_refused() {
    let good = Note::sign("a\n".to_owned(), "k", &key(1)).unwrap().to_string();
    let line = good.split_once("\n\n").unwrap().1;
    for bad in [
        String::new(),
        "a\n".to_owned(),
        "a\n\n".to_owned(),
        format!("a\n{line}"),
        format!("a\r\n\n{line}"),
        format!("a\u{0}\n\n{line}"),
        good.trim_end().to_owned(),
        format!("{good}\n"),
        good.replace('—', "-"),
        good.replace("— k ", "—  "),
        good.replace("— k ", "— k+1 "),
        good.replace("— k ", "— k\u{3000}k "),
        good.replace('=', ""),
        format!("a\n\n{}", line.repeat(SIGNATURES_MAX + 1)),
        format!("{}\n\n{line}", "a".repeat(NOTE_BYTES_MAX)),
    ] {
        assert!(matches!(Note::parse(&bad), Err(Fault::Note(_))), "{bad:?}");
    }
    for bad in ["", "a+b", "a+00000000+AQ==", "x+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "a+1+BA=="] {
        assert!(matches!(VerifierKey::parse(bad), Err(Fault::Key(_))), "{bad:?}");
    }
}

#[test]
fn a_checkpoint_reads_back_and_nothing_else_does() {
    let checkpoint = Checkpoint { origin: origin(), size: 0, root: empty_root() };
    let text = "jiangsu/js-scjg/1\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    assert_eq!(checkpoint.text(), text);
    assert_eq!(Checkpoint::parse(text), Ok(checkpoint.clone()));
    for bad in [
        text.trim_end().to_owned(),
        format!("{text}extension\n"),
        text.replace("\n0\n", "\n00\n"),
        text.replace("\n0\n", "\n+0\n"),
        text.replace("\n0\n", "\n18446744073709551616\n"),
        text.replace("/1\n", "/01\n"),
        text.replace("/1\n", "/0\n"),
        text.replace("/1\n", "\n"),
        text.replace("jiangsu", "Jiangsu"),
        text.replace('=', ""),
        text.replace("FU=", "FV="),
    ] {
        assert!(matches!(Checkpoint::parse(&bad), Err(Fault::Checkpoint(_))), "{bad:?}");
    }
    // A known key of another name does not make it our log's word.
    let note = Note::sign(checkpoint.text(), "jiangsu/other/1", &key(1)).unwrap().to_string();
    let other = verifier("jiangsu/other/1", 1);
    assert_eq!(Checkpoint::open(&note, &[other]), Err(Fault::Unsigned(ORIGIN.to_owned())));
}

#[test]
fn a_leaf_is_hidden_by_its_salt_and_named_with_its_suite() {
    let digest = digest(1);
    assert_ne!(digest, leaf_digest(Suite::default(), &Salt([8; 32]), b"{\"number\":1}"));
    assert_eq!(digest_of_entry(&entry(&digest)), Ok(digest));
    assert!(digest_of_entry(&[3; 33]).is_err() && digest_of_entry(&[1; 32]).is_err() && digest_of_entry(&[]).is_err());
    assert_eq!(format!("{:?}", Salt([1; 32])), "Salt(•)");
}

/// Every bit of `bytes` flipped in turn.
fn flips(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len() * 8).map(|bit| {
        let mut bad = bytes.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        (bit / 8, bad)
    })
}

fn log(size: u64) -> (Vec<VerifierKey>, String, Tiles) {
    let (edge, tiles) = grown(&[size]);
    let checkpoint = Checkpoint { origin: origin(), size, root: edge.root() };
    (vec![verifier(ORIGIN, 1)], checkpoint.sign(&key(1)).unwrap().to_string(), tiles)
}

#[test]
fn every_flipped_bit_of_a_checkpoint_is_found_and_named() {
    let (keys, checkpoint, _) = log(5);
    assert_eq!(Checkpoint::open(&checkpoint, &keys).unwrap().size, 5);
    for (at, bad) in flips(checkpoint.as_bytes()) {
        let Ok(text) = String::from_utf8(bad) else { continue };
        let fault = Checkpoint::open(&text, &keys).expect_err(&format!("byte {at}: {text}"));
        let named = matches!(fault, Fault::Note(_) | Fault::Checkpoint(_) | Fault::Unsigned(_) | Fault::Signature(_));
        assert!(named, "byte {at}: {fault}");
    }
}

#[test]
fn every_flipped_bit_of_a_log_proof_is_found_and_named() {
    let (keys, checkpoint, tiles) = log(13);
    let path = Plan::inclusion(6, 13).unwrap().hashes(&tiles).unwrap();
    let proof = LogProof { index: 6, path, checkpoint };
    let text = proof.to_string();
    assert_eq!(LogProof::parse(&text), Ok(proof.clone()));
    assert_eq!(proof.verify(&origin(), &digest(6), &keys).unwrap().size, 13);
    assert_eq!(proof.verify(&origin(), &digest(5), &keys), Err(Fault::RootDiffers));
    for (at, bad) in flips(text.as_bytes()) {
        let Ok(text) = String::from_utf8(bad) else { continue };
        let fault = LogProof::parse(&text)
            .and_then(|it| it.verify(&origin(), &digest(6), &keys))
            .expect_err(&format!("byte {at}"));
        assert!(!fault.to_string().is_empty(), "byte {at}: {fault}");
    }
    let extra = text.replace("\nindex", "\nextra YQ==\nindex");
    assert!(matches!(LogProof::parse(&extra), Err(Fault::Proof(_))));
}

#[test]
fn every_flipped_bit_of_a_batch_proof_is_found_and_named() {
    let (promises, proofs) = batch(11);
    let receipt = serde_json::json!({"log": promises[4], "batch": proofs[4]});
    let bytes = canonical_bytes(&receipt).unwrap();
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Receipt {
        log: LogPromise,
        batch: BatchProof,
    }
    let ours = key(2).public();
    let open = |bytes: &[u8]| -> Result<signing::PublicKey, String> {
        let receipt: Receipt = serde_json::from_slice(bytes).map_err(|it| it.to_string())?;
        receipt.batch.verify(&receipt.log).map_err(|it| it.code.to_string())
    };
    assert_eq!(open(&bytes), Ok(ours));
    for (at, bad) in flips(&bytes) {
        // The key of the signature is compared with the membership by the caller: here with ours.
        let found = open(&bad).is_err() || open(&bad) != Ok(ours);
        assert!(found, "byte {at}: {}", String::from_utf8_lossy(&bad));
    }
}

/// Every bit of a log within one tile, and every seventh byte of one over two levels.
#[test]
fn every_flip_in_every_tile_is_found_and_its_tile_named() {
    for (size, step) in [(23, 1), (270, 8 * 7)] {
        let (keys, checkpoint, tiles) = log(size);
        let checkpoint = Checkpoint::open(&checkpoint, &keys).unwrap();
        assert_eq!(audit(size, &checkpoint.root, &tiles), vec![]);
        for path in tiles_of(size) {
            let bytes = &tiles[&path];
            let each = bytes.len() / usize::from(path.width);
            for (at, flipped) in flips(bytes).step_by(step) {
                let mut bad = tiles.clone();
                bad.insert(path, flipped);
                let faults = audit(size, &checkpoint.root, &bad);
                assert_eq!(faults, vec![Fault::Tile { path, place: at / each }], "{path} byte {at}");
            }
            let mut bad = tiles.clone();
            bad.get_mut(&path).unwrap().pop();
            assert!(matches!(audit(size, &checkpoint.root, &bad)[..], [Fault::TileLength { .. }]));
            bad.remove(&path);
            assert_eq!(audit(size, &checkpoint.root, &bad), vec![Fault::TileMissing(path)]);
        }
    }
}

/// Where a partial tile is gone because the log has grown, the full one serves.
#[test]
fn old_proofs_come_from_full_tiles() {
    let (_, mut later) = grown(&[300, 300]);
    later.retain(|path, _| path.is_full() || path.level == Level::Hashes(1));
    let (edge, tiles) = grown(&[300]);
    let plan = Plan::inclusion(280, 300).unwrap();
    assert_eq!(plan.hashes(&later), plan.hashes(&tiles));
    assert_eq!(plan.clone().from_tiles_of(600).hashes(&grown(&[600]).1), plan.hashes(&tiles));
    let path = plan.hashes(&later).unwrap();
    assert_eq!(verify_inclusion(&merkle_leaf(&digest(280)), 280, 300, &path, &edge.root()), Ok(()));
    assert!(plan.tiles().iter().any(|it| !later.contains_key(it)));
    assert_eq!(Plan::inclusion(300, 300).unwrap_err(), Fault::IndexBeyond { index: 300, size: 300 });
    assert_eq!(Plan::consistency(3, 2).unwrap_err(), Fault::IndexBeyond { index: 3, size: 2 });
    assert!(matches!(plan.hashes(&Tiles::new()), Err(Fault::TileMissing(_))));
}

#[test]
fn a_batch_is_bounded_and_never_empty() {
    let origin = origin();
    let at: Timestamp = "2026-11-24T10:00:01Z".parse().unwrap();
    let none = batch::sign(&key(2), &origin, at, &[]).unwrap_err();
    assert_eq!(none.code, "evidence.batch");
    let (promises, mut proofs) = batch(3);
    proofs[0].size = 0;
    assert_eq!(proofs[0].verify(&promises[0]).unwrap_err().code, "evidence.batch");
    let later = LogPromise { integrate_by: "2027-01-01T00:00:00Z".parse().unwrap(), ..promises[1].clone() };
    assert_eq!(proofs[1].verify(&later).unwrap_err().code, "evidence.signature");
    assert!(STANDARD.decode(&proofs[1].signature.value).is_ok_and(|it| it.len() == 64));
}

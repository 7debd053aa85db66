use crate::{Files, sample, vectors};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A log over two levels of tiles, with a checkpoint at each size.
const SIZES: [u64; 5] = [1, 5, 11, 256, 270];

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn write(folder: &Path, files: &Files) {
    for (path, bytes) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

fn read(folder: &Path) -> Files {
    let files = walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok).filter(|it| it.file_type().is_file());
    let name = |it: &Path| it.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
    files.map(|it| (name(it.path()), std::fs::read(it.path()).unwrap())).collect()
}

/// Our formats are frozen: the code makes the committed bytes. A difference means that a format has changed; that needs
/// a new version of the format, not new vectors. `YUNHE_BLESS=1` writes them where a format is new.
#[tokio::test]
async fn the_committed_vectors_are_what_our_code_makes() {
    let mut made = vectors::all().unwrap();
    made.extend(sample::folder(&SIZES).await.unwrap().into_iter().map(|(path, it)| (format!("log/{path}"), it)));
    let folder = here().join("vectors");
    if std::env::var_os("YUNHE_BLESS").is_some() {
        drop(std::fs::remove_dir_all(&folder));
        write(&folder, &made);
    }
    let committed = read(&folder);
    assert_eq!(made.keys().collect::<Vec<_>>(), committed.keys().collect::<Vec<_>>());
    for (path, bytes) in &made {
        assert!(committed[path] == *bytes, "{path} differs");
    }
}

/// Runs the independent verifiers; `None` where their tools are missing, which is then said.
fn verify(folder: &Path) -> Option<Output> {
    let output = Command::new(here().join("run.sh")).arg(folder).output().unwrap();
    if output.status.code() == Some(77) {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    Some(output)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Go's x/mod and PyPI's pymerkle accept a log that we serve, all its proofs and its receipts.
#[tokio::test]
async fn independent_programs_accept_our_log_and_receipts() {
    for sizes in [&[11][..], &SIZES, &[20, 300, 512, 1_500]] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &sample::folder(sizes).await.unwrap());
        let Some(output) = verify(folder.path()) else { return };
        assert!(output.status.success(), "{sizes:?}: {}", said(&output));
        let size = sizes.last().unwrap();
        for line in [
            format!(
                "verified jiangsu/js-scjg/1: {size} entries, {} earlier checkpoints, 4 proofs, 2 receipts",
                sizes.len()
            ),
            format!("verified with pymerkle: {size} entries, {} earlier checkpoints, 4 proofs", sizes.len()),
        ] {
            assert!(said(&output).contains(&line), "{}", said(&output));
        }
    }
}

/// They accept the same log where an SM2 key signs its checkpoints too: a line by a key that they do not know.
#[tokio::test]
async fn independent_programs_pass_over_sm2_lines() {
    let folder = tempfile::tempdir().unwrap();
    let files = sample::folder_beside(&SIZES, Some(&sample::beside())).await.unwrap();
    let checkpoint = String::from_utf8(files["checkpoint"].clone()).unwrap();
    assert_eq!(checkpoint.lines().filter(|it| it.starts_with("— ")).count(), 2, "{checkpoint}");
    write(folder.path(), &files);
    let Some(output) = verify(folder.path()) else { return };
    assert!(output.status.success(), "{}", said(&output));
    for line in ["270 entries, 5 earlier checkpoints, 4 proofs, 2 receipts", "verified with pymerkle: 270 entries"] {
        assert!(said(&output).contains(line), "{}", said(&output));
    }
}

/// They refuse the same folder with one bit of any file changed, wherever that file is signed or committed to.
#[tokio::test]
async fn independent_programs_refuse_any_change() {
    let folder = tempfile::tempdir().unwrap();
    let files = sample::folder(&SIZES).await.unwrap();
    write(folder.path(), &files);
    if verify(folder.path()).is_none() {
        return;
    }
    for (path, bytes) in &files {
        for share in [0, 1, 2, 3] {
            let at = (bytes.len() - 1) * share / 3;
            let mut bad = bytes.clone();
            bad[at] ^= 4;
            std::fs::write(folder.path().join(path), &bad).unwrap();
            let go = Command::new(here().join(".venv/verify-go")).arg(folder.path()).output().unwrap();
            // White space around a JSON document or a key file means nothing.
            let harmless = bytes[at].is_ascii_whitespace() && bad[at].is_ascii_whitespace();
            assert!(go.status.code() == Some(1) || harmless, "{path} byte {at}: {}", said(&go));
            if path.starts_with("tile/") {
                let python = [here().join("python/verify.py"), folder.path().to_owned()];
                let python = Command::new(here().join(".venv/bin/python")).args(python).output().unwrap();
                assert_eq!(python.status.code(), Some(1), "{path} byte {at}: {}", said(&python));
            }
        }
        std::fs::write(folder.path().join(path), bytes).unwrap();
    }
    assert!(verify(folder.path()).unwrap().status.success(), "unchanged again");
}

/// The receipts of the sample are receipts to `exchange`, which verifies them too; and a receipt with any bit flipped
/// is refused, unless the flip means nothing (white space).
#[tokio::test]
async fn the_sample_receipts_are_receipts_of_ours() {
    let keys = sample::keys();
    let log = [evidence::VerifierKey::new(sample::ORIGIN, keys.log.public()).unwrap()];
    let (provider, consumer) = ([keys.provider.public()], [keys.consumer.public()]);
    let keys = exchange::Keys { provider: &provider, consumer: &consumer, log: &log };
    let files = sample::folder(&[11]).await.unwrap();
    for (name, acknowledged) in [("receipts/3.json", false), ("receipts/7.json", true)] {
        let receipt: exchange::Receipt = serde_json::from_slice(&files[name]).unwrap();
        let proven = exchange::verify(&receipt, &keys).unwrap();
        assert_eq!((proven.acknowledged, proven.logged), (acknowledged, true), "{name}");
        for bit in 0..files[name].len() * 8 {
            let mut bad = files[name].clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let Ok(other) = serde_json::from_slice::<exchange::Receipt>(&bad) else { continue };
            let refused = exchange::verify(&other, &keys).is_err();
            assert!(refused || other == receipt, "{name} byte {}: {}", bit / 8, String::from_utf8_lossy(&bad));
        }
    }
}

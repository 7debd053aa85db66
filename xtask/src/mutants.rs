//! `cargo xtask mutants`: takes one guard away at a time, and asks the tests of its crate whether they notice.
//!
//! `cargo mutants` does it, on a copy of the sources. It does not look into macros, and our guards are `ensure!`: in
//! the copy each is written out as a `match` with a guard, so that it is taken away like any other.

mod guards;

use crate::failure::Failure;
use crate::place;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `--help` prints.
pub const HELP: &str = "\
用法 usage: cargo xtask mutants [CRATE…] [-- cargo mutants 的参数 its arguments]

逐一改坏或拿掉 pure/ 与各 decide.rs 的判断，看本 crate 的测试是否发现；逐个 crate 运行，漏网的列在最后。
Spoils or removes each decision of pure/ and of every decide.rs and sees whether the tests of its crate notice; crate
by crate, what nobody noticed is listed at the end. Needs cargo-mutants and cargo-nextest. All: more than an hour.

  CRATE…        只看这些；不写则全部 only these; none named: all
  -- --list     例：只列出 for example: only list them
";

/// How long a mutated crate's tests may take before they count as caught in a loop; they take three seconds at most.
const TEST_SECONDS_MAX: &str = "30";

/// Runs the named crates, or all.
///
/// # Errors
/// Where a mutant was missed, a crate is not known, or `cargo mutants` cannot run.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let ours = arguments.iter().position(|it| it == "--").unwrap_or(arguments.len());
    let (named, rest) = arguments.split_at(ours);
    let known = crates(&place::root())?;
    if let Some(strange) = named.iter().find(|it| !known.contains(*it)) {
        return Err(Failure::unknown(strange, "mutants"));
    }
    let chosen: Vec<&String> = if named.is_empty() { known.iter().collect() } else { named.iter().collect() };
    let work = place::target().join("mutants");
    let tree = work.join("tree");
    copy(&place::root(), &tree)?;
    let mut told = Vec::new();
    for name in chosen {
        told.push(mutate(name, &tree, &work.join(name), rest.get(1..).unwrap_or_default())?);
    }
    let missed: Vec<String> = told.iter().flat_map(|(_, missed)| missed.clone()).collect();
    println!();
    told.iter().for_each(|(line, _)| println!("{line}"));
    missed.iter().for_each(|it| println!("  {it}"));
    if missed.is_empty() {
        return Ok(());
    }
    let count = missed.len();
    Err(Failure::new(format!("{count} 处改坏了也没有测试发现"), format!("{count} mutants were noticed by no test")))
}

/// The crates that decide: those of `pure/`, and each act with a `decide.rs`.
fn crates(root: &Path) -> Result<BTreeSet<String>, Failure> {
    let mut names = BTreeSet::new();
    for (layer, decides) in [("pure", "src/lib.rs"), ("acts", "src/decide.rs")] {
        let folder = root.join(layer);
        let entries = fs::read_dir(&folder).map_err(|error| Failure::io(&folder.display().to_string(), error))?;
        let folders = entries.flatten().filter(|it| it.path().join(decides).is_file());
        names.extend(folders.filter_map(|it| it.file_name().into_string().ok()));
    }
    Ok(names)
}

/// Brings `tree` up to the sources at `root`, guards written out. What is the same stays: cargo looks at times.
fn copy(root: &Path, tree: &Path) -> Result<(), Failure> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|error| Failure::io("git ls-files", error))?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let files: BTreeSet<PathBuf> = listed.split('\0').map(PathBuf::from).filter(|it| root.join(it).is_file()).collect();
    for gone in walkdir::WalkDir::new(tree).into_iter().flatten().filter(|it| it.file_type().is_file()) {
        let inside = gone.path().strip_prefix(tree).is_ok_and(|it| files.contains(it));
        if !inside {
            fs::remove_file(gone.path()).map_err(|error| Failure::io(&gone.path().display().to_string(), error))?;
        }
    }
    for path in &files {
        let told = |error| Failure::io(&path.display().to_string(), error);
        let mut bytes = fs::read(root.join(path)).map_err(told)?;
        if decides(path) {
            bytes = guards::written_out(&String::from_utf8_lossy(&bytes)).into_bytes();
        }
        let to = tree.join(path);
        if fs::read(&to).is_ok_and(|it| it == bytes) {
            continue;
        }
        fs::create_dir_all(to.parent().unwrap_or(tree)).map_err(told)?;
        fs::write(&to, bytes).map_err(told)?;
    }
    Ok(())
}

/// Whether the file is one that `.cargo/mutants.toml` asks about.
fn decides(path: &Path) -> bool {
    let rust = path.extension().is_some_and(|it| it == "rs");
    let tests = path.iter().any(|it| it == "tests" || it == "tests.rs");
    rust && !tests && (path.starts_with("pure") || path.iter().any(|it| it == "decide" || it == "decide.rs"))
}

/// Runs one crate and says its line of the summary, and what was missed.
fn mutate(name: &str, tree: &Path, out: &Path, rest: &[String]) -> Result<(String, Vec<String>), Failure> {
    let report = out.join("mutants.out");
    let _ = fs::remove_dir_all(&report);
    fs::create_dir_all(out).map_err(|error| Failure::io(&out.display().to_string(), error))?;
    let mut command = place::cargo();
    command.args(["mutants", "--in-place", "--no-shuffle", "--package", name]);
    command.args(["--minimum-test-timeout", TEST_SECONDS_MAX, "--output"]).arg(out).args(rest).current_dir(tree);
    // A build folder of its own: cargo takes crates of the same name in two copies of a workspace for the same ones.
    command.env("CARGO_TARGET_DIR", tree.with_file_name("build"));
    // The same words every time, and none that another mutant brought up.
    command.env("PROPTEST_RNG_SEED", "1").env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true");
    // That a law broke is enough here; its smallest case takes long to find.
    command.env("PROPTEST_MAX_SHRINK_ITERS", "0");
    if let Some(data) = place::data() {
        command.env("YUNHE_DATA", data);
    }
    let started = std::time::Instant::now();
    let status = command.status().map_err(|error| Failure::io("cargo mutants", error))?;
    // 0: all caught, 2: some missed, 3: some ran too long; anything else has its reason on the screen.
    if !matches!(status.code(), Some(0 | 2 | 3)) {
        let remedy = "cargo install --locked cargo-mutants cargo-nextest";
        return Err(Failure::new(
            format!("cargo mutants 未能运行（{status}）；未安装则：{remedy}"),
            format!("cargo mutants did not run ({status}); where it is not installed: {remedy}"),
        ));
    }
    let lines = |kind: &str| -> Vec<String> {
        let text = fs::read_to_string(report.join(format!("{kind}.txt"))).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    let [caught, missed, unviable, timeout] = ["caught", "missed", "unviable", "timeout"].map(lines);
    let (seconds, of) = (started.elapsed().as_secs(), caught.len() + missed.len() + unviable.len() + timeout.len());
    let line = format!(
        "{name:<12} {of:>4} mutants: {} caught, {} timeout, {} unviable, {} missed; {seconds} s",
        caught.len(),
        timeout.len(),
        unviable.len(),
        missed.len()
    );
    Ok((line, missed))
}

//! The repository's files: what git tracks or would track; without git, everything but build output.

use crate::failure::Failure;
use std::path::Path;
use std::process::Command;
use std::{fs, io};

/// Kinds of file that hold code.
const CODE: &[&str] = &["rs", "sql", "sh", "ts", "vue", "js", "css", "py", "go"];

/// One file, by its path from the root.
#[derive(Debug)]
pub struct Source {
    /// Path with forward slashes.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its text; empty where it is not text, or too large to read.
    pub text: String,
}

/// A file larger than this is not read, only named.
const READ_BYTES_MAX: u64 = 8 << 20;

impl Source {
    /// Whether its name ends with `.extension`.
    pub fn has_extension(&self, extension: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, it)| it == extension)
    }

    /// Whether it holds code that people read and write.
    pub fn is_code(&self) -> bool {
        let script = self.path == ".ci/run" || CODE.iter().any(|it| self.has_extension(it));
        script && !self.is_generated()
    }

    /// Whether a program wrote it.
    pub fn is_generated(&self) -> bool {
        let mark = concat!("@", "generated");
        self.path.starts_with("docs/schemas/")
            || self.path == "docs/openapi.json"
            || self.text.lines().take(5).any(|it| it.contains(mark))
    }

    /// Whether it holds tests.
    pub fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name == "tests.rs"
            || name.ends_with("_tests.rs")
            || name.contains(".spec.")
            || self.path.split('/').any(|it| it == "tests")
    }

    /// How many lines it has.
    pub fn lines(&self) -> usize {
        self.text.lines().count()
    }
}

/// Lists and reads the files of the repository at `root`.
///
/// # Errors
/// Where a listed file cannot be read.
pub fn list(root: &Path) -> Result<Vec<Source>, Failure> {
    let mut paths = tracked(root).unwrap_or_else(|| walked(root));
    paths.sort();
    paths.dedup();
    let read = paths.into_iter().filter_map(|path| match read(root, &path) {
        Ok(source) => source.map(Ok),
        Err(error) => Some(Err(Failure::io(&path, error))),
    });
    read.collect()
}

fn tracked(root: &Path) -> Option<Vec<String>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.output().ok().filter(|it| it.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.split('\0').filter(|it| !it.is_empty()).map(str::to_owned).collect())
}

fn walked(root: &Path) -> Vec<String> {
    let skipped = ["target", ".git", "node_modules", "dist", ".venv", "__pycache__"];
    let walk = walkdir::WalkDir::new(root).into_iter();
    let entries = walk.filter_entry(|it| !skipped.iter().any(|name| it.file_name() == *name)).flatten();
    let files = entries.filter(|it| it.file_type().is_file());
    let below = files.filter_map(|it| it.path().strip_prefix(root).ok().map(|it| it.to_string_lossy().into_owned()));
    below.collect()
}

/// A tracked file that has just been deleted is none; neither is a link.
fn read(root: &Path, path: &str) -> io::Result<Option<Source>> {
    let place = root.join(path);
    let bytes = match fs::symlink_metadata(&place) {
        Ok(it) if it.is_file() => it.len(),
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let raw = if bytes <= READ_BYTES_MAX { fs::read(&place)? } else { Vec::new() };
    let text = String::from_utf8(raw).unwrap_or_default();
    Ok(Some(Source { path: path.to_owned(), bytes, text }))
}

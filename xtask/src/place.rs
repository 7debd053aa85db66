//! Where things are: the workspace, the target folder, and how cargo is called.
//!
//! The one rule for the target folder stands here: `CARGO_TARGET_DIR`, or else `yunhe/target` in the user's cache.
//! Builds then survive a fresh clone. `.ci/run` repeats it in one line, since the alias builds `xtask` before this
//! runs.

use crate::failure::Failure;
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// The workspace's root folder.
pub fn root() -> PathBuf {
    // Cargo sets it when it runs us; the compiled-in one serves when the program is started by hand.
    let own =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The target folder that every cargo we start uses.
pub fn target() -> PathBuf {
    target_from(env::var_os("CARGO_TARGET_DIR").as_deref(), cache().as_deref(), &root())
}

fn target_from(set: Option<&OsStr>, cache: Option<&Path>, root: &Path) -> PathBuf {
    match (set, cache) {
        (Some(set), _) if !set.is_empty() => root.join(set),
        (_, Some(cache)) => cache.join("yunhe").join("target"),
        _ => root.join("target"),
    }
}

fn cache() -> Option<PathBuf> {
    let folder = |name: &str| env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")))
}

/// Cargo, in the workspace, with our target folder.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).env("CARGO_TARGET_DIR", target());
    // What cargo told *us* about our own package must not reach the builds we start.
    for (name, _) in env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// Builds `packages` with `profile` (`dev`, `fast`, `release`) and says the folder that holds the programs.
///
/// # Errors
/// Where cargo cannot be started or the build fails.
pub fn build(packages: &[&str], profile: &str) -> Result<PathBuf, Failure> {
    let mut command = cargo();
    command.args(["build", "--profile", profile]);
    for package in packages {
        command.args(["-p", package]);
    }
    finished(&mut command, "cargo build")?;
    Ok(target().join(if profile == "dev" { "debug" } else { profile }))
}

/// Builds the test `name` with the programs that it starts, and says the folder that holds them. With the features that
/// the whole workspace's tests have: what stands built for those is not built once more.
///
/// # Errors
/// As [`build`].
pub fn build_as_tested(name: &str) -> Result<PathBuf, Failure> {
    let mut command = cargo();
    command.args(["test", "--quiet", "--no-run", "--workspace", "--test", name]);
    finished(&mut command, "cargo test --no-run")?;
    Ok(target().join("debug"))
}

/// Runs `command` to its end.
///
/// # Errors
/// Where it cannot be started, or ends with anything but success; the exit code is handed on.
pub fn finished(command: &mut Command, name: &str) -> Result<(), Failure> {
    let status = command.status().map_err(|error| Failure::io(&format!("无法启动 cannot start {name}"), error))?;
    succeeded(status, name)
}

fn succeeded(status: ExitStatus, name: &str) -> Result<(), Failure> {
    if status.success() {
        return Ok(());
    }
    let mut failure = Failure::new(format!("{name} 未成功（{status}）"), format!("{name} did not succeed ({status})"));
    failure.exit = status.code().and_then(|it| u8::try_from(it).ok()).unwrap_or(1);
    Err(failure)
}

/// Real input beside the workspace: `YUNHE_DATA`, or `../shared/data` where it exists.
pub fn data() -> Option<PathBuf> {
    if let Some(set) = env::var_os("YUNHE_DATA").filter(|it| !it.is_empty()) {
        return Some(PathBuf::from(set));
    }
    let beside = root().parent()?.join("shared").join("data");
    beside.is_dir().then_some(beside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_folder_is_what_is_set_else_in_the_cache_else_in_the_workspace() {
        let (root, cache) = (Path::new("/w"), Path::new("/c"));
        assert_eq!(target_from(Some(OsStr::new("/t")), Some(cache), root), Path::new("/t"));
        assert_eq!(target_from(Some(OsStr::new("t")), Some(cache), root), Path::new("/w/t"));
        assert_eq!(target_from(Some(OsStr::new("")), Some(cache), root), Path::new("/c/yunhe/target"));
        assert_eq!(target_from(None, Some(cache), root), Path::new("/c/yunhe/target"));
        assert_eq!(target_from(None, None, root), Path::new("/w/target"));
    }
}

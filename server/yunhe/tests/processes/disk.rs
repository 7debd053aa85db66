//! A small disk of a test's own, which it fills and frees.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// What a full disk is filled with, at once.
const BLOCK_BYTES: usize = 4096;

/// A file system in memory, mounted in a folder of its own.
pub struct Disk(TempDir);

impl Disk {
    /// Mounts one of so many MiB; where that is not permitted, says so and gives none.
    pub fn mount(mebibytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        match mounted {
            Ok(it) if it.status.success() => Some(Self(folder)),
            Ok(it) => skip(String::from_utf8_lossy(&it.stderr).trim()),
            Err(error) => skip(&error.to_string()),
        }
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Takes all the space that is left.
    pub fn fill(&self) {
        let mut ballast = File::options().create(true).append(true).open(self.ballast()).unwrap();
        while ballast.write_all(&[0; BLOCK_BYTES]).is_ok() {}
    }

    /// Gives it back.
    pub fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

fn skip(why: &str) -> Option<Disk> {
    println!("skipped: a disk of one's own cannot be mounted here: {why}");
    None
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that was just killed may hold it for a moment more.
        drop(Command::new("umount").arg("-l").arg(self.0.path()).status());
    }
}

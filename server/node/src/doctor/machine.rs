//! Facts of the machine: processor, memory, limits, the disk under the data folder.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    time::Instant,
};

/// So many writes are made durable to learn how long one takes.
const SYNCS: usize = 16;

/// The machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// `x86_64`, `aarch64`, …
    pub architecture: String,
    /// The kernel's version.
    pub kernel: String,
    /// Processors that may be used.
    pub processors: usize,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Files that a process may open at most.
    pub open_files: u64,
}

/// The disk that a folder lies on.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Free for us.
    pub free_bytes: u64,
    /// In all.
    pub total_bytes: u64,
    /// How long it takes until 4 KiB are durable, in the middle of several; none where nothing can be written.
    pub sync_micros: Option<u64>,
    /// Why nothing can be written.
    pub why: String,
}

impl Machine {
    /// Looks at this machine.
    pub fn look() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let memory = text("/proc/meminfo");
        let memory =
            memory.lines().find_map(|it| it.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
        let limits = text("/proc/self/limits");
        // The hard limit: the node raises its own to it.
        let files = limits.lines().find_map(|it| it.strip_prefix("Max open files")?.split_whitespace().nth(1));
        Self {
            architecture: std::env::consts::ARCH.to_owned(),
            kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory.map_or(0, |it: u64| it * 1024),
            open_files: files.map_or(0, |it| it.parse().unwrap_or(u64::MAX)),
        }
    }
}

impl Place {
    /// Looks at the disk under `folder`, and writes a little to it.
    pub fn look(folder: &Path) -> Self {
        let mut place = match rustix::fs::statvfs(folder) {
            Ok(it) => Self {
                free_bytes: it.f_bavail.saturating_mul(it.f_frsize),
                total_bytes: it.f_blocks.saturating_mul(it.f_frsize),
                ..Self::default()
            },
            Err(error) => Self { why: error.to_string(), ..Self::default() },
        };
        let path = folder.join(format!(".doctor-{}", std::process::id()));
        match sync_micros(&path) {
            Ok(micros) => place.sync_micros = Some(micros),
            Err(error) => place.why = error.to_string(),
        }
        // Best effort: where it cannot be written there is nothing to remove.
        drop(fs::remove_file(&path));
        place
    }
}

fn sync_micros(path: &Path) -> std::io::Result<u64> {
    let mut file = File::create(path)?;
    let mut took = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begun = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        took.push(begun.elapsed());
    }
    took.sort();
    Ok(u64::try_from(took[SYNCS / 2].as_micros()).unwrap_or(u64::MAX))
}

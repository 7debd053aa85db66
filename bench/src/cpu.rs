//! CPU time of this process, with the load generator's apart: its threads bear its name, the kernel counts each.

use std::{fs, time::Duration};

/// The name of every thread of the load generator.
pub const GENERATOR: &str = "load-generator";
/// The kernel's tick towards user space, on every architecture of Linux.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time until now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    process: Duration,
    generator: Duration,
}

impl Cpu {
    /// What was used so far.
    pub fn now() -> Self {
        Self { process: process(), generator: generator() }
    }

    /// What everything but the load generator used since `earlier`.
    pub fn server_since(self, earlier: Self) -> Duration {
        (self.process - earlier.process).saturating_sub(self.generator - earlier.generator)
    }

    /// What the load generator used since `earlier`.
    pub fn generator_since(self, earlier: Self) -> Duration {
        self.generator - earlier.generator
    }
}

/// All threads, also those that have ended; the name in brackets may hold anything.
fn process() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
    Duration::from_millis((ticks(11) + ticks(12)) * 1_000 / TICKS_PER_SECOND)
}

fn generator() -> Duration {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten().map(|it| it.path());
    let ours = threads.filter(|it| fs::read_to_string(it.join("comm")).is_ok_and(|it| it.trim_end() == GENERATOR));
    let nanos = ours.filter_map(|it| -> Option<u64> {
        fs::read_to_string(it.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    });
    Duration::from_nanos(nanos.sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn burn(for_: Duration) {
        let begin = Instant::now();
        while begin.elapsed() < for_ {
            std::hint::black_box(process());
        }
    }

    #[test]
    fn what_the_generator_burns_is_not_the_servers() {
        let before = Cpu::now();
        let (generator, server) = (Duration::from_millis(200), Duration::from_millis(50));
        let thread = std::thread::Builder::new().name(GENERATOR.to_owned());
        let (done, wait) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = thread.spawn(move || {
            burn(generator);
            done.send(()).unwrap();
            // It lives until it was counted.
            let _ = ended.recv();
        });
        burn(server);
        wait.recv().unwrap();
        let after = Cpu::now();
        drop(end);
        thread.unwrap().join().unwrap();
        assert!(after.generator_since(before) > Duration::from_millis(20), "it is found by its name");
        let all = after.process - before.process;
        assert_eq!(after.server_since(before), all.saturating_sub(after.generator_since(before)));
        assert!(after.server_since(before) < all, "the generator's part is not the server's");
    }
}

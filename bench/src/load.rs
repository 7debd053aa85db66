//! The load generator: sends requests that were drawn up and signed before the clock starts, on threads of its own.
//!
//! Closed: so many are under way at once, each next one is sent when one is answered; that finds the peak.
//! Open: each is sent at its planned time, whatever became of those before; that is how callers who do not know of each
//! other come, and a latency counts from the planned time.

use crate::{
    cpu::{Cpu, GENERATOR},
    line::Line,
};
use bytes::Bytes;
use http::Request;
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Semaphore,
    task::JoinSet,
};

/// Requests under way at once at most in an open run; past it they wait, and their latency shows it.
const OPEN_AT_ONCE_MAX: usize = 4_096;

/// Threads that only send and receive.
pub struct Generator(Option<Runtime>);

impl Generator {
    /// With as many threads as a node of a world has.
    pub fn new() -> Self {
        Self(Some(Builder::new_multi_thread().worker_threads(2).thread_name(GENERATOR).enable_all().build().unwrap()))
    }

    /// Does something on the generator's threads.
    pub async fn run<T: Send + 'static>(&self, act: impl Future<Output = T> + Send + 'static) -> T {
        self.0.as_ref().expect("it is taken only when dropped").spawn(act).await.unwrap()
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// What a run found.
#[derive(Clone, Debug)]
pub struct Run {
    /// Latencies, the shortest first.
    times: Vec<Duration>,
    /// From the first request to the last answer.
    pub took: Duration,
    /// Bytes of all answers.
    pub bytes: u64,
    server: Duration,
    generator: Duration,
}

impl Run {
    /// Answers in a second.
    pub fn per_second(&self) -> f64 {
        self.times.len() as f64 / self.took.as_secs_f64()
    }

    /// The latency that this share of the requests did not exceed.
    pub fn within(&self, share: f64) -> Duration {
        percentile(&self.times, share)
    }

    /// CPU time of the process for one request, the generator's apart.
    pub fn server_cpu(&self) -> Duration {
        self.server.div_f64(self.times.len().max(1) as f64)
    }

    /// CPU time of the generator for one request.
    pub fn generator_cpu(&self) -> Duration {
        self.generator.div_f64(self.times.len().max(1) as f64)
    }
}

/// Of `sorted` times the one that this share does not exceed.
pub fn percentile(sorted: &[Duration], share: f64) -> Duration {
    sorted.get((sorted.len().saturating_sub(1) as f64 * share).round() as usize).copied().unwrap_or_default()
}

/// Sends `requests` over `lines`, one at a time on each, for at most `long`; each answer must be 200 and have a body.
pub async fn closed(generator: &Generator, lines: Vec<Line>, requests: Vec<Request<Bytes>>, long: Duration) -> Run {
    let (before, begin) = (Cpu::now(), Instant::now());
    let answered = generator.run(async move {
        let queue = Arc::new(Mutex::new(requests.into_iter()));
        let mut tasks = JoinSet::new();
        for mut line in lines {
            let queue = queue.clone();
            tasks.spawn(async move {
                let mut times = Vec::new();
                while begin.elapsed() < long {
                    let Some(request) = queue.lock().unwrap().next() else { break };
                    let sent = Instant::now();
                    let length = line.answered(request).await;
                    times.push((sent.elapsed(), length));
                }
                times
            });
        }
        tasks.join_all().await.into_iter().flatten().collect()
    });
    ended(answered.await, before, begin)
}

/// Sends `requests` at fixed times, so many a second, spread over `lines`. The timer ticks in milliseconds, and what it
/// is late counts as latency too.
pub async fn open(generator: &Generator, lines: Vec<Line>, requests: Vec<Request<Bytes>>, per_second: f64) -> Run {
    let (before, begin) = (Cpu::now(), Instant::now());
    let answered = generator.run(async move {
        let room = Arc::new(Semaphore::new(OPEN_AT_ONCE_MAX));
        let mut tasks = JoinSet::new();
        for (number, request) in requests.into_iter().enumerate() {
            let planned = begin + Duration::from_secs_f64(number as f64 / per_second);
            tokio::time::sleep_until(planned.into()).await;
            let place = room.clone().acquire_owned().await.unwrap();
            let mut line = lines[number % lines.len()].another();
            tasks.spawn(async move {
                let length = line.answered(request).await;
                drop(place);
                (planned.elapsed(), length)
            });
        }
        tasks.join_all().await
    });
    ended(answered.await, before, begin)
}

/// As [`open`], over connections of which each carries one request at a time: who finds none free waits, and its
/// latency shows it.
pub async fn open_own(generator: &Generator, lines: Vec<Line>, requests: Vec<Request<Bytes>>, per_second: f64) -> Run {
    let (before, begin) = (Cpu::now(), Instant::now());
    let answered = generator.run(async move {
        let (free, pool) = (Arc::new(Semaphore::new(lines.len())), Arc::new(Mutex::new(lines)));
        let mut tasks = JoinSet::new();
        for (number, request) in requests.into_iter().enumerate() {
            let planned = begin + Duration::from_secs_f64(number as f64 / per_second);
            tokio::time::sleep_until(planned.into()).await;
            let (free, pool) = (free.clone(), pool.clone());
            tasks.spawn(async move {
                let place = free.acquire_owned().await.unwrap();
                let mut line = pool.lock().unwrap().pop().expect("a line for each place");
                let length = line.answered(request).await;
                pool.lock().unwrap().push(line);
                drop(place);
                (planned.elapsed(), length)
            });
        }
        tasks.join_all().await
    });
    ended(answered.await, before, begin)
}

fn ended(answered: Vec<(Duration, usize)>, before: Cpu, begin: Instant) -> Run {
    let (took, after) = (begin.elapsed(), Cpu::now());
    let bytes = answered.iter().map(|it| it.1 as u64).sum();
    let mut times: Vec<Duration> = answered.into_iter().map(|it| it.0).collect();
    times.sort_unstable();
    Run { times, took, bytes, server: after.server_since(before), generator: after.generator_since(before) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_names_the_time_that_so_many_did_not_exceed() {
        let times: Vec<Duration> = (0..=100).map(Duration::from_millis).collect();
        for (share, millis) in [(0.0, 0), (0.5, 50), (0.99, 99), (1.0, 100)] {
            assert_eq!(percentile(&times, share), Duration::from_millis(millis));
        }
        assert_eq!(percentile(&times[..1], 0.99), Duration::ZERO);
        assert_eq!(percentile(&[], 0.99), Duration::ZERO, "nothing was sent");
    }
}

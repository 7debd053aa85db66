//! A gate before a runtime's blocking work.
//!
//! A blocking task that begins while its caller is still being polled may be done before that poll ends, or not: which
//! depends on the machine. So while the nodes are polled every thread for blocking work stands before a gate; what is
//! begun meanwhile waits behind.

use paused_tokio::runtime::Runtime;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Closed until it is dropped.
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Sets every one of the `threads` that the runtime has before a gate.
    pub fn close(runtime: &Runtime, threads: usize) -> Self {
        let gate = Self(Arc::default());
        for _ in 0..threads {
            let shared = Arc::clone(&gate.0);
            drop(runtime.spawn_blocking(move || {
                let (open, opened) = &*shared;
                let closed = open.lock().unwrap_or_else(PoisonError::into_inner);
                drop(opened.wait_while(closed, |open| !*open));
            }));
        }
        gate
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }
}

//! A line that a test holds in its hand: it passes so many bytes and then stands still, or it is cut.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// Bytes that a connection carries at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// A TCP relay between two nodes, or between a node and its database.
pub struct Relay {
    address: SocketAddr,
    line: Arc<Line>,
    task: JoinHandle<()>,
}

struct Line {
    target: SocketAddr,
    /// Bytes that still pass, both ways together; `None`: as many as come.
    left: Mutex<Option<u64>>,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Default)]
struct State {
    stands: bool,
    cut: bool,
    /// Counts cuts: a connection of an earlier count has ended.
    cuts: u64,
}

impl Relay {
    /// A relay at a free port of `on` that passes on to `target`.
    pub async fn start(on: IpAddr, target: SocketAddr) -> Self {
        let listener = TcpListener::bind((on, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let line = Arc::new(Line { target, left: Mutex::default(), state: watch::Sender::default() });
        let task = tokio::spawn(accept(listener, Arc::clone(&line)));
        Self { address, line, task }
    }

    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets so many bytes pass, both ways together, and then none.
    pub fn stop_after(&self, bytes: u64) {
        *self.line.left.lock().unwrap() = Some(bytes);
        self.line.state.send_modify(|it| it.stands = bytes == 0);
    }

    /// Waits until the line stands still.
    pub async fn stopped(&self) {
        self.line.state.subscribe().wait_for(|it| it.stands).await.unwrap();
    }

    /// Lets everything pass again, first what was held back.
    pub fn flow(&self) {
        *self.line.left.lock().unwrap() = None;
        self.line.state.send_modify(|it| it.stands = false);
    }

    /// Ends all connections and takes no new one.
    pub fn cut(&self) {
        self.line.state.send_modify(|it| (it.cut, it.cuts) = (true, it.cuts + 1));
    }

    /// Takes connections again, and lets everything pass.
    pub fn mend(&self) {
        self.line.state.send_modify(|it| it.cut = false);
        self.flow();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cut();
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, line: Arc<Line>) {
    while let Ok((near, _)) = listener.accept().await {
        let state = *line.state.borrow();
        if state.cut {
            continue;
        }
        let line = Arc::clone(&line);
        tokio::spawn(async move {
            let Ok(far) = TcpStream::connect(line.target).await else { return };
            let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
            let mut end = line.state.subscribe();
            // Whoever ends first ends both ways, as the death of a process does.
            tokio::select! {
                _ = end.wait_for(|it| it.cuts != state.cuts) => {}
                () = pump(&line, near_read, far_write) => {}
                () = pump(&line, far_read, near_write) => {}
            }
        });
    }
}

async fn pump(line: &Line, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(line.admit(rest.len()));
            if to.write_all(now).await.is_err() {
                return;
            }
            if !later.is_empty() && line.state.subscribe().wait_for(|it| !it.stands).await.is_err() {
                return;
            }
            rest = later;
        }
    }
}

impl Line {
    /// How many of so many bytes may pass now.
    fn admit(&self, wanted: usize) -> usize {
        let mut left = self.left.lock().unwrap();
        let Some(still) = left.as_mut() else { return wanted };
        let now = usize::try_from(*still).unwrap_or(usize::MAX).min(wanted);
        *still -= u64::try_from(now).unwrap();
        if *still == 0 {
            self.state.send_modify(|it| it.stands = true);
        }
        now
    }
}

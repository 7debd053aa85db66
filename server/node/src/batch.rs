//! One signature per commit batch: receipts whose transactions are durable are signed together, each with its path.

use evidence::{BatchProof, LogPromise};
use exchange::ReceiptId;
use signing::Signer;
use std::sync::Arc;
use store::{Store, transact};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::JoinHandle,
};
use vocabulary::Problem;

/// Receipts that wait for their signature at once at most; past it a delivery waits before it is issued.
const WAITING_MAX: usize = 4_096;
/// Receipts under one signature at most.
const BATCH_MAX: usize = 1_024;

struct Work {
    receipt: ReceiptId,
    promise: LogPromise,
    done: oneshot::Sender<Result<BatchProof, Problem>>,
}

/// The tasks that sign and that keep what was signed. They take whatever is there: alone under little load, in large
/// batches under much.
pub(crate) struct BatchSigner {
    queue: mpsc::Sender<Work>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl BatchSigner {
    pub(crate) fn start(store: Store, signer: Arc<dyn Signer>) -> Self {
        let (queue, work) = mpsc::channel(WAITING_MAX);
        let (keep, kept) = mpsc::channel(WAITING_MAX);
        let tasks = vec![tokio::spawn(run(signer, work, keep)), tokio::spawn(keep_all(store, kept))];
        Self { queue, tasks: Mutex::new(tasks) }
    }

    /// Signs one receipt, with whatever else waits.
    pub(crate) async fn sign(&self, receipt: ReceiptId, promise: LogPromise) -> Result<BatchProof, Problem> {
        let (done, wait) = oneshot::channel();
        let gone = |_| crate::organisation::fault("batch signer", &"stopped");
        self.queue.send(Work { receipt, promise, done }).await.map_err(|it| gone(it.to_string()))?;
        wait.await.map_err(|it| gone(it.to_string()))?
    }

    /// Stops.
    pub(crate) async fn stop(&self) {
        for task in self.tasks.lock().await.drain(..) {
            // What is not signed yet is signed at the next start, from the table.
            task.abort();
        }
    }
}

async fn run(signer: Arc<dyn Signer>, mut work: mpsc::Receiver<Work>, keep: mpsc::Sender<(ReceiptId, BatchProof)>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while work.recv_many(&mut batch, BATCH_MAX).await > 0 {
        for group in by_promise(std::mem::take(&mut batch)) {
            for signed in sign_group(&*signer, group) {
                if keep.send(signed).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The consumer has its proof already; our copy follows, and if we die before that, it is signed anew at the start.
async fn keep_all(store: Store, mut kept: mpsc::Receiver<(ReceiptId, BatchProof)>) {
    let mut proofs = Vec::with_capacity(BATCH_MAX);
    while kept.recv_many(&mut proofs, BATCH_MAX).await > 0 {
        if let Err(problem) = transact!(store, None, |tx| exchange::save_proofs(tx, &proofs).await) {
            tracing::warn!(%problem, "batch proofs were not kept");
        }
        proofs.clear();
    }
}

/// A batch has one promise, so it is grouped by the time and the log that were promised.
fn by_promise(batch: Vec<Work>) -> Vec<Vec<Work>> {
    let mut groups: Vec<Vec<Work>> = Vec::new();
    for work in batch {
        let same = |it: &Work| {
            it.promise.integrate_by == work.promise.integrate_by && it.promise.origin == work.promise.origin
        };
        match groups.iter_mut().find(|it| it.first().is_some_and(same)) {
            Some(group) => group.push(work),
            None => groups.push(vec![work]),
        }
    }
    groups
}

fn sign_group(signer: &dyn Signer, group: Vec<Work>) -> Vec<(ReceiptId, BatchProof)> {
    let Some(LogPromise { origin, integrate_by: by, .. }) = group.first().map(|it| it.promise.clone()) else {
        return Vec::new();
    };
    let leaves: Vec<_> = group.iter().map(|it| it.promise.leaf).collect();
    match evidence::batch::sign(signer, &origin, by, &leaves) {
        Ok(proofs) => group
            .into_iter()
            .zip(proofs)
            .map(|(work, proof)| {
                drop(work.done.send(Ok(proof.clone())));
                (work.receipt, proof)
            })
            .collect(),
        Err(problem) => {
            for work in group {
                drop(work.done.send(Err(problem.clone())));
            }
            Vec::new()
        }
    }
}

//! Items made on threads ahead of their consumer, in order, a bounded number at a time.

use crate::DataError;
use rayon::ThreadPool;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, sync_channel},
    },
};

/// Tells a thread that nobody wants its item any more.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Whether to give up.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes item `n`; `None` when it gave up because of [`Stop`].
type Make<T> = dyn Fn(usize, &Stop) -> Option<Result<T, DataError>> + Send + Sync;

/// Iterator over items 0, 1, 2, ... that threads make ahead of it.
///
/// After an error it ends. Dropping it early stops the threads after what they have in hand and
/// does not wait for them.
pub struct Prefetch<T> {
    pool: Arc<ThreadPool>,
    make: Arc<Make<T>>,
    total: usize,
    ahead: usize,
    /// Items handed to the threads so far.
    begun: usize,
    pending: VecDeque<Receiver<Result<T, DataError>>>,
    stop: Stop,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Starts making `total` items on `pool`, `ahead` of them (at least 1) at a time.
    pub fn new(
        pool: Arc<ThreadPool>,
        total: usize,
        ahead: usize,
        make: impl Fn(usize, &Stop) -> Option<Result<T, DataError>> + Send + Sync + 'static,
    ) -> Self {
        let (make, pending, ahead) = (Arc::new(make), VecDeque::new(), ahead.max(1));
        let mut this = Self { pool, make, total, ahead, begun: 0, pending, stop: Stop::default() };
        this.begin();
        this
    }

    /// Hands items to the threads until `ahead` of them wait or are in the making.
    fn begin(&mut self) {
        while self.begun < self.total && self.pending.len() < self.ahead {
            // Room for one, so that a thread never waits for the consumer.
            let (sender, receiver) = sync_channel(1);
            let (number, make, stop) = (self.begun, Arc::clone(&self.make), self.stop.clone());
            self.pool.spawn_fifo(move || {
                if let Some(item) = make(number, &stop) {
                    // Nobody listens any more when the iterator was dropped meanwhile.
                    let _ = sender.send(item);
                }
            });
            self.pending.push_back(receiver);
            self.begun += 1;
        }
    }
}

impl<T> Prefetch<T> {
    fn end(&mut self) {
        self.stop.set();
        self.pending.clear();
        self.begun = self.total;
    }
}

impl<T: Send + 'static> Iterator for Prefetch<T> {
    type Item = Result<T, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let receiver = self.pending.pop_front()?;
        let item = self.begun - self.pending.len() - 1;
        // A thread that panicked never sends.
        let result = receiver.recv().unwrap_or(Err(DataError::Worker { item }));
        match result {
            Ok(_) => self.begin(),
            Err(_) => self.end(),
        }
        Some(result)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.total - self.begun + self.pending.len();
        (left, Some(left))
    }
}

impl<T: Send + 'static> ExactSizeIterator for Prefetch<T> {}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.end();
    }
}

/// Threads for a loader; 0 takes as many as there are processors.
///
/// # Errors
/// [`DataError::Setting`] when the system refuses them.
pub fn threads(workers: usize) -> Result<Arc<ThreadPool>, DataError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(workers)
        .thread_name(|i| format!("loader {i}"))
        // The consumer learns of a panic from the channel that closes.
        .panic_handler(|_| {})
        .build()
        .map_err(|e| DataError::Setting {
            setting: "workers",
            expected: "a number of threads that the system grants",
            found: format!("{workers} ({e})"),
        })?;
    Ok(Arc::new(pool))
}

//! Where evaluations run.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::cell::OnceCell;

thread_local! {
    /// A pool that consists of the calling thread: entering it costs nothing.
    static SERIAL: OnceCell<Option<ThreadPool>> = const { OnceCell::new() };
}

/// Threads of one model.
#[derive(Debug)]
pub(crate) enum Threads {
    /// The calling thread.
    Caller,
    /// A pool of its own.
    Pool(ThreadPool),
}

impl Threads {
    /// This many threads; the operating system may refuse.
    pub(crate) fn new(count: usize) -> Result<Self, String> {
        if count == 1 {
            return Ok(Threads::Caller);
        }
        let pool = ThreadPoolBuilder::new().num_threads(count).build();
        pool.map(Threads::Pool).map_err(|error| format!("{count} threads: {error}"))
    }

    /// Does `work` on these threads.
    pub(crate) fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match self {
            Threads::Pool(pool) => pool.install(work),
            Threads::Caller => SERIAL.with(|serial| {
                // a caller that is a thread of somebody's pool already keeps that one
                let made = || ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
                match serial.get_or_init(|| made().ok()) {
                    Some(pool) => pool.install(work),
                    None => work(),
                }
            }),
        }
    }
}

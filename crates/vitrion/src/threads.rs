//! Threads of the machine, and how runs share them.

/// Threads the machine offers.
pub fn available() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// How many runs go at once and with how many threads each.
pub(crate) fn share(runs: usize, threads: usize) -> (usize, usize) {
    let concurrent = runs.min(threads).max(1);
    (concurrent, (threads / concurrent).max(1))
}

/// Does `work` with a pool of this many threads around it: neighbour lists and potentials inside
/// spread over them. Results do not depend on their number.
///
/// # Panics
/// If the operating system cannot start the threads.
pub fn on<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("the operating system starts a few threads")
        .install(work)
}

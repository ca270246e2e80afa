//! Listening on this machine's own address, and answering: one request a connection, a thread each, few at a
//! time, none for long.

use super::http::{self, Answer, Refusal, Request, Route};
use super::{WatchError, Watched};
use crate::report::script_json;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Connections that are served at a time; a browser opens six.
const MOST: usize = 32;
/// For the whole request, and for the whole answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A whole answer may take this long: reports are megabytes, and tunnels are slow.
const LONGEST_ANSWER: Duration = Duration::from_mins(2);
/// What is read of a request that was refused, so that its sender sees why.
const MOST_IGNORED: usize = 64 << 10;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = concat!(include_str!("../report/style.css"), include_str!("watch.css"));
const SCRIPT: &str = concat!(include_str!("../report/chart.js"), include_str!("watch.js"));

/// A page that can be served.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    port: u16,
    watched: Mutex<Watched>,
    served: AtomicUsize,
}

impl Server {
    /// Takes a port of 127.0.0.1; 0 stands for any that is free.
    ///
    /// # Errors
    /// A folder that nothing is known about (without `wait`), or a port that is taken.
    pub fn new(folder: &Path, port: u16, wait: bool) -> Result<Self, WatchError> {
        let watched = Mutex::new(Watched::new(folder, wait)?);
        let refused = |source| WatchError::Port { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(refused)?;
        let port = listener.local_addr().map_err(refused)?.port();
        Ok(Server { listener, port, watched, served: AtomicUsize::new(0) })
    }

    /// What to type into a browser.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Answers until the process ends.
    pub fn serve(&self) {
        std::thread::scope(|scope| {
            for connection in self.listener.incoming() {
                let Ok(connection) = connection else {
                    // out of files, perhaps: connections that end give some back
                    std::thread::sleep(Duration::from_millis(50));
                    continue;
                };
                let slot = Slot::take(&self.served);
                if slot.number >= MOST {
                    let busy = Answer::refusal(Refusal::Busy).bytes(false);
                    // the first bytes of a connection find room without waiting
                    let _ = connection.set_nonblocking(true);
                    let _ = (&connection).write(&busy);
                    continue;
                }
                let work = move || {
                    self.answer(&connection);
                    drop(slot);
                };
                // without a thread the connection is closed
                let _ = std::thread::Builder::new().spawn_scoped(scope, work);
            }
        });
    }

    fn answer(&self, connection: &TcpStream) {
        let timeout = |c: &&TcpStream, left| c.set_read_timeout(Some(left));
        let head = http::read_head(&mut &*connection, PATIENCE, timeout);
        let (answer, head_only) = match head.and_then(|head| http::parse(&head, self.port)) {
            Err(Refusal::Silent) => return,
            Err(refusal) => (Answer::refusal(refusal), false),
            Ok(Request { route, head_only }) => (self.content(route), head_only),
        };
        if send(connection, &answer.bytes(head_only)).is_ok() {
            finish(connection);
        }
    }

    fn content(&self, route: Route) -> Answer {
        let (media_type, policy, body) = match route {
            Route::Page => ("text/html; charset=utf-8", http::OWN_PARTS, PAGE.into()),
            Route::Style => ("text/css; charset=utf-8", http::NOTHING, STYLE.into()),
            Route::Script => ("text/javascript; charset=utf-8", http::NOTHING, SCRIPT.into()),
            Route::State { show } => {
                let state = self.watched().state(show);
                let text = serde_json::to_string(&state).expect("a state is plain data");
                ("application/json", http::NOTHING, script_json(&text).into_bytes())
            }
            Route::Report => {
                let report = self.watched().report();
                let Some(report) = report else { return Answer::refusal(Refusal::NotFound) };
                ("text/html; charset=utf-8", http::SELF_CONTAINED, report)
            }
        };
        Answer { status: "200 OK", media_type, policy, body }
    }

    fn watched(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the connections that are served, given back when dropped.
struct Slot<'a> {
    served: &'a AtomicUsize,
    /// Connections before this one.
    number: usize,
}

impl<'a> Slot<'a> {
    fn take(served: &'a AtomicUsize) -> Self {
        Slot { served, number: served.fetch_add(1, Ordering::AcqRel) }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.served.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Sends all of it, or gives up when nothing more is taken for a while, or when all takes too long.
fn send(mut connection: &TcpStream, mut bytes: &[u8]) -> std::io::Result<()> {
    let started = Instant::now();
    connection.set_write_timeout(Some(PATIENCE))?;
    while !bytes.is_empty() {
        if started.elapsed() > LONGEST_ANSWER {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        match connection.write(bytes) {
            Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Lets the other side read to the end: closing with bytes unread would take the answer back.
fn finish(mut connection: &TcpStream) {
    let _ = connection.shutdown(Shutdown::Write);
    let started = Instant::now();
    let mut ignored = 0;
    let mut piece = [0; 4096];
    while ignored < MOST_IGNORED {
        let left = PATIENCE.saturating_sub(started.elapsed());
        if left.is_zero() || connection.set_read_timeout(Some(left)).is_err() {
            return;
        }
        match connection.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(count) => ignored += count,
        }
    }
}

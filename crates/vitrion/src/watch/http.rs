//! The little of HTTP/1.1 that the page needs: requests for fixed addresses in, whole answers out.
//!
//! Nothing of an address becomes a path: it is compared with the few that there are.

use std::io::{self, Read};
use std::time::{Duration, Instant};

/// Longest head of a request, the empty line included.
const LONGEST_HEAD: usize = 8 << 10;

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Page,
    Style,
    Script,
    /// `state.json`, with the curves of one task: `state.json?show=3`.
    State {
        show: Option<usize>,
    },
    Report,
}

/// A request that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) route: Route,
    /// HEAD: the answer has no body.
    pub(super) head_only: bool,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not HTTP, or not for this host.
    Bad,
    NotFound,
    Method,
    TooLong,
    Busy,
    /// The other side went away or is too slow: nothing is answered.
    Silent,
}

impl Refusal {
    pub(super) fn status(self) -> &'static str {
        match self {
            Refusal::Bad => "400 Bad Request",
            Refusal::NotFound => "404 Not Found",
            Refusal::Method => "405 Method Not Allowed",
            Refusal::TooLong => "431 Request Header Fields Too Large",
            Refusal::Busy => "503 Service Unavailable",
            Refusal::Silent => "408 Request Timeout",
        }
    }
}

/// The head of a request, up to the empty line; all of it must come in time.
pub(super) fn read_head<R: Read>(
    connection: &mut R,
    patience: Duration,
    set_timeout: impl Fn(&R, Duration) -> io::Result<()>,
) -> Result<Vec<u8>, Refusal> {
    let started = Instant::now();
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let left = patience.saturating_sub(started.elapsed());
        if left.is_zero() || set_timeout(connection, left).is_err() {
            return Err(Refusal::Silent);
        }
        let count = match connection.read(&mut piece) {
            Ok(0) => return Err(Refusal::Silent),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Err(Refusal::Silent),
        };
        head.extend_from_slice(&piece[..count]);
        let end = head.windows(4).position(|four| four == b"\r\n\r\n");
        match end {
            Some(end) if end + 4 <= LONGEST_HEAD => {
                head.truncate(end);
                return Ok(head);
            }
            None if head.len() < LONGEST_HEAD => {}
            _ => return Err(Refusal::TooLong),
        }
    }
}

/// Understands the head of a request to this port of this machine.
///
/// The Host must be this machine: a page from elsewhere whose name suddenly means 127.0.0.1 (DNS rebinding)
/// sends its own.
pub(super) fn parse(head: &[u8], port: u16) -> Result<Request, Refusal> {
    let head = std::str::from_utf8(head).map_err(|_| Refusal::Bad)?;
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let [method, target, version] = line.split(' ').collect::<Vec<_>>()[..] else {
        return Err(Refusal::Bad);
    };
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") || method.is_empty() || target.is_empty() {
        return Err(Refusal::Bad);
    }
    let mut hosts = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(Refusal::Bad)?;
        if name.is_empty()
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        {
            return Err(Refusal::Bad);
        }
        if name.eq_ignore_ascii_case("host") {
            hosts.push(value.trim_matches([' ', '\t']));
        }
    }
    match hosts[..] {
        [host] if is_this_machine(host, port) => {}
        _ => return Err(Refusal::Bad),
    }
    let head_only = match method {
        "GET" => false,
        "HEAD" => true,
        _ => return Err(Refusal::Method),
    };
    Ok(Request { route: route(target).ok_or(Refusal::NotFound)?, head_only })
}

fn is_this_machine(host: &str, port: u16) -> bool {
    ["127.0.0.1", "localhost"].iter().any(|name| {
        let with_port = format!("{name}:{port}");
        host.eq_ignore_ascii_case(&with_port) || (port == 80 && host.eq_ignore_ascii_case(name))
    })
}

fn route(target: &str) -> Option<Route> {
    Some(match target {
        "/" => Route::Page,
        "/watch.css" => Route::Style,
        "/watch.js" => Route::Script,
        "/state.json" => Route::State { show: None },
        "/report.html" => Route::Report,
        _ => {
            let number = target.strip_prefix("/state.json?show=")?;
            let plain = number.len() <= 6 && number.bytes().all(|b| b.is_ascii_digit());
            Route::State { show: Some(number.parse().ok().filter(|_| plain)?) }
        }
    })
}

/// What is sent.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: &'static str,
    pub(super) media_type: &'static str,
    /// What the content may do in a browser.
    pub(super) policy: &'static str,
    pub(super) body: Vec<u8>,
}

/// The content may do nothing.
pub(super) const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";
/// Its own style and script and nothing else; charts colour the keys of their tooltips by attribute.
pub(super) const OWN_PARTS: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    style-src-attr 'unsafe-inline'; img-src data: blob:; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";
/// One file that holds its scripts: it may run them and reach nobody, this server included.
pub(super) const SELF_CONTAINED: &str = "default-src 'none'; script-src 'unsafe-inline'; \
    style-src 'unsafe-inline'; img-src data: blob:; connect-src 'none'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts allow-downloads";

impl Answer {
    pub(super) fn refusal(refusal: Refusal) -> Self {
        Answer {
            status: refusal.status(),
            media_type: "text/plain; charset=utf-8",
            policy: NOTHING,
            body: format!("{}\n", refusal.status()).into_bytes(),
        }
    }

    /// As it goes over the wire.
    pub(super) fn bytes(&self, head_only: bool) -> Vec<u8> {
        let allow =
            if self.status == Refusal::Method.status() { "Allow: GET, HEAD\r\n" } else { "" };
        let mut bytes = format!(
            "HTTP/1.1 {}\r\n{allow}Content-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\
             Content-Security-Policy: {}\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
             Cache-Control: no-store\r\nCross-Origin-Resource-Policy: same-origin\r\n\
             Cross-Origin-Opener-Policy: same-origin\r\nX-Frame-Options: DENY\r\n\r\n",
            self.status,
            self.media_type,
            self.body.len(),
            self.policy,
        )
        .into_bytes();
        if !head_only {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(text: &str) -> Result<Request, Refusal> {
        parse(text.as_bytes(), 8080)
    }

    fn get(target: &str) -> Result<Route, Refusal> {
        ask(&format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:8080")).map(|request| request.route)
    }

    #[test]
    fn there_are_a_few_addresses_and_no_others() {
        assert_eq!(get("/"), Ok(Route::Page));
        assert_eq!(get("/watch.js"), Ok(Route::Script));
        assert_eq!(get("/watch.css"), Ok(Route::Style));
        assert_eq!(get("/report.html"), Ok(Route::Report));
        assert_eq!(get("/state.json"), Ok(Route::State { show: None }));
        assert_eq!(get("/state.json?show=12"), Ok(Route::State { show: Some(12) }));
        for target in [
            "/../../etc/passwd",
            "/%2e%2e/",
            "/%2e%2e%2fetc%2fpasswd",
            "//",
            "/.",
            "/manifest.json",
            "/report.html/",
            "/report.html?x",
            "/state.json?show=",
            "/state.json?show=-1",
            "/state.json?show=+1",
            "/state.json?show=1234567",
            "/state.json?show=1&show=2",
            "/?",
            "/#",
            "*",
            "index.html",
            "http://127.0.0.1:8080/",
            "/STATE.JSON",
            "/\\..\\",
        ] {
            assert_eq!(get(target), Err(Refusal::NotFound), "{target}");
        }
    }

    #[test]
    fn only_reading_is_allowed() {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get"] {
            let found = ask(&format!("{method} / HTTP/1.1\r\nHost: localhost:8080"));
            assert_eq!(found, Err(Refusal::Method), "{method}");
        }
        let head = ask("HEAD / HTTP/1.1\r\nhost:LOCALHOST:8080 ").expect("understood");
        assert!(head.head_only);
    }

    #[test]
    fn hosts_that_are_not_this_machine_are_refused() {
        for host in [
            "evil.example:8080",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.1:8080.evil.example",
            "localhost.evil.example:8080",
            "localhost:8080@evil.example",
            "[::1]:8080",
            "0.0.0.0:8080",
            "",
        ] {
            let found = ask(&format!("GET / HTTP/1.1\r\nHost: {host}"));
            assert_eq!(found, Err(Refusal::Bad), "{host}");
        }
        let twice = "GET / HTTP/1.1\r\nHost: localhost:8080\r\nHost: localhost:8080";
        assert_eq!(ask(twice), Err(Refusal::Bad));
        assert_eq!(ask("GET / HTTP/1.1"), Err(Refusal::Bad));
    }

    #[test]
    fn what_is_not_http_is_refused() {
        for text in [
            "",
            "GET /",
            "GET  / HTTP/1.1\r\nHost: localhost:8080",
            "GET / HTTP/2\r\nHost: localhost:8080",
            "GET / HTTP/1.1 x\r\nHost: localhost:8080",
            "GET / HTTP/1.1\r\nHost: localhost:8080\r\nno colon",
            "GET / HTTP/1.1\r\nHost : localhost:8080",
            "GET / HTTP/1.1\r\n Host: localhost:8080",
            "GET / HTTP/1.1\nHost: localhost:8080",
        ] {
            assert_eq!(ask(text), Err(Refusal::Bad), "{text:?}");
        }
        assert_eq!(parse(b"GET /\xff HTTP/1.1", 8080), Err(Refusal::Bad));
    }

    #[test]
    fn heads_end_at_the_empty_line_and_are_not_too_long() {
        let read =
            |mut text: &[u8]| read_head(&mut text, Duration::from_mins(1), |_: &&[u8], _| Ok(()));
        assert_eq!(read(b"GET / HTTP/1.1\r\n\r\nbody"), Ok(b"GET / HTTP/1.1".to_vec()));
        assert_eq!(read(b"GET / HTTP/1.1\r\n"), Err(Refusal::Silent));
        let longest = [&vec![b'x'; LONGEST_HEAD - 4][..], b"\r\n\r\n"].concat();
        assert_eq!(read(&longest).map(|head| head.len()), Ok(LONGEST_HEAD - 4));
        let longer = [&vec![b'x'; LONGEST_HEAD - 3][..], b"\r\n\r\n"].concat();
        assert_eq!(read(&longer), Err(Refusal::TooLong));
    }

    #[test]
    fn an_answer_says_how_long_it_is_and_what_it_may_do() {
        let answer = Answer {
            status: "200 OK",
            media_type: "application/json",
            policy: NOTHING,
            body: b"{}".to_vec(),
        };
        let text = String::from_utf8(answer.bytes(false)).expect("text");
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n{}"), "{text}");
        for line in [
            "Content-Length: 2",
            "Connection: close",
            "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options: nosniff",
            "Referrer-Policy: no-referrer",
            "Cache-Control: no-store",
            "Cross-Origin-Resource-Policy: same-origin",
        ] {
            assert!(text.contains(&format!("\r\n{line}\r\n")), "no {line} in {text}");
        }
        let head = String::from_utf8(answer.bytes(true)).expect("text");
        assert!(head.contains("Content-Length: 2\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        let refused = Answer::refusal(Refusal::Method).bytes(false);
        assert!(String::from_utf8_lossy(&refused).contains("\r\nAllow: GET, HEAD\r\n"));
    }
}

//! `vitrion watch` over its socket: what it answers, what it refuses, what it never opens.

use super::{stderr, vitrion};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server that is ended with the test.
struct Serving {
    child: Child,
    port: u16,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    fn start(folder: &Path, options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vitrion"))
            .arg("watch")
            .arg(folder)
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program is built before its tests");
        let mut line = String::new();
        let out = child.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("the address");
        let port = line.trim().strip_prefix("http://127.0.0.1:").and_then(|s| s.strip_suffix('/'));
        let port = port.and_then(|port| port.parse().ok()).expect("an address of this machine");
        Serving { child, port }
    }

    /// Sends bytes and reads all that comes back.
    fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("listening");
        // the server may have answered and closed before it has read everything
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn ask(&self, method: &str, target: &str) -> String {
        let host = format!("127.0.0.1:{}", self.port);
        self.raw(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())
    }

    fn status(&self, method: &str, target: &str) -> String {
        self.ask(method, target).chars().skip("HTTP/1.1 ".len()).take(3).collect()
    }

    fn state(&self) -> Value {
        let answer = self.ask("GET", "/state.json");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        serde_json::from_str(body).expect("JSON")
    }
}

/// A run of two stages, the second of them under way.
fn write_run(folder: &Path, name: &str, id: &str, stage: &str) {
    let entry = |name: &str, number: usize, finished: bool| {
        json!({
            "name": name, "kind": "nvt", "folder": format!("runs/{id}/stages/{number:02}-{stage}"),
            "timestep_fs": 2.0, "steps": 1000, "wall_s": 0.0, "us_per_atom_step": 0.0,
            "mean_temperature_k": 0.0, "mean_pressure_gpa": 0.0, "conserved_drift_mev_per_atom_ps": 0.0,
            "finished": finished
        })
    };
    let manifest = json!({
        "format": 1, "name": name, "status": "running", "vitrion_version": "0", "commit": "", "machine": "m",
        "threads": 1, "started": "2026-01-02T03:04:05Z", "finished": "", "wall_s": 1.0, "seed": 1,
        "run_file_blake3": "", "plan_blake3": "",
        "potential": {
            "name": "p", "kind": "k", "species": [], "cutoff_a": 6.0, "precision": "mixed", "blake3": "",
            "provenance": "", "errors": [], "limitations": []
        },
        "systems": [{
            "name": "s", "source": "", "blake3": "", "formula": "Ar", "atoms": 100, "density_g_per_cm3": 1.0,
            "cell_a": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], "analyses": [],
            "runs": [{
                "id": id, "temperature_k": 60.0, "analyses": [],
                "stages": [entry("heat", 0, true), entry("production", 1, false)]
            }]
        }]
    });
    let status = json!({
        "run": id, "state": "running", "stage": name, "stage_number": 2, "stages": 2, "step": 500,
        "steps": 1000, "temperature_k": 61.0, "potential_energy_ev": -1.0, "conserved_ev": -0.5,
        "steps_per_s": 100.0, "stage_eta_s": 5.0, "updated": "2026-01-02T03:04:06Z"
    });
    let write = |path: String, text: String| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    };
    write("manifest.json".to_owned(), manifest.to_string());
    write(format!("runs/{id}/status.json"), status.to_string());
    let thermo = "step,time_ps,temperature_k,pressure_gpa,potential_energy_ev,conserved_ev,density_g_per_cm3\n\
                  0,0.0,60,0.1,-10,-5,1.0\n10,0.02,62,0.1,-9,-5,1.0\n20,0.04,6";
    write(format!("runs/{id}/stages/01-{stage}/thermo.csv"), thermo.to_owned());
}

fn running() -> (tempfile::TempDir, Serving) {
    let folder = tempfile::tempdir().expect("a folder");
    write_run(folder.path(), "argon", "argon-60K", "production");
    let serving = Serving::start(folder.path(), &[]);
    (folder, serving)
}

#[test]
fn a_run_is_shown_with_its_progress_and_curves_and_grows() {
    let (folder, serving) = running();
    let state = serving.state();
    assert_eq!((&state["kind"], &state["title"]), (&"run".into(), &"argon".into()));
    assert_eq!((&state["status"], &state["running"]), (&"running".into(), &true.into()));
    assert_eq!(state["fraction"], 0.75);
    assert_eq!(state["left_s"], 5.0);
    let task = &state["tasks"][0];
    assert_eq!((&task["name"], &task["done"]), (&"argon-60K".into(), &1500.0.into()));
    assert_eq!(task["what"], "stage 2 of 2: argon");
    let speeds = json!([[100.0, "steps/s"], [17.28, "ns/day"], [100.0, "µs/atom/step"]]);
    assert_eq!(task["speeds"].as_array().map(Vec::len), speeds.as_array().map(Vec::len));
    for (found, expected) in
        task["speeds"].as_array().into_iter().flatten().zip(speeds.as_array().into_iter().flatten())
    {
        assert_eq!(found[1], expected[1]);
        let difference = found[0].as_f64().zip(expected[0].as_f64()).map(|(a, b)| (a - b).abs());
        assert!(difference.is_some_and(|d| d < 1e-9), "{found} is not {expected}");
    }
    let curves = state["curves"].as_array().expect("curves");
    let ids: Vec<&Value> = curves.iter().map(|curve| &curve["id"]).collect();
    assert_eq!(
        ids,
        ["temperature", "pressure", "energy", "conserved"],
        "a constant density says nothing"
    );
    assert_eq!(curves[0]["lines"][0]["y"], json!([60.0, 62.0]), "the torn row is left out");
    assert_eq!(curves[2]["lines"][0]["y"], json!([0.0, 10.0]), "meV/atom, from the first");
    let thermo = folder.path().join("runs/argon-60K/stages/01-production/thermo.csv");
    let mut file = fs::OpenOptions::new().append(true).open(thermo).expect("writable");
    file.write_all(b"4,0.1,-9,-5,1.5\n").expect("writable");
    let state = serving.state();
    assert_eq!(state["curves"][0]["lines"][0]["y"], json!([60.0, 62.0, 64.0]));
    assert_eq!(state["curves"][4]["id"], "density");
}

#[test]
fn there_are_a_few_addresses_and_nothing_else_is_found() {
    let (folder, serving) = running();
    for (target, media_type) in [
        ("/", "text/html"),
        ("/watch.css", "text/css"),
        ("/watch.js", "text/javascript"),
        ("/state.json", "application/json"),
        ("/state.json?show=0", "application/json"),
        ("/state.json?show=999", "application/json"),
    ] {
        let answer = serving.ask("GET", target);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{target}: {answer}");
        assert!(answer.contains(&format!("\r\nContent-Type: {media_type}")), "{target}: {answer}");
        for header in [
            "Content-Security-Policy: default-src 'none';",
            "X-Content-Type-Options: nosniff",
            "Referrer-Policy: no-referrer",
            "Cache-Control: no-store",
            "Cross-Origin-Resource-Policy: same-origin",
        ] {
            assert!(answer.contains(&format!("\r\n{header}")), "{target}: no {header}");
        }
        assert!(!answer.contains("Access-Control"), "{target}: nobody else may read this");
    }
    let host = serving.port;
    for target in [
        "/../../etc/passwd",
        "/%2e%2e/",
        "/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "//etc/passwd",
        "/manifest.json",
        "/runs/argon-60K/status.json",
        "/report.html",
        "/state.json?show=../../etc",
        &format!("http://127.0.0.1:{host}/"),
        "*",
    ] {
        assert_eq!(serving.status("GET", target), "404", "{target}");
    }
    let page = "<!doctype html><script>1</script>";
    fs::write(folder.path().join("report.html"), page).expect("written");
    let report = serving.ask("GET", "/report.html");
    assert!(report.ends_with(page), "{report}");
    assert!(report.contains("connect-src 'none'") && report.contains("sandbox "), "{report}");
    assert_eq!(serving.state()["report"], true);
    let head = serving.ask("HEAD", "/report.html");
    assert!(head.contains(&format!("Content-Length: {}\r\n", page.len())), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "HEAD has no body: {head}");
}

#[test]
fn writing_other_hosts_and_what_is_not_http_are_refused() {
    let (_folder, serving) = running();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"] {
        assert_eq!(serving.status(method, "/"), "405", "{method}");
    }
    let own = format!("localhost:{}", serving.port);
    let status = |request: &str| {
        let answer = serving.raw(request.as_bytes());
        answer.lines().next().unwrap_or_default().to_owned()
    };
    assert!(status(&format!("GET / HTTP/1.1\r\nHost: {own}\r\n\r\n")).contains("200"));
    let body = format!("POST / HTTP/1.1\r\nHost: {own}\r\nContent-Length: 5\r\n\r\nhello");
    assert!(status(&body).contains("405"));
    for host in ["evil.example", "127.0.0.1", "127.0.0.1:1", "[::1]", "0.0.0.0"] {
        let found = status(&format!("GET /state.json HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(found, "HTTP/1.1 400 Bad Request", "{host}");
    }
    assert!(status("GET / HTTP/1.1\r\n\r\n").contains("400"), "no host");
    assert!(status("\x16\x03\x01 hello\r\n\r\n").contains("400"), "TLS");
    let long = "x".repeat(16 << 10);
    let found = status(&format!("GET / HTTP/1.1\r\nHost: {own}\r\nX: {long}\r\n\r\n"));
    // its sender may be cut off before it reads why
    assert!(found.is_empty() || found.contains("431"), "{found}");
    assert!(
        status(&format!("GET / HTTP/1.1\r\nHost: {own}\r\n\r\n")).contains("200"),
        "still there"
    );
}

#[test]
fn a_client_that_says_nothing_keeps_nobody_waiting() {
    let (_folder, serving) = running();
    let idle: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream =
                TcpStream::connect((Ipv4Addr::LOCALHOST, serving.port)).expect("listening");
            stream.write_all(b"GET / HT").expect("writable");
            stream
        })
        .collect();
    assert_eq!(serving.status("GET", "/state.json"), "200");
    drop(idle);
}

#[test]
fn a_crowd_is_sent_away_and_forgotten() {
    let (_folder, serving) = running();
    let crowd: Vec<TcpStream> = (0..100)
        .map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, serving.port)).expect("listening"))
        .collect();
    // taken in order: this one comes behind the crowd, unless that was given up meanwhile
    let found = serving.status("GET", "/");
    assert!(["503", "200", ""].contains(&found.as_str()), "{found}");
    drop(crowd);
    let answered = (0..600).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        serving.status("GET", "/") == "200"
    });
    assert!(answered, "the places are not given back");
}

#[test]
fn hostile_names_arrive_as_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = "</script><script>alert(1)</script><img src=x onerror=alert(2)>";
    write_run(folder.path(), name, "<b>", "\u{202e}\"'&");
    let serving = Serving::start(folder.path(), &[]);
    let answer = serving.ask("GET", "/state.json");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(!body.contains('<'), "{body}");
    let state: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!((&state["title"], &state["tasks"][0]["name"]), (&name.into(), &"<b>".into()));
    let page = serving.ask("GET", "/");
    assert!(!page.contains("alert(1)"), "the page itself holds nothing of the folder");
}

#[test]
fn names_that_lead_out_of_the_folder_are_not_followed() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path().join("results");
    write_run(&folder, "argon", "argon-60K", "production");
    // a table beside the results folder, which a manifest reaches for in three ways
    let outside = place.path().join("outside");
    fs::create_dir(&outside).expect("a folder");
    let table = "step,time_ps,temperature_k\n0,0,4242\n";
    fs::write(outside.join("thermo.csv"), table).expect("written");
    std::os::unix::fs::symlink(&outside, folder.join("link")).expect("a link");
    let text = fs::read_to_string(folder.join("manifest.json")).expect("readable");
    let absolute = outside.display().to_string();
    for stage in ["../outside", "runs/../../outside", &absolute, "link"] {
        let hostile = text.replace("runs/argon-60K/stages/01-production", stage);
        assert_ne!(hostile, text);
        fs::write(folder.join("manifest.json"), hostile).expect("written");
        let serving = Serving::start(&folder, &[]);
        let state = serving.state();
        assert!(!state.to_string().contains("4242"), "{stage}: {state}");
        assert!(state["notes"].to_string().contains("was not read"), "{stage}: {state}");
    }
    // the same for the folder of a run
    let hostile = text.replace("\"id\":\"argon-60K\"", "\"id\":\"../../outside\"");
    assert_ne!(hostile, text);
    fs::write(folder.join("manifest.json"), hostile).expect("written");
    let status = fs::read_to_string(folder.join("runs/argon-60K/status.json")).expect("readable");
    let status = status.replace("\"step\":500", "\"step\":4242");
    fs::write(outside.join("status.json"), status).expect("written");
    let state = Serving::start(&folder, &[]).state();
    assert_eq!(state["tasks"][0]["state"], "waiting", "{state}");
}

/// The addresses that a process listens on, from /proc.
#[cfg(target_os = "linux")]
#[test]
fn nobody_but_this_machine_can_connect() {
    let (_folder, serving) = running();
    let port = format!(":{:04X}", serving.port);
    let mut listening = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table).unwrap_or_default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.len() > 3 && words[3] == "0A" && words[1].ends_with(&port) {
                listening.push(words[1].to_owned());
            }
        }
    }
    assert_eq!(listening, [format!("0100007F{port}")], "127.0.0.1 and nothing else");
}

#[test]
fn folders_that_are_none_of_ours_are_refused_and_can_be_waited_for() {
    let place = tempfile::tempdir().expect("a folder");
    let refused = |folder: &str, words: &[&str]| {
        let output = vitrion(place.path(), &["watch", folder]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        for word in words {
            assert!(stderr(&output).contains(word), "no {word:?} in {}", stderr(&output));
        }
    };
    refused("absent", &["absent: no such folder", "--wait"]);
    fs::create_dir(place.path().join("empty")).expect("a folder");
    refused("empty", &["expected a folder of `vitrion run`", "found nothing", "--wait"]);
    fs::create_dir(place.path().join("other")).expect("a folder");
    fs::write(place.path().join("other/notes.txt"), "").expect("written");
    refused("other", &["expected a folder of `vitrion run`", "found \"notes.txt\" only"]);
    let folder = place.path().join("later");
    let serving = Serving::start(&folder, &["--wait"]);
    assert_eq!(serving.state()["kind"], "waiting");
    write_run(&folder, "argon", "argon-60K", "production");
    assert_eq!(serving.state()["kind"], "run");
    let taken = serving.port.to_string();
    let output = vitrion(place.path(), &["watch", "later", "--port", &taken]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&format!("port {taken} of this machine")));
}

#[test]
fn a_training_and_its_learning_curve_are_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let curve = "#     step  rmse_val rmse_trn rmse_e_val rmse_e_trn rmse_f_val rmse_f_trn lr\n\
                 100 1 1 0.002 0.001 0.2 0.1 1.0e-03\n200 1 1 0.002 0.001 0.1 0.05 9.0e-04\n300 1";
    fs::write(folder.path().join("lcurve.out"), curve).expect("written");
    let state = Serving::start(folder.path(), &[]).state();
    assert_eq!((&state["kind"], &state["tasks"][0]["done"]), (&"training".into(), &200.0.into()));
    let force = &state["curves"][1];
    assert_eq!((&force["id"], &force["log"]), (&"force".into(), &json!([true, true])));
    assert_eq!(force["lines"][0]["y"], json!([200.0, 100.0]));
}

#[test]
fn labels_are_counted_and_a_loop_shows_its_present_iteration() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    };
    let job = r#"{"work": "label", "frames": 4}"#;
    write("jobs/label-a/job.json", job);
    write(
        "jobs/label-a/outcomes.jsonl",
        "{\"frame\": 0}\n{\"frame\": 1, \"failure\": [\"scf\", \"\"]}\n",
    );
    let state = Serving::start(folder.path(), &[]).state();
    assert_eq!((&state["kind"], &state["fraction"]), (&"labels".into(), &0.5.into()));
    assert_eq!(state["tasks"][0]["what"], "1 labelled, 1 failed, 2 waiting");

    write("learn.toml", "name = \"loop\"\n");
    write("labels/jobs/label-a/job.json", job);
    write("iteration-000/train/member-0/lcurve.out", "# step rmse_e_trn rmse_f_trn lr\n10 1 1 1\n");
    write("iteration-000/train/member-0/done.json", "{}");
    write(
        "iteration-000/explore/a-300K/job.json",
        r#"{"work": "explore", "stage": {"steps": 50}}"#,
    );
    write("iteration-000/explore/a-300K/thermo.csv", "step,time_ps\n0,0\n20,1\n");
    write(
        "iteration-000/explore/a-300K/model_devi.out",
        "# step\n0 0 0 0 0.2 0 0\n10 0 0 0 0.4 0 0\n",
    );
    let state = Serving::start(folder.path(), &[]).state();
    assert_eq!(state["kind"], "learning");
    let names: Vec<&Value> =
        state["tasks"].as_array().into_iter().flatten().map(|task| &task["name"]).collect();
    assert_eq!(names, ["training, member-0", "exploration, a-300K", "labels"]);
    assert_eq!(
        (&state["tasks"][1]["done"], &state["tasks"][1]["all"]),
        (&20.0.into(), &50.0.into())
    );
    let curves = state["curves"].as_array().expect("curves");
    let deviations = curves.iter().find(|curve| curve["id"] == "deviations").expect("a histogram");
    assert_eq!(deviations["lines"][0]["label"], "2 explored frames");
}

#[test]
fn an_interrupt_ends_it_well() {
    let (_folder, mut serving) = running();
    assert_eq!(serving.status("GET", "/"), "200");
    let id = serving.child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().expect("a signal");
    assert!(sent.success());
    let ended = serving.child.wait().expect("it ends");
    assert_eq!(ended.code(), Some(0));
}

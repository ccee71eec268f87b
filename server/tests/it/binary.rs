//! The binary itself: what it says about its configuration, and what never appears in its logs.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::net::{Socket, auth_frame, get, request, token};
use crate::peer::PATIENCE;
use crate::world::SECRET;

/// The binary, with nothing of the tester's environment in it.
fn roomtone(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roomtone"));
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| name.starts_with("ROOMTONE_")) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    roomtone(arguments).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_bad_configuration_is_refused_with_the_key_that_is_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("roomtone.toml");
    let path = file.to_str().expect("a path");
    let flags: [(&[&str], &str); 19] = [
        (&["--listen", "nonsense"], "listen:"),
        (&["--listen", "0.0.0.0:1"], "jwt_secret:"),
        (&["--listen", "0.0.0.0:1", "--open"], "open:"),
        (&["--open", "--jwt-secret", "s"], "open:"),
        (&["--jwt-secret", ""], "jwt_secret:"),
        (&["--store", "mysql://x"], "store:"),
        (&["--redis", "http://x"], "redis:"),
        (&["--blobs", "http://x"], "blobs:"),
        (&["--blobs", "s3://id:CANARY@bucket"], "blobs:"),
        (
            &["--blobs", "s3://bucket?endpoint=http://minio:9000"],
            "allow_http=true",
        ),
        (&["--allow-origin", "https://*.example.com"], "allow_origin:"),
        (&["--limit", "room_idle_ms"], "limits:"),
        (&["--limit", "room_idle_ms=soon"], "limits.room_idle_ms:"),
        (&["--limit", "room_idle_ms=-5"], "limits.room_idle_ms:"),
        (&["--limit", "frame_bytes_max=-1"], "limits.frame_bytes_max:"),
        (&["--limit", "frame_bytes_max=1"], "limits.frame_bytes_max:"),
        (
            &["--limit", "frame_bytes_max=1000000000"],
            "limits.frame_bytes_max:",
        ),
        (
            &["--limit", "connections_count_max=9000000000000000000"],
            "limits.connections_count_max:",
        ),
        (&["--limit", "no_such_thing=1"], "no_such_thing"),
    ];
    for (flags, key) in flags {
        let output = run(&[&["config", "check"], flags].concat());
        let said = text(&output.stderr);
        assert!(!output.status.success(), "{flags:?} was taken");
        assert!(said.contains(key), "{flags:?} does not name {key}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    for (content, key) in [
        ("listen = 5", "line 1"),
        ("\nno_such_key = 1", "no_such_key"),
        ("[limits]\nroom_idle_ms = \"x\"", "room_idle_ms"),
        ("[limits]\nno_such_limit = 1", "no_such_limit"),
    ] {
        std::fs::write(&file, content).expect("written");
        let said = text(&run(&["config", "check", "--config", path]).stderr);
        assert!(said.contains(key), "`{content}` does not name {key}: {said}");
    }
    let said = text(&run(&["config", "check", "--config", "/no/such/file"]).stderr);
    assert!(said.contains("config:"), "{said}");
}

#[test]
fn a_good_configuration_is_shown_without_its_secrets() {
    let output = run(&[
        "config",
        "check",
        "--jwt-secret",
        "CANARY-CANARY-CANARY-CANARY-CANARY",
    ]);
    let said = text(&output.stdout);
    assert!(output.status.success());
    assert!(
        said.contains("JWT HS256") && said.contains("outbox_bytes_max"),
        "{said}"
    );
    assert!(!said.contains("CANARY"), "{said}");
}

#[test]
fn the_help_lists_every_flag_with_its_variable() {
    let help = text(&run(&["serve", "--help"]).stdout);
    for flag in [
        "--config",
        "--listen",
        "--data",
        "--store",
        "--blobs",
        "--redis",
        "--jwt-secret",
        "--jwt-audience",
        "--jwt-issuer",
        "--allow-origin",
        "--open",
        "--open-to-network",
        "--limit",
        "--log",
        "--log-format",
    ] {
        assert!(
            help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}\n")),
            "no {flag} in {help}"
        );
    }
    for variable in [
        "ROOMTONE_LISTEN",
        "ROOMTONE_JWT_SECRET",
        "ROOMTONE_LIMITS",
        "ROOMTONE_LOG_FORMAT",
    ] {
        assert!(help.contains(variable), "no {variable} in {help}");
    }
}

/// A running server. It ends with the test.
struct Running {
    child: Child,
    address: SocketAddr,
}

impl Running {
    fn start(data: &Path, log: &Path) -> Running {
        Running::start_with(data, log, &[], &[])
    }

    fn start_with(data: &Path, log: &Path, flags: &[&str], variables: &[(&str, &str)]) -> Running {
        let log = std::fs::File::create(log).expect("a log file");
        let mut child = roomtone(&["serve", "--listen", "127.0.0.1:0", "--log", "trace", "--data"])
            .arg(data)
            .args(flags)
            .envs(variables.iter().copied())
            .env("ROOMTONE_JWT_SECRET", text(SECRET))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("it starts");
        let output = child.stdout.take().expect("its output");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line
            .trim()
            .rsplit('/')
            .next()
            .and_then(|address| address.parse().ok());
        Running {
            child,
            address: address.unwrap_or_else(|| panic!("no address in {line:?}")),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Threat 44: tokens come in the query, in a header and in a frame, and stand in no log at any level, no metric and
/// no answer.
#[tokio::test]
async fn a_token_is_never_written_down() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let running = Running::start(&folder.path().join("data"), &log);
    let address = running.address;
    let good = token("*", "owner", 600);
    let bad = "CANARY.CANARY.CANARY";
    let mut said = String::new();
    for token in [good.as_str(), bad] {
        for path in [
            "/yjs/d",
            "/d/d/ws/d",
            "/d/d/as-update",
            "/doc/d/auth",
            "/no-such-file",
        ] {
            said += &get(address, &format!("{path}?token={token}")).await.head;
            let bearer = format!("Bearer {token}");
            let answer = request(address, "GET", path, &[("authorization", &bearer)], b"").await;
            said += &answer.text();
        }
        let _ = Socket::connect(address, &format!("/yjs/d?token={token}"), &[]).await;
        let mut socket = Socket::connect(address, "/", &[]).await.expect("a socket");
        socket.send(auth_frame("d", token)).await;
        said += &format!("{:?}", socket.next().await);
    }
    said += &get(address, "/metrics").await.text();
    drop(running);
    said += &std::fs::read_to_string(&log).expect("a log");
    for secret in [good.as_str(), &text(SECRET), "CANARY"] {
        let place = said
            .find(secret)
            .map(|at| &said[at.saturating_sub(200)..(at + 50).min(said.len())]);
        assert_eq!(place, None);
    }
}

/// A node comes up while the blob store is away, says so, and takes clients; its credentials stand nowhere.
#[tokio::test]
async fn a_blob_store_that_is_away_keeps_nobody_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    // Nobody listens on a port that was just given back.
    let port = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        socket.local_addr().expect("an address").port()
    };
    let blobs = format!("s3://documents/a?endpoint=http://127.0.0.1:{port}&region=here&allow_http=true");
    let running = Running::start_with(
        &folder.path().join("data"),
        &log,
        &["--blobs", &blobs],
        &[("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "CANARY")],
    );
    let health = get(running.address, "/healthz").await;
    assert_eq!(health.status, 503);
    assert!(health.text().contains("the blob store"), "{}", health.text());
    assert_eq!(get(running.address, "/readyz").await.status, 200);
    let path = format!("/yjs/d?token={}", token("d", "editor", 600));
    let mut socket = Socket::connect(running.address, &path, &[])
        .await
        .expect("a socket");
    socket
        .send(crate::net::update_frame(&crate::yjs::insert(7, 0, "x")))
        .await;
    socket.until(|frame| frame.starts_with(&[0, 2])).await;
    let metrics = get(running.address, "/metrics").await.text();
    assert!(
        metrics.contains("roomtone_blob_seconds_count{operation=\"put\",outcome=\"away\"}"),
        "{metrics}"
    );
    drop(running);
    let said = std::fs::read_to_string(&log).expect("a log");
    assert!(said.contains("going on without the blob store"), "{said}");
    assert!(!said.contains("CANARY") && !metrics.contains("CANARY"));
}

/// What somebody has to change is said before anything is served.
#[test]
fn a_blob_store_that_does_not_do_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let blobs = format!("file://{}/blobs", file.display());
    let data = folder.path().join("data");
    let data = data.to_str().expect("a path");
    let output = run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        data,
        "--blobs",
        &blobs,
    ]);
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.contains(&blobs), "{said}");
}

#[tokio::test]
async fn a_signal_saves_tells_the_clients_and_ends_with_zero() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut running = Running::start(&folder.path().join("data"), &folder.path().join("log"));
    let path = format!("/yjs/d?token={}", token("d", "editor", 600));
    let mut socket = Socket::connect(running.address, &path, &[])
        .await
        .expect("a socket");
    socket
        .send(crate::net::update_frame(&crate::yjs::insert(7, 0, "x")))
        .await;
    socket.until(|frame| frame.starts_with(&[0, 2])).await;
    let id = running.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .expect("kill runs")
            .success()
    );
    assert_eq!(socket.until_ended().await, Some(1012));
    let ended = tokio::task::spawn_blocking(move || running.child.wait().map(|status| status.code()));
    let code = tokio::time::timeout(PATIENCE, ended)
        .await
        .expect("it ends")
        .expect("waited");
    assert_eq!(code.expect("waited"), Some(0));
}

//! A real Redis for one test: in a folder and on a port of its own, and gone with the test however that ends.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longest time that anything about Redis may take in a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running `redis-server`.
pub(crate) struct RedisServer {
    port: u16,
    args: Vec<String>,
    folder: TempDir,
    process: Option<Child>,
}

impl RedisServer {
    /// A stand-alone one.
    pub(crate) fn start() -> RedisServer {
        RedisServer::start_with(&[])
    }

    /// One with options of its own, such as `--requirepass`.
    pub(crate) fn start_with(args: &[&str]) -> RedisServer {
        let mut server = RedisServer::stopped(args);
        server.run();
        server
    }

    /// One that is not there yet.
    pub(crate) fn stopped(args: &[&str]) -> RedisServer {
        RedisServer {
            port: free_port(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            folder: tempfile::tempdir().expect("a folder"),
            process: None,
        }
    }

    /// A cluster of one that serves all slots.
    pub(crate) fn start_cluster() -> RedisServer {
        let server =
            RedisServer::start_with(&["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"]);
        assert!(server.command("CLUSTER ADDSLOTSRANGE 0 16383").starts_with("+OK"));
        until("the cluster serves", || {
            server.command("CLUSTER INFO").contains("cluster_state:ok")
        });
        server
    }

    /// A Sentinel that watches this one under the name `main`.
    pub(crate) fn start_sentinel(&self) -> RedisServer {
        let mut sentinel = RedisServer::stopped(&[]);
        let file = sentinel.folder.path().join("sentinel.conf");
        std::fs::write(
            &file,
            format!("sentinel monitor main 127.0.0.1 {} 1\n", self.port),
        )
        .expect("written");
        sentinel.args = vec!["--sentinel".to_owned()];
        sentinel.run();
        sentinel
    }

    /// Starts it, on the same port as before.
    pub(crate) fn run(&mut self) {
        let mut command = Command::new("redis-server");
        // A configuration file comes first.
        let file = self.folder.path().join("sentinel.conf");
        if file.exists() {
            command.arg(file);
        }
        let process = command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(self.folder.path())
            .args(&self.args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed: cargo xtask test does that");
        self.process = Some(process);
        until("Redis answers", || self.try_command("PING").is_some());
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it runs");
            process.wait().expect("it ends");
        }
    }

    /// It keeps its connections and does nothing, until [`RedisServer::resume`].
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// It goes on.
    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    /// Sends one command, and returns what comes back at once.
    pub(crate) fn command(&self, command: &str) -> String {
        self.try_command(command).expect("Redis answers")
    }

    /// Its address, of a scheme, and with what stands before the host or behind the port.
    pub(crate) fn url(&self, scheme: &str, user: &str, rest: &str) -> String {
        format!("{scheme}://{user}127.0.0.1:{}{rest}", self.port)
    }

    fn try_command(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
        let mut answer = [0; 4_096];
        let length = stream.read(&mut answer).ok().filter(|length| *length > 0)?;
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("it runs");
        let sent = Command::new("kill")
            .args([signal, &process.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()));
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // A paused one is killed as well as any other.
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Another process is waited for: there is nothing to be told by.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let ends = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < ends, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

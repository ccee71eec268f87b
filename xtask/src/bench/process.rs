//! A server that runs: started on a free port with an empty folder, stopped when it is dropped.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;

use super::machine::rss_mb;
use super::peers::Server;

/// A server that was just started gets so long to listen.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// And so long to end in order.
const STOP_PATIENCE: Duration = Duration::from_secs(15);
/// An answer to a request may take so long.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// How often something is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// A server settles for so long before its memory is read.
const SETTLE: Duration = Duration::from_millis(500);
/// Bytes of a server's last words that are passed on.
const LAST_WORDS_BYTES_MAX: usize = 300;

/// One server process.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) port: u16,
    /// What it has in memory before anybody came.
    pub(crate) empty_rss_mb: Option<f64>,
    log: PathBuf,
    /// Its data, which goes with it.
    data: TempDir,
    /// On which it ends in order.
    stop_signal: &'static str,
}

impl Running {
    /// Starts a server with its data below `place`, and makes `rooms` where it wants them made.
    pub(crate) fn start(server: &Server, place: &Path, rooms: &[String]) -> anyhow::Result<Running> {
        fs::create_dir_all(place).with_context(|| format!("{} cannot be made", place.display()))?;
        let data = tempfile::Builder::new().prefix("data-").tempdir_in(place);
        let data = data.with_context(|| format!("no folder can be made in {}", place.display()))?;
        let log = place.join("server.log");
        let port = free_port()?;
        // From here on it is stopped whatever happens.
        let mut running = Running {
            child: spawn(server, port, data.path(), &log)?,
            port,
            empty_rss_mb: None,
            log,
            data,
            stop_signal: server.stop_signal(),
        };
        running.settle(server.name)?;
        if server.wants_rooms() {
            for room in rooms {
                running
                    .make_room(room)
                    .with_context(|| format!("room {room} cannot be made"))?;
            }
        }
        Ok(running)
    }

    /// Stops it in order and starts it again with the same data, on another port.
    pub(crate) fn restart(&mut self, server: &Server) -> anyhow::Result<()> {
        sleep(server.store_patience());
        self.stop();
        self.port = free_port()?;
        self.child = spawn(server, self.port, self.data.path(), &self.log)?;
        self.settle(server.name)
    }

    fn settle(&mut self, name: &str) -> anyhow::Result<()> {
        self.await_socket(name)?;
        sleep(SETTLE);
        self.empty_rss_mb = rss_mb(self.pid());
        Ok(())
    }

    fn stop(&mut self) {
        // Politely first, by the tool that every system has: a server that is killed leaves its last work undone.
        let asked = Command::new("kill")
            .args([self.stop_signal, &self.pid().to_string()])
            .status();
        let until = Instant::now() + STOP_PATIENCE;
        while asked.is_ok() && !self.is_gone() && Instant::now() < until {
            sleep(LOOK);
        }
        // What is gone cannot be killed, and that is well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it ended by itself.
    pub(crate) fn is_gone(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    fn await_socket(&mut self, name: &str) -> anyhow::Result<()> {
        let until = Instant::now() + START_PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if self.is_gone() {
                bail!("{name} ended at once: {}", self.last_words());
            }
            if Instant::now() > until {
                bail!("{name} does not listen after {} s", START_PATIENCE.as_secs());
            }
            sleep(LOOK);
        }
        Ok(())
    }

    /// The end of what it wrote to its standard error.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let from = text.len().saturating_sub(LAST_WORDS_BYTES_MAX);
        let text = String::from_utf8_lossy(&text[from..]);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// `POST /doc/new`, as y-sweet's client does before anybody joins.
    fn make_room(&self, room: &str) -> anyhow::Result<()> {
        let body = serde_json::json!({ "docId": room }).to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
        write!(
            stream,
            "POST /doc/new HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let first = answer.lines().next().unwrap_or_default();
        ensure!(first.contains(" 200 "), "the answer was {first:?}");
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(server: &Server, port: u16, data: &Path, log: &Path) -> anyhow::Result<Child> {
    let errors = File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
    server
        .command(port, data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors)
        .spawn()
        .with_context(|| format!("{} cannot be started", server.name))
}

/// A port that is free now. Somebody may take it before the server does; then the server says so.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}

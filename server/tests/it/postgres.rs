//! A real PostgreSQL for one test: in a folder and on a port of its own, and gone with the test however that ends.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use roomtone_persistence::{PostgresOptions, PostgresStore};
use tempfile::TempDir;

use crate::redis::{PATIENCE, free_port};

/// A running server. Its data is made once for all tests, and copied.
pub(crate) struct PostgresServer {
    port: u16,
    folder: TempDir,
    process: Option<Child>,
}

impl PostgresServer {
    pub(crate) fn start() -> PostgresServer {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join("postgres-template");
        if template.exists() {
            run(Command::new("cp").arg("-aT").args([&template, &data]));
        }
        if is_root() {
            run(Command::new("chown").args(["-R", "postgres:"]).arg(folder.path()));
        }
        if !data.exists() {
            run(as_server("initdb")
                .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C"])
                .args(["--username=roomtone", "-D"])
                .arg(&data));
            let copy = template.with_extension(std::process::id().to_string());
            run(Command::new("cp").arg("-aT").args([&data, &copy]));
            // Another process may have been faster.
            if std::fs::rename(&copy, &template).is_err() {
                std::fs::remove_dir_all(&copy).expect("it is ours");
            }
        }
        let mut server = PostgresServer {
            port: free_port(),
            folder,
            process: None,
        };
        server.run();
        server
    }

    /// Starts it, on the same port as before. It may take a moment until it answers.
    pub(crate) fn run(&mut self) {
        let process = as_server("postgres")
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-p", &self.port.to_string(), "-h", "127.0.0.1", "-k"])
            .arg(self.folder.path())
            .args(["-c", "shared_buffers=32MB"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("PostgreSQL is installed: cargo xtask test does that");
        self.process = Some(process);
    }

    /// Ends it at once, without a goodbye to its clients.
    pub(crate) fn kill(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        // QUIT, because its children would outlive a kill of their parent.
        let sent = Command::new("kill")
            .args(["-QUIT", &process.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()));
        process.wait().expect("it ends");
    }

    /// Another node on it.
    pub(crate) async fn open(&self) -> PostgresStore {
        let url = format!(
            "postgres://roomtone@127.0.0.1:{}/postgres?sslmode=disable",
            self.port
        );
        let options = PostgresOptions::parse(&url).expect("a good address").node("test");
        let ends = Instant::now() + PATIENCE;
        loop {
            match PostgresStore::open(options.clone()).await {
                Ok(store) => return store,
                Err(error) => assert!(Instant::now() < ends, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = Command::new("kill")
                .args(["-QUIT", &process.id().to_string()])
                .status();
            let _ = process.wait();
        }
    }
}

/// A program of the server, run as the user that it insists on. It ends with this process.
fn as_server(program: &str) -> Command {
    let path = installed().join(program);
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=postgres",
            "--regid=postgres",
            "--init-groups",
            "--pdeathsig=QUIT",
            "--",
        ])
        .arg(path);
    command
}

/// Where the server's programs are: Debian keeps them out of the path.
fn installed() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    let mut folders: Vec<PathBuf> = versions
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    folders.sort();
    folders.pop().unwrap_or_default()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn run(command: &mut Command) {
    let output = command.output().expect("it can be run");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {text}");
}

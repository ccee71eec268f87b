//! A real PostgreSQL server that lives as long as the test process, and can be killed, paused and started again.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use roomtone_persistence::PostgresOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

const USER: &str = "roomtone";

/// One server and its data. It ends, and its folder goes, when this is dropped or the test process ends in any way.
#[derive(Debug)]
pub(crate) struct Server {
    folder: PathBuf,
    port: u16,
    keeper: Child,
    /// The keeper reads this: a line tells it to leave the folder alone, and the end to clean up.
    leash: Option<ChildStdin>,
}

/// Starts the server, waits for the end of its standard input, ends the server. Signals from the keyboard reach the
/// test process too, so this one need not hear them.
const KEEPER: &str = r#"
trap '' INT TERM HUP
folder=$1; shift
"$@" </dev/null >>"$folder/log" 2>&1 &
server=$!
if read -r _; then wait "$server"; else kill -QUIT "$server"; wait "$server"; rm -rf "$folder"; fi
"#;

/// The server that all tests share which do not harm it.
pub(crate) fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(Server::start)
}

impl Server {
    /// Makes a new server.
    pub(crate) fn start() -> Server {
        let folder = tempfile::Builder::new()
            .prefix("roomtone-postgres-")
            .tempdir()
            .unwrap()
            .keep();
        // The server's own user has to be able to reach it.
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        let data = folder.join("data");
        std::fs::create_dir(&data).unwrap();
        std::fs::write(folder.join("log"), "").unwrap();
        // Making a cluster takes seconds, and copying one does not: where each test is a process, that counts.
        let template = installed_version();
        let is_new = !template.exists();
        if !is_new {
            run(Command::new("cp").arg("-rT").args([&template, &data]));
        }
        if is_root() {
            run(Command::new("chown").args(["-R", "postgres:"]).arg(&folder));
        }
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
        if is_new {
            run(as_server("initdb")
                .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C"])
                .arg(format!("--username={USER}"))
                .arg("-D")
                .arg(&data));
            let copy = template.with_extension(std::process::id().to_string());
            run(Command::new("cp").arg("-rT").args([&data, &copy]));
            // Another process may have been faster.
            if std::fs::rename(&copy, &template).is_err() {
                std::fs::remove_dir_all(&copy).unwrap();
            }
        }
        let (port, keeper) = keep(&folder, None);
        let mut server = Server {
            folder,
            port,
            keeper,
            leash: None,
        };
        server.leash = server.keeper.stdin.take();
        server.wait_until_ready();
        server
    }

    /// Starts the server again after [`Server::kill`], on the same port.
    pub(crate) fn start_again(&mut self) {
        // It would speak of the server that was killed.
        std::fs::remove_file(self.folder.join("data/postmaster.pid")).unwrap();
        let (_, mut keeper) = keep(&self.folder, Some(self.port));
        self.leash = keeper.stdin.take();
        self.keeper = keeper;
        self.wait_until_ready();
    }

    /// Ends it as a loss of power would: no goodbye and no flush, for any of its processes.
    pub(crate) fn kill(&mut self) {
        self.leash.take().unwrap().write_all(b"keep\n").unwrap();
        self.signal("KILL");
        self.keeper.wait().unwrap();
    }

    /// Stops all of its processes where they are.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets them go on.
    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    /// Signals the server and all that it has made; the server first, so that nobody is made meanwhile.
    fn signal(&self, name: &str) {
        let postmaster = self.postmaster().to_string();
        let children = format!("/proc/{postmaster}/task/{postmaster}/children");
        let children = || std::fs::read_to_string(&children).unwrap_or_default();
        // One that ends by itself at this moment is no matter.
        let send = |pid: &str| {
            let mut kill = Command::new("kill");
            let _ = kill
                .arg(format!("-{name}"))
                .arg(pid)
                .stderr(Stdio::null())
                .status();
        };
        // Read on both sides: a dead server has no children any more, and a running one may still get some.
        let before = children();
        send(&postmaster);
        let after = children();
        let all = || before.split_whitespace().chain(after.split_whitespace());
        all().for_each(send);
        if name == "KILL" {
            for pid in all().chain([postmaster.as_str()]) {
                wait_for(|| !Path::new(&format!("/proc/{pid}/fd/0")).exists());
            }
        }
    }

    fn postmaster(&self) -> u32 {
        let text = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        text.lines().next().unwrap().parse().unwrap()
    }

    fn wait_until_ready(&self) {
        let ready = self.folder.join("data/postmaster.pid");
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            // Its last line says how far it is.
            let text = std::fs::read_to_string(&ready).unwrap_or_default();
            if text.lines().last().is_some_and(|line| line.trim() == "ready") {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the server does not start:\n{}",
                std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The way into one of its databases.
    pub(crate) fn connect_options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(USER)
            .database(database)
    }

    /// The address of one of its databases, as an operator writes it.
    pub(crate) fn options(&self, database: &str) -> PostgresOptions {
        self.options_over(self.port, database)
    }

    /// The same through something that listens on another port.
    pub(crate) fn options_over(&self, port: u16, database: &str) -> PostgresOptions {
        let url = format!("postgres://{USER}@127.0.0.1:{port}/{database}?sslmode=disable");
        PostgresOptions::parse(&url).unwrap().node("test")
    }

    /// A new empty database; its name.
    pub(crate) async fn database(&self) -> String {
        self.database_with("").await
    }

    pub(crate) async fn database_with(&self, how: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.run_in("postgres", &format!("CREATE DATABASE {name} {how}"))
            .await;
        name
    }

    /// Runs one statement, and says how many rows it touched.
    pub(crate) async fn run_in(&self, database: &str, statement: &str) -> u64 {
        let mut connection = self.connection(database).await;
        let done = sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        done.rows_affected()
    }

    pub(crate) async fn connection(&self, database: &str) -> PgConnection {
        self.connect_options(database).connect().await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A stopped process hears nothing but this.
        let pid = self.folder.join("data/postmaster.pid");
        if pid.exists() {
            self.go_on();
        }
        drop(self.leash.take());
        let _ = self.keeper.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Starts the server in its folder, on a free port unless it has one.
fn keep(folder: &Path, port: Option<u16>) -> (u16, Child) {
    let port = port.unwrap_or_else(|| {
        let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        probe.local_addr().unwrap().port()
    });
    let server = as_server("postgres");
    let mut keeper = Command::new("sh");
    keeper
        .args(["-c", KEEPER, "keeper"])
        .arg(folder)
        .arg(server.get_program())
        .args(server.get_args())
        .arg("-D")
        .arg(folder.join("data"))
        .arg("-k")
        .arg(folder);
    // Small, and quick to start. What makes commits durable stays as it is.
    for setting in [
        "listen_addresses=127.0.0.1",
        &format!("port={port}"),
        "max_connections=400",
        "shared_buffers=32MB",
        "max_wal_size=512MB",
        "dynamic_shared_memory_type=mmap",
    ] {
        keeper.arg("-c").arg(setting);
    }
    let keeper = keeper.stdin(Stdio::piped()).spawn().unwrap();
    (port, keeper)
}

/// A program of the server, to be run as the user that it insists on.
fn as_server(program: &str) -> Command {
    let path = installed().join(program);
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"])
        .arg(path);
    command
}

/// Where a new cluster of the installed version is kept.
fn installed_version() -> PathBuf {
    let output = Command::new(installed().join("postgres"))
        .arg("--version")
        .output()
        .unwrap();
    let version = String::from_utf8_lossy(&output.stdout);
    let version: String = version.chars().filter(|c| c.is_ascii_digit()).collect();
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("postgres-template-{version}"))
}

/// Where the server's programs are: Debian keeps them out of the path.
fn installed() -> PathBuf {
    let of_debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = of_debian.chain(std::env::split_paths(&path)).collect();
    folders.retain(|folder| folder.join("initdb").exists());
    folders.sort();
    folders.pop().expect(
        "PostgreSQL's server programs are missing, and these tests are nothing without them: on Debian, apt-get install postgresql",
    )
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "it does not come true");
        std::thread::sleep(Duration::from_millis(2));
    }
}

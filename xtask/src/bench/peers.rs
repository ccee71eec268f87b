//! The servers: how each is installed, started and spoken to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::machine::said;
use super::plan::Speech;
use crate::runner::{command, has, run};
use crate::workspace::{root, target_dir};

/// Our own name.
pub(crate) const OURS: &str = "Roomtone";

/// The reference's name.
pub(crate) const FLOOR: &str = "floor";

/// The version of y-sweet that is compared with.
const Y_SWEET: &str = "0.9.1";

/// A server that can be started.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    /// Where it keeps documents.
    pub(crate) store: &'static str,
    pub(crate) speech: Speech,
    launch: Launch,
}

#[derive(Debug)]
enum Launch {
    Roomtone { binary: PathBuf },
    Floor { binary: PathBuf },
    YWebsocket { folder: PathBuf, is_stored: bool },
    Hocuspocus { folder: PathBuf },
    YSweet { binary: PathBuf },
}

/// A peer that cannot be compared with, and why.
#[derive(Debug)]
pub(crate) struct Missing {
    pub(crate) name: &'static str,
    pub(crate) why: String,
}

/// Roomtone itself. `commit` is told where it was built from this checkout.
pub(crate) fn roomtone(binary: PathBuf, commit: Option<String>) -> anyhow::Result<Server> {
    let version = said(Command::new(&binary).arg("--version"))
        .with_context(|| format!("{} does not tell its version", binary.display()))?;
    let version = last_word(&version);
    Ok(Server {
        name: OURS,
        version: commit.map_or(version.clone(), |commit| format!("{version} at {commit}")),
        store: "SQLite, acknowledged after the commit",
        speech: speech("y-websocket"),
        launch: Launch::Roomtone { binary },
    })
}

/// A broadcaster without documents: what delivering costs at all.
pub(crate) fn floor(binary: PathBuf) -> Server {
    Server {
        name: FLOOR,
        version: "loadtest/examples/floor.rs".to_owned(),
        store: "none, and no document: all frames that wait for a socket in one write",
        speech: speech("y-websocket"),
        launch: Launch::Floor { binary },
    }
}

/// Installs all peers. What cannot be installed is told, and does not hold up the others.
pub(crate) fn install() -> (Vec<Server>, Vec<Missing>) {
    let (mut servers, mut missing) = (Vec::new(), Vec::new());
    let mut take = |name, installed: anyhow::Result<Vec<Server>>| match installed {
        Ok(found) => servers.extend(found),
        Err(error) => missing.push(Missing {
            name,
            why: format!("{error:#}"),
        }),
    };
    take("y-websocket", y_websocket());
    take("Hocuspocus", hocuspocus());
    take("y-sweet", y_sweet());
    (servers, missing)
}

fn y_websocket() -> anyhow::Result<Vec<Server>> {
    let folder = node_folder("y-websocket", &[])?;
    let version = node_version(&folder, "@y/websocket-server")?;
    let server = |name, store, is_stored| Server {
        name,
        version: version.clone(),
        store,
        speech: speech("y-websocket"),
        launch: Launch::YWebsocket {
            folder: folder.clone(),
            is_stored,
        },
    };
    let mut servers = vec![server("y-websocket", "none: memory alone", false)];
    // Its store is an optional package, which not every machine can build.
    if folder.join("node_modules/y-leveldb").is_dir() {
        servers.push(server("y-websocket + LevelDB", "LevelDB", true));
    }
    Ok(servers)
}

fn hocuspocus() -> anyhow::Result<Vec<Server>> {
    let folder = node_folder("hocuspocus", &["server.mjs"])?;
    Ok(vec![Server {
        name: "Hocuspocus",
        version: node_version(&folder, "@hocuspocus/server")?,
        store: "SQLite, two to ten seconds behind",
        speech: Speech {
            // With 2,000 it spends its time on its own queue, and does a tenth.
            ahead: Some(200),
            ..speech("hocuspocus")
        },
        launch: Launch::Hocuspocus { folder },
    }])
}

fn y_sweet() -> anyhow::Result<Vec<Server>> {
    let place = target_dir().join("peers");
    let binary = place.join("bin/y-sweet");
    let version = |binary: &Path| said(Command::new(binary).arg("version")).map(|text| last_word(&text));
    if version(&binary).is_none_or(|found| found != Y_SWEET) {
        let place = place
            .to_str()
            .context("the target folder has a name that is no text")?;
        let line = [
            "install",
            "y-sweet",
            "--version",
            Y_SWEET,
            "--locked",
            "--root",
            place,
        ];
        run(command("cargo", &line, &root()).env("CARGO_TARGET_DIR", target_dir().join("peers/build")))?;
    }
    Ok(vec![Server {
        name: "y-sweet",
        version: version(&binary).context("it was installed and does not tell its version")?,
        store: "files, up to ten seconds behind",
        speech: speech("y-sweet"),
        launch: Launch::YSweet { binary },
    }])
}

/// Every dialect has its own path, and each server listens there.
fn speech(dialect: &'static str) -> Speech {
    Speech {
        dialect,
        path: None,
        ahead: None,
    }
}

/// A folder below the target folder with the packages of one peer: the checkout stays as it is.
fn node_folder(name: &str, scripts: &[&str]) -> anyhow::Result<PathBuf> {
    if !has("npm") || !has("node") {
        bail!("Node.js is missing");
    }
    let (from, to) = (
        root().join("xtask/peers").join(name),
        target_dir().join("peers").join(name),
    );
    fs::create_dir_all(&to).with_context(|| format!("{} cannot be made", to.display()))?;
    for file in [&["package.json", "package-lock.json"], scripts].concat() {
        let text =
            fs::read(from.join(file)).with_context(|| format!("xtask/peers/{name}/{file} cannot be read"))?;
        // A file that is as it was keeps its time, by which `npm ci` is found to be unnecessary.
        if fs::read(to.join(file)).is_ok_and(|there| there == text) {
            continue;
        }
        fs::write(to.join(file), text).with_context(|| format!("{file} cannot be written"))?;
    }
    crate::setup::node_packages(&to)?;
    Ok(to)
}

fn node_version(folder: &Path, package: &str) -> anyhow::Result<String> {
    let path = folder.join("node_modules").join(package).join("package.json");
    let text = fs::read_to_string(&path).with_context(|| format!("{package} is not installed"))?;
    let manifest: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("the package.json of {package} is not JSON"))?;
    let version = manifest.get("version").and_then(serde_json::Value::as_str);
    let version = version.with_context(|| format!("{package} has no version"))?;
    let node = said(Command::new("node").arg("--version")).unwrap_or_default();
    let node = node.trim_start_matches('v');
    let asked = manifest.get("engines").and_then(|engines| engines.get("node"));
    Ok(match asked.and_then(serde_json::Value::as_str) {
        // It runs, but perhaps not as its authors mean it to: the reader decides.
        Some(asked) if major(node) < major(asked) => {
            format!("{version} on Node.js {node}, though it asks for {asked}")
        }
        _ => format!("{version} on Node.js {node}"),
    })
}

/// The first number of a version, or of a condition like `>=22`.
fn major(version: &str) -> Option<u32> {
    let digits = version.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn last_word(text: &str) -> String {
    text.split_whitespace().last().unwrap_or_default().to_owned()
}

impl Server {
    /// The command that starts it on a port, with what it stores in a folder.
    pub(crate) fn command(&self, port: u16, data: &Path) -> Command {
        let port = port.to_string();
        match &self.launch {
            Launch::Roomtone { binary } => {
                let mut command = Command::new(binary);
                command.args([
                    "serve",
                    "--open",
                    "--listen",
                    &format!("127.0.0.1:{port}"),
                    "--data",
                ]);
                command.arg(data);
                command
            }
            Launch::Floor { binary } => {
                let mut command = Command::new(binary);
                command.arg(format!("127.0.0.1:{port}")).arg("batch");
                command
            }
            Launch::YWebsocket { folder, is_stored } => {
                let mut command = node(folder);
                command.arg("node_modules/@y/websocket-server/src/server.js");
                command.env("HOST", "127.0.0.1").env("PORT", port);
                command.env_remove("YPERSISTENCE");
                if *is_stored {
                    command.env("YPERSISTENCE", data);
                }
                command
            }
            Launch::Hocuspocus { folder } => {
                let mut command = node(folder);
                command
                    .args(["server.mjs", &port])
                    .arg(data.join("hocuspocus.sqlite"));
                command
            }
            Launch::YSweet { binary } => {
                let mut command = Command::new(binary);
                command
                    .args(["serve", "--host", "127.0.0.1", "--port", &port])
                    .arg(data);
                command
            }
        }
    }

    /// The signal on which it ends in order, for `kill`.
    pub(crate) fn stop_signal(&self) -> &'static str {
        match self.launch {
            // Of any other it dies at once, and with it what it has not stored yet.
            Launch::YSweet { .. } => "-INT",
            Launch::Roomtone { .. }
            | Launch::Floor { .. }
            | Launch::YWebsocket { .. }
            | Launch::Hocuspocus { .. } => "-TERM",
        }
    }

    /// How long its store may take to get what was relayed: it is given that before it is stopped.
    pub(crate) fn store_patience(&self) -> Duration {
        match self.launch {
            // It tells nobody how far it is, and does not wait for it when it is stopped.
            Launch::YWebsocket { is_stored: true, .. } => Duration::from_secs(3),
            Launch::YWebsocket { .. }
            | Launch::Roomtone { .. }
            | Launch::Floor { .. }
            | Launch::Hocuspocus { .. }
            | Launch::YSweet { .. } => Duration::ZERO,
        }
    }

    /// Whether it is a reference for what delivering costs, and no server that one could run.
    pub(crate) fn is_floor(&self) -> bool {
        matches!(self.launch, Launch::Floor { .. })
    }

    /// Whether rooms are made before anybody joins: y-sweet loads one twice when two people make it at once, and
    /// what the one writes then never reaches the other.
    pub(crate) fn wants_rooms(&self) -> bool {
        matches!(self.launch, Launch::YSweet { .. })
    }
}

fn node(folder: &Path) -> Command {
    let mut command = Command::new("node");
    command.current_dir(folder).env("NODE_ENV", "production");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_conditions_are_compared_by_their_first_number() {
        assert!(major("20.20.2") < major(">=22"));
        assert!(major("22.1.0") >= major("^22.0.0"));
        assert_eq!(major("*"), None);
    }

    #[test]
    fn a_server_is_started_on_its_port_with_its_folder() {
        let server = |launch| Server {
            name: "x",
            version: String::new(),
            store: "",
            speech: speech("y-websocket"),
            launch,
        };
        let line = |command: &Command| {
            let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned());
            args.collect::<Vec<_>>().join(" ")
        };
        let ours = server(Launch::Roomtone {
            binary: "roomtone".into(),
        });
        assert_eq!(
            line(&ours.command(5, Path::new("d"))),
            "serve --open --listen 127.0.0.1:5 --data d"
        );
        let theirs = server(Launch::YSweet {
            binary: "y-sweet".into(),
        });
        assert_eq!(
            line(&theirs.command(5, Path::new("d"))),
            "serve --host 127.0.0.1 --port 5 d"
        );
        assert!(theirs.wants_rooms() && !ours.wants_rooms());
        assert_eq!((theirs.stop_signal(), ours.stop_signal()), ("-INT", "-TERM"));
    }
}

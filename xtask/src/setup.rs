//! Steps that several commands share: node packages, the playground, the binary.

use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::runner::{apt_install, command, has, run, step};
use crate::workspace::{claim_target, is_fresh, root, target_dir};

/// `npm ci`, unless what is installed is as new as the lock file.
pub(crate) fn node_packages(folder: &Path) -> anyhow::Result<()> {
    if !has("npm") {
        bail!("npm is missing: install Node.js 20 or newer");
    }
    let lock = folder.join("package-lock.json");
    if is_fresh(
        &folder.join("node_modules/.package-lock.json"),
        std::slice::from_ref(&lock),
    ) {
        return Ok(());
    }
    run(&mut command("npm", &["ci", "--no-audit", "--no-fund"], folder))
}

/// Builds SDK, editors and playground when a source is newer than what was built. The playground is built last, so that its
/// age speaks for all.
pub(crate) fn playground() -> anyhow::Result<()> {
    let sdk = root().join("client-sdk-ts");
    node_packages(&sdk)?;
    let inputs = ["packages", "editors", "playground", "package-lock.json"].map(|name| sdk.join(name));
    if is_fresh(&sdk.join("playground/dist/index.html"), &inputs) {
        return Ok(());
    }
    run(&mut command("npm", &["run", "build"], &sdk))
}

/// Builds the server with a profile, and returns its binary.
pub(crate) fn server(profile: &str) -> anyhow::Result<PathBuf> {
    build_server(profile, &["--package", "roomtone-server", "--bin", "roomtone"])
}

/// The binary that `ROOMTONE_BIN` names, else the one that is built with this profile.
pub(crate) fn chosen_server(profile: &str) -> anyhow::Result<PathBuf> {
    match chosen("ROOMTONE_BIN")? {
        Some(binary) => Ok(binary),
        None => step("server", || server(profile)),
    }
}

/// The load generator that `ROOMTONE_LOADTEST_BIN` names, else the one that is built with this profile.
pub(crate) fn chosen_loadtest(profile: &str) -> anyhow::Result<PathBuf> {
    match chosen("ROOMTONE_LOADTEST_BIN")? {
        Some(binary) => Ok(binary),
        None => step("load generator", || {
            let what = ["--package", "roomtone-loadtest", "--bin", "roomtone-loadtest"];
            build(profile, &what).map(|folder| folder.join("roomtone-loadtest"))
        }),
    }
}

fn chosen(variable: &str) -> anyhow::Result<Option<PathBuf>> {
    let Some(named) = std::env::var_os(variable).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    // It is started from another folder.
    let binary = std::path::absolute(named)?;
    if !binary.is_file() {
        bail!("{variable} names {}, which is not there", binary.display());
    }
    Ok(Some(binary))
}

/// The programs that a cluster consists of beside ours: what is missing and cannot be installed is told, and what needs it fails.
pub(crate) fn services(no_install: bool) {
    if no_install {
        return;
    }
    if let Err(error) = apt_install(&missing_services(), &root()) {
        eprintln!("set-up: {error:#}");
    }
}

/// Debian packages of those programs that this machine lacks.
pub(crate) fn missing_services() -> Vec<&'static str> {
    let mut missing = Vec::new();
    for (program, package) in [
        ("redis-server", "redis-server"),
        // Tests put a wrong clock between a server and the system.
        ("cc", "gcc"),
        // A test deletes a document with it.
        ("sqlite3", "sqlite3"),
    ] {
        if !has(program) {
            missing.push(package);
        }
    }
    // The balancers whose configurations ship. Debian keeps them where only root looks.
    for program in ["nginx", "haproxy"] {
        if !has(program) && !Path::new("/usr/sbin").join(program).is_file() {
            missing.push(program);
        }
    }
    // Debian keeps the server's programs out of the path.
    if !has("postgres") && !Path::new("/usr/lib/postgresql").is_dir() {
        missing.push("postgresql");
    }
    missing
}

/// The same beside the tests of all crates. Alone, tokio, sqlx and what builds on them would be compiled once more,
/// without the features that tests ask for.
pub(crate) fn server_beside_tests(profile: &str) -> anyhow::Result<PathBuf> {
    build_server(profile, &["--workspace", "--bins", "--tests"])
}

fn build_server(profile: &str, what: &[&str]) -> anyhow::Result<PathBuf> {
    build(profile, what).map(|folder| folder.join("roomtone"))
}

/// The folder of what was built.
fn build(profile: &str, what: &[&str]) -> anyhow::Result<PathBuf> {
    claim_target(profile)?;
    let args = [&["build", "--locked", "--profile", profile], what].concat();
    run(command("cargo", &args, &root()).env("CARGO_TARGET_DIR", target_dir()))?;
    // The dev profile is the one whose folder has another name.
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(target_dir().join(folder))
}

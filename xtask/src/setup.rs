//! Steps that several commands share: node packages, the playground, the binary.

use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::runner::{command, has, run};
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

/// Builds SDK and playground when a source is newer than what was built.
pub(crate) fn playground() -> anyhow::Result<()> {
    let sdk = root().join("client-sdk-ts");
    node_packages(&sdk)?;
    let inputs = ["packages", "playground", "package-lock.json"].map(|name| sdk.join(name));
    if is_fresh(&sdk.join("playground/dist/index.html"), &inputs) {
        return Ok(());
    }
    run(&mut command("npm", &["run", "build"], &sdk))
}

/// Builds the server with a profile, and returns its binary.
pub(crate) fn server(profile: &str) -> anyhow::Result<PathBuf> {
    build_server(profile, &["--package", "roomtone-server", "--bin", "roomtone"])
}

/// The same beside the tests of all crates. Alone, tokio, sqlx and what builds on them would be compiled once more,
/// without the features that tests ask for.
pub(crate) fn server_beside_tests(profile: &str) -> anyhow::Result<PathBuf> {
    build_server(profile, &["--workspace", "--bins", "--tests"])
}

fn build_server(profile: &str, what: &[&str]) -> anyhow::Result<PathBuf> {
    claim_target(profile)?;
    let args = [&["build", "--locked", "--profile", profile], what].concat();
    run(command("cargo", &args, &root()).env("CARGO_TARGET_DIR", target_dir()))?;
    // The dev profile is the one whose folder has another name.
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(target_dir().join(folder).join("roomtone"))
}

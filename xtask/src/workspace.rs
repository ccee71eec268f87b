//! Where things are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::Context as _;

use crate::runner::run;

/// The checkout.
pub(crate) fn root() -> PathBuf {
    // As cargo says now: this binary may have been compiled for another checkout, in a target folder they share.
    let here = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&here).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// Where builds go: `CARGO_TARGET_DIR`, else a folder in the user's cache that all checkouts share. Always absolute:
/// what is built there is started from other folders.
pub(crate) fn target_dir() -> PathBuf {
    let variable = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(dir) = variable("CARGO_TARGET_DIR") {
        return std::path::absolute(&dir).unwrap_or(dir);
    }
    let cache = variable("XDG_CACHE_HOME").filter(|cache| cache.is_absolute());
    match cache.or_else(|| variable("HOME").map(|home| home.join(".cache"))) {
        Some(cache) => cache.join("roomtone/target"),
        None => root().join("target"),
    }
}

/// Takes the target folder over from another checkout: what that one built of our crates goes.
///
/// Cargo tells crates of two checkouts apart by nothing but the times of their files. Whoever goes back from a newer
/// checkout to an older one would test the newer one's code without a word.
pub(crate) fn claim_target(profile: &str) -> anyhow::Result<()> {
    let owner = target_dir().join(format!("roomtone-checkout-{profile}"));
    let ours = root().display().to_string();
    if fs::read_to_string(&owner).is_ok_and(|theirs| theirs == ours) {
        return Ok(());
    }
    let mut clean = Command::new("cargo");
    clean.args(["clean", "--quiet", "--workspace", "--profile", profile]);
    run(clean.current_dir(root()).env("CARGO_TARGET_DIR", target_dir()))?;
    fs::create_dir_all(target_dir())?;
    fs::write(&owner, ours).with_context(|| format!("{} cannot be written", owner.display()))
}

/// Whether `output` is there and no older than every file of `inputs`. Folders count with everything in them.
pub(crate) fn is_fresh(output: &Path, inputs: &[PathBuf]) -> bool {
    let Ok(made) = fs::metadata(output).and_then(|meta| meta.modified()) else {
        return false;
    };
    inputs
        .iter()
        .all(|input| newest(input).is_none_or(|changed| changed <= made))
}

fn newest(path: &Path) -> Option<std::time::SystemTime> {
    let meta = fs::symlink_metadata(path).ok()?;
    if !meta.is_dir() {
        return meta.modified().ok();
    }
    let skipped = ["node_modules", "dist"];
    fs::read_dir(path)
        .ok()?
        .filter_map(Result::ok)
        .filter(|entry| !skipped.iter().any(|name| entry.file_name() == *name))
        .filter_map(|entry| newest(&entry.path()))
        .max()
}

//! Where things are.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The checkout.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .map_or_else(|| here.to_path_buf(), Path::to_path_buf)
}

/// Where builds go: `CARGO_TARGET_DIR`, else a folder in the user's cache that all checkouts share.
pub(crate) fn target_dir() -> PathBuf {
    if let Some(dir) = env::var_os("CARGO_TARGET_DIR") {
        return dir.into();
    }
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    match cache.or(home) {
        Some(cache) => cache.join("roomtone/target"),
        None => root().join("target"),
    }
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

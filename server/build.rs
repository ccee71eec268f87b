//! Puts the built playground where the binary embeds it; without one, a page that says how to build it.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("..");
    let built = root.join("client-sdk-ts/playground/dist");
    let target = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("playground");
    println!("cargo:rerun-if-changed={}", built.display());
    println!("cargo:rerun-if-changed=src/http/unbuilt.html");
    if target.exists() {
        fs::remove_dir_all(&target)?;
    }
    fs::create_dir_all(&target)?;
    if built.join("index.html").exists() {
        copy(&built, &target)
    } else {
        fs::copy("src/http/unbuilt.html", target.join("index.html")).map(drop)
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

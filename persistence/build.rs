//! Rebuilds when a migration is added: the files are compiled in, and cargo does not watch them on its own.

fn main() {
    println!("cargo:rerun-if-changed=../migrations/sqlite");
    println!("cargo:rerun-if-changed=../migrations/postgres");
}

//! Dependencies point one way, and some names stay in their crate.

use super::{Finding, Source};

/// Which crates of the workspace a crate may depend on.
const EDGES: &[(&str, &[&str])] = &[
    ("crdt", &[]),
    ("persistence", &["roomtone-crdt"]),
    ("server", &["roomtone-crdt", "roomtone-persistence"]),
    ("media-worker", &[]),
    ("loadtest", &["roomtone-crdt"]),
    ("xtask", &[]),
];

/// Words that may stand only below a path, and why.
const FENCES: &[(&str, &str, &[&str], &str)] = &[
    (
        "yrs::",
        "/src/",
        &["crdt/src/doc.rs"],
        "only crdt/src/doc.rs names the engine: everything else enters by the gate",
    ),
    (
        "sqlx::",
        "/src/",
        &["persistence/src/"],
        "SQL lives in persistence",
    ),
    ("tokio::", "crdt/src/", &[], "crdt does no I/O and nothing async"),
    ("std::fs", "crdt/src/", &[], "crdt does no I/O"),
    ("std::net", "crdt/src/", &[], "crdt does no I/O"),
    ("std::time", "crdt/src/", &[], "crdt reads no clock"),
];

pub(super) fn check(files: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, allowed) in EDGES {
        let manifest = format!("{folder}/Cargo.toml");
        for file in files
            .iter()
            .filter(|file| file.path.as_os_str() == manifest.as_str())
        {
            let mut dev = false;
            for (index, line) in file.text.lines().enumerate() {
                if line.starts_with('[') {
                    dev = line.contains("dev-dependencies");
                }
                let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
                if !dev && name.starts_with("roomtone-") && !allowed.contains(&name) {
                    let what =
                        format!("{folder} must not depend on {name}; docs/ARCHITECTURE.md draws the edges");
                    findings.push(Finding::new(&file.path, index + 1, what));
                }
            }
        }
    }
    for file in files
        .iter()
        .filter(|file| file.is(&["rs"]) && !file.starts_with("xtask"))
    {
        let path = file.path.to_string_lossy();
        for (word, within, except, why) in FENCES {
            if !path.contains(within) || except.iter().any(|place| path.starts_with(place)) {
                continue;
            }
            for (index, line) in file.text.lines().enumerate() {
                if line.contains("#[cfg(test)]") {
                    break;
                }
                if line.contains(word) && !line.trim_start().starts_with("//") {
                    findings.push(Finding::new(&file.path, index + 1, format!("`{word}`: {why}")));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source;

    #[test]
    fn an_edge_against_the_grain_is_found() {
        let bad = source(
            "persistence/Cargo.toml",
            "[dependencies]\nroomtone-server.workspace = true\n",
        );
        assert_eq!(check(&[bad])[0].line, 2);
        let good = source(
            "persistence/Cargo.toml",
            "[dependencies]\nroomtone-crdt.workspace = true\n",
        );
        assert!(check(&[good]).is_empty());
    }

    #[test]
    fn the_engine_outside_its_file_is_found() {
        assert_eq!(check(&[source("server/src/room.rs", "use yrs::Doc;\n")]).len(), 1);
        assert!(check(&[source("crdt/src/doc.rs", "use yrs::Doc;\n")]).is_empty());
        assert_eq!(
            check(&[source("crdt/src/doc.rs", "use std::time::Instant;\n")]).len(),
            1
        );
    }
}

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

/// Crates from outside that belong to some folders only, and why. Tests and benches may name the engine.
const FENCED_CRATES: &[(&str, &[&str], &str)] = &[
    ("yrs", &["crdt"], "the engine stays behind the gate, in crdt"),
    ("sqlx", &["persistence"], "SQL lives in persistence"),
    ("object_store", &["persistence"], "blobs live in persistence"),
];
/// What `crdt` may not even have in its manifest.
const CRDT_BANS: &[&str] = &["tokio", "reqwest", "axum", "rand", "async-trait"];

/// Names that may stand only below some paths, and why.
const FENCES: &[(&str, &str, &[&str], &str)] = &[
    (
        "yrs",
        "/src/",
        &["crdt/src/doc.rs", "crdt/src/doc/"],
        "only crdt/src/doc.rs names the engine: everything else enters by the gate",
    ),
    ("sqlx", "/src/", &["persistence/src/"], "SQL lives in persistence"),
    ("tokio", "crdt/src/", &[], "crdt does no I/O and nothing async"),
    ("Instant", "crdt/src/", &[], "crdt reads no clock"),
    ("SystemTime", "crdt/src/", &[], "crdt reads no clock"),
];
/// Modules of `std` that `crdt` does without.
const STD_BANS: &[&str] = &["fs", "net", "time", "thread", "process", "env"];

pub(super) fn check(files: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        let parts: Vec<&str> = file.path.iter().filter_map(|part| part.to_str()).collect();
        match parts.as_slice() {
            [folder, "Cargo.toml"] => manifest(file, folder, &mut findings),
            ["xtask", ..] => {}
            [_, "src", ..] if file.is(&["rs"]) => names(file, &mut findings),
            _ => {}
        }
    }
    findings
}

/// Every kind of dependency section, also those of one target and those with a table for each crate.
fn manifest(file: &Source, folder: &str, findings: &mut Vec<Finding>) {
    let mut find = |name: &str, what: String| {
        let line = file
            .text
            .lines()
            .position(|line| line.contains(name))
            .unwrap_or(0);
        findings.push(Finding::new(&file.path, line + 1, what));
    };
    let table: toml::Table = match file.text.parse() {
        Ok(table) => table,
        Err(error) => return find("", format!("not TOML: {error}")),
    };
    let Some((_, allowed)) = EDGES.iter().find(|(known, _)| *known == folder) else {
        return find(
            "",
            format!("{folder} is a new crate: say in xtask/src/tidy/edges.rs what it may depend on"),
        );
    };
    let targets = table.get("target").and_then(toml::Value::as_table);
    let tables = std::iter::once(&table).chain(
        targets
            .into_iter()
            .flat_map(|t| t.values().filter_map(|v| v.as_table())),
    );
    for table in tables {
        for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
            for (key, value) in table
                .get(section)
                .and_then(toml::Value::as_table)
                .into_iter()
                .flatten()
            {
                // A crate may go by another name here.
                let name = value.get("package").and_then(toml::Value::as_str).unwrap_or(key);
                if (name.starts_with("roomtone-") || name == "xtask") && !allowed.contains(&name) {
                    find(
                        key,
                        format!("{folder} must not depend on {name}; docs/ARCHITECTURE.md draws the edges"),
                    );
                }
                let is_shipped = section == "dependencies";
                for (fenced, folders, why) in FENCED_CRATES {
                    // The one other crate whose tests compare with the engine is the store.
                    let is_allowed = folders.contains(&folder) || (!is_shipped && folder == "persistence");
                    if name == *fenced && !is_allowed {
                        find(key, format!("{name}: {why}"));
                    }
                }
                if folder == "crdt" && is_shipped && CRDT_BANS.contains(&name) {
                    find(
                        key,
                        format!("{name}: crdt does no I/O, reads no clock and draws no numbers"),
                    );
                }
            }
        }
    }
}

fn names(file: &Source, findings: &mut Vec<Finding>) {
    let path = file.path.to_string_lossy();
    // The tests at the end of a file may do what they need.
    let code = file.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    for (index, line) in code.lines().enumerate() {
        let line = line.split("//").next().unwrap_or_default();
        // What stands in quotes is text.
        let line: String = line.split('"').step_by(2).collect::<Vec<_>>().join(" ");
        for (name, within, except, why) in FENCES {
            let is_fenced = path.contains(within) && !except.iter().any(|place| path.starts_with(place));
            if is_fenced && words(&line).any(|word| word == *name) {
                findings.push(Finding::new(&file.path, index + 1, format!("`{name}`: {why}")));
            }
        }
        let names_std = line.contains("std::");
        if path.starts_with("crdt/") && names_std && words(&line).any(|word| STD_BANS.contains(&word)) {
            findings.push(Finding::new(
                &file.path,
                index + 1,
                "crdt does no I/O and reads no clock",
            ));
        }
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_'))
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
    fn an_edge_in_any_kind_of_section_is_found() {
        for (path, text) in [
            (
                "crdt/Cargo.toml",
                "[dependencies.roomtone-server]\npath = \"../server\"\n",
            ),
            (
                "crdt/Cargo.toml",
                "[target.'cfg(unix)'.dependencies]\nroomtone-server = \"1\"\n",
            ),
            (
                "loadtest/Cargo.toml",
                "[dependencies]\nshort = { package = \"roomtone-server\", path = \"x\" }\n",
            ),
            ("crdt/Cargo.toml", "[dependencies]\ntokio.workspace = true\n"),
            ("server/Cargo.toml", "[dependencies]\nsqlx.workspace = true\n"),
            ("server/Cargo.toml", "[dev-dependencies]\nyrs.workspace = true\n"),
            ("newcomer/Cargo.toml", "[dependencies]\n"),
        ] {
            assert_eq!(check(&[source(path, text)]).len(), 1, "{path}: {text}");
        }
        let allowed = "[dependencies]\nsqlx.workspace = true\n[dev-dependencies]\nyrs.workspace = true\n";
        assert!(check(&[source("persistence/Cargo.toml", allowed)]).is_empty());
    }

    #[test]
    fn a_name_on_the_wrong_side_of_its_fence_is_found() {
        for (path, text) in [
            ("server/src/room.rs", "use yrs::Doc;\n"),
            ("server/src/room.rs", "use sqlx as database;\n"),
            ("crdt/src/doc.rs", "use std::time::Instant;\n"),
            ("crdt/src/gate.rs", "use std::{fs, io};\n"),
            ("crdt/src/gate.rs", "#[cfg(test)]\nuse a::B;\nuse tokio as t;\n"),
        ] {
            assert!(!check(&[source(path, text)]).is_empty(), "{path}: {text}");
        }
        for (path, text) in [
            ("crdt/src/doc.rs", "use yrs::Doc;\n"),
            (
                "server/src/logs.rs",
                "let filter = \"sqlx=warn\"; // not sqlx itself\n",
            ),
        ] {
            assert!(check(&[source(path, text)]).is_empty(), "{path}: {text}");
        }
    }
}

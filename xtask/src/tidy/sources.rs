//! How sources look: first lines, lengths, names, left-overs.

use std::path::Path;

use super::{Finding, Source};

/// Lines of code in one file, at most.
const CODE_LINES_COUNT_MAX: usize = 500;
/// Files that were longer before the rule, and how long they may be: these numbers only ever shrink.
const GIANTS: &[(&str, usize)] = &[];
/// Names that say nothing about what is inside.
const JUNK_DRAWERS: &[&str] = &["utils", "util", "common", "helper", "helpers", "types", "misc"];
/// Unfinished work does not land.
const LEFT_OVERS: &[&str] = &[
    "todo!(",
    "unimplemented!(",
    "dbg!(",
    "FIXME",
    "XXX",
    "#[ignore",
    ".only(",
];

pub(super) fn check(files: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        if file.is(&["rs", "ts", "tsx", "mjs"]) {
            first_line(file, &mut findings);
            length(file, &mut findings);
            name(file, &mut findings);
            left_overs(file, &mut findings);
        }
        if file.is(&["rs"]) && file.path.to_string_lossy().contains("/src/") {
            unwraps(file, &mut findings);
        }
        if file.path.ends_with("limits.rs") {
            limits(file, &mut findings);
        }
        one_test_binary(file, &mut findings);
        foreign_paths(file, &mut findings);
    }
    findings
}

fn first_line(file: &Source, findings: &mut Vec<Finding>) {
    let first = file
        .text
        .lines()
        .find(|line| !line.starts_with("#!"))
        .unwrap_or_default();
    let says = if file.is(&["rs"]) {
        first.starts_with("//!")
    } else {
        first.starts_with("//") || first.starts_with("/*")
    };
    if !says {
        findings.push(Finding::new(
            &file.path,
            1,
            "the first line says what the file holds",
        ));
    }
}

fn is_test(path: &Path) -> bool {
    path.components()
        .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "test")
        || path.starts_with("e2e")
}

fn length(file: &Source, findings: &mut Vec<Finding>) {
    if is_test(&file.path) {
        return;
    }
    let code = file.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = code
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .count();
    let giant = GIANTS
        .iter()
        .find(|(path, _)| file.path.as_os_str() == *path)
        .map(|(_, lines)| *lines);
    if lines > giant.unwrap_or(CODE_LINES_COUNT_MAX) {
        findings.push(Finding::new(
            &file.path,
            1,
            format!("{lines} lines of code: split it by noun"),
        ));
    }
}

fn name(file: &Source, findings: &mut Vec<Finding>) {
    if JUNK_DRAWERS.contains(&file.name().as_str()) {
        findings.push(Finding::new(
            &file.path,
            1,
            "a junk drawer: name the file for the one noun it holds",
        ));
    }
}

fn left_overs(file: &Source, findings: &mut Vec<Finding>) {
    if file.starts_with("xtask") {
        return;
    }
    for (index, line) in file.text.lines().enumerate() {
        if let Some(word) = LEFT_OVERS.iter().find(|word| line.contains(**word)) {
            // A test that only another test starts as a child process says so.
            if *word == "#[ignore" && line.contains("child") {
                continue;
            }
            findings.push(Finding::new(
                &file.path,
                index + 1,
                format!("`{word}`: finish it"),
            ));
        }
    }
}

fn unwraps(file: &Source, findings: &mut Vec<Finding>) {
    // Up to the tests at the end, not up to the first import that only they need.
    let code = file.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    for (index, line) in code.lines().enumerate() {
        let comment = line.trim_start().starts_with("//");
        if line.contains(".unwrap()") && !comment && !file.starts_with("xtask") {
            findings.push(Finding::new(
                &file.path,
                index + 1,
                "no unwrap: handle it, or `expect` why it cannot fail",
            ));
        }
    }
}

/// Every bound has a unit in its name and a reason above it.
fn limits(file: &Source, findings: &mut Vec<Finding>) {
    const UNITS: &[&str] = &[
        "BYTES", "MS", "SECONDS", "COUNT", "PAGES", "PER_DOC", "LEVEL", "RECORDS", "DOCS", "DEPTH",
        "READERS", "ROWS", "PERCENT",
    ];
    let lines: Vec<&str> = file.text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let Some(rest) = line.trim_start().strip_prefix("pub const ") else {
            continue;
        };
        let name = rest.split(':').next().unwrap_or_default();
        // At the end, or before the word for the kind of bound: `ROOMS_MAX` has an MS in it and no unit.
        let bound = ["_MAX", "_MIN", "_TARGET"]
            .iter()
            .find_map(|word| name.strip_suffix(word))
            .unwrap_or(name);
        if !UNITS.iter().any(|unit| {
            bound
                .strip_suffix(unit)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
        }) {
            findings.push(Finding::new(
                &file.path,
                index + 1,
                format!("{name} does not say its unit"),
            ));
        }
        let above = lines[..index]
            .iter()
            .rev()
            .find(|line| !line.trim_start().starts_with("#["));
        if !above.is_some_and(|line| line.trim_start().starts_with("///")) {
            findings.push(Finding::new(
                &file.path,
                index + 1,
                format!("{name} does not say what happens at the bound"),
            ));
        }
    }
}

fn one_test_binary(file: &Source, findings: &mut Vec<Finding>) {
    let parts: Vec<_> = file
        .path
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    let is_second = match parts.as_slice() {
        [_, folder, test] => folder == "tests" && test.ends_with(".rs"),
        [_, folder, binary, main] => folder == "tests" && binary != "it" && main == "main.rs",
        _ => false,
    };
    if is_second {
        findings.push(Finding::new(
            &file.path,
            1,
            "a second test binary: make it a module of tests/it",
        ));
    }
}

/// Paths of somebody's machine do not belong here. The patterns are put together so that this file has none.
fn foreign_paths(file: &Source, findings: &mut Vec<Finding>) {
    let patterns = ["work", "root", "home"].map(|folder| format!("/{folder}/"));
    let before = |line: &str, at: usize| line[..at].chars().next_back();
    for (index, line) in file.text.lines().enumerate() {
        for pattern in &patterns {
            let found = line.match_indices(pattern.as_str()).any(|(at, _)| {
                // In the middle of a relative path or a URL it is nobody's machine.
                before(line, at).is_none_or(|c| !(c.is_alphanumeric() || "./_-}".contains(c)))
            });
            if found {
                findings.push(Finding::new(
                    &file.path,
                    index + 1,
                    format!("`{pattern}`: a path of one machine"),
                ));
            }
        }
        if file.path.ends_with("package-lock.json") && line.contains("\"resolved\": \"http") {
            findings.push(Finding::new(
                &file.path,
                index + 1,
                "npm config set omit-lockfile-registry-resolved true",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source;

    fn whats(path: &str, text: &str) -> Vec<String> {
        check(&[source(path, text)])
            .into_iter()
            .map(|finding| finding.what)
            .collect()
    }

    #[test]
    fn each_rule_finds_its_bad_example() {
        let long = format!("//! x\n{}", "let x = 1;\n".repeat(CODE_LINES_COUNT_MAX + 1));
        let path = format!("//! x\nconst X: &str = \"/{}/main\";\n", "work");
        for (file, text, expected) in [
            ("server/src/a.rs", "fn main() {}\n", "first line"),
            ("server/src/a.rs", long.as_str(), "split it by noun"),
            ("server/src/utils.rs", "//! x\n", "junk drawer"),
            ("server/src/a.rs", "//! x\nfn f() { todo!() }\n", "finish it"),
            ("server/src/a.rs", "//! x\nfn f() { g().unwrap() }\n", "no unwrap"),
            (
                "server/src/limits.rs",
                "//! x\n/// y\npub const THING_MAX: u8 = 1;\n",
                "unit",
            ),
            (
                "server/src/limits.rs",
                "//! x\n\npub const THING_BYTES: u8 = 1;\n",
                "at the bound",
            ),
            (
                "server/src/limits.rs",
                "//! x\n/// y\npub const ROOMS_MAX: u8 = 1;\n",
                "unit",
            ),
            (
                "server/src/a.rs",
                "//! x\n#[cfg(test)]\nuse a::B;\nfn f() { g().unwrap() }\n",
                "no unwrap",
            ),
            ("server/tests/other.rs", "//! x\n", "second test binary"),
            ("server/tests/other/main.rs", "//! x\n", "second test binary"),
            ("e2e/lib/helper.mjs", "// x\n", "junk drawer"),
            ("server/src/a.rs", path.as_str(), "one machine"),
            (
                "e2e/package-lock.json",
                "\"resolved\": \"https://x\"",
                "npm config",
            ),
        ] {
            let found = whats(file, text);
            assert!(
                found.iter().any(|what| what.contains(expected)),
                "{file}: {expected} not in {found:?}"
            );
        }
        assert!(
            whats(
                "server/src/a.rs",
                "//! Fine.\nfn f() {}\n#[cfg(test)]\nmod t { fn g() { x.unwrap() } }\n"
            )
            .is_empty()
        );
    }
}

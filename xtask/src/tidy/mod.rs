//! Rules of the house that a program can check. A style rule without a test is a wish.

mod docs;
mod edges;
mod migrations;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::workspace::root;

/// What a rule found: a file, a line (0: the file as a whole), and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    file: PathBuf,
    line: usize,
    what: String,
}

impl Finding {
    fn new(file: impl Into<PathBuf>, line: usize, what: impl Into<String>) -> Finding {
        Finding {
            file: file.into(),
            line,
            what: what.into(),
        }
    }
}

/// A file of the project and its text.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// From the root of the checkout.
    path: PathBuf,
    text: String,
}

impl Source {
    fn is(&self, endings: &[&str]) -> bool {
        self.path
            .extension()
            .is_some_and(|ending| endings.iter().any(|known| ending == *known))
    }

    fn starts_with(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    fn name(&self) -> String {
        self.path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }
}

/// Checks the checkout.
pub(crate) fn run(bless: bool) -> anyhow::Result<()> {
    if bless {
        migrations::bless(&root())?;
    }
    let findings = check(&root())?;
    for finding in &findings {
        println!(
            "{}:{}: {}",
            finding.file.display(),
            finding.line.max(1),
            finding.what
        );
    }
    if !findings.is_empty() {
        bail!("{} findings", findings.len());
    }
    println!("tidy: no findings");
    Ok(())
}

fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let files = read(root)?;
    let mut findings = Vec::new();
    for rule in [edges::check, sources::check, docs::check, migrations::check] {
        findings.extend(rule(&files));
    }
    findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    Ok(findings)
}

/// What `.gitignore` names. Git itself is not asked: without it, or in an unpacked archive, it would list nothing, and
/// nothing is tidy.
const IGNORED: &[&str] = &[
    ".git",
    "target",
    "node_modules",
    "dist",
    "docs-dist",
    "coverage",
    "data",
];

/// Every file that is part of the project, as text.
fn read(root: &Path) -> anyhow::Result<Vec<Source>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("{} cannot be listed", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_symlink() || IGNORED.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // A file that is no text has nothing to check.
            if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(root).unwrap_or(&path).to_path_buf();
                files.push(Source { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

#[cfg(test)]
pub(crate) fn source(path: &str, text: &str) -> Source {
    Source {
        path: path.into(),
        text: text.into(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_whole_house_is_read() {
        let files = super::read(&crate::workspace::root()).expect("the checkout can be read");
        for known in ["Cargo.toml", "crdt/src/lib.rs", ".ci/run", "e2e/package.json"] {
            assert!(files.iter().any(|file| file.path.ends_with(known)), "{known}");
        }
    }

    #[test]
    fn the_house_is_tidy() {
        let findings = super::check(&crate::workspace::root()).expect("the checkout can be read");
        let lines: Vec<String> = findings
            .iter()
            .map(|f| format!("{}:{}: {}", f.file.display(), f.line, f.what))
            .collect();
        assert!(findings.is_empty(), "{}", lines.join("\n"));
    }
}

//! Migrations are history: one change a file, numbered, never edited once applied.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::bail;

use super::{Finding, Source};

/// One line a migration: checksum and path.
const LIST: &str = "migrations/CHECKSUMS";

pub(super) fn check(files: &[Source]) -> Vec<Finding> {
    let list = files
        .iter()
        .find(|file| file.path == Path::new(LIST))
        .map_or("", |file| file.text.as_str());
    let mut findings = Vec::new();
    for file in files
        .iter()
        .filter(|file| file.starts_with("migrations") && file.is(&["sql"]))
    {
        let name = file
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let numbered = name.len() > 5
            && name.as_bytes()[..4].iter().all(u8::is_ascii_digit)
            && name.as_bytes()[4] == b'_';
        if !numbered {
            findings.push(Finding::new(&file.path, 1, "named NNNN_what.sql"));
        }
        match listed(list, &file.path) {
            None => findings.push(Finding::new(&file.path, 1, "new: cargo xtask tidy --bless")),
            Some(sum) if sum != checksum(&file.text) => {
                findings.push(Finding::new(
                    &file.path,
                    1,
                    "changed after it was listed: make a new migration instead",
                ));
            }
            Some(_) => {}
        }
    }
    for line in list.lines() {
        let path = line.split_once("  ").map_or("", |(_, path)| path);
        if !files.iter().any(|file| file.path == Path::new(path)) {
            findings.push(Finding::new(
                LIST,
                1,
                format!("`{path}` is gone: history is kept"),
            ));
        }
    }
    findings
}

/// Adds what is new to the list.
pub(super) fn bless(root: &Path) -> anyhow::Result<()> {
    let path = root.join(LIST);
    let mut list = fs::read_to_string(&path).unwrap_or_default();
    let files = super::read(root)?;
    for file in files
        .iter()
        .filter(|file| file.starts_with("migrations") && file.is(&["sql"]))
    {
        match listed(&list, &file.path) {
            Some(sum) if sum != checksum(&file.text) => {
                bail!("{} was changed after it was listed", file.path.display())
            }
            Some(_) => {}
            None => writeln!(list, "{}  {}", checksum(&file.text), file.path.display())?,
        }
    }
    Ok(fs::write(path, list)?)
}

fn listed(list: &str, path: &Path) -> Option<String> {
    list.lines()
        .filter_map(|line| line.split_once("  "))
        .find(|(_, known)| Path::new(known) == path)
        .map(|(sum, _)| sum.to_owned())
}

/// FNV-1a, 64 bits: it has to notice an edit, not an attacker.
fn checksum(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source;

    #[test]
    fn a_changed_a_new_and_a_lost_migration_are_found() {
        let path = "migrations/sqlite/0001_a.sql";
        let list = |sum: &str, path: &str| source(LIST, &format!("{sum}  {path}\n"));
        let good = checksum("CREATE");
        assert!(check(&[source(path, "CREATE"), list(&good, path)]).is_empty());
        assert!(
            check(&[source(path, "CHANGED"), list(&good, path)])[0]
                .what
                .contains("changed")
        );
        assert!(check(&[source(path, "CREATE")])[0].what.contains("new"));
        assert!(check(&[list(&good, path)])[0].what.contains("gone"));
        assert!(check(&[source("migrations/a.sql", "")])[0].what.contains("NNNN"));
    }
}

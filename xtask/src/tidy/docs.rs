//! Documents tell the truth: links lead somewhere, and the table of close codes is the one in the code.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::{Finding, Source};

pub(super) fn check(files: &[Source]) -> Vec<Finding> {
    let mut findings = links(files);
    findings.extend(close_codes(files));
    findings
}

fn links(files: &[Source]) -> Vec<Finding> {
    let root = crate::workspace::root();
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is(&["md"])) {
        let folder = file.path.parent().unwrap_or(Path::new(""));
        for (index, line) in file.text.lines().enumerate() {
            for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let target = target.split('#').next().unwrap_or_default();
                if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                    continue;
                }
                let path = plain(&folder.join(target));
                let known =
                    files.iter().any(|other| other.path.starts_with(&path)) || root.join(&path).exists();
                if !known {
                    findings.push(Finding::new(
                        &file.path,
                        index + 1,
                        format!("`{target}` is not there"),
                    ));
                }
            }
        }
    }
    findings
}

/// Without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

fn close_codes(files: &[Source]) -> Vec<Finding> {
    let text_of = |path: &str| {
        files
            .iter()
            .find(|file| file.path == Path::new(path))
            .map(|file| file.text.as_str())
    };
    let (Some(code), Some(page)) = (text_of("server/src/close.rs"), text_of("docs/PROTOCOL.md")) else {
        return Vec::new();
    };
    let in_code: BTreeSet<u16> = code
        .lines()
        .filter_map(|line| {
            line.trim()
                .split("=> ")
                .nth(1)?
                .trim_end_matches(',')
                .parse()
                .ok()
        })
        .collect();
    let in_page: BTreeSet<u16> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok())
        .filter(|code| *code >= 1000)
        .collect();
    in_code
        .symmetric_difference(&in_page)
        .map(|code| {
            let what =
                format!("close code {code} stands in only one of server/src/close.rs and docs/PROTOCOL.md");
            Finding::new("docs/PROTOCOL.md", 0, what)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source;

    #[test]
    fn a_dead_link_is_found() {
        let found = check(&[
            source("docs/A.md", "[here](B.md) [there](nowhere.md)\n"),
            source("docs/B.md", ""),
        ]);
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("nowhere.md"));
    }

    #[test]
    fn a_close_code_without_a_line_is_found() {
        let code = source("server/src/close.rs", "Close::A => 1003,\nClose::B => 4400,\n");
        let page = source("docs/PROTOCOL.md", "| 1003 | text | fix |\n| 0 Sync | x |\n");
        let found = check(&[code, page]);
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("4400"));
    }
}

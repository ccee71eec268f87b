//! BENCHMARKS.md on the disk: two suites write to it, and neither loses what the other has found.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The part behind this line is that of the long runs.
const LONG: &str = "\n<!-- the long runs: cargo xtask bench --long -->\n";

/// A folder with BENCHMARKS.md, and `benchmarks/` with its pictures.
#[derive(Debug)]
pub(crate) struct Page {
    folder: PathBuf,
}

impl Page {
    pub(crate) fn new(folder: PathBuf) -> Page {
        Page { folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join("BENCHMARKS.md")
    }

    /// Writes a picture.
    pub(crate) fn picture(&self, name: &str, svg: &str) -> anyhow::Result<()> {
        let folder = self.folder.join("benchmarks");
        fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        put(&folder.join(format!("{name}.svg")), svg)
    }

    /// Writes the suite's part. What the long runs found stays.
    pub(crate) fn suite(&self, text: &str) -> anyhow::Result<()> {
        put(&self.path(), &with_suite(&self.old(), text))
    }

    /// Writes the part of the long runs. What the suite found stays.
    pub(crate) fn long(&self, text: &str) -> anyhow::Result<()> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("{} cannot be made", self.folder.display()))?;
        put(&self.path(), &with_long(&self.old(), text))
    }

    fn old(&self) -> String {
        fs::read_to_string(self.path()).unwrap_or_default()
    }
}

fn put(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

fn with_suite(old: &str, suite: &str) -> String {
    match old.split_once(LONG) {
        Some((_, long)) => format!("{suite}{LONG}{long}"),
        None => suite.to_owned(),
    }
}

fn with_long(old: &str, long: &str) -> String {
    let suite = old.split_once(LONG).map_or(old, |(suite, _)| suite);
    let suite = if suite.is_empty() { "# Benchmarks\n" } else { suite };
    format!("{suite}{LONG}{long}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_part_loses_the_other() {
        let page = with_long("", "\n## Long\n");
        assert!(page.starts_with("# Benchmarks\n") && page.ends_with("\n## Long\n"));
        let page = with_suite(&page, "# Benchmarks\n\nfirst\n");
        assert!(page.contains("first") && page.contains("## Long"));
        let page = with_long(&page, "\n## Longer\n");
        assert!(page.contains("first") && page.ends_with("\n## Longer\n") && !page.contains("## Long\n"));
        let page = with_suite(&page, "# Benchmarks\n\nsecond\n");
        assert!(page.contains("second") && page.contains("## Longer") && !page.contains("first"));
        assert_eq!(page.matches("<!--").count(), 1);
        assert_eq!(with_suite("# Benchmarks\n\nolder\n", "new\n"), "new\n");
    }

    #[test]
    fn a_page_is_written_where_there_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let page = Page::new(folder.path().join("docs"));
        page.long("\n## Long\n").expect("it is written");
        page.picture("x", "<svg/>").expect("it is written");
        page.suite("# Benchmarks\n").expect("it is written");
        let text = fs::read_to_string(page.path()).expect("a page");
        assert!(text.starts_with("# Benchmarks\n") && text.contains("## Long"));
    }
}

//! `cargo xtask bench micro`: the crates' own benches.

use std::fs;

use anyhow::Context as _;

use crate::runner::{command, run as run_command};
use crate::workspace::{claim_target, root, target_dir};

/// Which benches.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments for criterion: part of a bench's name, or options behind `--`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    criterion: Vec<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    claim_target("release")?;
    for (package, benches) in with_benches()? {
        // By name: `--benches` would start the unit tests as well, which do not know criterion's options.
        let mut line = vec!["bench", "--locked", "--package", &package];
        line.extend(benches.iter().flat_map(|bench| ["--bench", bench]));
        line.push("--");
        line.extend(args.criterion.iter().map(String::as_str));
        run_command(command("cargo", &line, &root()).env("CARGO_TARGET_DIR", target_dir()))?;
    }
    Ok(())
}

/// Crates that have benches, with the names of these.
fn with_benches() -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let mut found = Vec::new();
    for folder in ["crdt", "persistence", "server"] {
        let path = root().join(folder).join("Cargo.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let manifest: toml::Table = text
            .parse()
            .with_context(|| format!("{} is not TOML", path.display()))?;
        let sections = manifest.get("bench").and_then(toml::Value::as_array);
        let names: Vec<String> = sections
            .into_iter()
            .flatten()
            .filter_map(|section| Some(section.get("name")?.as_str()?.to_owned()))
            .collect();
        if !names.is_empty() {
            found.push((format!("roomtone-{folder}"), names));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_benches_of_this_checkout_are_known() {
        let found = super::with_benches().expect("the manifests can be read");
        assert!(found.iter().any(|(package, _)| package == "roomtone-crdt"));
    }
}

//! The editing session of the replay: a recorded one where a file is named, else one that is made up in its likeness.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

/// As many edits as the longest session of the public collection has: somebody writes an article for months.
const EDITS_COUNT: usize = 259_778;
/// In a hundred edits of it thirty delete a character.
const DELETES_PERCENT: u64 = 30;

/// A session, and what is told of it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) path: PathBuf,
    pub(crate) about: String,
}

/// The session to replay. One that is made up is kept in `place`.
pub(crate) fn session(named: Option<&Path>, place: &Path) -> anyhow::Result<Session> {
    if let Some(path) = named {
        let path = std::path::absolute(path).context("the trace's path")?;
        fs::metadata(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        // Its name, and not where this machine keeps it.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let about = format!("The replay is the recorded session {name}.");
        return Ok(Session { path, about });
    }
    let path = place.join("session.json");
    fs::create_dir_all(place).with_context(|| format!("{} cannot be made", place.display()))?;
    fs::write(&path, made_up(EDITS_COUNT))
        .with_context(|| format!("{} cannot be written", path.display()))?;
    let about = format!(
        "The replay is a session that was made up: {EDITS_COUNT} edits of one character, {DELETES_PERCENT} of a hundred delete one, in bursts at places that jump."
    );
    Ok(Session { path, about })
}

/// Bursts of typing and of deleting, most of them where the last one ended: the same ones every time.
fn made_up(edits_count: usize) -> String {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut text: Vec<u8> = Vec::new();
    let mut patches = Vec::with_capacity(edits_count);
    let mut at = 0;
    while patches.len() < edits_count {
        // Mostly one writes on; now and then one goes back to something.
        match random.below(8) {
            0 => at = random.below(text.len() as u64 + 1) as usize,
            1 => at = text.len(),
            _ => {}
        }
        let burst = 1 + random.below(24);
        let deletes = random.below(100) < DELETES_PERCENT;
        for _ in 0..burst {
            if patches.len() == edits_count {
                break;
            }
            if deletes && at > 0 {
                at -= 1;
                text.remove(at);
                patches.push((at, 1, String::new()));
            } else if !deletes {
                let letter = b"etaoin shrdlu cmfwyp"[random.below(20) as usize];
                text.insert(at, letter);
                patches.push((at, 0, char::from(letter).to_string()));
                at += 1;
            }
        }
    }
    let txns: Vec<_> = patches
        .iter()
        .map(|(at, deleted, inserted)| json!({ "patches": [[at, deleted, inserted]] }))
        .collect();
    json!({ "startContent": "", "endContent": String::from_utf8_lossy(&text), "txns": txns }).to_string()
}

/// Numbers that are the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // From the upper half, which is the more random.
        (self.0 >> 32) % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_made_up_adds_up_and_is_always_the_same() {
        let text = made_up(5_000);
        assert_eq!(text, made_up(5_000));
        let session: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let mut content: Vec<char> = Vec::new();
        let txns = session["txns"].as_array().expect("transactions");
        let mut deletes = 0;
        for patch in txns.iter().map(|one| &one["patches"][0]) {
            let number = |place: usize| patch[place].as_u64().expect("a number") as usize;
            let (at, deleted) = (number(0), number(1));
            content.splice(at..at + deleted, patch[2].as_str().expect("text").chars());
            deletes += deleted;
        }
        assert_eq!(txns.len(), 5_000);
        assert_eq!(
            content.into_iter().collect::<String>(),
            session["endContent"].as_str().expect("text")
        );
        assert!((1_000..2_000).contains(&deletes), "{deletes}");
    }

    #[test]
    fn a_named_session_is_told_by_its_name_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("novel.json.gz");
        assert!(session(Some(&path), folder.path()).is_err());
        fs::write(&path, "x").expect("a file");
        let session = session(Some(&path), folder.path()).expect("it is there");
        assert_eq!(session.about, "The replay is the recorded session novel.json.gz.");
    }
}

//! A recorded editing session, as the public collection josephg/editing-traces keeps them.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, ensure};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

/// A session of one author: what was there, what was typed, and what came out.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// The text at the beginning.
    #[serde(default)]
    pub start_content: String,
    /// The text at the end.
    pub end_content: String,
    /// What was typed, in order.
    pub txns: Vec<Transaction>,
}

/// Patches that were made at once.
#[derive(Clone, Debug, Deserialize)]
pub struct Transaction {
    /// One after the other: each counts positions in what the one before left.
    pub patches: Vec<Patch>,
}

/// At a position so much is deleted, and then something inserted. Position and count are in Unicode code points.
#[derive(Clone, Debug, Deserialize)]
pub struct Patch(pub usize, pub usize, pub String);

/// What a file may unpack to, in bytes. More is refused, so that a small file cannot fill the memory.
const TRACE_BYTES_MAX: u64 = 1 << 30;
const GZIP: [u8; 2] = [0x1f, 0x8b];

impl Trace {
    /// Reads a file: JSON, or JSON packed with gzip, whatever its name is.
    ///
    /// # Errors
    /// It cannot be read, is no trace, or one of several authors at once.
    pub fn open(path: &Path) -> anyhow::Result<Trace> {
        let read = || {
            let bytes = std::fs::read(path)?;
            if !bytes.starts_with(&GZIP) {
                return Trace::parse(&bytes);
            }
            let mut text = Vec::new();
            MultiGzDecoder::new(&bytes[..])
                .take(TRACE_BYTES_MAX + 1)
                .read_to_end(&mut text)
                .context("it cannot be unpacked")?;
            ensure!(
                text.len() as u64 <= TRACE_BYTES_MAX,
                "it unpacks to more than 1 GiB"
            );
            Trace::parse(&text)
        };
        read().with_context(|| format!("the trace {}", path.display()))
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// It is no trace, or one of several authors at once.
    pub fn parse(json: &[u8]) -> anyhow::Result<Trace> {
        #[derive(Deserialize)]
        struct Kind {
            kind: Option<String>,
        }
        // First of all the kind: a trace of another kind lacks fields, and that would be a worse message.
        let head: Kind = serde_json::from_slice(json).context("it is no JSON object")?;
        let is_sequential = head.kind.as_deref().is_none_or(|kind| kind == "sequential");
        ensure!(
            is_sequential,
            "it is of the kind {:?}; only sequential traces can be replayed",
            head.kind.unwrap_or_default()
        );
        serde_json::from_slice(json)
            .context("it is no trace: {startContent, endContent, txns: [{patches}]} is one")
    }
}

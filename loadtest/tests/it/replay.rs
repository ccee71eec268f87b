//! Replays: what a trace makes of a document is what it makes of a text, and a run with one ends when it is through.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::Bytes;
use roomtone_crdt::{ConnectionId, Doc, Reader, Update};
use roomtone_loadtest::pen::Pen;
use roomtone_loadtest::replay::Replay;
use roomtone_loadtest::report::{Progress, Summary};
use roomtone_loadtest::run::{Watched, run};
use roomtone_loadtest::scenario::Plan;
use roomtone_loadtest::trace::Trace;

use crate::double::{Cheat, start};

/// A trace with everything that is awkward: pairs of code units, deletions alone, a patch that replaces, several patches
/// at once, text that is there from the beginning, a deletion of what the same transaction inserts.
const SMALL: &str = r#"{"startContent":"Hé😀","endContent":"Ja, 😀😀 wolfs!","txns":[
    {"time":"t","patches":[[2,1,""]]},
    {"time":"t","patches":[[0,2,"Ja 😀"]]},
    {"time":"t","patches":[[2,0,","],[5,0," welt"],[6,1,"W"]]},
    {"time":"t","patches":[]},
    {"time":"t","patches":[[4,1,"😀😀"]]},
    {"time":"t","patches":[[7,4,"wolf"],[11,0,"?!"],[11,1,"s"]]}]}"#;

fn patched(trace: &Trace) -> String {
    let mut text: Vec<char> = trace.start_content.chars().collect();
    for patch in trace.txns.iter().flat_map(|transaction| &transaction.patches) {
        text.splice(patch.0..patch.0 + patch.1, patch.2.chars());
    }
    text.into_iter().collect()
}

/// The text of a document that one client wrote alone: there each block stands right behind its left neighbour.
fn text_of(doc: &Doc) -> String {
    let snapshot = doc.snapshot().expect("a document");
    let mut reader = Reader::new(snapshot.bytes());
    let mut units: Vec<(u64, Option<u16>)> = Vec::new();
    assert_eq!(reader.var_uint(), Ok(1), "one client");
    let blocks = reader.var_uint().expect("a count");
    let client = reader.var_uint().expect("a client");
    let mut clock = reader.var_uint().expect("a clock");
    for _ in 0..blocks {
        let info = reader.u8().expect("a block");
        let mut neighbour = |bit: u8| {
            (info & bit != 0).then(|| {
                assert_eq!(reader.var_uint(), Ok(client));
                reader.var_uint().expect("a clock")
            })
        };
        let (left, right) = (neighbour(0x80), neighbour(0x40));
        if left.is_none() && right.is_none() {
            assert_eq!(reader.var_uint(), Ok(1), "a root");
            assert_eq!(reader.var_string(), Ok("text"));
        }
        let block: Vec<Option<u16>> = match info & 0x1f {
            1 => vec![None; reader.var_uint().expect("a length") as usize],
            4 => reader
                .var_string()
                .expect("a text")
                .encode_utf16()
                .map(Some)
                .collect(),
            other => panic!("a block of the kind {other}"),
        };
        let place = left.map_or(0, |left| {
            units
                .iter()
                .position(|(clock, _)| *clock == left)
                .expect("it is known")
                + 1
        });
        assert_eq!(
            units.get(place).map(|(clock, _)| *clock),
            right,
            "its right neighbour"
        );
        let length = block.len() as u64;
        units.splice(place..place, (clock..).zip(block));
        clock += length;
    }
    for _ in 0..reader.var_uint().expect("a count") {
        assert_eq!(reader.var_uint(), Ok(client));
        for _ in 0..reader.var_uint().expect("a count") {
            let from = reader.var_uint().expect("a clock");
            let to = from + reader.var_uint().expect("a length");
            for unit in units.iter_mut().filter(|(clock, _)| (from..to).contains(clock)) {
                unit.1 = None;
            }
        }
    }
    let visible: Vec<u16> = units.into_iter().filter_map(|(_, unit)| unit).collect();
    String::from_utf16(&visible).expect("no pair is torn apart")
}

/// Writes a trace into a document, in turns of so many edits; checks that the pen can tell all of it again.
fn written(trace: &Trace, turn: usize) -> Doc {
    let replay = Replay::of(trace).expect("it adds up");
    let (mut doc, mut pen) = (Doc::new(), Pen::new(9));
    let updates: Vec<(ConnectionId, Update)> = (0..replay.len())
        .map(|place| {
            let update = pen.replay(&replay.edit(place).expect("an edit"));
            (
                ConnectionId(1),
                Update::check(Bytes::from(update)).expect("it passes the gate"),
            )
        })
        .collect();
    for updates in updates.chunks(turn) {
        doc.apply(updates).expect("it fits");
    }
    assert_eq!(doc.state_vector().get(9), pen.clock());
    let whole = Update::check(Bytes::from(pen.since(0))).expect("it passes the gate");
    assert!(!doc.is_news(&whole).expect("a document"));
    let again = Doc::load([whole]).expect("it loads");
    assert!(
        !again
            .is_news(&doc.snapshot().expect("a document"))
            .expect("a document")
    );
    doc
}

#[test]
fn a_small_trace_makes_the_document_that_it_makes_of_a_text() {
    let trace = Trace::parse(SMALL.as_bytes()).expect("a trace");
    assert_eq!(patched(&trace), trace.end_content);
    assert_eq!(
        Replay::of(&trace).expect("it adds up").len(),
        6,
        "the empty one is no edit"
    );
    assert_eq!(text_of(&written(&trace, 1)), trace.end_content);
}

#[test]
fn random_patches_make_the_document_that_they_make_of_a_text() {
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};
    for seed in 0..20 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut text: Vec<char> = Vec::new();
        let mut txns = Vec::new();
        for _ in 0..200 {
            let mut patches = Vec::new();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..=text.len());
                let count = rng.random_range(0..=(text.len() - at).min(3));
                let inserted = ["", "a", "xyz", "😀", "ß😀q"][rng.random_range(0..5)];
                text.splice(at..at + count, inserted.chars());
                patches.push(serde_json::json!([at, count, inserted]));
            }
            txns.push(serde_json::json!({ "patches": patches }));
        }
        let end: String = text.into_iter().collect();
        let json = serde_json::json!({ "startContent": "", "endContent": end, "txns": txns });
        let trace = Trace::parse(json.to_string().as_bytes()).expect("a trace");
        assert_eq!(text_of(&written(&trace, 7)), end, "seed {seed}");
    }
}

/// The traces stand beside the checkout, where there are any.
fn traces() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/traces");
    std::env::var_os("ROOMTONE_TRACES").map_or_else(beside, PathBuf::from)
}

#[test]
fn a_real_trace_is_replayed_to_its_end() {
    let path = traces().join("sveltecomponent.json.gz");
    if !path.exists() {
        return;
    }
    let trace = Trace::open(&path).expect("a trace");
    let began = Instant::now();
    let replay = Replay::of(&trace).expect("it adds up");
    assert!(
        replay.len() > 10_000 && began.elapsed().as_secs() < 10,
        "{:?}",
        began.elapsed()
    );
    assert_eq!(text_of(&written(&trace, 500)), trace.end_content);
}

#[test]
fn what_is_no_trace_is_refused_in_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.json.gz");
    for (text, wanted) in [
        ("[]", "no JSON object"),
        ("{\"kind\":\"concurrent\"}", "only sequential traces"),
        ("{\"startContent\":\"\"}", "it is no trace"),
        (
            "{\"endContent\":\"a\",\"txns\":[{\"patches\":[[3,0,\"a\"]]}]}",
            "transaction 0: the patch [3, 0",
        ),
        (
            "{\"endContent\":\"ab\",\"txns\":[{\"patches\":[[0,0,\"a\"]]}]}",
            "leave 1 characters",
        ),
    ] {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text.as_bytes()).expect("packed");
        std::fs::write(&path, packer.finish().expect("packed")).expect("written");
        let error = Trace::open(&path)
            .and_then(|trace| Replay::of(&trace))
            .expect_err(text);
        assert!(format!("{error:#}").contains(wanted), "{error:#}");
    }
    std::fs::write(&path, [0x1f, 0x8b, 8, 0, 0]).expect("written");
    assert!(format!("{:#}", Trace::open(&path).expect_err("cut")).contains("unpacked"));
}

/// One who replays a trace of many edits, half of them deletions, and two who read.
async fn replayed(cheat: Cheat, dialect: &str, rate: &str) -> Summary {
    let url = start(cheat).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.json");
    let txns: Vec<String> = (0..3_000)
        .map(|n| match n % 3 {
            0 => "{\"patches\":[[0,0,\"word\"]]}".to_owned(),
            1 => "{\"patches\":[[1,2,\"\"]]}".to_owned(),
            _ => "{\"patches\":[[0,2,\"\"]]}".to_owned(),
        })
        .collect();
    let json = format!(
        "{{\"startContent\":\"\",\"endContent\":\"\",\"txns\":[{}]}}",
        txns.join(",")
    );
    std::fs::write(&path, json).expect("written");
    let duration_s = if rate.contains("flat_out") { 60 } else { 3 };
    let text = format!(
        "name = \"replay\"\nsample_docs = 3\ndrain_s = 2\ntarget = {{ url = \"{url}\" }}\n\
         [[scenario]]\nname = \"readers\"\nroom = \"honest\"\ndialect = \"{dialect}\"\n\
         executor = {{ kind = \"constant-vus\", vus = 2, duration_s = {duration_s} }}\n\
         [[scenario]]\nname = \"writer\"\nroom = \"honest\"\ndialect = \"{dialect}\"\n\
         executor = {{ kind = \"constant-vus\", vus = 1, duration_s = {duration_s} }}\n\
         actions = [{{ kind = \"replay\", {rate}, trace = \"{{trace}}\" }}]\n"
    );
    let mut plan = Plan::parse(&text, "replay").expect("a plan");
    assert!(plan.set_trace(None).is_err());
    plan.set_trace(path.to_str()).expect("a file");
    run(&plan, &Watched::default(), &mut Progress::new(true))
        .await
        .expect("it runs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flat_out_it_ends_when_it_is_through_and_every_deletion_is_counted() {
    for dialect in ["y-websocket", "hocuspocus", "native"] {
        let summary = replayed(Cheat::Nothing, dialect, "flat_out = true, ahead = 100").await;
        assert_eq!(summary.counters["edits"], 3_000, "{dialect}");
        assert!(
            summary.ran_s < 40.0,
            "{dialect}: it ended with the trace, not with the time"
        );
        assert!(summary.counters["deliveries"] > 5_000, "{dialect}: {summary:?}");
        for nothing in ["undelivered", "diverged", "gaps"] {
            assert_eq!(summary.counters[nothing], 0, "{dialect} {nothing}: {summary:?}");
        }
        assert!(summary.errors.is_empty(), "{dialect}: {:?}", summary.errors);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_rate_it_keeps_the_rate() {
    let summary = replayed(Cheat::Nothing, "y-websocket", "per_s = 200").await;
    let edits = summary.counters["edits"];
    assert!((400..=620).contains(&edits), "{edits}");
    assert_eq!(summary.counters["undelivered"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_deletion_is_found() {
    let summary = replayed(Cheat::Drops, "y-websocket", "per_s = 1000").await;
    assert!(summary.counters["undelivered"] > 0, "{summary:?}");
    assert!(!summary.warnings.is_empty());
}

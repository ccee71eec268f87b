//! What the gate and the document let pass, real yjs can load: it is asked.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use bytes::Bytes;
use roomtone_crdt::{ConnectionId, Doc, Update};
use serde_json::Value;

use crate::mutation::mutated;
use crate::random::{Random, rounds};
use crate::session::{session, text_of};
use crate::written::hostile;

/// What a room did with a row of updates from the network.
#[derive(Default)]
struct Case {
    name: String,
    broadcasts: Vec<Bytes>,
    snapshot: Bytes,
    alone: Vec<Bytes>,
    broken: u32,
}

/// Plays a row of updates into a document the way a room does: what breaks it is left out, and it is made anew.
fn room(name: String, updates: impl IntoIterator<Item = Vec<u8>>) -> Case {
    let mut case = Case {
        name,
        ..Case::default()
    };
    let mut doc = Doc::new();
    let mut log: Vec<Update> = Vec::new();
    for bytes in updates {
        let Ok(update) = Update::check(Bytes::from(bytes)) else {
            continue;
        };
        // The document is part of the gate: what it refuses is relayed to nobody.
        if Doc::new().apply(&[(ConnectionId(1), update.clone())]).is_ok() {
            case.alone.push(update.bytes().clone());
        }
        match doc.apply(&[(ConnectionId(1), update)]) {
            Ok(turn) => {
                if let Some(update) = turn.update {
                    case.broadcasts.push(update.bytes().clone());
                    log.push(update);
                }
            }
            Err(_) => {
                case.broken += 1;
                doc =
                    Doc::load(log.iter().cloned()).expect("what was integrated once can be integrated again");
            }
        }
    }
    case.snapshot = doc
        .snapshot()
        .expect("what is in a document can be written")
        .bytes()
        .clone();
    case
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/yjs")
}

/// Bytes with their length in front.
pub(crate) fn prefixed(input: &mut Vec<u8>, bytes: &[u8]) {
    input.extend((bytes.len() as u32).to_le_bytes());
    input.extend(bytes);
}

/// What a script of the folder of real yjs writes when it is given some input.
pub(crate) fn node(script: &str, arguments: &[&str], input: Vec<u8>) -> Vec<u8> {
    let installed = std::env::var_os("ROOMTONE_YJS").map_or_else(folder, PathBuf::from);
    assert!(
        installed.join("node_modules/yjs/package.json").exists(),
        "yjs is not installed: run `npm ci` in crdt/tests/yjs, or set ROOMTONE_YJS to a folder that has it"
    );
    let mut node = Command::new("node")
        .arg(folder().join(script))
        .args(arguments)
        .env("ROOMTONE_YJS", &installed)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node can be started");
    let mut stdin = node.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = node.wait_with_output().expect("node ends");
    assert!(output.status.success(), "node failed");
    writer.join().expect("no panic").expect("node reads everything");
    output.stdout
}

/// Asks yjs about cases; one answer each.
fn ask(cases: &[Case]) -> Vec<Value> {
    let mut input = Vec::new();
    for case in cases {
        input.extend((case.broadcasts.len() as u32).to_le_bytes());
        case.broadcasts
            .iter()
            .for_each(|update| prefixed(&mut input, update));
        prefixed(&mut input, &case.snapshot);
        input.extend((case.alone.len() as u32).to_le_bytes());
        case.alone.iter().for_each(|update| prefixed(&mut input, update));
    }
    let answers: Vec<Value> = String::from_utf8(node("check.mjs", &[], input))
        .expect("text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(answers.len(), cases.len());
    answers
}

fn texts(answer: &Value, who: &str) -> BTreeMap<String, String> {
    let texts = answer[who]["texts"].as_object().expect("it was loaded");
    let has_text = texts.iter().filter(|(_, text)| text.as_str() != Some(""));
    has_text
        .map(|(name, text)| (name.clone(), text.as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// How much has to be equal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// What clients made: those who followed every broadcast have what those have who join at the end.
    Converged,
    /// What somebody made up. Who writes a right neighbour that stands left of the left one makes replicas of yjs
    /// itself order their text by the order of arrival; neither engine can see that without a walk over the list. It
    /// must load everywhere and lack nothing, and those who join must have what the server has.
    Loaded,
}

/// Checks every case and names all that is wrong.
fn check(cases: &[Case], expected: Expected) {
    let mut wrong = Vec::new();
    let mut diverged = 0;
    for (case, answer) in cases.iter().zip(ask(cases)) {
        if let Some(thrown) = answer["thrown"].as_str() {
            wrong.push(format!("{}: yjs threw: {thrown}", case.name));
            continue;
        }
        if answer["joined"]["complete"] != true || answer["followed"]["complete"] != true {
            wrong.push(format!("{}: something is missing", case.name));
        }
        let (followed, joined) = (texts(&answer, "followed"), texts(&answer, "joined"));
        let ours = text_of(&case.snapshot, "t");
        if joined.get("t").map_or("", String::as_str) != ours {
            wrong.push(format!("{}: yjs has {joined:?}, the engine {ours:?}", case.name));
        }
        if followed != joined {
            diverged += 1;
            if expected == Expected::Converged {
                wrong.push(format!(
                    "{}: followers have {followed:?}, joiners {joined:?}",
                    case.name
                ));
            }
        }
    }
    let broken: u32 = cases.iter().map(|case| case.broken).sum();
    let passed: usize = cases.iter().map(|case| case.broadcasts.len()).sum();
    let alone: usize = cases.iter().map(|case| case.alone.len()).sum();
    println!(
        "{} cases, {alone} loaded alone, {passed} broadcasts, {broken} refused by the document, {diverged} diverged",
        cases.len()
    );
    if let Some(folder) = std::env::var_os("ROOMTONE_YJS_DUMP") {
        for case in cases.iter().filter(|case| {
            wrong
                .iter()
                .any(|line| line.starts_with(&format!("{}:", case.name)))
        }) {
            let mut lines: Vec<String> = case.broadcasts.iter().map(|update| hex(update)).collect();
            lines.push(hex(&case.snapshot));
            let path = PathBuf::from(&folder).join(case.name.replace(' ', "-"));
            std::fs::write(path, lines.join("\n")).expect("a folder to write to");
        }
    }
    wrong.truncate(20);
    assert!(
        wrong.is_empty(),
        "{} cases are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn sessions_look_the_same_in_yjs() {
    let cases: Vec<Case> = (0..rounds("ROOMTONE_YJS_ROUNDS", 60))
        .map(|seed| {
            let mut updates = session(seed, 3, 60);
            // A row of a network: late, twice, out of order.
            let mut random = Random::new(seed);
            let again = updates[random.below(updates.len() as u64) as usize].clone();
            updates.push(again);
            random.shuffle(&mut updates);
            room(format!("session {seed}"), updates)
        })
        .collect();
    assert!(
        cases.iter().all(|case| case.broken == 0),
        "nothing that a client makes is refused"
    );
    check(&cases, Expected::Converged);
}

#[test]
fn mutated_updates_that_pass_can_be_loaded_by_yjs() {
    let cases: Vec<Case> = (0..rounds("ROOMTONE_YJS_ROUNDS", 400))
        .map(|seed| {
            let mut random = Random::new(seed + 1_000_000);
            let updates = session(seed % 20, 3, 30);
            let mut row = Vec::new();
            for update in updates {
                // Of most mutations nothing passes.
                row.extend((0..random.below(6)).map(|_| mutated(&mut random, &update)));
                row.push(update);
            }
            room(format!("mutated {seed}"), row)
        })
        .collect();
    check(&cases, Expected::Loaded);
}

#[test]
fn hostile_updates_that_pass_can_be_loaded_by_yjs() {
    let cases: Vec<Case> = (0..rounds("ROOMTONE_YJS_ROUNDS", 2_000))
        .map(|seed| room(format!("hostile {seed}"), hostile(seed, 12)))
        .collect();
    check(&cases, Expected::Loaded);
}

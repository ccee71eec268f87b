//! Editing sessions: several clients edit one document with the engine itself, and every edit is an update.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use yrs::types::ToJson;
use yrs::updates::decoder::Decode;
use yrs::{
    Any, Array, ArrayPrelim, Doc, GetString, Map, MapPrelim, OffsetKind, Options, ReadTxn, Text, TextPrelim,
    Transact, XmlElementPrelim, XmlFragment, XmlTextPrelim,
};

use crate::random::Random;

/// A client's own document. Its id is small, so that mutations hit other clients' ids.
fn client(id: u64) -> Doc {
    let mut options = Options::with_client_id(yrs::ClientID::new(id));
    options.offset_kind = OffsetKind::Utf16;
    let doc = Doc::with_options(options);
    doc.get_or_insert_text("t");
    doc.get_or_insert_map("m");
    doc.get_or_insert_array("a");
    doc.get_or_insert_xml_fragment("x");
    doc
}

/// What `clients` clients do in `steps` steps: the updates, in the order in which they were made.
pub(crate) fn session(seed: u64, clients: u64, steps: u64) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    let docs: Vec<Doc> = (1..=clients).map(client).collect();
    let made: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let mut seen: Vec<usize> = vec![0; docs.len()];
    for _ in 0..steps {
        let index = random.below(clients) as usize;
        let doc = &docs[index];
        // Sometimes a client hears of everything, and otherwise edits what it has.
        if random.chance(3) {
            let all = made.lock().expect("no panic inside").clone();
            let mut transaction = doc.transact_mut();
            for update in &all[seen[index]..] {
                transaction
                    .apply_update(yrs::Update::decode_v1(update).expect("own update"))
                    .expect("fits");
            }
            seen[index] = all.len();
        }
        let mut transaction = doc.transact_mut();
        edit(doc, &mut transaction, &mut random);
        let update = transaction.encode_update_v1();
        drop(transaction);
        made.lock().expect("no panic inside").push(update);
    }
    made.lock().expect("no panic inside").clone()
}

fn edit(_doc: &Doc, transaction: &mut yrs::TransactionMut<'_>, random: &mut Random) {
    let text = transaction.get_text("t").expect("made above");
    let map = transaction.get_map("m").expect("made above");
    let array = transaction.get_array("a").expect("made above");
    let xml = transaction.get_xml_fragment("x").expect("made above");
    let length = u64::from(text.len(transaction));
    match random.below(12) {
        0..=3 => {
            let at = random.below(length + 1) as u32;
            // No pairs: deleting half of one is where replicas of yjs itself part.
            let word = *random.pick(&["a", "hello ", "Grüße", "漢字", "\n", "0123456789"]);
            text.insert(transaction, at, word);
        }
        4 if length > 0 => {
            let at = random.below(length) as u32;
            let count = (random.below(8) + 1).min(length - u64::from(at)) as u32;
            text.remove_range(transaction, at, count);
        }
        5 if length > 0 => {
            let at = random.below(length) as u32;
            let count = (random.below(4) + 1).min(length - u64::from(at)) as u32;
            let format = HashMap::from([(Arc::from("bold"), Any::Bool(random.chance(2)))]);
            text.format(transaction, at, count, format);
        }
        6 => {
            let key = random.pick(&["k", "l", "m"]).to_string();
            match random.below(4) {
                0 => drop(map.insert(transaction, key, MapPrelim::default())),
                1 => drop(map.insert(transaction, key, TextPrelim::new("nested"))),
                _ => drop(map.insert(transaction, key, random.below(1000) as f64)),
            }
        }
        7 => drop(map.remove(transaction, random.pick::<&str>(&["k", "l", "m"]))),
        8 => {
            let at = random.below(u64::from(array.len(transaction)) + 1) as u32;
            match random.below(3) {
                0 => drop(array.insert(transaction, at, ArrayPrelim::from([1, 2, 3]))),
                1 => drop(array.insert(transaction, at, Any::Null)),
                _ => drop(array.insert(transaction, at, Any::from(vec![1u8, 2, 3]))),
            }
        }
        9 if array.len(transaction) > 0 => {
            let at = random.below(u64::from(array.len(transaction))) as u32;
            array.remove(transaction, at);
        }
        10 => {
            let at = random.below(u64::from(xml.len(transaction)) + 1) as u32;
            let element = xml.insert(transaction, at, XmlElementPrelim::empty("p"));
            element.insert(transaction, 0, XmlTextPrelim::new("words"));
        }
        _ if xml.len(transaction) > 0 => {
            let at = random.below(u64::from(xml.len(transaction))) as u32;
            xml.remove_range(transaction, at, 1);
        }
        _ => text.insert(transaction, 0, "."),
    }
}

/// The text of a root type after an update was loaded into an empty document, as the engine reads it.
pub(crate) fn text_of(snapshot: &[u8], root: &str) -> String {
    let doc = client(900);
    let mut transaction = doc.transact_mut();
    transaction
        .apply_update(yrs::Update::decode_v1(snapshot).expect("a snapshot"))
        .expect("complete");
    assert!(!transaction.has_missing_updates(), "a snapshot is complete");
    transaction
        .get_text(root)
        .map_or_else(String::new, |text| text.get_string(&transaction))
}

/// The root map and the root array after an update was loaded into an empty document, as JSON.
pub(crate) fn described(snapshot: &[u8]) -> (serde_json::Value, serde_json::Value) {
    let doc = client(900);
    let mut transaction = doc.transact_mut();
    let update = yrs::Update::decode_v1(snapshot).expect("a snapshot");
    transaction.apply_update(update).expect("complete");
    let json = |any: Any| {
        let mut text = String::new();
        any.to_json(&mut text);
        serde_json::from_str(&text).expect("JSON")
    };
    let map = transaction.get_map("m").expect("made above");
    let array = transaction.get_array("a").expect("made above");
    (json(map.to_json(&transaction)), json(array.to_json(&transaction)))
}

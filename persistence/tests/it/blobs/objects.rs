//! Objects by themselves.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use roomtone_persistence::limits::BLOB_CALL_SECONDS;
use roomtone_persistence::{BlobError, BlobId, BlobKey, BlobOperation, BlobOutcome, BlobStore};

use super::s3::{Fault, SECRET, Server};
use super::{in_files, objects_in};

/// So large that it comes in many parts.
fn object(seed: u8) -> Bytes {
    (0..3_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 ^ seed)
        .collect()
}

fn key(id: i64, object: &[u8]) -> BlobKey {
    BlobKey::of(BlobId(id), object)
}

/// The file of an object, wherever the store keeps its files.
fn file_of(folder: &Path, key: &BlobKey) -> std::path::PathBuf {
    let name = key.path().rsplit('/').next().unwrap().to_owned();
    let is_it = |path: &std::path::PathBuf| path.file_name().is_some_and(|file| file == name.as_str());
    objects_in(folder).into_iter().find(is_it).unwrap()
}

async fn an_object_comes_back_as_it_was_put(blobs: BlobStore, folder: &Path) {
    blobs.check().await.unwrap();
    assert_eq!(objects_in(folder).len(), 0, "the check leaves nothing behind");
    let (one, two) = (object(1), object(2));
    let (key_one, key_two) = (key(1, &one), key(2, &two));
    assert_eq!(blobs.get(&key_one).await, Err(BlobError::Missing));
    for _ in 0..2 {
        blobs.put(&key_one, one.clone()).await.unwrap();
        blobs.put(&key_two, two.clone()).await.unwrap();
    }
    assert_eq!(blobs.get(&key_one).await.unwrap(), one);
    assert_eq!(blobs.get(&key_two).await.unwrap(), two);
    for _ in 0..2 {
        blobs.delete(&key_one).await.unwrap();
    }
    assert_eq!(blobs.get(&key_one).await, Err(BlobError::Missing));
    assert_eq!(blobs.get(&key_two).await.unwrap(), two);
    assert!(!blobs.is_away());
}

async fn an_object_that_was_changed_is_not_handed_on(blobs: BlobStore, folder: &Path) {
    let object = object(1);
    let key = key(1, &object);
    blobs.put(&key, object.clone()).await.unwrap();
    let file = file_of(folder, &key);
    let mut changed = object.to_vec();
    changed[1_000_000] ^= 1;
    let longer = [&object[..], b"x"].concat();
    for bytes in [&changed[..], &object[..2_000_000], &longer[..], &[]] {
        std::fs::write(&file, bytes).unwrap();
        let refused = blobs.get(&key).await.unwrap_err();
        assert!(matches!(refused, BlobError::Corrupt(_)), "{refused}");
    }
    // Putting it again heals it.
    blobs.put(&key, object.clone()).await.unwrap();
    assert_eq!(blobs.get(&key).await.unwrap(), object);
    // A key that asks for more than there can be is damaged, and nothing is allocated for it.
    let absurd = BlobKey {
        bytes: u64::MAX,
        ..key
    };
    assert!(matches!(blobs.get(&absurd).await, Err(BlobError::Corrupt(_))));
}

#[tokio::test]
async fn files_keep_objects() {
    let folder = tempfile::tempdir().unwrap();
    an_object_comes_back_as_it_was_put(in_files(folder.path()), folder.path()).await;
}

#[tokio::test]
async fn changed_files_are_found_out() {
    let folder = tempfile::tempdir().unwrap();
    an_object_that_was_changed_is_not_handed_on(in_files(folder.path()), folder.path()).await;
}

#[tokio::test]
async fn s3_keeps_objects() {
    let server = Server::start().await;
    an_object_comes_back_as_it_was_put(server.blobs(), &server.bucket()).await;
}

#[tokio::test]
async fn changed_objects_in_s3_are_found_out() {
    let server = Server::start().await;
    an_object_that_was_changed_is_not_handed_on(server.blobs(), &server.bucket()).await;
}

#[tokio::test]
async fn what_has_to_be_changed_is_said_at_the_start() {
    let server = Server::start().await;
    let of = |bucket: &str, secret: &str| BlobStore::new(server.options(bucket, secret)).unwrap();
    for (blobs, expected) in [
        (of("missing", SECRET), "bucket"),
        (of("documents", "wrong"), "SignatureDoesNotMatch"),
    ] {
        let refused = blobs.check().await.unwrap_err();
        assert!(matches!(refused, BlobError::Misconfigured(_)), "{refused}");
        let text = refused.to_string();
        assert!(text.contains(expected) && !text.contains("CANARY"), "{text}");
    }
    // A bucket that goes later is no loss of the object.
    let (blobs, object) = (server.blobs(), object(1));
    blobs.put(&key(1, &object), object.clone()).await.unwrap();
    std::fs::remove_dir_all(server.bucket()).unwrap();
    let refused = blobs.get(&key(1, &object)).await.unwrap_err();
    assert!(matches!(refused, BlobError::Misconfigured(_)), "{refused}");
    let refused = blobs.put(&key(1, &object), object.clone()).await.unwrap_err();
    assert!(matches!(refused, BlobError::Misconfigured(_)), "{refused}");

    let file = tempfile::NamedTempFile::new().unwrap();
    let url = format!("file://{}/blobs", file.path().display());
    let options = roomtone_persistence::BlobOptions::parse(&url).unwrap();
    assert!(matches!(
        BlobStore::new(options),
        Err(BlobError::Misconfigured(_))
    ));
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_ends() {
    let mut server = Server::start().await;
    let blobs = server.blobs();
    let object = object(1);
    let key = key(1, &object);
    blobs.put(&key, object.clone()).await.unwrap();

    server.set(Fault::Fails(2));
    assert_eq!(blobs.get(&key).await.unwrap(), object);
    server.set(Fault::Fails(2));
    blobs.put(&key, object.clone()).await.unwrap();
    server.set(Fault::Slow(Duration::from_millis(300)));
    assert_eq!(blobs.get(&key).await.unwrap(), object);

    for fault in [Fault::Fails(u32::MAX), Fault::Truncates] {
        server.set(fault);
        let began = Instant::now();
        let refused = blobs.get(&key).await.unwrap_err();
        assert!(
            matches!(refused, BlobError::Unavailable(_)),
            "{fault:?}: {refused}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(BLOB_CALL_SECONDS + 2),
            "{fault:?}"
        );
        assert!(blobs.is_away(), "{fault:?}");
    }
    server.set(Fault::Lies);
    let refused = blobs.get(&key).await.unwrap_err();
    assert!(matches!(refused, BlobError::Corrupt(_)), "{refused}");

    server.stop().await;
    for refused in [
        blobs.get(&key).await.unwrap_err(),
        blobs.put(&key, object.clone()).await.unwrap_err(),
        blobs.check().await.unwrap_err(),
    ] {
        assert!(matches!(refused, BlobError::Unavailable(_)), "{refused}");
    }
    assert!(blobs.is_away());
    server.set(Fault::None);
    server.start_again().await;
    assert_eq!(blobs.get(&key).await.unwrap(), object);
    assert!(!blobs.is_away());
}

#[tokio::test]
async fn a_server_that_never_answers_is_not_waited_for() {
    let server = Server::start().await;
    server.set(Fault::Hangs);
    let blobs = server.blobs();
    let object = Bytes::from_static(b"small");
    let key = key(1, &object);
    let began = Instant::now();
    let (put, get, delete) = tokio::join!(
        blobs.put(&key, object.clone()),
        blobs.get(&key),
        blobs.delete(&key),
    );
    for refused in [put.unwrap_err(), get.map(drop).unwrap_err(), delete.unwrap_err()] {
        assert!(matches!(refused, BlobError::Unavailable(_)), "{refused}");
    }
    assert!(began.elapsed() < Duration::from_secs(BLOB_CALL_SECONDS + 2));
}

#[tokio::test]
async fn every_call_is_told() {
    let server = Server::start().await;
    let calls = Arc::new(Mutex::new(Vec::new()));
    let told = calls.clone();
    let options = server.options("documents", SECRET);
    let blobs = BlobStore::observed(options, move |call| told.lock().unwrap().push(*call)).unwrap();
    let object = object(1);
    let key = key(1, &object);
    blobs.get(&key).await.unwrap_err();
    blobs.put(&key, object).await.unwrap();
    server.set(Fault::Lies);
    blobs.get(&key).await.unwrap_err();
    blobs.delete(&key).await.unwrap();
    let calls = calls.lock().unwrap();
    let told: Vec<_> = calls
        .iter()
        .map(|call| (call.operation, call.outcome, call.bytes))
        .collect();
    assert_eq!(
        told,
        [
            (BlobOperation::Get, BlobOutcome::Missing, 3_000_000),
            (BlobOperation::Put, BlobOutcome::Ok, 3_000_000),
            (BlobOperation::Get, BlobOutcome::Corrupt, 3_000_000),
            (BlobOperation::Delete, BlobOutcome::Ok, 0),
        ]
    );
    assert!(calls.iter().all(|call| call.took > Duration::ZERO));
}

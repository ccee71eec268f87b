//! Blobs: in files and in S3, by themselves and under the contract, and what they can suffer.

mod objects;
pub(crate) mod property;
pub(crate) mod s3;
mod snapshots;

use std::path::{Path, PathBuf};

use roomtone_persistence::{BlobOptions, BlobStore, SqliteStore};
use tempfile::TempDir;

use self::s3::Server;

/// A blob store in files, for snapshots of every size.
pub(crate) fn in_files(folder: &Path) -> BlobStore {
    let options = BlobOptions::parse(&format!("file://{}/blobs", folder.display())).unwrap();
    BlobStore::new(options).unwrap().snapshots_from(1)
}

/// The files of all objects.
pub(crate) fn objects_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(objects_in(&path));
        } else {
            files.push(path);
        }
    }
    files
}

mod files {
    use super::*;
    use crate::contract::damaged::Ground;

    async fn fresh() -> (SqliteStore, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (open(folder.path()).await, folder)
    }

    async fn fresh_ground() -> (SqliteStore, Files) {
        let (store, folder) = fresh().await;
        (store, Files(folder))
    }

    contract_suite!(super::fresh);
    damage_suite!(super::fresh_ground);

    /// A folder with a database and its blobs.
    struct Files(TempDir);

    impl Ground for Files {
        type Store = SqliteStore;

        async fn vandalise(&self, statement: &str) {
            crate::sqlite::vandalise(&database(self.0.path()), statement).await;
        }

        async fn open_again(&self) -> SqliteStore {
            open(self.0.path()).await
        }
    }
}

mod s3_server {
    use super::*;

    async fn fresh() -> (SqliteStore, (Server, TempDir)) {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start().await;
        let blobs = server.blobs().snapshots_from(1);
        let store = SqliteStore::open_with_blobs(&database(folder.path()), blobs)
            .await
            .unwrap();
        (store, (server, folder))
    }

    contract_suite!(super::fresh);
}

pub(crate) fn database(folder: &Path) -> PathBuf {
    folder.join("roomtone.db")
}

pub(crate) async fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open_with_blobs(&database(folder), in_files(folder))
        .await
        .unwrap()
}

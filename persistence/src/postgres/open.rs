//! Opening a database: what it must be able to promise, and its schema.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::time::timeout;
use uuid::Uuid;

use super::append::Appender;
use super::connections::Connections;
use super::follow::Follower;
use super::lease::Claims;
use super::{PostgresOptions, PostgresStore, ledger, schema};
use crate::StoreError;
use crate::blobs::{BlobStore, Snapshots};
use crate::limits::{
    POSTGRES_CALL_SECONDS, POSTGRES_HEARTBEATS_COUNT_MAX, POSTGRES_READERS_COUNT_MAX,
    POSTGRES_WRITERS_COUNT_MAX,
};

/// PostgreSQL 14, as `server_version_num`: the first that notices by itself that a client is gone.
const VERSION_MIN: i32 = 140_000;

pub(crate) async fn open(options: PostgresOptions) -> Result<PostgresStore, StoreError> {
    // Version 7 begins with the time: in a listing, runs stand in the order of their starts.
    let run = Uuid::now_v7();
    let connect = (*options.connect)
        .clone()
        .application_name(&format!("roomtone {}", options.node));
    let prepared = prepare(&connect, options.blobs.clone());
    let ready = timeout(Duration::from_secs(POSTGRES_CALL_SECONDS), prepared).await;
    let snapshots = ready.map_err(|_| {
        StoreError::Unavailable(format!(
            "{options} did not answer within {POSTGRES_CALL_SECONDS} s, or another node is changing its schema"
        ))
    })??;
    tracing::info!(database = %options, node = options.node, %run, "PostgreSQL store");
    let appender = Arc::new(Appender::new(run, options.node));
    Ok(PostgresStore {
        follower: Arc::new(Follower::new(
            connect.clone(),
            appender.clone(),
            snapshots.clone(),
        )),
        writers: Connections::new(connect.clone(), POSTGRES_WRITERS_COUNT_MAX),
        readers: Connections::new(connect.clone(), POSTGRES_READERS_COUNT_MAX),
        heartbeats: Connections::new(connect, POSTGRES_HEARTBEATS_COUNT_MAX),
        appender,
        claims: Claims::default(),
        snapshots,
    })
}

async fn prepare(connect: &PgConnectOptions, blobs: Option<BlobStore>) -> Result<Snapshots, StoreError> {
    let mut connection = connect.connect().await.map_err(refusal)?;
    check(&mut connection).await?;
    schema::bring_up_to_date(&mut connection).await?;
    ledger::prune(&mut connection).await?;
    let snapshots = Snapshots::new(blobs, &mut connection).await?;
    connection.close().await?;
    Ok(snapshots)
}

/// What a server that is there objects to. Nobody is seeing to that, unlike later on: it is to be said, and not waited for.
fn refusal(error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code());
    let what_to_do = match code.as_deref() {
        Some("28P01" | "28000") => "see the user and the password in the URL, and pg_hba.conf",
        Some("3D000") => "make the database with CREATE DATABASE ... ENCODING 'UTF8'",
        Some("42501") => "allow the role to connect with GRANT CONNECT",
        _ if matches!(error, sqlx::Error::Tls(_) | sqlx::Error::Configuration(_)) => {
            "see sslmode and sslrootcert in the URL"
        }
        _ => return error.into(),
    };
    StoreError::Misconfigured(format!("{error}: {what_to_do}"))
}

#[derive(Debug, sqlx::FromRow)]
struct Settings {
    version: i32,
    is_standby: bool,
    encoding: String,
    fsync: String,
    synchronous_commit: String,
}

/// Refuses a server on which an acknowledged edit could be lost, or a name could not be kept.
async fn check(connection: &mut PgConnection) -> Result<(), StoreError> {
    let settings: Settings = sqlx::query_as(
        "SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS is_standby, \
         current_setting('server_encoding') AS encoding, current_setting('fsync') AS fsync, \
         current_setting('synchronous_commit') AS synchronous_commit",
    )
    .fetch_one(connection)
    .await?;
    let refuse = |problem: String| Err(StoreError::Misconfigured(problem));
    if settings.version < VERSION_MIN {
        return refuse(format!(
            "PostgreSQL {} is too old; 14 or newer is needed",
            settings.version / 10_000
        ));
    }
    if settings.is_standby {
        return Err(StoreError::Unavailable(
            "this PostgreSQL is a standby; give the address of the primary".into(),
        ));
    }
    if settings.encoding != "UTF8" {
        return refuse(format!(
            "the encoding of the database is {}; make one with CREATE DATABASE ... ENCODING 'UTF8'",
            settings.encoding
        ));
    }
    if settings.fsync != "on" {
        return refuse(
            "fsync is off, so a loss of power takes acknowledged edits and perhaps the whole database; set fsync = on in \
             postgresql.conf and reload"
                .into(),
        );
    }
    if !["on", "remote_apply"].contains(&settings.synchronous_commit.as_str()) {
        tracing::warn!(
            synchronous_commit = settings.synchronous_commit,
            "the database, the role or the URL sets this below `on`; Roomtone's own connections use `on`"
        );
    }
    Ok(())
}

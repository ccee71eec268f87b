//! Rows of the table `nodes`: who has the database open.

use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::limits::{NODE_KEPT_SECONDS, NODE_SILENCE_SECONDS};
use crate::{NodeEntry, NodeReport, StoreError};

/// Renews the line of a run, or enters it, and forgets those that were silent for long. Its own line is never old here:
/// a server that was asleep for a day is back.
pub(crate) async fn renew(
    connection: &mut PgConnection,
    run: Uuid,
    node: &str,
    report: &NodeReport,
) -> Result<(), StoreError> {
    sqlx::query(
        "WITH pruned AS ( \
             DELETE FROM nodes WHERE run <> $1 AND heard_at < now() - make_interval(secs => $8)) \
         INSERT INTO nodes (run, node, address, version, state, rooms_count, connections_count) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (run) DO UPDATE SET address = excluded.address, state = excluded.state, \
         rooms_count = excluded.rooms_count, connections_count = excluded.connections_count, heard_at = now()",
    )
    .bind(run)
    .bind(node)
    .bind(&report.address)
    .bind(&report.version)
    .bind(report.state.as_str())
    .bind(signed(report.rooms_count))
    .bind(signed(report.connections_count))
    .bind(NODE_KEPT_SECONDS as f64)
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct NodeRow {
    run: Uuid,
    node: String,
    address: String,
    version: String,
    state: String,
    rooms_count: i64,
    connections_count: i64,
    started_ms: i64,
    up_ms: i64,
    heard_ms_ago: i64,
    is_gone: bool,
}

/// Everybody, in the order of their starts.
pub(crate) async fn list(connection: &mut PgConnection) -> Result<Vec<NodeEntry>, StoreError> {
    let rows: Vec<NodeRow> = sqlx::query_as(
        "SELECT run, node, address, version, state, rooms_count, connections_count, \
         (extract(epoch FROM started_at) * 1000)::bigint AS started_ms, \
         (extract(epoch FROM now() - started_at) * 1000)::bigint AS up_ms, \
         (extract(epoch FROM now() - heard_at) * 1000)::bigint AS heard_ms_ago, \
         heard_at < now() - make_interval(secs => $1) AS is_gone FROM nodes ORDER BY started_at, run",
    )
    .bind(NODE_SILENCE_SECONDS as f64)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(NodeRow::into_entry).collect())
}

/// Takes a run off the list: it ends in order.
pub(crate) async fn remove(connection: &mut PgConnection, run: Uuid) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM nodes WHERE run = $1")
        .bind(run)
        .execute(connection)
        .await?;
    Ok(())
}

impl NodeRow {
    fn into_entry(self) -> NodeEntry {
        NodeEntry {
            run: self.run,
            node: self.node,
            address: self.address,
            version: self.version,
            state: self.state,
            rooms_count: unsigned(self.rooms_count),
            connections_count: unsigned(self.connections_count),
            started_ms: unsigned(self.started_ms),
            // Below zero when the clock of the database was put back.
            up_ms: unsigned(self.up_ms),
            heard_ms_ago: unsigned(self.heard_ms_ago),
            is_gone: self.is_gone,
        }
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

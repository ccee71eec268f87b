//! The contract, kept in PostgreSQL, and what only several processes on one database can suffer.

mod blobs;
mod chats;
mod faults;
mod following;
mod nodes;
mod once;
mod opening;
mod registry;
mod server;

use roomtone_persistence::PostgresStore;

use self::server::{Server, shared};
use crate::contract::damaged::Ground;

/// A database of the shared server.
pub(crate) struct Database {
    server: &'static Server,
    name: String,
}

impl Database {
    async fn new() -> Database {
        let server = shared();
        Database {
            server,
            name: server.database().await,
        }
    }

    /// Another node on the same database.
    async fn open(&self) -> PostgresStore {
        PostgresStore::open(self.server.options(&self.name))
            .await
            .unwrap()
    }

    async fn run(&self, statement: &str) -> u64 {
        self.server.run_in(&self.name, statement).await
    }

    async fn count(&self, table: &str) -> i64 {
        let mut connection = self.server.connection(&self.name).await;
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    }
}

impl Database {
    /// Waits until so many sessions wait for a lock.
    async fn until_waiting(&self, count: i64) {
        let mut connection = self.server.connection(&self.name).await;
        let waiting = "SELECT count(*) FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(waiting)
            .fetch_one(&mut connection)
            .await
            .unwrap()
            < count
        {
            tokio::task::yield_now().await;
        }
    }
}

async fn fresh() -> (PostgresStore, Database) {
    let database = Database::new().await;
    (database.open().await, database)
}

async fn put_one(store: &PostgresStore) {
    crate::contract::put(store, &crate::contract::doc("a"), [0]).await;
}

contract_suite!(super::fresh);
damage_suite!(super::fresh);

impl Ground for Database {
    type Store = PostgresStore;

    async fn vandalise(&self, statement: &str) {
        let statement = statement.replace("x'", "'\\x");
        assert!(self.run(&statement).await > 0, "{statement}");
    }

    async fn open_again(&self) -> PostgresStore {
        self.open().await
    }
}

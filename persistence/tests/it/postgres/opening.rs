//! What a database must be, and what opening it does.

use roomtone_persistence::{PostgresStore, Store, StoreError};

use super::{Database, Server, shared};
use crate::contract::{compact_all, doc, done, history, logged, put, records};

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let (store, database) = super::fresh().await;
    let (a, b) = (doc("a"), doc("b"));
    put(&store, &a, 0..3).await;
    assert_eq!(compact_all(&store, &a, "snapshot").await, done(1));
    put(&store, &a, 3..5).await;
    store.delete(&b).await.unwrap();
    let before = store.load(&a).await.unwrap();
    store.close().await;
    let store = database.open().await;
    assert_eq!(store.load(&a).await.unwrap(), before);
    assert_eq!(store.load(&b).await.unwrap().epoch.0, 2);
    assert_eq!(history(&store, &a, 2).await, records(0..5));
}

#[tokio::test]
async fn nodes_that_start_together_make_the_schema_once() {
    let database = Database::new().await;
    let open = || database.open();
    let (one, two, three, four) = tokio::join!(open(), open(), open(), open());
    for (n, store) in (0..).zip([&one, &two, &three, &four]) {
        put(store, &doc("a"), [n]).await;
    }
    assert_eq!(logged(&two.load(&doc("a")).await.unwrap().rows), records(0..4));
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let (store, database) = super::fresh().await;
    store.close().await;
    let insert = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                  VALUES (9999, 'from the future', TRUE, '', 0)";
    database.run(insert).await;
    let refused = PostgresStore::open(database.server.options(&database.name))
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, StoreError::Schema(text) if text.contains("newer")),
        "{refused}"
    );
}

/// Applies a migration of a release that does not exist yet, by hand and as sqlx does: the change, what it says about older
/// releases, and its entry.
async fn migrate(database: &Database, migration: i64, change: &str, compatible_from: Option<i64>) {
    let says = compatible_from.map_or_else(String::new, |from| {
        format!("INSERT INTO compatibility (migration, compatible_from, release) VALUES ({migration}, {from}, '9.9');")
    });
    database
        .run(&format!(
            "BEGIN; {change}; {says} INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES ({migration}, 'from the future', TRUE, '', 0); COMMIT"
        ))
        .await;
}

/// The newest migration of this release.
async fn newest(database: &Database) -> i64 {
    let mut connection = database.server.connection(&database.name).await;
    let newest = "SELECT max(version) FROM _sqlx_migrations";
    sqlx::query_scalar(newest)
        .fetch_one(&mut connection)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_a_later_release_only_adds_leaves_this_one_running_and_starting() {
    let (running, database) = super::fresh().await;
    put(&running, &doc("a"), 0..2).await;
    let known = newest(&database).await;
    let adds = "ALTER TABLE log ADD COLUMN colour TEXT; ALTER TABLE documents ADD COLUMN size BIGINT NOT NULL DEFAULT 0; \
                CREATE TABLE novelties (id BIGINT)";
    migrate(&database, known + 1, adds, Some(known)).await;
    put(&running, &doc("a"), 2..4).await;
    let starting = database.open().await;
    put(&starting, &doc("a"), 4..6).await;
    assert_eq!(compact_all(&starting, &doc("a"), "snapshot").await, done(1));
    put(&running, &doc("a"), 6..7).await;
    assert_eq!(history(&starting, &doc("a"), 2).await, records(0..7));
}

#[tokio::test]
async fn what_a_later_release_breaks_keeps_this_one_out_and_says_what_to_do() {
    for says_so in [true, false] {
        let (store, database) = super::fresh().await;
        store.close().await;
        let known = newest(&database).await;
        // An addition before it does not make it better, and one after it does not either.
        migrate(
            &database,
            known + 1,
            "CREATE TABLE novelties (id BIGINT)",
            Some(known),
        )
        .await;
        let compatible_from = says_so.then_some(known + 2);
        migrate(
            &database,
            known + 2,
            "ALTER TABLE log RENAME COLUMN records TO rows",
            compatible_from,
        )
        .await;
        migrate(&database, known + 3, "CREATE TABLE more (id BIGINT)", Some(known)).await;
        let refused = PostgresStore::open(database.server.options(&database.name))
            .await
            .unwrap_err();
        let StoreError::Schema(text) = &refused else {
            panic!("{refused}");
        };
        assert!(text.contains(&format!("migration {}", known + 2)), "{text}");
        assert!(text.contains("newer") && text.contains("backup"), "{text}");
        assert_eq!(text.contains("Roomtone 9.9"), says_so, "{text}");
        assert!(!refused.is_retryable());
    }
}

#[tokio::test]
async fn a_missing_table_is_another_schema() {
    let (store, database) = super::fresh().await;
    database.run("ALTER TABLE log RENAME TO elsewhere").await;
    put_is_refused(&store, |error| matches!(error, StoreError::Schema(_))).await;
    database.run("ALTER TABLE elsewhere RENAME TO log").await;
    put(&store, &doc("a"), [0]).await;
}

async fn put_is_refused(store: &PostgresStore, fits: impl Fn(&StoreError) -> bool) {
    let refused = store
        .append(&[crate::contract::batch(&doc("a"), [1])])
        .await
        .unwrap_err();
    assert!(fits(&refused), "{refused}");
}

/// Commits wait for the disk even where the database says otherwise. A trigger looks at what holds for each append.
#[tokio::test]
async fn commits_are_synchronous_whatever_the_database_says() {
    let (store, database) = super::fresh().await;
    store.close().await;
    let name = &database.name;
    database
        .run(&format!("ALTER DATABASE {name} SET synchronous_commit = off"))
        .await;
    database
        .run(
            "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF current_setting('synchronous_commit') <> 'on' THEN RAISE 'not synchronous'; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER look BEFORE INSERT ON log FOR EACH ROW EXECUTE FUNCTION look()",
        )
        .await;
    let store = database.open().await;
    put(&store, &doc("a"), [0]).await;
    put(&store, &doc("a"), [1]).await;
}

#[tokio::test]
async fn a_disk_that_is_full_is_told_from_one_that_is_away() {
    let (store, database) = super::fresh().await;
    put(&store, &doc("a"), [0]).await;
    database
        .run(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$; \
             CREATE TRIGGER full_disk BEFORE INSERT ON log EXECUTE FUNCTION full_disk()",
        )
        .await;
    put_is_refused(&store, |error| {
        matches!(error, StoreError::Full(_)) && error.is_retryable()
    })
    .await;
    database.run("DROP TRIGGER full_disk ON log").await;
    put(&store, &doc("a"), [2]).await;
    assert_eq!(
        logged(&store.load(&doc("a")).await.unwrap().rows),
        records([0, 2])
    );
}

#[tokio::test]
async fn a_database_that_cannot_keep_names_is_refused() {
    let server = shared();
    let name = server
        .database_with("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        .await;
    let refused = PostgresStore::open(server.options(&name)).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Misconfigured(text) if text.contains("UTF8")),
        "{refused}"
    );
    assert!(!refused.is_retryable());
}

#[tokio::test]
async fn a_server_without_fsync_is_refused() {
    let server = Server::start();
    let name = server.database().await;
    server.run_in("postgres", "ALTER SYSTEM SET fsync = off").await;
    server.run_in("postgres", "SELECT pg_reload_conf()").await;
    // The setting reaches other sessions in its own time.
    let refused = loop {
        match PostgresStore::open(server.options(&name)).await {
            Ok(store) => store.close().await,
            Err(refused) => break refused,
        }
    };
    assert!(
        matches!(&refused, StoreError::Misconfigured(text) if text.contains("fsync")),
        "{refused}"
    );
}

#[tokio::test]
async fn a_database_that_is_not_there_says_so() {
    let refused = PostgresStore::open(shared().options("no_such_database"))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("no_such_database"), "{refused}");
    assert!(!refused.is_retryable(), "no waiting helps");
}

#[tokio::test]
async fn a_server_that_is_not_there_may_come() {
    let mut server = Server::start();
    let name = server.database().await;
    server.kill();
    let refused = PostgresStore::open(server.options(&name)).await.unwrap_err();
    assert!(refused.is_retryable(), "{refused}");
}

//! Hearing of what other nodes write through the log.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use roomtone_persistence::limits::{FOLLOW_CHECK_COUNT, FOLLOW_POLL_MS};
use roomtone_persistence::{
    DocId, Epoch, Follow, Followed, Generation, Listener, PostgresStore, Record, RowId, Store, Stored,
};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::{Database, Server};
use crate::contract::{compact_all, doc, done, put, records};

const PATIENCE: Duration = Duration::from_secs(20);

/// A node that follows, as the server does.
struct Node {
    store: Arc<PostgresStore>,
    follow: Arc<dyn Follow>,
    /// Whether something else carries what the nodes write.
    has_bus: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Node {
    async fn new(database: &Database) -> Node {
        Node::over(Arc::new(database.open().await)).await
    }

    async fn over(store: Arc<PostgresStore>) -> Node {
        let follow = store.follow().unwrap();
        let has_bus = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(follow_on(follow.clone(), has_bus.clone()));
        Node {
            store,
            follow,
            has_bus,
            task: task.abort_handle(),
        }
    }

    /// Opens a document as a room does.
    async fn open(&self, doc: &DocId) -> Arc<Told> {
        let told = Arc::new(Told::default());
        let watch = self.follow.watch(doc, told.clone());
        let stored = self.store.load(doc).await.unwrap();
        told.leave_out(&stored);
        self.follow.loaded(doc, watch, stored.epoch, stored.generation);
        told
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow_on(follow: Arc<dyn Follow>, has_bus: Arc<AtomicBool>) {
    loop {
        let vouched = || has_bus.load(Ordering::SeqCst).then(tokio::time::Instant::now);
        // A server that is away is what some tests are about.
        let _ = follow.next(&vouched).await;
    }
}

/// What a watch was told.
#[derive(Default)]
struct Told {
    all: Mutex<Vec<Followed>>,
    /// Rows that were loaded. The first look goes some way back and may tell of them again.
    loaded: Mutex<BTreeSet<RowId>>,
    more: Notify,
}

impl Listener for Told {
    fn tell(&self, followed: Followed) {
        let mut all = self.all.lock().unwrap();
        if let Followed::Row(_, row) = &followed
            && self.loaded.lock().unwrap().contains(&row.id)
        {
            return;
        }
        all.push(followed);
        self.more.notify_one();
    }
}

impl Told {
    /// Also what a look told between the watch and the load, as a room that is being opened does.
    fn leave_out(&self, stored: &Stored) {
        let mut all = self.all.lock().unwrap();
        let mut loaded = self.loaded.lock().unwrap();
        loaded.extend(stored.rows.iter().map(|row| row.id));
        all.retain(|followed| !matches!(followed, Followed::Row(_, row) if loaded.contains(&row.id)));
    }

    async fn until<T>(&self, find: impl Fn(&[Followed]) -> Option<T>) -> T {
        let found = async {
            loop {
                let found = find(&self.all.lock().unwrap());
                match found {
                    Some(found) => return found,
                    None => self.more.notified().await,
                }
            }
        };
        let found = timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("told: {:?}", self.all.lock().unwrap()))
    }

    /// Waits until so many rows were told; all of their records in order of the rows.
    async fn rows(&self, count: usize) -> Vec<Record> {
        self.until(|all| {
            let mut rows: Vec<_> = all
                .iter()
                .filter_map(|one| match one {
                    Followed::Row(_, row) => Some(row.clone()),
                    Followed::Whole(_) | Followed::Deleted => None,
                })
                .collect();
            rows.sort_by_key(|row| row.id);
            (rows.len() >= count).then(|| rows.into_iter().flat_map(|row| row.records).collect())
        })
        .await
    }

    fn count(&self) -> usize {
        self.all.lock().unwrap().len()
    }
}

/// Two looks that nothing but time asks for.
async fn two_polls() {
    tokio::time::sleep(Duration::from_millis(FOLLOW_POLL_MS * 5 / 2)).await;
}

#[tokio::test]
async fn what_another_node_writes_is_told_once_and_ones_own_never() {
    let database = Database::new().await;
    let (one, two) = (Node::new(&database).await, Node::new(&database).await);
    let (a, b, new) = (doc("a"), doc("b"), doc("new"));
    put(&*one.store, &a, [0]).await;
    put(&*two.store, &a, [1]).await;
    let told_a = two.open(&a).await;
    let told_new = two.open(&new).await;
    put(&*one.store, &b, [5]).await;
    put(&*two.store, &a, [2]).await;
    put(&*one.store, &a, [3, 4]).await;
    assert_eq!(told_a.rows(1).await, records([3, 4]));
    put(&*one.store, &new, [6]).await;
    assert_eq!(told_new.rows(1).await, records([6]));
    let watch = two.follow.watch(&new, Arc::new(Told::default()));
    two.follow.forget(&new, watch);
    put(&*one.store, &new, [7]).await;
    put(&*one.store, &a, [8]).await;
    assert_eq!(told_a.rows(2).await, records([3, 4, 8]));
    two_polls().await;
    assert_eq!((told_a.count(), told_new.count()), (2, 1));
}

#[tokio::test]
async fn an_announcement_is_faster_than_looking_also_after_its_connection_was_lost() {
    let database = Database::new().await;
    let (one, two) = (Node::new(&database).await, Node::new(&database).await);
    let a = doc("a");
    put(&*one.store, &a, [0]).await;
    let told = two.open(&a).await;
    two_polls().await;
    for round in 0..2 {
        let mut fastest = Duration::MAX;
        for n in 1..6 {
            let since = Instant::now();
            put(&*one.store, &a, [n + 5 * round]).await;
            told.rows((n + 5 * round) as usize).await;
            fastest = fastest.min(since.elapsed());
        }
        assert!(fastest < Duration::from_millis(FOLLOW_POLL_MS / 2), "{fastest:?}");
        database
            .run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()")
            .await;
        two_polls().await;
    }
    assert_eq!(told.count(), 10, "none twice");
}

#[tokio::test]
async fn what_was_merged_before_it_was_read_comes_from_the_archive() {
    let database = Database::new().await;
    let one = database.open().await;
    let two = Arc::new(database.open().await);
    let a = doc("a");
    put(&one, &a, [0]).await;
    let follow = two.follow().unwrap();
    let told = Arc::new(Told::default());
    let watch = follow.watch(&a, told.clone());
    let stored = two.load(&a).await.unwrap();
    told.leave_out(&stored);
    follow.loaded(&a, watch, stored.epoch, stored.generation);
    follow.next(&|| None).await.unwrap();
    // Nobody looks meanwhile.
    put(&one, &a, [1, 2]).await;
    assert_eq!(compact_all(&one, &a, "0 1 2").await, done(1));
    put(&one, &a, [3]).await;
    assert_eq!(compact_all(&one, &a, "0 1 2 3").await, done(2));
    put(&one, &a, [4]).await;
    let node = Node::over(two).await;
    assert_eq!(told.rows(3).await, records([1, 2, 3, 4]));
    drop(node);
}

#[tokio::test]
async fn an_archive_that_is_damaged_is_made_up_for_by_all_that_is_stored() {
    let database = Database::new().await;
    let one = database.open().await;
    let two = Arc::new(database.open().await);
    let a = doc("a");
    let follow = two.follow().unwrap();
    let told = Arc::new(Told::default());
    let watch = follow.watch(&a, told.clone());
    follow.loaded(&a, watch, Epoch::FIRST, Generation::NONE);
    follow.next(&|| None).await.unwrap();
    put(&one, &a, [1, 2]).await;
    assert_eq!(compact_all(&one, &a, "1 2").await, done(1));
    assert!(database.run("UPDATE archive SET crc32 = crc32 + 1").await > 0);
    let _node = Node::over(two).await;
    let whole = told.until(|all| match all {
        [Followed::Whole(stored)] => Some(stored.clone()),
        _ => None,
    });
    assert_eq!(whole.await.generation, Generation(1));
}

#[tokio::test]
async fn a_deletion_is_told_also_to_who_only_reads_and_whatever_the_bus_says() {
    for has_bus in [false, true] {
        let database = Database::new().await;
        let (one, two) = (Node::new(&database).await, Node::new(&database).await);
        two.has_bus.store(has_bus, Ordering::SeqCst);
        let docs: Vec<DocId> = (0..FOLLOW_CHECK_COUNT + 9)
            .map(|n| doc(&format!("{n}")))
            .collect();
        let mut told = Vec::new();
        for doc in &docs {
            put(&*one.store, doc, [0]).await;
            told.push(two.open(doc).await);
        }
        two_polls().await;
        one.store.delete(&docs[0]).await.unwrap();
        let is_deleted = |all: &[Followed]| all.contains(&Followed::Deleted).then_some(());
        told[0].until(is_deleted).await;
        assert!(told[1..].iter().all(|told| told.count() == 0));
        two.follow.reload(&docs[1]);
        told[1]
            .until(|all| matches!(all, [Followed::Whole(stored)] if stored.rows.len() == 1).then_some(()))
            .await;
    }
}

#[tokio::test]
async fn while_the_bus_carries_it_nothing_is_read_and_when_it_ends_what_it_may_have_lost_is() {
    let database = Database::new().await;
    let (one, two) = (Node::new(&database).await, Node::new(&database).await);
    let a = doc("a");
    one.has_bus.store(true, Ordering::SeqCst);
    two.has_bus.store(true, Ordering::SeqCst);
    let told = two.open(&a).await;
    two_polls().await;
    put(&*one.store, &a, [0]).await;
    assert_eq!(compact_all(&*one.store, &a, "0").await, done(1));
    put(&*one.store, &a, [1]).await;
    two_polls().await;
    assert_eq!(told.count(), 0);
    // The writer's bus ends, and the reader's does not know: the writer tells what it wrote lately.
    one.has_bus.store(false, Ordering::SeqCst);
    assert_eq!(told.rows(1).await, records([1]));
    put(&*one.store, &a, [2]).await;
    assert_eq!(told.rows(2).await, records([1, 2]));
    // The reader's ends: it looks by itself.
    one.has_bus.store(true, Ordering::SeqCst);
    two.has_bus.store(false, Ordering::SeqCst);
    two_polls().await;
    put(&*one.store, &a, [3]).await;
    assert_eq!(told.rows(3).await, records([1, 2, 3]));
}

/// Ids are given in order and committed out of order.
#[tokio::test]
async fn a_row_that_is_committed_behind_later_ones_is_told() {
    let database = Database::new().await;
    let (one, two) = (Node::new(&database).await, Node::new(&database).await);
    let (a, b) = (doc("a"), doc("b"));
    put(&*one.store, &a, [0]).await;
    put(&*one.store, &b, [0]).await;
    let told = [two.open(&a).await, two.open(&b).await];
    two_polls().await;
    // Its commit waits, with its id, for the end of this one.
    let mut holder = database.server.connection(&database.name).await;
    sqlx::raw_sql(
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF NEW.document_id = (SELECT id FROM documents WHERE name = 'a') THEN PERFORM pg_advisory_xact_lock(77); END IF; \
         RETURN NEW; END $$; \
         CREATE TRIGGER hold AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION hold(); \
         SELECT pg_advisory_lock(77)",
    )
    .execute(&mut holder)
    .await
    .unwrap();
    let late = put(&*one.store, &a, [1]);
    let early = async {
        database.until_waiting(1).await;
        for n in 1..5 {
            put(&*one.store, &b, [n]).await;
        }
        assert_eq!(told[1].rows(4).await, records(1..5));
        two_polls().await;
        assert_eq!(told[0].count(), 0);
        sqlx::raw_sql("SELECT pg_advisory_unlock(77)")
            .execute(&mut holder)
            .await
            .unwrap();
    };
    one.has_bus.store(true, Ordering::SeqCst);
    two_polls().await;
    tokio::join!(late, early);
    assert_eq!(told[0].rows(1).await, records([1]));
}

#[tokio::test]
async fn after_a_restart_of_the_server_nothing_is_missing() {
    let mut server = Server::start();
    let name = server.database().await;
    let open = || PostgresStore::open(server.options(&name));
    let (one, two) = (Arc::new(open().await.unwrap()), Arc::new(open().await.unwrap()));
    let node = Node::over(two).await;
    let a = doc("a");
    put(&*one, &a, [0]).await;
    let told = node.open(&a).await;
    for round in 0..3 {
        put(&*one, &a, [2 * round + 1]).await;
        server.kill();
        server.start_again();
        loop {
            // Its connections have to be made anew.
            let batch = crate::contract::batch(&a, [2 * round + 2]);
            if one.append(&[batch]).await.is_ok() {
                break;
            }
        }
        told.rows(2 * (round as usize + 1)).await;
    }
    assert_eq!(told.rows(6).await, records(1..7));
}

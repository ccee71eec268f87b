//! Who has the database open, by the clock of the database alone.

use roomtone_persistence::{NodeReport, NodeState, PostgresStore, Store};

use super::Database;

fn report(state: NodeState, rooms_count: u64) -> NodeReport {
    NodeReport {
        address: "10.0.0.7:4000".into(),
        version: "1.2.3".into(),
        state,
        rooms_count,
        connections_count: 40,
    }
}

async fn states(store: &PostgresStore, state: NodeState) -> Vec<(String, bool)> {
    let all = store.heartbeat(&report(state, 3)).await.unwrap();
    all.into_iter().map(|node| (node.state, node.is_gone)).collect()
}

#[tokio::test]
async fn every_run_has_a_line_of_its_own_also_under_one_name() {
    let (one, database) = super::fresh().await;
    let two = database.open().await;
    one.heartbeat(&report(NodeState::Starting, 0)).await.unwrap();
    two.heartbeat(&report(NodeState::Starting, 0)).await.unwrap();
    let all = one.heartbeat(&report(NodeState::Ready, 12)).await.unwrap();
    assert_eq!(all.len(), 2);
    assert_ne!(all[0].run, all[1].run);
    assert_eq!((all[0].node.as_str(), all[1].node.as_str()), ("test", "test"));
    assert_eq!(
        (
            all[0].state.as_str(),
            all[0].rooms_count,
            all[0].connections_count
        ),
        ("ready", 12, 40)
    );
    assert_eq!(
        (all[0].address.as_str(), all[0].version.as_str()),
        ("10.0.0.7:4000", "1.2.3")
    );
    assert_eq!(all[1].state, "starting");
    assert!(all.iter().all(|node| !node.is_gone && node.heard_ms_ago < 10_000));
    // Whoever ends in order leaves nothing.
    one.sign_off().await.unwrap();
    assert_eq!(
        states(&two, NodeState::Draining).await,
        [("draining".to_owned(), false)]
    );
}

#[tokio::test]
async fn who_is_silent_is_gone_and_then_forgotten_and_may_come_back() {
    let (one, database) = super::fresh().await;
    let two = database.open().await;
    states(&one, NodeState::Ready).await;
    states(&two, NodeState::Ready).await;
    let silent = |seconds: u32| {
        let wait = format!(
            "UPDATE nodes SET heard_at = now() - make_interval(secs => {seconds}) \
             WHERE run = (SELECT run FROM nodes ORDER BY started_at LIMIT 1)"
        );
        let database: &Database = &database;
        async move { database.run(&wait).await }
    };
    silent(10).await;
    assert!(
        states(&two, NodeState::Ready)
            .await
            .iter()
            .all(|(_, is_gone)| !is_gone)
    );
    silent(20).await;
    let gone = states(&two, NodeState::Ready).await;
    assert_eq!(gone.iter().filter(|(_, is_gone)| *is_gone).count(), 1);
    // It was only paused.
    assert!(
        states(&one, NodeState::Ready)
            .await
            .iter()
            .all(|(_, is_gone)| !is_gone)
    );
    silent(2 * 24 * 3_600).await;
    assert_eq!(states(&two, NodeState::Ready).await.len(), 1);
    assert_eq!(states(&one, NodeState::Ready).await.len(), 2);
}

/// Appends that take every connection for as long as they like do not make a server look dead.
#[tokio::test]
async fn a_heartbeat_does_not_wait_behind_writes() {
    let (store, database) = super::fresh().await;
    super::put_one(&store).await;
    let mut blocker = database.server.connection(&database.name).await;
    sqlx::raw_sql("BEGIN; LOCK TABLE log IN ACCESS EXCLUSIVE MODE")
        .execute(&mut blocker)
        .await
        .unwrap();
    let store = std::sync::Arc::new(store);
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { super::put_one(&store).await })
        })
        .collect();
    database.until_waiting(4).await;
    assert_eq!(states(&store, NodeState::Ready).await.len(), 1);
    sqlx::raw_sql("COMMIT").execute(&mut blocker).await.unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
}

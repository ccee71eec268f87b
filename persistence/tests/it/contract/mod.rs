//! What every store promises: one function a promise, and one line a backend to run them all.

pub(crate) mod chatting;
pub(crate) mod compacting;
#[macro_use]
pub(crate) mod damaged;
pub(crate) mod deleting;
pub(crate) mod logging;
pub(crate) mod reading;
pub(crate) mod refusing;

use std::sync::Arc;

use bytes::Bytes;
use roomtone_persistence::{
    Appended, Batch, Compacted, Compaction, DocId, Epoch, Generation, Record, Row, Store, Stored,
};

/// Makes one test of each promise. `$fresh` is an async function that returns an empty store and what has to live as
/// long as it.
macro_rules! contract_suite {
    ($fresh:path) => {
        mod contract {
            contract_suite!(@tests $fresh,
                logging::an_unknown_document_is_empty_and_stays_unknown,
                logging::what_is_appended_is_loaded_in_order,
                logging::attribution_comes_back_as_it_went,
                logging::one_append_serves_many_documents,
                logging::an_empty_append_writes_nothing,
                logging::a_repeated_append_is_kept_twice,
                logging::large_updates_come_back,
                logging::appends_run_side_by_side,
                logging::names_are_opaque,
                logging::health_is_found_out_by_writing,
                refusing::an_update_that_is_too_large_stores_nothing,
                refusing::a_stale_batch_is_refused_alone,
                refusing::an_epoch_of_the_future_is_refused,
                refusing::a_closed_store_says_so,
                compacting::exactly_the_merged_rows_leave_the_log,
                compacting::the_second_of_two_compactions_is_refused,
                compacting::a_compaction_of_a_deleted_document_is_refused,
                compacting::a_compaction_of_an_unknown_document_is_refused,
                compacting::a_row_that_is_gone_refuses_the_compaction,
                compacting::a_compaction_without_rows_writes_a_snapshot,
                compacting::generations_count_up,
                compacting::history_survives_compaction,
                compacting::history_keeps_its_order_when_a_row_is_left_behind,
                reading::history_is_read_in_pages,
                reading::a_compaction_between_two_pages_repeats_and_skips_nothing,
                reading::history_of_an_unknown_document_is_empty,
                reading::listings_are_read_in_pages,
                reading::a_quarantined_update_is_kept_and_never_comes_back,
                reading::quarantine_is_bounded,
                deleting::deletion_leaves_only_the_epoch,
                deleting::an_unknown_document_can_be_deleted,
                deleting::a_deleted_document_can_be_written_anew,
                chatting::a_message_comes_back_as_it_went,
                chatting::the_same_post_is_written_once,
                chatting::each_change_has_a_number_and_moves_its_message,
                chatting::only_its_author_edits_a_message_and_moderators_delete,
                chatting::a_thread_is_what_a_message_began,
                chatting::a_chat_is_read_in_pages,
                chatting::a_marker_never_goes_back,
                chatting::reactions_are_bounded,
                chatting::a_chat_goes_with_its_document,
                chatting::messages_posted_side_by_side_are_in_one_order,
            );
        }
    };
    (@tests $fresh:path, $($noun:ident :: $promise:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $promise() {
                let (store, _guard) = $fresh().await;
                crate::contract::$noun::$promise(&store).await;
            }
        )*
    };
}

/// A document of the default tenant.
pub(crate) fn doc(name: &str) -> DocId {
    DocId::in_default_tenant(name).unwrap()
}

/// A record that can be told from every other by `n`.
pub(crate) fn record(n: u64) -> Record {
    Record {
        user: (!n.is_multiple_of(3)).then(|| Arc::from(format!("user-{}", n % 5))),
        client: n * 1_000_003,
        time_ms: 1_760_000_000_000 - n,
        update: Bytes::from(format!("update {n}")),
    }
}

/// Records by their numbers.
pub(crate) fn records(numbers: impl IntoIterator<Item = u64>) -> Vec<Record> {
    numbers.into_iter().map(record).collect()
}

/// A batch of the first epoch.
pub(crate) fn batch(doc: &DocId, numbers: impl IntoIterator<Item = u64>) -> Batch {
    Batch {
        doc: doc.clone(),
        epoch: Epoch::FIRST,
        records: records(numbers),
    }
}

/// Appends to the first epoch, which must be the document's.
pub(crate) async fn put(store: &dyn Store, doc: &DocId, numbers: impl IntoIterator<Item = u64>) {
    assert_eq!(
        store.append(&[batch(doc, numbers)]).await.unwrap(),
        [Appended::Stored]
    );
}

/// As [`put`], in a row of its own: what several appends wrote may become one, until somebody reads it.
pub(crate) async fn put_row(store: &dyn Store, doc: &DocId, numbers: impl IntoIterator<Item = u64>) {
    put(store, doc, numbers).await;
    store.load(doc).await.unwrap();
}

/// Every record in the log, in order.
pub(crate) fn logged(rows: &[Row]) -> Vec<Record> {
    rows.iter().flat_map(|row| row.records.clone()).collect()
}

/// A merge of everything that was loaded. The snapshot is a stand-in: stores do not look into it.
pub(crate) fn merge(stored: &Stored, text: &'static str) -> Compaction {
    Compaction {
        epoch: stored.epoch,
        newest: stored.generation,
        base: stored
            .snapshot
            .as_ref()
            .map_or(Generation::NONE, |snapshot| snapshot.generation),
        rows: stored.rows.iter().map(|row| row.id).collect(),
        update: Bytes::from_static(text.as_bytes()),
        state_vector: Bytes::from(format!("vector of {text}")),
    }
}

/// Loads and merges everything.
pub(crate) async fn compact_all(store: &dyn Store, doc: &DocId, text: &'static str) -> Compacted {
    let stored = store.load(doc).await.unwrap();
    store.compact(doc, merge(&stored, text)).await.unwrap()
}

/// The whole history, page by page.
pub(crate) async fn history(store: &dyn Store, doc: &DocId, page_size: usize) -> Vec<Record> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.history(doc, after, page_size).await.unwrap();
        assert_eq!(page.damage, []);
        assert!(page.records.len() <= page_size);
        all.extend(page.records);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

/// What a compaction answers that wrote this snapshot.
pub(crate) fn done(generation: u64) -> Compacted {
    Compacted::Done(Generation(generation))
}

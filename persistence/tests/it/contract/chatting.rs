//! Promises of chats.

use roomtone_persistence::limits::{CHAT_EMOJIS_COUNT_MAX, CHAT_PAGE_BYTES_TARGET, CHAT_PAGE_COUNT_MAX};
use roomtone_persistence::{
    Act, Actor, Appended, Changed, ChatMessage, ChatPage, ChatQuery, DocId, Epoch, Marked, Store,
};

use super::{batch, doc, put};

/// Somebody with a token, at 1000 ms.
pub(crate) fn user(name: &str) -> Actor {
    Actor {
        user: Some(name.to_owned()),
        name: Some(name.to_uppercase()),
        moderates: false,
        time_ms: 1_000,
    }
}

pub(crate) fn post(key: &str, text: &str) -> Act {
    Act::Post {
        key: key.to_owned(),
        text: text.to_owned(),
        thread: None,
        mentions: Vec::new(),
    }
}

fn react(seq: u64, emoji: &str, on: bool) -> Act {
    Act::React {
        seq,
        emoji: emoji.to_owned(),
        on,
    }
}

fn edit(seq: u64, text: &str) -> Act {
    Act::Edit {
        seq,
        text: text.to_owned(),
        mentions: Vec::new(),
    }
}

async fn act(store: &dyn Store, doc: &DocId, by: &Actor, act: &Act) -> Changed {
    store.chats().unwrap().change(doc, by, act).await.unwrap()
}

/// Does what must succeed.
pub(crate) async fn done(store: &dyn Store, doc: &DocId, by: &Actor, what: &Act) -> ChatMessage {
    match act(store, doc, by, what).await {
        Changed::Done(message) => *message,
        other => panic!("{what:?}: {other:?}"),
    }
}

pub(crate) async fn read(store: &dyn Store, doc: &DocId, query: ChatQuery, limit: usize) -> ChatPage {
    let chats = store.chats().unwrap();
    chats.read(doc, query, limit, None).await.unwrap()
}

fn seqs(page: &ChatPage) -> Vec<u64> {
    page.messages.iter().map(|message| message.seq).collect()
}

pub(crate) async fn a_message_comes_back_as_it_went(store: &dyn Store) {
    let a = doc("a");
    let empty = read(store, &a, ChatQuery::Last, 10).await;
    assert_eq!((empty.messages.len(), empty.change, empty.count), (0, 0, 0));
    let anonymous = Actor {
        user: None,
        name: None,
        moderates: true,
        time_ms: 7,
    };
    let odd = "née \"x\"\n\t\\ 👍\u{202e}";
    let first = Act::Post {
        key: "k 1".into(),
        text: odd.into(),
        thread: None,
        mentions: vec!["bob".into(), "c\0d".into()],
    };
    let ada = Actor {
        name: Some("A\0da".into()),
        ..user("ada")
    };
    let posted = done(store, &a, &ada, &first).await;
    let expected = ChatMessage {
        seq: 1,
        change: 1,
        key: "k 1".into(),
        user: Some("ada".into()),
        name: Some("A\0da".into()),
        thread: None,
        text: odd.into(),
        mentions: vec!["bob".into(), "c\0d".into()],
        created_ms: 1_000,
        edited_ms: None,
        deleted_ms: None,
        reactions: Default::default(),
    };
    assert_eq!(posted, expected);
    let second = done(store, &a, &anonymous, &post("k", "x")).await;
    assert_eq!((second.seq, second.change, second.user.clone()), (2, 2, None));
    let all = read(store, &a, ChatQuery::Last, 10).await;
    assert_eq!(all.messages, [expected, second]);
    assert_eq!((all.change, all.count, all.has_more), (2, 2, false));
    // A chat makes no document, and knows no other room's messages.
    assert!(!store.exists(&a).await.unwrap());
    assert_eq!(read(store, &doc("b"), ChatQuery::Last, 10).await.count, 0);
    put(store, &a, [0]).await;
    assert_eq!(read(store, &a, ChatQuery::After(1), 10).await.count, 2);
}

pub(crate) async fn the_same_post_is_written_once(store: &dyn Store) {
    let a = doc("a");
    let first = done(store, &a, &user("ada"), &post("k", "one")).await;
    let again = done(store, &a, &user("ada"), &post("k", "another")).await;
    assert_eq!(first, again);
    let of_bob = done(store, &a, &user("bob"), &post("k", "two")).await;
    assert_eq!(of_bob.seq, 2);
    let elsewhere = done(store, &doc("b"), &user("ada"), &post("k", "three")).await;
    assert_eq!(elsewhere.seq, 1);
    // Also when it has been changed since.
    let edited = done(store, &a, &user("ada"), &edit(1, "better")).await;
    assert_eq!(done(store, &a, &user("ada"), &post("k", "one")).await, edited);
    assert_eq!(read(store, &a, ChatQuery::Last, 10).await.count, 2);
}

pub(crate) async fn each_change_has_a_number_and_moves_its_message(store: &dyn Store) {
    let a = doc("a");
    let (ada, bob) = (user("ada"), user("bob"));
    for n in 1..=3 {
        done(store, &a, &ada, &post(&format!("k{n}"), "x")).await;
    }
    let edited = done(store, &a, &ada, &edit(1, "y")).await;
    assert_eq!(
        (edited.change, edited.text.as_str(), edited.edited_ms),
        (4, "y", Some(1_000))
    );
    let reacted = done(store, &a, &bob, &react(2, "👍", true)).await;
    assert_eq!(reacted.change, 5);
    assert_eq!(reacted.reactions["👍"], ["bob"]);
    // What leaves a message as it is is no change.
    for same in [edit(1, "y"), react(2, "🎉", false)] {
        let by = if matches!(same, Act::Edit { .. }) {
            &ada
        } else {
            &bob
        };
        done(store, &a, by, &same).await;
    }
    assert_eq!(done(store, &a, &bob, &react(2, "👍", true)).await.change, 5);
    let both = done(store, &a, &ada, &react(2, "👍", true)).await;
    assert_eq!(
        (both.change, both.reactions["👍"].join(" ")),
        (6, "bob ada".into())
    );
    let missed = read(store, &a, ChatQuery::After(3), 10).await;
    assert_eq!(seqs(&missed), [1, 2]);
    assert_eq!((missed.change, missed.count), (6, 3));
    done(store, &a, &ada, &react(2, "👍", false)).await;
    let none = done(store, &a, &bob, &react(2, "👍", false)).await;
    assert_eq!((none.change, none.reactions.len()), (8, 0));
    let gone = done(store, &a, &ada, &Act::Delete { seq: 2 }).await;
    assert_eq!(
        (gone.change, gone.text.as_str(), gone.deleted_ms),
        (9, "", Some(1_000))
    );
    assert_eq!(done(store, &a, &ada, &Act::Delete { seq: 2 }).await, gone);
    for late in [edit(2, "z"), react(2, "👍", true)] {
        assert_eq!(act(store, &a, &ada, &late).await, Changed::NotFound);
    }
    assert_eq!(seqs(&read(store, &a, ChatQuery::After(0), 10).await), [3, 1, 2]);
    assert_eq!(seqs(&read(store, &a, ChatQuery::Last, 10).await), [1, 2, 3]);
}

pub(crate) async fn only_its_author_edits_a_message_and_moderators_delete(store: &dyn Store) {
    let a = doc("a");
    let (ada, bob) = (user("ada"), user("bob"));
    let owner = Actor {
        moderates: true,
        ..user("owner")
    };
    let anonymous = Actor {
        user: None,
        name: None,
        ..user("")
    };
    done(store, &a, &ada, &post("k", "x")).await;
    done(store, &a, &anonymous, &post("k", "x")).await;
    for by in [&bob, &owner, &anonymous] {
        assert_eq!(act(store, &a, by, &edit(1, "y")).await, Changed::Forbidden);
    }
    assert_eq!(
        act(store, &a, &anonymous, &edit(2, "y")).await,
        Changed::Forbidden
    );
    for by in [&bob, &anonymous] {
        assert_eq!(
            act(store, &a, by, &Act::Delete { seq: 1 }).await,
            Changed::Forbidden
        );
    }
    assert_eq!(
        act(store, &a, &anonymous, &react(1, "👍", true)).await,
        Changed::Forbidden
    );
    for unknown in [edit(3, "y"), Act::Delete { seq: 0 }, react(u64::MAX, "👍", true)] {
        assert_eq!(act(store, &a, &ada, &unknown).await, Changed::NotFound);
    }
    assert_eq!(read(store, &a, ChatQuery::Last, 10).await.change, 2);
    done(store, &a, &owner, &Act::Delete { seq: 1 }).await;
    done(store, &a, &owner, &Act::Delete { seq: 2 }).await;
}

pub(crate) async fn a_thread_is_what_a_message_began(store: &dyn Store) {
    let a = doc("a");
    let ada = user("ada");
    let answer = |key: &str, to: u64| Act::Post {
        key: key.to_owned(),
        text: "x".into(),
        thread: Some(to),
        mentions: Vec::new(),
    };
    assert_eq!(act(store, &a, &ada, &answer("k", 1)).await, Changed::NotFound);
    done(store, &a, &ada, &post("1", "x")).await;
    done(store, &a, &ada, &post("2", "x")).await;
    assert_eq!(done(store, &a, &ada, &answer("3", 1)).await.thread, Some(1));
    done(store, &a, &ada, &answer("4", 2)).await;
    // An answer to an answer.
    assert_eq!(done(store, &a, &ada, &answer("5", 3)).await.thread, Some(1));
    let thread = async |seq, limit| {
        let query = ChatQuery::Before { seq, thread: Some(1) };
        read(store, &a, query, limit).await
    };
    assert_eq!(seqs(&thread(None, 10).await), [5, 3, 1]);
    assert_eq!(seqs(&thread(Some(5), 1).await), [3]);
}

pub(crate) async fn a_chat_is_read_in_pages(store: &dyn Store) {
    let a = doc("a");
    let ada = user("ada");
    for n in 1..=7 {
        done(store, &a, &ada, &post(&n.to_string(), "x")).await;
    }
    let before = |seq| ChatQuery::Before { seq, thread: None };
    let page = read(store, &a, before(None), 3).await;
    assert_eq!((seqs(&page), page.has_more), (vec![7, 6, 5], true));
    let page = read(store, &a, before(Some(5)), 4).await;
    assert_eq!((seqs(&page), page.has_more), (vec![4, 3, 2, 1], false));
    assert_eq!(seqs(&read(store, &a, before(Some(u64::MAX)), 1).await), [7]);
    assert_eq!(seqs(&read(store, &a, ChatQuery::Last, 2).await), [6, 7]);
    assert_eq!(seqs(&read(store, &a, ChatQuery::Last, 0).await), [0_u64; 0]);
    let (mut after, mut heard) = (2, Vec::new());
    loop {
        let page = read(store, &a, ChatQuery::After(after), 2).await;
        assert_eq!(page.change, 7);
        heard.extend(seqs(&page));
        if !page.has_more {
            break;
        }
        after = page.messages.last().unwrap().change;
    }
    assert_eq!(heard, [3, 4, 5, 6, 7]);
    let none = read(store, &a, ChatQuery::After(u64::MAX), usize::MAX).await;
    assert_eq!((none.messages.len(), none.has_more), (0, false));
    // A page ends where it grows large, and holds one message at least.
    let large = "x".repeat(CHAT_PAGE_BYTES_TARGET / 2 + 1);
    for n in 8..=9 {
        done(store, &a, &ada, &post(&n.to_string(), &large)).await;
    }
    let page = read(store, &a, ChatQuery::Last, 10).await;
    assert_eq!((seqs(&page), page.has_more), (vec![9], true));
    let page = read(store, &a, ChatQuery::After(7), CHAT_PAGE_COUNT_MAX).await;
    assert_eq!((seqs(&page), page.has_more), (vec![8], true));
}

pub(crate) async fn a_marker_never_goes_back(store: &dyn Store) {
    let a = doc("a");
    let chats = store.chats().unwrap();
    let mark = async |user: &str, seq| chats.mark_read(&a, user, seq).await.unwrap();
    let marked = |seq, has_moved| Marked { seq, has_moved };
    assert_eq!(mark("ada", 5).await, marked(0, false));
    for n in 1..=3 {
        done(store, &a, &user("bob"), &post(&n.to_string(), "x")).await;
    }
    assert_eq!(mark("ada", 2).await, marked(2, true));
    assert_eq!(mark("ada", 1).await, marked(2, false));
    assert_eq!(mark("ada", u64::MAX).await, marked(3, true));
    assert_eq!(mark("bob", 1).await, marked(1, true));
    for (who, read) in [(Some("ada"), 3), (Some("bob"), 1), (Some("eve"), 0), (None, 0)] {
        let page = chats.read(&a, ChatQuery::Last, 1, who).await.unwrap();
        assert_eq!(page.read, read, "{who:?}");
    }
}

pub(crate) async fn reactions_are_bounded(store: &dyn Store) {
    let a = doc("a");
    let ada = user("ada");
    done(store, &a, &ada, &post("k", "x")).await;
    for n in 0..CHAT_EMOJIS_COUNT_MAX {
        done(store, &a, &ada, &react(1, &format!("e{n}"), true)).await;
    }
    assert_eq!(act(store, &a, &ada, &react(1, "more", true)).await, Changed::Full);
    // One that is there already takes others, and one that goes makes room.
    done(store, &a, &user("bob"), &react(1, "e0", true)).await;
    done(store, &a, &ada, &react(1, "e1", false)).await;
    done(store, &a, &ada, &react(1, "more", true)).await;
}

pub(crate) async fn a_chat_goes_with_its_document(store: &dyn Store) {
    let (a, b) = (doc("a"), doc("b"));
    let ada = user("ada");
    for doc in [&a, &b] {
        put(store, doc, [0]).await;
        done(store, doc, &ada, &post("1", "x")).await;
        done(store, doc, &ada, &post("2", "x")).await;
        let _ = store.chats().unwrap().mark_read(doc, "ada", 2).await.unwrap();
    }
    assert_eq!(store.delete(&a).await.unwrap(), Epoch(2));
    let chats = store.chats().unwrap();
    let gone = chats.read(&a, ChatQuery::Last, 10, Some("ada")).await.unwrap();
    assert_eq!(
        (gone.messages.len(), gone.change, gone.count, gone.read),
        (0, 0, 0, 0)
    );
    let other = chats.read(&b, ChatQuery::Last, 10, Some("ada")).await.unwrap();
    assert_eq!((other.count, other.read), (2, 2));
    // It begins anew, and the document too.
    assert_eq!(done(store, &a, &ada, &post("1", "new")).await.seq, 1);
    assert_eq!(
        store.append(&[batch(&a, [1])]).await.unwrap(),
        [Appended::StaleEpoch]
    );
}

pub(crate) async fn messages_posted_side_by_side_are_in_one_order(store: &dyn Store) {
    let a = doc("a");
    let write = async |who: &str| {
        for n in 0..10 {
            // Tried again, as after a lost answer.
            let once = post(&format!("{who}-{n}"), "x");
            let first = done(store, &a, &user(who), &once).await;
            assert_eq!(done(store, &a, &user(who), &once).await, first);
        }
    };
    tokio::join!(write("ada"), write("bob"), write("cy"), write("dee"));
    assert_all_in_order(store, &a, 40).await;
}

/// Nothing is missing, nothing is there twice, and each author's messages are in the order in which they were posted.
pub(crate) async fn assert_all_in_order(store: &dyn Store, doc: &DocId, count: u64) {
    let page = read(store, doc, ChatQuery::After(0), CHAT_PAGE_COUNT_MAX).await;
    assert_eq!((page.count, page.change), (count, count));
    assert_eq!(seqs(&page), (1..=count).collect::<Vec<_>>());
    let mut keys: Vec<&str> = page.messages.iter().map(|message| message.key.as_str()).collect();
    let mut last = std::collections::HashMap::new();
    for key in &keys {
        let (who, n) = key.rsplit_once('-').unwrap();
        let n: u64 = n.parse().unwrap();
        let before = last.insert(who, n);
        assert!(before.is_none_or(|before| before < n), "{key} after {before:?}");
    }
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len() as u64, count);
}

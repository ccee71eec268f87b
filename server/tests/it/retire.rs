//! Open, sleep, wake and stop, in every order in which threads can meet: the handles of the hub under a model checker.

use std::collections::VecDeque;

use crate::handles::{Closed, Handles};
use crate::sync::{Arc, Mutex, lock};

/// What is left of a room here: who waits in its inbox, and whether it was told to stop.
struct Handle {
    inbox: Arc<Mutex<VecDeque<u32>>>,
    is_stopped: Mutex<bool>,
}

impl Handle {
    fn new() -> Arc<Handle> {
        Arc::new(Handle {
            inbox: Arc::new(Mutex::new(VecDeque::new())),
            is_stopped: Mutex::new(false),
        })
    }
}

/// As [`roomtone_server::hub::Hub::join`] does: a handle, then the join, then the seat that holds the handle.
fn join(rooms: &Handles<u8, Handle>, who: u32) -> Arc<Handle> {
    let handle = match rooms.get(&1) {
        Some(handle) => handle,
        None => rooms.get_or_insert(&1, Handle::new).expect("nobody stops it"),
    };
    lock(&handle.inbox).push_back(who);
    handle
}

/// One falls asleep while others join, one of them only for a moment. Whoever joined is in a room that is awake, or was heard
/// before it fell asleep.
#[test]
fn nobody_joins_a_room_that_fell_asleep() {
    loom::model(|| {
        let rooms: Arc<Handles<u8, Handle>> = Arc::new(Handles::new());
        let first = rooms.get_or_insert(&1, Handle::new).expect("open");
        let inbox = first.inbox.clone();
        drop(first);
        let stays = {
            let rooms = rooms.clone();
            loom::thread::spawn(move || join(&rooms, 1))
        };
        let passes = {
            let rooms = rooms.clone();
            loom::thread::spawn(move || drop(join(&rooms, 2)))
        };
        // The room's own task: nobody is here.
        let asleep = rooms.retire(&1, || lock(&inbox).is_empty());
        let seat = stays.join().expect("no panic");
        passes.join().expect("no panic");
        if asleep {
            assert!(lock(&inbox).is_empty(), "a join waits in a room that has ended");
        }
        let awake = rooms.get(&1).expect("a seat keeps its room awake");
        assert!(Arc::ptr_eq(&awake, &seat), "two rooms of one document");
    });
}

/// Two that come first get one room.
#[test]
fn of_two_first_joins_one_starts_the_room() {
    loom::model(|| {
        let rooms: Arc<Handles<u8, Handle>> = Arc::new(Handles::new());
        let other = {
            let rooms = rooms.clone();
            loom::thread::spawn(move || join(&rooms, 1))
        };
        let mine = join(&rooms, 2);
        let theirs = other.join().expect("no panic");
        assert!(Arc::ptr_eq(&mine, &theirs));
        assert_eq!((rooms.len(), lock(&mine.inbox).len()), (1, 2));
    });
}

/// A stop meets every room, or it is never started.
#[test]
fn no_room_starts_behind_the_back_of_a_stop() {
    loom::model(|| {
        let rooms: Arc<Handles<u8, Handle>> = Arc::new(Handles::new());
        let opens = {
            let rooms = rooms.clone();
            loom::thread::spawn(move || rooms.get_or_insert(&1, Handle::new))
        };
        rooms.close();
        rooms.for_each(|room| *lock(&room.is_stopped) = true);
        match opens.join().expect("no panic") {
            Ok(room) => assert!(*lock(&room.is_stopped), "it goes on for ever"),
            Err(Closed) => assert_eq!(rooms.len(), 0),
        }
    });
}

//! Any bytes as a frame of every dialect: an answer.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use roomtone_crdt::hocuspocus::{self, Frame};
use roomtone_crdt::{ysweet, ywebsocket};

fuzz_target!(|data: &[u8]| {
    let frame = Bytes::copy_from_slice(data);
    if let Ok(Frame::Document { address, .. }) = hocuspocus::decode(frame.clone()) {
        assert!(address.raw().starts_with(address.document()));
    }
    let _ = ysweet::decode(frame.clone());
    let _ = ywebsocket::decode(frame);
});

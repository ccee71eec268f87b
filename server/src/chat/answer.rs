//! What a client is answered, as JSON.

use std::collections::BTreeMap;

use roomtone_persistence::{ChatMessage, ChatPage};
use serde::Serialize;

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    /// What to do, in words. They go to the client.
    pub(crate) hint: String,
    /// When to try again, for [`Code::TooFast`].
    pub(crate) retry_ms: Option<u64>,
}

/// The kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    BadRequest,
    TooLong,
    NotFound,
    Forbidden,
    TooFast,
    Away,
}

impl Code {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Code::BadRequest => "bad_request",
            Code::TooLong => "too_long",
            Code::NotFound => "not_found",
            Code::Forbidden => "forbidden",
            Code::TooFast => "too_fast",
            Code::Away => "away",
        }
    }
}

impl Failure {
    pub(crate) fn new(code: Code, hint: impl Into<String>) -> Failure {
        Failure {
            code,
            hint: hint.into(),
            retry_ms: None,
        }
    }

    pub(crate) fn too_fast(retry_ms: u64) -> Failure {
        Failure {
            retry_ms: Some(retry_ms),
            ..Failure::new(Code::TooFast, "slow down, and try again after retryMs")
        }
    }

    pub(crate) fn to_json(&self) -> String {
        json(&Refused {
            error: Told {
                code: self.code.as_str(),
                hint: &self.hint,
                retry_ms: self.retry_ms,
            },
        })
    }
}

#[derive(Serialize)]
struct Refused<'a> {
    error: Told<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    code: &'static str,
    hint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_ms: Option<u64>,
}

/// A message as clients see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    seq: u64,
    change: u64,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<u64>,
    /// Empty when it was deleted.
    text: &'a str,
    #[serde(skip_serializing_if = "is_empty")]
    mentions: &'a [String],
    created_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<bool>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    reactions: &'a BTreeMap<String, Vec<String>>,
}

fn is_empty(mentions: &[String]) -> bool {
    mentions.is_empty()
}

impl<'a> From<&'a ChatMessage> for Shown<'a> {
    fn from(message: &'a ChatMessage) -> Shown<'a> {
        Shown {
            seq: message.seq,
            change: message.change,
            key: &message.key,
            user: message.user.as_deref(),
            name: message.name.as_deref(),
            thread: message.thread,
            text: &message.text,
            mentions: &message.mentions,
            created_ms: message.created_ms,
            edited_ms: message.edited_ms,
            deleted: message.deleted_ms.is_some().then_some(true),
            reactions: &message.reactions,
        }
    }
}

#[derive(Serialize)]
struct Opened<'a> {
    messages: Vec<Shown<'a>>,
    change: u64,
    count: u64,
    read: u64,
    more: bool,
}

#[derive(Serialize)]
struct Messages<'a> {
    messages: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct One<'a> {
    message: Shown<'a>,
}

#[derive(Serialize)]
struct Read {
    read: u64,
}

/// A page and how far the chat has got.
pub(crate) fn page_answer(page: &ChatPage, more: bool) -> String {
    json(&Opened {
        messages: page.messages.iter().map(Shown::from).collect(),
        change: page.change,
        count: page.count,
        read: page.read,
        more,
    })
}

/// Messages alone.
pub(super) fn messages_answer(messages: &[ChatMessage]) -> String {
    json(&Messages {
        messages: messages.iter().map(Shown::from).collect(),
    })
}

/// One message, to who changed it and to who listens.
pub(crate) fn message_answer(message: &ChatMessage) -> String {
    json(&One {
        message: message.into(),
    })
}

/// A marker, likewise.
pub(super) fn read_answer(seq: u64) -> String {
    json(&Read { read: seq })
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings, numbers and maps by string always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_written_as_the_protocol_says() {
        let mut message = ChatMessage {
            seq: 7,
            change: 9,
            key: "k-1".into(),
            user: Some("ada".into()),
            name: Some("Ada".into()),
            thread: Some(3),
            text: "hi @bob".into(),
            mentions: vec!["bob".into()],
            created_ms: 1_760_000_000_000,
            edited_ms: Some(1_760_000_001_000),
            deleted_ms: None,
            reactions: BTreeMap::from([("👍".to_owned(), vec!["bob".to_owned()])]),
        };
        assert_eq!(
            message_answer(&message),
            r#"{"message":{"seq":7,"change":9,"key":"k-1","user":"ada","name":"Ada","thread":3,"text":"hi @bob","mentions":["bob"],"createdMs":1760000000000,"editedMs":1760000001000,"reactions":{"👍":["bob"]}}}"#
        );
        message.deleted_ms = Some(1);
        message.reactions.clear();
        message.mentions.clear();
        message.text.clear();
        (message.user, message.name, message.thread, message.edited_ms) = (None, None, None, None);
        assert_eq!(
            message_answer(&message),
            r#"{"message":{"seq":7,"change":9,"key":"k-1","text":"","createdMs":1760000000000,"deleted":true}}"#
        );
    }

    #[test]
    fn failures_are_written_as_the_protocol_says() {
        assert_eq!(
            Failure::new(Code::NotFound, "x \"y\"").to_json(),
            r#"{"error":{"code":"not_found","hint":"x \"y\""}}"#
        );
        let fast = Failure::too_fast(250).to_json();
        assert!(
            fast.contains(r#""code":"too_fast""#) && fast.contains(r#""retryMs":250"#),
            "{fast}"
        );
        assert_eq!(read_answer(7), r#"{"read":7}"#);
    }
}

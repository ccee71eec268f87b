//! What a client asks of a chat, read strictly: what is not known is refused with a word on what is.

use roomtone_persistence::{Act, ChatQuery};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::answer::{Code, Failure};
use super::text;
use crate::limits::CHAT_PAGE_DEFAULT_COUNT;

/// A call, checked (CH4).
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    Open(Page),
    Close,
    History(Page),
    Change(Act),
    Read(u64),
}

/// Which messages, and how many at the most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) query: ChatQuery,
    pub(crate) limit: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Raw {
    Open(Open),
    Close(Close),
    History(History),
    Post(Post),
    Edit(Edit),
    Delete(Delete),
    React(React),
    Read(Read),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    after: Option<u64>,
    last: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Close {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct History {
    before: Option<u64>,
    thread: Option<u64>,
    limit: Option<u64>,
}

/// A message that somebody writes, not checked yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Post {
    key: String,
    text: String,
    thread: Option<u64>,
    #[serde(default)]
    mentions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    seq: u64,
    text: String,
    #[serde(default)]
    mentions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delete {
    seq: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct React {
    seq: u64,
    emoji: String,
    on: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    seq: u64,
}

impl Request {
    pub(crate) fn parse(json: &str) -> Result<Request, Failure> {
        Ok(match read::<Raw>(json.as_bytes())? {
            Raw::Open(Open {
                after: Some(change),
                last: None,
            }) => Request::Open(Page {
                query: ChatQuery::After(change),
                limit: usize::MAX,
            }),
            Raw::Open(Open {
                after: None,
                last: Some(count),
            }) => Request::Open(Page {
                query: ChatQuery::Last,
                limit: count_of(count),
            }),
            Raw::Open(_) => {
                return Err(Failure::new(Code::BadRequest, "open takes either after or last"));
            }
            Raw::Close(Close {}) => Request::Close,
            Raw::History(history) => Request::History(Page {
                query: ChatQuery::Before {
                    seq: history.before,
                    thread: history.thread,
                },
                limit: history.limit.map_or(CHAT_PAGE_DEFAULT_COUNT, count_of),
            }),
            Raw::Post(post) => Request::Change(post.act()?),
            Raw::Edit(edit) => Request::Change(Act::Edit {
                seq: edit.seq,
                text: text::text(&edit.text)?,
                mentions: text::mentions(edit.mentions)?,
            }),
            Raw::Delete(delete) => Request::Change(Act::Delete { seq: delete.seq }),
            Raw::React(react) => Request::Change(Act::React {
                seq: react.seq,
                emoji: text::emoji(react.emoji)?,
                on: react.on,
            }),
            Raw::Read(read) => Request::Read(read.seq),
        })
    }
}

impl Post {
    pub(crate) fn parse(json: &[u8]) -> Result<Post, Failure> {
        read(json)
    }

    /// Checks it (CH4).
    pub(crate) fn act(self) -> Result<Act, Failure> {
        Ok(Act::Post {
            key: text::key(self.key)?,
            text: text::text(&self.text)?,
            thread: self.thread,
            mentions: text::mentions(self.mentions)?,
        })
    }
}

fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(json).map_err(|error| Failure::new(Code::BadRequest, error.to_string()))
}

/// The store cuts it to what a page holds.
fn count_of(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(json: &str) -> &'static str {
        match Request::parse(json) {
            Ok(request) => panic!("{json} is {request:?}"),
            Err(failure) => failure.code.as_str(),
        }
    }

    #[test]
    fn every_request_of_the_protocol_is_read() {
        let before = |seq, thread| ChatQuery::Before { seq, thread };
        let page = |query, limit| Page { query, limit };
        for (json, request) in [
            (
                r#"{"open":{"after":0}}"#,
                Request::Open(page(ChatQuery::After(0), usize::MAX)),
            ),
            (
                r#"{"open":{"last":50}}"#,
                Request::Open(page(ChatQuery::Last, 50)),
            ),
            (r#"{"close":{}}"#, Request::Close),
            (
                r#"{"history":{"before":7,"limit":5,"thread":3}}"#,
                Request::History(page(before(Some(7), Some(3)), 5)),
            ),
            (
                r#"{"history":{}}"#,
                Request::History(page(before(None, None), 50)),
            ),
            (
                r#"{"post":{"key":"k-1","text":" hi ","thread":3,"mentions":["bob"]}}"#,
                Request::Change(Act::Post {
                    key: "k-1".into(),
                    text: "hi".into(),
                    thread: Some(3),
                    mentions: vec!["bob".into()],
                }),
            ),
            (
                r#"{"edit":{"seq":7,"text":"hello","mentions":[]}}"#,
                Request::Change(Act::Edit {
                    seq: 7,
                    text: "hello".into(),
                    mentions: Vec::new(),
                }),
            ),
            (r#"{"delete":{"seq":7}}"#, Request::Change(Act::Delete { seq: 7 })),
            (
                r#"{"react":{"seq":7,"emoji":"👍","on":true}}"#,
                Request::Change(Act::React {
                    seq: 7,
                    emoji: "👍".into(),
                    on: true,
                }),
            ),
            (r#"{"read":{"seq":7}}"#, Request::Read(7)),
        ] {
            match Request::parse(json) {
                Ok(read) => assert_eq!(read, request, "{json}"),
                Err(failure) => panic!("{json}: {failure:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_known_is_refused_and_never_half_understood() {
        for json in [
            "",
            "7",
            "\"close\"",
            "{}",
            r#"{"shout":{}}"#,
            r#"{"open":{}}"#,
            r#"{"open":{"after":0,"last":1}}"#,
            r#"{"open":{"after":-1}}"#,
            r#"{"open":{"after":1.5}}"#,
            r#"{"close":{"really":true}}"#,
            r#"{"close":{},"open":{"after":0}}"#,
            r#"{"post":{"text":"hi"}}"#,
            r#"{"post":{"key":"k","text":"hi","colour":"red"}}"#,
            r#"{"post":{"key":"k","text":7}}"#,
            r#"{"post":{"key":"k","text":"hi","text":"ho"}}"#,
            r#"{"read":{"seq":"7"}}"#,
            r#"{"react":{"seq":7,"emoji":"👍"}}"#,
            r#"{"close":{}} and more"#,
            &"[".repeat(60_000),
        ] {
            assert_eq!(code(json), "bad_request", "{json}");
        }
    }
}

//! What a room is told of its chat: who listens, and what to pass on to them, here and on other nodes.

use std::sync::Arc;

use bytes::Bytes;
use roomtone_crdt::{ConnectionId, Reader, Writer};

use crate::limits::CHAT_NEWS_BYTES_MAX;

/// Something about the chat, for the room.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// Whether a member has the chat open.
    Listen(ConnectionId, bool),
    /// Something has changed, and is on the disk.
    News(News),
}

/// A change, for those who have the chat open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct News {
    /// JSON.
    change: String,
    /// Whose connections are told; none: everybody's.
    user: Option<Arc<str>>,
    /// Who knows already.
    except: Option<ConnectionId>,
}

impl News {
    /// A message as it is now, for everybody.
    pub(super) fn of_message(change: String) -> News {
        News {
            change,
            user: None,
            except: None,
        }
    }

    /// A marker, for the other connections of its user.
    pub(super) fn of_marker(change: String, user: &Arc<str>, except: Option<ConnectionId>) -> News {
        News {
            change,
            user: Some(user.clone()),
            except,
        }
    }

    /// Nobody knows whether something was lost: whoever has the chat open asks.
    pub(crate) fn missed() -> News {
        News {
            change: r#"{"missed":true}"#.to_owned(),
            user: None,
            except: None,
        }
    }

    /// As JSON.
    pub(crate) fn change(&self) -> &str {
        &self.change
    }

    /// Whether it is for this member.
    pub(crate) fn is_for(&self, member: ConnectionId, user: Option<&str>) -> bool {
        self.except != Some(member) && (self.user.is_none() || self.user.as_deref() == user)
    }

    /// For the bus. None where it is too long for it.
    pub(crate) fn encode(&self) -> Option<Bytes> {
        let user = self.user.as_deref().unwrap_or_default();
        let mut writer = Writer::with_capacity(user.len() + self.change.len() + 8);
        writer.var_string(user).var_string(&self.change);
        let bytes = writer.into_bytes();
        (bytes.len() <= CHAT_NEWS_BYTES_MAX).then(|| Bytes::from(bytes))
    }

    /// From another node, whose word is not taken. None for what none of ours would send.
    pub(crate) fn decode(bytes: &[u8]) -> Option<News> {
        if bytes.len() > CHAT_NEWS_BYTES_MAX {
            return None;
        }
        let mut reader = Reader::new(bytes);
        let user = reader.var_string().ok()?;
        let change = reader.var_string().ok()?;
        reader.is_done().then(|| News {
            change: change.to_owned(),
            user: (!user.is_empty()).then(|| Arc::from(user)),
            except: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_travel_and_nonsense_does_not() {
        let ada: Arc<str> = "ada".into();
        let of_all = News::of_message("{}".into());
        let of_ada = News::of_marker("{\"read\":7}".into(), &ada, None);
        for news in [&of_all, &of_ada] {
            let bytes = news.encode().expect("it is short");
            assert_eq!(News::decode(&bytes).as_ref(), Some(news));
            assert_eq!(News::decode(&bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(News::decode(&[0, 1, b'x', 0]), None);
        assert_eq!(News::decode(&[0, 1, 0xff]), None);
        assert_eq!(News::of_message("x".repeat(CHAT_NEWS_BYTES_MAX)).encode(), None);
        let me = ConnectionId(1);
        assert!(of_all.is_for(me, None) && of_all.is_for(me, Some("ada")));
        assert!(of_ada.is_for(me, Some("ada")));
        assert!(!of_ada.is_for(me, Some("bob")) && !of_ada.is_for(me, None));
        assert!(!News::of_marker("{}".into(), &ada, Some(me)).is_for(me, Some("ada")));
    }
}

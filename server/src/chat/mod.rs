//! The chat of a room: calls are read, judged, done in the store and answered; rooms pass on what has changed.
//!
//! Rules CH1 to CH5 of `docs/PROTOCOL.md`. Nothing here holds up an edit: a socket's calls are served by a task of their own
//! (`line.rs`), and the room only notes who listens and passes on what it is given (`news.rs`).

mod answer;
mod line;
mod news;
mod pace;
mod request;
mod text;

use std::sync::Arc;
use std::time::Duration;

use roomtone_crdt::ConnectionId;
use roomtone_persistence::{Act, Actor, Changed, ChatMessage, ChatPage, ChatQuery, Chats, DocId, StoreError};
use tokio::time::timeout;

use crate::ambient;
use crate::auth::Role;
use crate::hub::Hub;
use crate::limits::{CHAT_NOTE_MS_MAX, CHAT_STORE_MS_MAX};
use crate::metrics;
pub(crate) use answer::{Code, Failure, message_answer, page_answer};
pub(crate) use line::{Call, Line};
pub(crate) use news::{News, Note};
use pace::Paces;
pub(crate) use request::{Page, Post, Request};

/// A cheap handle to the chats of all rooms.
#[derive(Clone)]
pub struct Chat {
    hub: Hub,
    paces: Arc<Paces>,
}

/// Who calls, and from where.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) doc: DocId,
    /// As which it sits in the room; none for a request without a socket.
    pub(crate) member: Option<ConnectionId>,
    /// From the token; none for anonymous people.
    pub(crate) user: Option<Arc<str>>,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) role: Role,
    /// Stands for anonymous people when changes are counted.
    pub(crate) socket: ConnectionId,
}

impl Chat {
    /// The chats of these rooms, kept in their store.
    pub fn new(hub: Hub) -> Chat {
        Chat {
            hub,
            paces: Arc::default(),
        }
    }

    /// Does what a client of a socket asks for. The answer as JSON, whatever it is.
    pub(crate) async fn call(&self, caller: &Caller, request: &str) -> String {
        let answered = match Request::parse(request) {
            Ok(request) => self.answer(caller, request).await,
            Err(failure) => Err(failure),
        };
        match answered {
            Ok(answer) => {
                metrics::chat_call("ok");
                answer
            }
            Err(failure) => {
                metrics::chat_call(failure.code.as_str());
                failure.to_json()
            }
        }
    }

    async fn answer(&self, caller: &Caller, request: Request) -> Result<String, Failure> {
        match request {
            Request::Open(page) => {
                // Before it is read: what changes meanwhile is sent as well.
                self.listen(caller, true).await?;
                let is_resumed = matches!(page.query, ChatQuery::After(_));
                let page = self.page(caller, page).await?;
                Ok(page_answer(&page, is_resumed && page.has_more))
            }
            Request::Close => {
                self.listen(caller, false).await?;
                Ok("{}".to_owned())
            }
            Request::History(page) => {
                let page = self.page(caller, page).await?;
                Ok(answer::messages_answer(&page.messages))
            }
            Request::Change(act) => {
                let message = self.change(caller, act).await?;
                Ok(message_answer(&message))
            }
            Request::Read(seq) => self.mark_read(caller, seq).await,
        }
    }

    /// Messages, for whoever is in the room (CH3).
    pub(crate) async fn page(&self, caller: &Caller, page: Page) -> Result<ChatPage, Failure> {
        let user = caller.user.as_deref();
        let read = self.store()?.read(&caller.doc, page.query, page.limit, user);
        self.in_time(read).await
    }

    /// Changes something, and tells everybody who listens (CH1).
    pub(crate) async fn change(&self, caller: &Caller, act: Act) -> Result<ChatMessage, Failure> {
        if caller.role < Role::Commenter {
            return Err(Failure::new(
                Code::Forbidden,
                "this token only reads; commenters write",
            ));
        }
        self.paces.draw(caller.user.as_ref(), caller.socket)?;
        let by = Actor {
            user: caller.user.as_deref().map(str::to_owned),
            name: caller.name.as_deref().map(str::to_owned),
            moderates: caller.role >= Role::Owner,
            time_ms: ambient::time_ms(),
        };
        let changed = self.in_time(self.store()?.change(&caller.doc, &by, &act)).await?;
        let message = match changed {
            Changed::Done(message) => *message,
            Changed::NotFound => {
                return Err(Failure::new(
                    Code::NotFound,
                    "there is no such message, or it was deleted",
                ));
            }
            Changed::Forbidden => {
                return Err(Failure::new(
                    Code::Forbidden,
                    "it is somebody else's; anonymous people own nothing",
                ));
            }
            Changed::Full => {
                return Err(Failure::new(
                    Code::TooLong,
                    "the message has as many reactions as it takes",
                ));
            }
        };
        // Also when it was done before: that answer may have been lost, and the news with it.
        self.tell(caller, News::of_message(message_answer(&message)))
            .await;
        Ok(message)
    }

    async fn mark_read(&self, caller: &Caller, seq: u64) -> Result<String, Failure> {
        let Some(user) = &caller.user else {
            let hint = "anonymous people have no marker";
            return Err(Failure::new(Code::Forbidden, hint));
        };
        let marked = self
            .in_time(self.store()?.mark_read(&caller.doc, user, seq))
            .await?;
        let answer = answer::read_answer(marked.seq);
        if marked.has_moved {
            self.tell(caller, News::of_marker(answer.clone(), user, caller.member))
                .await;
        }
        Ok(answer)
    }

    async fn listen(&self, caller: &Caller, is_open: bool) -> Result<(), Failure> {
        let Some(member) = caller.member else {
            return Ok(());
        };
        let noted = self.note(caller, Note::Listen(member, is_open)).await;
        noted.ok_or_else(|| Failure::new(Code::Away, "the room is busy; try again"))
    }

    /// It is stored. Where it cannot be passed on, whoever listens finds that it is missing (CH2).
    async fn tell(&self, caller: &Caller, news: News) {
        if self.note(caller, Note::News(news)).await.is_none() {
            tracing::warn!(doc = %caller.doc, "a change of a chat was not passed on");
        }
    }

    async fn note(&self, caller: &Caller, note: Note) -> Option<()> {
        let noted = self.hub.note(&caller.doc, note);
        timeout(Duration::from_millis(CHAT_NOTE_MS_MAX), noted)
            .await
            .ok()?
            .ok()
    }

    fn store(&self) -> Result<&dyn Chats, Failure> {
        let none = || Failure::new(Code::Away, "this server keeps no messages");
        self.hub.store().chats().ok_or_else(none)
    }

    /// What the store answers, if it does so in time.
    async fn in_time<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, Failure> {
        let hint = "the store is away; try again";
        match timeout(Duration::from_millis(CHAT_STORE_MS_MAX), call).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the store refused a call of a chat");
                Err(Failure::new(Code::Away, hint))
            }
            Err(_) => {
                tracing::warn!("the store did not answer a call of a chat");
                Err(Failure::new(Code::Away, hint))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use roomtone_persistence::{FaultyStore, MemoryStore};
    use tokio::time::Instant;

    use super::*;
    use crate::compactor::Compactor;
    use crate::hub::Context;
    use crate::limits::Limits;
    use crate::saver::Saver;

    /// A disk that hangs says nothing; whoever waits for it is told all the same.
    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_answer_is_away_and_the_post_is_there_once_in_the_end() {
        let store = Arc::new(FaultyStore::new(MemoryStore::new()));
        let hub = Hub::new(Context {
            store: store.clone(),
            saver: Saver::start(store.clone(), 1_000_000),
            compactor: Compactor::start(store.clone()),
            bus: None,
            limits: Arc::new(Limits::default()),
        });
        let chat = Chat::new(hub);
        let caller = Caller {
            doc: DocId::in_default_tenant("d").expect("a legal name"),
            member: None,
            user: Some("ada".into()),
            name: None,
            role: Role::Editor,
            socket: ConnectionId(1),
        };
        let faults = store.faults();
        faults.delay_appends(Duration::from_secs(3_600));
        faults.delay_loads(Duration::from_secs(3_600));
        let post = r#"{"post":{"key":"1","text":"x"}}"#;
        for request in [post, r#"{"history":{}}"#, r#"{"read":{"seq":1}}"#] {
            let begun = Instant::now();
            let answer = chat.call(&caller, request).await;
            assert!(answer.contains("\"code\":\"away\""), "{answer}");
            assert_eq!(begun.elapsed(), Duration::from_millis(CHAT_STORE_MS_MAX));
        }
        faults.delay_appends(Duration::ZERO);
        faults.delay_loads(Duration::ZERO);
        for _ in 0..2 {
            let answer = chat.call(&caller, post).await;
            assert!(answer.contains("\"seq\":1,"), "{answer}");
        }
    }
}

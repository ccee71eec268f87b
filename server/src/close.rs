//! The one table of close codes: why a socket ends, and whether its client should come back.
//!
//! Codes 4400 to 4499 mean "do not come back with the same request"; every other code means "come back".
//! The exceptions carry the numbers that Hocuspocus clients know. `docs/PROTOCOL.md` holds the same table.

use std::fmt;

/// Why the server ends a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// A text frame on a binary protocol.
    TextFrame,
    /// A frame that is no WebSocket frame.
    Protocol,
    /// The peer floods control frames.
    Flood,
    /// Updates whose past never came filled their bound.
    Pending,
    /// A frame, a document or a stateless message is over its bound.
    TooLarge(&'static str),
    /// Something of ours failed; the cause is in the log.
    Internal,
    /// The server is stopping: come back, it will be there again.
    Restart,
    /// The store cannot load or take what was asked, or a queue is full: come back later.
    TryLater(&'static str),
    /// The socket read nothing of what waited for it.
    NoProgress,
    /// The frame broke a rule of the protocol, named by the label.
    BadFrame(&'static str),
    /// The token is missing, wrong or has expired.
    Unauthorized(&'static str),
    /// The token is good, and does not allow this.
    Forbidden(&'static str),
    /// The document was deleted or replaced: the client's copy belongs to an older epoch.
    StaleEpoch,
    /// No document was authenticated in time, or too much was sent before.
    AuthTimeout,
}

impl Close {
    /// The WebSocket close code.
    pub fn code(self) -> u16 {
        match self {
            Close::Protocol => 1002,
            Close::TextFrame => 1003,
            Close::Flood | Close::Pending => 1008,
            Close::TooLarge(_) => 1009,
            Close::Internal => 1011,
            Close::Restart => 1012,
            Close::TryLater(_) | Close::NoProgress => 1013,
            Close::BadFrame(_) => 4400,
            Close::Unauthorized(_) => 4401,
            Close::Forbidden(_) => 4403,
            Close::StaleEpoch => 4409,
            Close::AuthTimeout => 4408,
        }
    }

    /// Whether it is about one document and coming back changes nothing: a socket that carries others goes on.
    pub fn is_for_one_document(self) -> bool {
        matches!(self, Close::Internal | Close::StaleEpoch)
    }

    /// The reason sent with the code: at most 123 bytes, never a cause from inside the server.
    pub fn reason(self) -> &'static str {
        match self {
            Close::Protocol => "not a WebSocket frame",
            Close::TextFrame => "binary frames only",
            Close::Flood => "too many control frames",
            Close::Pending => "too many updates build on edits that never came; come back",
            Close::TooLarge(what)
            | Close::TryLater(what)
            | Close::BadFrame(what)
            | Close::Unauthorized(what)
            | Close::Forbidden(what) => what,
            Close::Internal => "internal error; come back",
            Close::Restart => "server restarting; come back",
            Close::NoProgress => "nothing was read for 30 s; come back",
            Close::StaleEpoch => "the document was replaced; drop your copy",
            Close::AuthTimeout => "no document was authenticated in time",
        }
    }

    /// The label in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Close::Protocol => "protocol",
            Close::TextFrame => "text_frame",
            Close::Flood => "flood",
            Close::Pending => "pending",
            Close::TooLarge(_) => "too_large",
            Close::Internal => "internal",
            Close::Restart => "restart",
            Close::TryLater(_) => "try_later",
            Close::NoProgress => "no_progress",
            Close::BadFrame(_) => "bad_frame",
            Close::Unauthorized(_) => "unauthorized",
            Close::Forbidden(_) => "forbidden",
            Close::StaleEpoch => "stale_epoch",
            Close::AuthTimeout => "auth_timeout",
        }
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code(), self.reason())
    }
}

//! The families of clients that meet here.

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// y-websocket 1 to 4, and what is built on it.
    YWebsocket,
    /// Hocuspocus provider 2 to 4.
    Hocuspocus,
    /// y-sweet.
    YSweet,
    /// `roomtone.v1`: our own SDK.
    Native,
}

impl Dialect {
    /// The label in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::YWebsocket => "y_websocket",
            Dialect::Hocuspocus => "hocuspocus",
            Dialect::YSweet => "y_sweet",
            Dialect::Native => "native",
        }
    }
}

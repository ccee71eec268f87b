//! The durable name of a document.

use std::fmt;
use std::sync::Arc;

use crate::limits::{NAME_BYTES_MAX, TENANT_BYTES_MAX};

/// The tenant of every document on a server that has only one.
pub const DEFAULT_TENANT: &str = "default";

/// The durable name of a document, and the key of its room.
///
/// Names are opaque: two names are the same document exactly when their bytes are the same. Nothing folds case and
/// nothing normalises Unicode, because clients would then disagree about which document they are in.
///
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct DocId {
    tenant: Arc<str>,
    name: Arc<str>,
}

impl DocId {
    /// A document of a tenant. The tenant has 1 to 64 bytes, the name 1 to 512, neither with control characters.
    pub fn new(tenant: &str, name: &str) -> Result<DocId, BadDocId> {
        check("tenant", tenant, TENANT_BYTES_MAX)?;
        check("document name", name, NAME_BYTES_MAX)?;
        Ok(DocId {
            tenant: tenant.into(),
            name: name.into(),
        })
    }

    /// A document of [`DEFAULT_TENANT`].
    pub fn in_default_tenant(name: &str) -> Result<DocId, BadDocId> {
        DocId::new(DEFAULT_TENANT, name)
    }

    /// The tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The name within the tenant.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The name alone in the default tenant, `tenant/name` elsewhere. For people: it cannot be parsed back, since both
/// parts may hold a slash.
impl fmt::Display for DocId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tenant() == DEFAULT_TENANT {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.tenant, self.name)
        }
    }
}

/// Why a text cannot be the name of a document. The message may be shown to the client that sent it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadDocId {
    /// It has no bytes.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// It is longer than its bound.
    #[error("the {part} has {bytes} bytes, at most {bytes_max} are allowed")]
    TooLong {
        /// Which part.
        part: &'static str,
        /// Its length.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// It holds a control character (U+0000 to U+001F, U+007F to U+009F): invisible in logs, and a terminator or
    /// an escape to somebody further on.
    #[error("the {0} holds a control character")]
    ControlCharacter(&'static str),
}

fn check(part: &'static str, text: &str, bytes_max: usize) -> Result<(), BadDocId> {
    if text.is_empty() {
        return Err(BadDocId::Empty(part));
    }
    if text.len() > bytes_max {
        return Err(BadDocId::TooLong {
            part,
            bytes: text.len(),
            bytes_max,
        });
    }
    if text.chars().any(char::is_control) {
        return Err(BadDocId::ControlCharacter(part));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_opaque_but_bounded() {
        for good in [
            "a",
            "a/b",
            "100%",
            "it's \"quoted\"",
            "日本語",
            " ",
            "..",
            &"x".repeat(512),
            "\u{202e}",
        ] {
            assert_eq!(DocId::in_default_tenant(good).unwrap().name(), good);
        }
        for bad in [
            "",
            "a\0b",
            "a\nb",
            "\u{7f}",
            "\u{85}",
            "\u{9f}",
            &"x".repeat(513),
            &"é".repeat(257),
        ] {
            assert!(DocId::in_default_tenant(bad).is_err(), "{bad:?}");
        }
        assert_ne!(
            DocId::in_default_tenant("A").unwrap(),
            DocId::in_default_tenant("a").unwrap()
        );
        assert_ne!(
            DocId::in_default_tenant("é").unwrap(),
            DocId::in_default_tenant("e\u{301}").unwrap()
        );
    }

    #[test]
    fn display_hides_the_default_tenant() {
        assert_eq!(DocId::in_default_tenant("a/b").unwrap().to_string(), "a/b");
        assert_eq!(DocId::new("acme", "a").unwrap().to_string(), "acme/a");
        assert!(DocId::new("", "a").is_err());
    }
}

//! What people write, checked (CH4): it is text, of a bounded length, and stays text.

use super::answer::{Code, Failure};
use crate::limits::{
    CHAT_EMOJI_BYTES_MAX, CHAT_KEY_BYTES_MAX, CHAT_MENTION_BYTES_MAX, CHAT_MENTIONS_COUNT_MAX,
    CHAT_TEXT_CHARS_COUNT_MAX,
};

/// A message. Line breaks of other systems become ours.
pub(super) fn text(raw: &str) -> Result<String, Failure> {
    let text = raw.trim().replace("\r\n", "\n").replace('\r', "\n");
    if text.is_empty() {
        return Err(Failure::new(Code::BadRequest, "the text is empty"));
    }
    if text.chars().count() > CHAT_TEXT_CHARS_COUNT_MAX {
        let hint = format!("a text has at most {CHAT_TEXT_CHARS_COUNT_MAX} characters");
        return Err(Failure::new(Code::TooLong, hint));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        let hint = "a text has no control characters but line breaks and tabs";
        return Err(Failure::new(Code::BadRequest, hint));
    }
    Ok(text)
}

/// What a client calls a message.
pub(super) fn key(key: String) -> Result<String, Failure> {
    short(key, "a key", CHAT_KEY_BYTES_MAX)
}

/// An emoji, or what somebody takes for one.
pub(super) fn emoji(emoji: String) -> Result<String, Failure> {
    if emoji.chars().any(char::is_whitespace) {
        return Err(Failure::new(Code::BadRequest, "an emoji has no white space"));
    }
    short(emoji, "an emoji", CHAT_EMOJI_BYTES_MAX)
}

/// Each person once.
pub(super) fn mentions(raw: Vec<String>) -> Result<Vec<String>, Failure> {
    if raw.len() > CHAT_MENTIONS_COUNT_MAX {
        let hint = format!("a message mentions at most {CHAT_MENTIONS_COUNT_MAX} people");
        return Err(Failure::new(Code::TooLong, hint));
    }
    let mut mentions = Vec::with_capacity(raw.len());
    for mention in raw {
        let mention = short(mention, "a mention", CHAT_MENTION_BYTES_MAX)?;
        if !mentions.contains(&mention) {
            mentions.push(mention);
        }
    }
    Ok(mentions)
}

fn short(text: String, what: &str, bytes_max: usize) -> Result<String, Failure> {
    if text.len() > bytes_max {
        let hint = format!("{what} has at most {bytes_max} bytes");
        return Err(Failure::new(Code::TooLong, hint));
    }
    if text.is_empty() || text.chars().any(char::is_control) {
        let hint = format!("{what} is not empty and has no control characters");
        return Err(Failure::new(Code::BadRequest, hint));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T>(result: Result<T, Failure>) -> &'static str {
        result.err().map_or("ok", |failure| failure.code.as_str())
    }

    #[test]
    fn ch4_a_text_is_trimmed_and_bounded_and_stays_what_it_is() {
        for (raw, kept) in [
            ("hi", "hi"),
            (" \u{2003}\n hi\tyou \r\n", "hi\tyou"),
            ("a\r\nb\rc\nd", "a\nb\nc\nd"),
            ("<script>alert(1)</script>", "<script>alert(1)</script>"),
            ("**x** & \"y\"", "**x** & \"y\""),
            ("\u{202e}rtl", "\u{202e}rtl"),
        ] {
            assert_eq!(text(raw).ok().as_deref(), Some(kept), "{raw:?}");
        }
        assert!(text(&"é".repeat(4_096)).is_ok());
        assert!(text(&format!("  {}  ", "👍".repeat(4_096))).is_ok());
        assert_eq!(code(text(&"é".repeat(4_097))), "too_long");
        for bad in ["", "  \n ", "a\0b", "a\u{1b}[31m", "\u{7f}x", "a\u{85}b"] {
            assert_eq!(code(text(bad)), "bad_request", "{bad:?}");
        }
    }

    #[test]
    fn ch4_keys_emojis_and_mentions_are_bounded() {
        assert!(key("x".repeat(64)).is_ok());
        assert_eq!(code(key("x".repeat(65))), "too_long");
        for bad in ["", "a\nb"] {
            assert_eq!(code(key(bad.into())), "bad_request");
            assert_eq!(code(emoji(bad.into())), "bad_request");
        }
        // A family, which is one sign and 25 bytes.
        assert!(emoji("👨‍👩‍👧‍👦".into()).is_ok());
        assert_eq!(code(emoji("👍".repeat(9))), "too_long");
        assert_eq!(code(emoji("a b".into())), "bad_request");
        let people = |count: usize| (0..count).map(|n| format!("u{n}")).collect::<Vec<_>>();
        assert_eq!(mentions(people(16)).map_or(0, |people| people.len()), 16);
        assert_eq!(code(mentions(people(17))), "too_long");
        assert_eq!(code(mentions(vec!["x".repeat(257)])), "too_long");
        let twice = vec!["b".to_owned(), "a".to_owned(), "b".to_owned()];
        assert_eq!(mentions(twice).ok(), Some(vec!["b".to_owned(), "a".to_owned()]));
    }
}

//! Who a guest of an open server says they are: nobody checks it, so that it can never be taken for what a token says.

use serde::Deserialize;

use crate::limits::{GUEST_ID_BYTES_MAX, GUEST_NAME_BYTES_MAX, TOKEN_BYTES_MAX};

/// Stands before every id of a guest. Who gives out tokens uses it for nobody.
const PREFIX: &str = "guest:";

/// What the guest says, with the prefix on the id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Guest {
    pub(crate) user: String,
    pub(crate) name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    guest: String,
    name: Option<String>,
}

/// Reads `{"guest":"…","name":"…"}` in the place of a token. None for anything else.
pub(crate) fn parse(token: &str) -> Option<Guest> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let raw: Raw = serde_json::from_str(token).ok()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if raw.guest.is_empty() || raw.guest.len() > GUEST_ID_BYTES_MAX || !raw.guest.chars().all(is_plain) {
        return None;
    }
    let is_name = |name: &String| {
        !name.is_empty() && name.len() <= GUEST_NAME_BYTES_MAX && !name.contains(char::is_control)
    };
    Some(Guest {
        user: format!("{PREFIX}{}", raw.guest),
        name: raw.name.map(|name| name.trim().to_owned()).filter(is_name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_has_an_id_that_no_token_gives_and_a_name_where_it_is_one() {
        let name_of = |token: &str| parse(token).map(|guest| (guest.user, guest.name));
        let ada = Some(("guest:a-1".to_owned(), Some("Ada".to_owned())));
        assert_eq!(name_of(r#"{"guest":"a-1","name":" Ada "}"#), ada);
        let nameless = Some(("guest:a-1".to_owned(), None));
        let long = format!(
            r#"{{"guest":"a-1","name":"{}"}}"#,
            "x".repeat(GUEST_NAME_BYTES_MAX + 1)
        );
        for token in [r#"{"guest":"a-1"}"#, r#"{"guest":"a-1","name":"\u0000"}"#, &long] {
            assert_eq!(name_of(token), nameless, "{token}");
        }
        let endless = format!(r#"{{"guest":"{}"}}"#, "x".repeat(GUEST_ID_BYTES_MAX + 1));
        for token in [
            "",
            "x",
            "{}",
            "null",
            r#"{"guest":""}"#,
            r#"{"guest":"a b"}"#,
            r#"{"guest":"a","role":"owner"}"#,
            &endless,
        ] {
            assert_eq!(parse(token), None, "{token}");
        }
    }
}

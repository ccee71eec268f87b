//! Who may do what: tokens are turned into [`Claims`] here, and nowhere else.
//!
//! Two ways exist today, open (development) and JWT with a shared key (HS256). Other ways, such as JWKS,
//! become further variants of [`Authenticator`]; nothing outside this file will notice.

use std::time::{Duration, Instant, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use roomtone_persistence::DocId;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::close::Close;
use crate::guest::{self, Guest};
use crate::limits::TOKEN_BYTES_MAX;

/// Clock difference between token issuer and server that is forgiven, in seconds.
const LEEWAY_S: u64 = 30;

/// What a user may do in a room, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads, and is seen.
    Viewer,
    /// As a viewer; may write in the chat.
    Commenter,
    /// Reads and writes.
    Editor,
    /// As an editor; may mint tokens for others.
    Owner,
}

impl Role {
    /// The word for it, as in tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Commenter => "commenter",
            Role::Editor => "editor",
            Role::Owner => "owner",
        }
    }

    /// Whether the document may be changed.
    pub fn writes(self) -> bool {
        match self {
            Role::Viewer | Role::Commenter => false,
            Role::Editor | Role::Owner => true,
        }
    }
}

/// What a token says, checked.
#[derive(Clone, Debug)]
pub struct Claims {
    /// The user's id, from `sub`; what a guest of an open server says, behind `guest:`. None for an anonymous user there.
    pub user: Option<String>,
    /// The name to show, from `name`.
    pub name: Option<String>,
    /// What the user may do in the rooms below.
    pub role: Role,
    /// When the claims end, [`LEEWAY_S`] included: by a clock that nobody sets. None where they never do.
    ends: Option<Instant>,
    rooms: Vec<String>,
}

impl Claims {
    fn anonymous() -> Claims {
        Claims {
            user: None,
            name: None,
            role: Role::Owner,
            ends: None,
            rooms: vec!["*".into()],
        }
    }

    fn guest(Guest { user, name }: Guest) -> Claims {
        Claims {
            user: Some(user),
            name,
            ..Claims::anonymous()
        }
    }

    /// The role in one document.
    ///
    /// # Errors
    /// [`Denied::Room`] when no room pattern of the token covers the document.
    pub fn role_in(&self, doc: &DocId) -> Result<Role, Denied> {
        let covered = self
            .rooms
            .iter()
            .any(|pattern| matches_pattern(pattern, doc.name()));
        if covered { Ok(self.role) } else { Err(Denied::Room) }
    }

    /// Whether they are those of an operator: an owner of every document there is.
    pub fn is_operator(&self) -> bool {
        self.role == Role::Owner && self.rooms.iter().any(|pattern| pattern == "*")
    }

    /// Time until the claims end, [`LEEWAY_S`] included. None where they never do.
    pub fn remaining(&self) -> Option<Duration> {
        Some(self.ends?.saturating_duration_since(Instant::now()))
    }
}

/// Why a token was refused. The words go to the client; they say nothing about keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No token where one is needed.
    #[error("a token is required")]
    Missing,
    /// The token cannot be trusted.
    #[error("the token is not valid")]
    Invalid,
    /// The token was good once.
    #[error("the token has expired")]
    Expired,
    /// The token is good, for other rooms.
    #[error("the token does not cover this document")]
    Room,
    /// The token is good, and its role is too low.
    #[error("the token's role does not allow this")]
    Role,
}

impl Denied {
    /// The same words as a static string, for close reasons.
    pub fn reason(self) -> &'static str {
        match self {
            Denied::Missing => "a token is required",
            Denied::Invalid => "the token is not valid",
            Denied::Expired => "the token has expired",
            Denied::Room => "the token does not cover this document",
            Denied::Role => "the token's role does not allow this",
        }
    }

    /// Whether a better token could help (401), or this user may simply not (403).
    pub fn is_unauthorized(self) -> bool {
        match self {
            Denied::Missing | Denied::Invalid | Denied::Expired => true,
            Denied::Room | Denied::Role => false,
        }
    }
}

impl From<Denied> for Close {
    fn from(denied: Denied) -> Close {
        if denied.is_unauthorized() {
            Close::Unauthorized(denied.reason())
        } else {
            Close::Forbidden(denied.reason())
        }
    }
}

/// Turns tokens into claims.
pub enum Authenticator {
    /// Everybody may do everything; tokens minted here still bind (a read-only link stays read-only).
    Open(Keys),
    /// JWT with HS256.
    Jwt(Keys),
}

/// The keys of one shared secret, and what its tokens must say.
pub struct Keys {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    audience: Option<String>,
    issuer: Option<String>,
    clock: Clock,
}

/// What the token itself holds. Unknown claims are ignored.
#[derive(Serialize, Deserialize)]
struct Payload {
    sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    room: Rooms,
    role: Role,
    exp: u64,
    /// A number of any kind, since only the date in it counts. What is no number is no token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aud: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Rooms {
    One(String),
    Many(Vec<String>),
}

impl Authenticator {
    /// No authentication. `secret` signs the tokens that the server itself mints.
    pub fn open(secret: &[u8]) -> Authenticator {
        Authenticator::Open(Keys::new(secret, None, None))
    }

    /// HS256 with a shared secret; `audience` and `issuer` are required of every token where given.
    pub fn jwt(secret: &[u8], audience: Option<&str>, issuer: Option<&str>) -> Authenticator {
        Authenticator::Jwt(Keys::new(secret, audience, issuer))
    }

    /// With another clock than this machine's.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Authenticator {
        let (Authenticator::Open(keys) | Authenticator::Jwt(keys)) = &mut self;
        keys.clock = clock;
        self
    }

    /// Whether a request needs no token.
    pub fn is_open(&self) -> bool {
        match self {
            Authenticator::Open(_) => true,
            Authenticator::Jwt(_) => false,
        }
    }

    /// The claims of a token.
    ///
    /// # Errors
    /// [`Denied`], in words that may go to the client.
    pub fn claims(&self, token: Option<&str>) -> Result<Claims, Denied> {
        let token = token.filter(|token| !token.is_empty());
        match (self, token) {
            (Authenticator::Open(_), None) => Ok(Claims::anonymous()),
            // A foreign token on an open server is of no use and does no harm.
            (Authenticator::Open(keys), Some(token)) => match keys.verify(token) {
                Err(Denied::Invalid) => Ok(guest::parse(token).map_or_else(Claims::anonymous, Claims::guest)),
                known => known,
            },
            (Authenticator::Jwt(_), None) => Err(Denied::Missing),
            (Authenticator::Jwt(keys), Some(token)) => match keys.verify(token) {
                Err(Denied::Invalid) if guest::parse(token).is_some() => Err(Denied::Missing),
                known => known,
            },
        }
    }

    /// A token for one document, valid for `valid_for`.
    pub fn mint(&self, user: &str, doc: &DocId, role: Role, valid_for: Duration) -> String {
        self.sign(user, escape_pattern(doc.name()), role, valid_for)
    }

    /// A token of an operator, see [`Claims::is_operator`]. For whoever holds the secret itself.
    pub fn mint_operator(&self, valid_for: Duration) -> String {
        self.sign("operator", "*".to_owned(), Role::Owner, valid_for)
    }

    fn sign(&self, user: &str, rooms: String, role: Role, valid_for: Duration) -> String {
        let (Authenticator::Open(keys) | Authenticator::Jwt(keys)) = self;
        let payload = Payload {
            sub: user.to_owned(),
            name: None,
            room: Rooms::One(rooms),
            role,
            exp: keys.now_s().saturating_add(valid_for.as_secs()),
            nbf: None,
            aud: keys.audience.clone().map(serde_json::Value::String),
            iss: keys.issuer.clone(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &payload, &keys.encoding)
            .expect("a payload of strings and numbers always serialises, and HMAC takes any key")
    }
}

impl Keys {
    fn new(secret: &[u8], audience: Option<&str>, issuer: Option<&str>) -> Keys {
        // The algorithm comes from the key, never from a token's header.
        let mut validation = Validation::new(Algorithm::HS256);
        // These two are held against our own clock, in `verify`.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let mut required = vec!["exp", "sub"];
        match audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                required.push("aud");
            }
            None => validation.validate_aud = false,
        }
        if let Some(issuer) = issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        Keys {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
            audience: audience.map(str::to_owned),
            issuer: issuer.map(str::to_owned),
            clock: Clock::default(),
        }
    }

    fn now_s(&self) -> u64 {
        let since = self.clock.now().duration_since(UNIX_EPOCH);
        since.unwrap_or_default().as_secs()
    }

    fn verify(&self, token: &str) -> Result<Claims, Denied> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Denied::Invalid);
        }
        let payload = jsonwebtoken::decode::<Payload>(token, &self.decoding, &self.validation)
            .map_err(|_| Denied::Invalid)?
            .claims;
        let now_s = self.now_s();
        let left_s = payload.exp.saturating_add(LEEWAY_S).checked_sub(now_s);
        let left_s = left_s.ok_or(Denied::Expired)?;
        if payload
            .nbf
            .is_some_and(|nbf| nbf > now_s.saturating_add(LEEWAY_S) as f64)
        {
            return Err(Denied::Invalid);
        }
        Ok(Claims {
            user: Some(payload.sub),
            name: payload.name,
            role: payload.role,
            // Beyond what a clock can hold is never.
            ends: Instant::now().checked_add(Duration::from_secs(left_s)),
            rooms: match payload.room {
                Rooms::One(pattern) => vec![pattern],
                Rooms::Many(patterns) => patterns,
            },
        })
    }
}

/// Whether a room pattern covers a name. `*` stands for any run of characters, `\` takes the next
/// character as it is; everything else is itself.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    // The classic two-pointer walk: on a mismatch, give the last star one more character.
    let pattern = tokens(pattern);
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(Token::Any) => {
                star = Some((p, n));
                p += 1;
            }
            Some(Token::Exactly(c)) if *c == name[n] => {
                p += 1;
                n += 1;
            }
            Some(Token::Exactly(_)) | None => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|token| matches!(token, Token::Any))
}

enum Token {
    Any,
    Exactly(char),
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Any,
            '\\' => Token::Exactly(chars.next().unwrap_or('\\')),
            c => Token::Exactly(c),
        });
    }
    tokens
}

fn escape_pattern(name: &str) -> String {
    name.replace('\\', "\\\\").replace('*', "\\*")
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn patterns_cover_what_they_say() {
        for (pattern, name, covered) in [
            ("*", "anything/at all", true),
            ("doc-1", "doc-1", true),
            ("doc-1", "doc-10", false),
            ("team/*", "team/plan", true),
            ("team/*", "teams/plan", false),
            ("*/draft", "a/b/draft", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("", "x", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
        ] {
            assert_eq!(matches_pattern(pattern, name), covered, "{pattern} on {name}");
        }
    }

    #[test]
    fn who_a_guest_is_counts_on_an_open_server_alone() {
        let token = r#"{"guest":"g1","name":"Ada"}"#;
        let claims = Authenticator::open(b"secret")
            .claims(Some(token))
            .expect("it is open");
        assert_eq!(
            (claims.user.as_deref(), claims.name.as_deref()),
            (Some("guest:g1"), Some("Ada"))
        );
        let denied = Authenticator::jwt(b"secret", None, None)
            .claims(Some(token))
            .err();
        assert_eq!(denied, Some(Denied::Missing));
    }

    #[test]
    fn a_minted_token_covers_its_document_alone_even_when_the_name_holds_a_star() {
        let auth = Authenticator::jwt(b"secret", None, None);
        let star = DocId::in_default_tenant("a*").expect("a legal name");
        let other = DocId::in_default_tenant("ab").expect("a legal name");
        let token = auth.mint("u", &star, Role::Viewer, Duration::from_secs(60));
        let claims = auth.claims(Some(&token)).expect("our own token");
        assert_eq!(claims.role_in(&star), Ok(Role::Viewer));
        assert_eq!(claims.role_in(&other), Err(Denied::Room));
    }

    #[test]
    fn an_open_server_takes_anyone_and_still_honours_its_own_tokens() {
        let auth = Authenticator::open(b"random");
        let doc = DocId::in_default_tenant("d").expect("a legal name");
        assert_eq!(auth.claims(None).expect("open").role, Role::Owner);
        assert_eq!(auth.claims(Some("nonsense")).expect("open").role, Role::Owner);
        let token = auth.mint("u", &doc, Role::Viewer, Duration::from_secs(60));
        assert_eq!(auth.claims(Some(&token)).expect("ours").role, Role::Viewer);
    }

    #[test]
    fn an_operator_owns_every_document_and_nobody_else_is_one() {
        let auth = Authenticator::jwt(b"secret", Some("roomtone"), None);
        let minute = Duration::from_secs(60);
        let is_operator = |token: &str| auth.claims(Some(token)).expect("our own token").is_operator();
        assert!(is_operator(&auth.mint_operator(minute)));
        // The star is a name here, and the document is its own.
        let star = DocId::in_default_tenant("*").expect("a legal name");
        assert!(!is_operator(&auth.mint("u", &star, Role::Owner, minute)));
        for (rooms, role) in [("*", Role::Editor), ("team/*", Role::Owner), ("", Role::Owner)] {
            assert!(
                !is_operator(&auth.sign("u", rooms.into(), role, minute)),
                "{rooms}"
            );
        }
        assert!(
            Authenticator::open(b"random")
                .claims(None)
                .expect("open")
                .is_operator()
        );
    }

    #[test]
    fn a_jwt_server_wants_a_token_with_the_right_key_audience_and_issuer() {
        let doc = DocId::in_default_tenant("d").expect("a legal name");
        let strict = Authenticator::jwt(b"secret", Some("roomtone"), Some("app"));
        let plain = Authenticator::jwt(b"secret", None, None);
        let foreign = Authenticator::jwt(b"other", Some("roomtone"), Some("app"));
        let minute = Duration::from_secs(60);
        assert_eq!(strict.claims(None).expect_err("none"), Denied::Missing);
        assert!(
            strict
                .claims(Some(&strict.mint("u", &doc, Role::Editor, minute)))
                .is_ok()
        );
        for issuer in [&plain, &foreign] {
            let token = issuer.mint("u", &doc, Role::Editor, minute);
            assert_eq!(strict.claims(Some(&token)).expect_err("refused"), Denied::Invalid);
        }
    }

    #[test]
    fn tokens_begin_and_end_by_the_clock_that_all_nodes_share() {
        let hour = Duration::from_secs(3_600);
        let doc = DocId::in_default_tenant("d").expect("a legal name");
        let at = |time| {
            let clock = Clock::default();
            clock.set(Instant::now(), time);
            Authenticator::jwt(b"secret", None, None).with_clock(clock)
        };
        // Nobody asks this machine, whatever it shows.
        for now in [SystemTime::now() - 2 * hour, SystemTime::now() + 2 * hour] {
            let (here, past, future) = (at(now), at(now - hour), at(now + hour));
            let half = hour / 2;
            let claims = here.claims(Some(&here.mint("u", &doc, Role::Editor, half)));
            let left = claims.expect("it is good").remaining().expect("it ends");
            assert!(left > half && left <= half + Duration::from_secs(LEEWAY_S));
            let ended = past.mint("u", &doc, Role::Editor, half);
            assert_eq!(
                here.claims(Some(&ended)).expect_err("it has ended"),
                Denied::Expired
            );
            assert!(past.claims(Some(&ended)).is_ok());
            let begins = token_from(&doc, now + hour);
            assert_eq!(
                here.claims(Some(&begins)).expect_err("it has not begun"),
                Denied::Invalid
            );
            assert!(future.claims(Some(&begins)).is_ok());
        }
    }

    /// One of the secret `secret` that begins at a time, and ends long after it.
    fn token_from(doc: &DocId, begins: SystemTime) -> String {
        let since = begins.duration_since(UNIX_EPOCH).expect("after 1970");
        let payload = Payload {
            sub: "u".to_owned(),
            name: None,
            room: Rooms::One(escape_pattern(doc.name())),
            role: Role::Editor,
            exp: since.as_secs() + 100_000,
            nbf: Some(since.as_secs_f64()),
            aud: None,
            iss: None,
        };
        let key = EncodingKey::from_secret(b"secret");
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &payload, &key).expect("it serialises")
    }
}

//! One action of a scenario, and which of its keys go together.

use serde::Deserialize;

/// Something that is done again and again.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Keys")]
pub struct Action {
    /// What.
    pub kind: Kind,
    /// How often a second. 0 only where `is_flat_out`.
    pub per_s: f64,
    /// Characters of an edit or a chat message; at least so many of a shape's value.
    pub chars: usize,
    /// Whether a cursor move goes with each edit.
    pub cursor: bool,
    /// Its weight where one action is drawn.
    pub weight: f64,
    /// Path of the trace of a replay; empty for everything else. [`TRACE`] stands for the one of the command line.
    pub trace: String,
    /// Whether a replay goes as fast as the socket takes it.
    pub is_flat_out: bool,
    /// Most edits of a flat-out replay that are on their way at a time.
    pub ahead: usize,
}

/// What an action is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Appends to a text.
    Typing,
    /// Moves a cursor: presence alone.
    Cursor,
    /// Moves a shape of a map.
    Drag,
    /// The next edit of a sticky note, which is gone after two hundred.
    Note,
    /// Pushes to an array.
    Chat,
    /// Writes what people once wrote, edit by edit.
    Replay,
}

/// In a replay's `trace`: the file of `--trace`.
pub const TRACE: &str = "{trace}";
/// Most characters of one edit.
const CHARS_COUNT_MAX: usize = 100_000;
/// Most actions a second of one virtual user.
const PER_S_MAX: f64 = 100_000.0;
/// Edits on their way at a time, where the file does not say.
const AHEAD_COUNT_DEFAULT: usize = 2_000;
/// Most edits on their way at a time.
const AHEAD_COUNT_MAX: usize = 1_000_000;

/// An action as it is typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    kind: Kind,
    per_s: Option<f64>,
    chars: Option<usize>,
    #[serde(default)]
    cursor: bool,
    weight: Option<f64>,
    trace: Option<String>,
    #[serde(default)]
    flat_out: bool,
    ahead: Option<usize>,
}

impl TryFrom<Keys> for Action {
    type Error = String;

    // Said here and not with the other checks: so that the message has the line of the actions.
    fn try_from(keys: Keys) -> Result<Action, String> {
        let need = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        let is_replay = keys.kind == Kind::Replay;
        need(
            !is_replay || keys.trace.as_deref().is_some_and(|trace| !trace.is_empty()),
            "a replay needs a trace: trace = \"PATH\", or trace = \"{trace}\" for the file of --trace",
        )?;
        need(
            is_replay || (keys.trace.is_none() && !keys.flat_out),
            "trace and flat_out belong to a replay",
        )?;
        need(
            keys.ahead.is_none() || keys.flat_out,
            "ahead belongs to flat_out: at a rate there is no such bound",
        )?;
        if keys.flat_out {
            need(keys.per_s.is_none(), "either per_s or flat_out")?;
        } else {
            need(keys.per_s.is_some(), "how often? per_s is missing")?;
        }
        let per_s = keys.per_s.unwrap_or_default();
        need(
            keys.flat_out || (per_s > 0.0 && per_s <= PER_S_MAX),
            "an action's per_s is above 0 and at most 100000",
        )?;
        let chars = keys.chars.unwrap_or(6);
        need(
            (1..=CHARS_COUNT_MAX).contains(&chars),
            "chars is from 1 to 100000",
        )?;
        let ahead = keys.ahead.unwrap_or(AHEAD_COUNT_DEFAULT);
        need(
            (1..=AHEAD_COUNT_MAX).contains(&ahead),
            "ahead is from 1 to 1000000",
        )?;
        let weight = keys.weight.unwrap_or(1.0);
        need(weight > 0.0, "weight is above 0")?;
        Ok(Action {
            kind: keys.kind,
            per_s,
            // A shape's value is not padded unless one says so.
            chars: if keys.kind == Kind::Drag && keys.chars.is_none() {
                0
            } else {
                chars
            },
            cursor: keys.cursor,
            weight,
            trace: keys.trace.unwrap_or_default(),
            is_flat_out: keys.flat_out,
            ahead,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::Plan;

    #[test]
    fn keys_that_do_not_go_together_are_refused_with_their_line() {
        let plan = |action: &str| {
            let text = format!(
                "name = \"x\"\n[[scenario]]\nname = \"y\"\n\
                 executor = {{ kind = \"constant-vus\", vus = 1, duration_s = 1 }}\nactions = [{{ kind = {action} }}]\n"
            );
            Plan::parse(&text, "a.toml")
        };
        for good in [
            "\"typing\", per_s = 1",
            "\"drag\", per_s = 1, chars = 20000",
            "\"replay\", per_s = 50, trace = \"a.json\"",
            "\"replay\", flat_out = true, trace = \"{trace}\", ahead = 10",
        ] {
            assert!(plan(good).is_ok(), "{good}: {:?}", plan(good).err());
        }
        for (bad, wanted) in [
            ("\"typing\"", "per_s is missing"),
            ("\"typing\", per_s = 0", "per_s is above 0"),
            ("\"typing\", per_s = nan", "per_s is above 0"),
            ("\"typing\", per_s = 1, chars = 100001", "chars is from"),
            ("\"typing\", per_s = 1, trace = \"a\"", "belong to a replay"),
            ("\"typing\", per_s = 1, ahead = 3", "ahead belongs to"),
            ("\"replay\", per_s = 1", "needs a trace"),
            ("\"replay\", per_s = 0, trace = \"a\"", "per_s is above 0"),
            (
                "\"replay\", per_s = 1, flat_out = true, trace = \"a\"",
                "either per_s or flat_out",
            ),
            (
                "\"replay\", flat_out = true, trace = \"a\", ahead = 0",
                "ahead is from",
            ),
            ("\"paint\", per_s = 1", "unknown variant"),
            ("\"chat\", per_s = 1, colour = 1", "unknown field"),
        ] {
            let error = format!("{:#}", plan(bad).expect_err(bad));
            assert!(
                error.starts_with("a.toml:5: ") && error.contains(wanted),
                "{error:?} is not {wanted:?} at line 5"
            );
        }
        let twice = plan("\"typing\", per_s = 1 }, { kind = \"replay\", per_s = 1, trace = \"a\"");
        assert!(format!("{:#}", twice.expect_err("two writers")).contains("writes nothing else"));
    }
}

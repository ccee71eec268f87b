//! The bounds that an operator has moved, within their own.

use roomtone_persistence::limits::UPDATE_BYTES_MAX;
use tokio::sync::Semaphore;

use super::{ConfigError, wrong};
use crate::limits::Limits;

/// The file's table, then `name=value` pairs over it.
pub(super) fn limits(table: Option<toml::Table>, pairs: &[String]) -> Result<Limits, ConfigError> {
    let mut table = table.unwrap_or_default();
    for pair in pairs.iter().filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            wrong(
                "limits",
                format!("`{pair}` is not NAME=VALUE, such as room_idle_ms=5000"),
            )
        })?;
        let number: i64 = value.trim().replace('_', "").parse().map_err(|_| {
            wrong(
                &format!("limits.{}", name.trim()),
                format!("`{value}` is not a whole number"),
            )
        })?;
        table.insert(name.trim().to_owned(), toml::Value::Integer(number));
    }
    for (name, value) in &table {
        if !matches!(value, toml::Value::Integer(0..)) {
            return Err(wrong(
                &format!("limits.{name}"),
                format!("`{value}` is not a whole number, or below 0"),
            ));
        }
    }
    let limits: Limits = table
        .try_into()
        .map_err(|error: toml::de::Error| wrong("limits", error.message().to_owned()))?;
    for (name, value, bounds) in [
        // An update that the store does not take would hold up all that is behind it.
        ("frame_bytes_max", limits.frame_bytes_max, 1024..=UPDATE_BYTES_MAX),
        ("document_bytes_max", limits.document_bytes_max, 1024..=usize::MAX),
        ("outbox_bytes_max", limits.outbox_bytes_max, 1024..=usize::MAX / 4),
        ("backlog_bytes_max", limits.backlog_bytes_max, 1..=usize::MAX / 4),
        // More than a second is no live editing, and what gathers has its own bounds.
        (
            "crowd_pace_ms_max",
            usize::try_from(limits.crowd_pace_ms_max).unwrap_or(usize::MAX),
            0..=1_000,
        ),
        (
            "connections_count_max",
            limits.connections_count_max,
            1..=Semaphore::MAX_PERMITS,
        ),
        ("rooms_count_max", limits.rooms_count_max, 1..=usize::MAX),
    ] {
        if value < *bounds.start() {
            let problem = format!("{value} is too small; at least {}", bounds.start());
            return Err(wrong(&format!("limits.{name}"), problem));
        }
        if value > *bounds.end() {
            let problem = format!("{value} is too large; at most {}", bounds.end());
            return Err(wrong(&format!("limits.{name}"), problem));
        }
    }
    Ok(limits)
}

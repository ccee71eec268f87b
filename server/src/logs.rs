//! Structured logs on standard error. Causes of errors stand here; tokens and secrets never do.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::cli::LogFormat;

/// Starts logging.
///
/// # Errors
/// The filter cannot be parsed.
pub fn start(filter: &str, format: LogFormat) -> Result<(), ParseError> {
    // Below these levels the layers beneath us log payloads and request lines, and tokens travel in both: no filter
    // gets through to that.
    const QUIET: &str =
        "tungstenite=info,tokio_tungstenite=info,hyper=info,hyper_util=info,axum=info,sqlx=warn,fred=warn";
    let filter = EnvFilter::builder().parse(format!("{filter},{QUIET}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A line that cannot be written is lost. To say so on the same stream would panic whoever logs.
        .log_internal_errors(false)
        // Colours are for people: a file or a collector gets plain text.
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}

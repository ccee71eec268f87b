//! Structured logs on standard error. Causes of errors stand here; tokens and secrets never do.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::cli::LogFormat;

/// Starts logging.
///
/// # Errors
/// The filter cannot be parsed.
pub fn start(filter: &str, format: LogFormat) -> Result<(), ParseError> {
    // The SQL layer would log statements; whoever wants them asks for them by name.
    let filter = EnvFilter::builder().parse(format!("sqlx=warn,{filter}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}

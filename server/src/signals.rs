//! SIGTERM and SIGINT: the first stops in order, the second at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Exit code of a process that a second signal ended.
const EXIT_CODE_FORCED: i32 = 130;

/// A watch that turns true at the first signal. The second ends the process.
///
/// # Errors
/// Signals cannot be caught here.
pub fn watch() -> std::io::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        sender.send_replace(true);
        either(&mut terminate, &mut interrupt).await;
        std::process::exit(EXIT_CODE_FORCED);
    });
    Ok(receiver)
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

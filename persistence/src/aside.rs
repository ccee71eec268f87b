//! Work that takes a thread for milliseconds, away from those that serve sockets.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinError;

/// Does work that takes long on a thread of its own. Where there is one thread for everything, as in a simulation, it is
/// done there: a second one would end at a moment of its own, and no two runs were the same.
///
/// # Errors
/// The work panicked.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => tokio::spawn(async { work() }).await,
        _ => tokio::task::spawn_blocking(work).await,
    }
}

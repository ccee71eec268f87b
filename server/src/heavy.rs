//! Work that takes longer than other sockets may wait for.

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::limits::HEAVY_BYTES_MIN;

/// Does work of this size. A large one takes its thread out of service for as long as it lasts: another takes over the sockets
/// and rooms that it serves.
pub(crate) fn heavy<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let can_be_relieved =
        || Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if bytes >= HEAVY_BYTES_MIN && can_be_relieved() {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn others_go_on_while_one_thread_is_at_work() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .expect("a runtime");
        let (tell, told) = std::sync::mpsc::channel();
        runtime.block_on(async {
            let working = tokio::spawn(async move {
                tokio::spawn(async move { tell.send(()) });
                // Ends only when the other task has run, and there is one thread for both.
                heavy(HEAVY_BYTES_MIN, || told.recv_timeout(Duration::from_secs(60)))
            });
            assert_eq!(working.await.expect("no panic"), Ok(()));
        });
    }

    #[tokio::test]
    async fn where_there_is_one_thread_for_all_it_is_simply_done() {
        assert_eq!(heavy(HEAVY_BYTES_MIN, || 7), 7);
    }
}

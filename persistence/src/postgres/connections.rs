//! A bounded number of connections, and coming back when the server was away.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::Rng as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout};

use crate::StoreError;
use crate::limits::{
    POSTGRES_ABANDONED_SECONDS, POSTGRES_CALL_SECONDS, POSTGRES_CONNECT_SECONDS, POSTGRES_IDLE_CHECK_MS,
    POSTGRES_LIFE_SECONDS, POSTGRES_LOCK_SECONDS, POSTGRES_PING_MS_MAX, POSTGRES_SILENCE_SECONDS,
    POSTGRES_STATEMENT_SECONDS, POSTGRES_WAIT_SECONDS, POSTGRES_WAITING_SECONDS, RECONNECT_MS_MAX,
    RECONNECT_MS_MIN,
};

/// The connections of one purpose.
///
/// Not sqlx's pool: that one takes a connection back whose call was dropped half-way, hides why a new one failed, and
/// comes back without jitter.
#[derive(Debug)]
pub(crate) struct Connections {
    options: PgConnectOptions,
    count_max: usize,
    permits: Semaphore,
    /// The last one in is the first one out: what is not needed grows old and is replaced.
    idle: Mutex<Vec<Open>>,
    /// Held while somebody connects: one attempt at a time, however many callers wait for it.
    reconnect: tokio::sync::Mutex<Reconnect>,
    /// Why the last attempt failed, for callers whose patience ends before the next one.
    cause: Mutex<Option<String>>,
}

#[derive(Debug)]
struct Open {
    connection: PgConnection,
    /// Of the session on the other side.
    pid: i32,
    since: Instant,
    used: Instant,
}

#[derive(Debug, Default)]
struct Reconnect {
    failures: u32,
    not_before: Option<Instant>,
}

impl Connections {
    pub(crate) fn new(options: PgConnectOptions, count_max: usize) -> Connections {
        Connections {
            options,
            count_max,
            permits: Semaphore::new(count_max),
            idle: Mutex::new(Vec::new()),
            reconnect: tokio::sync::Mutex::default(),
            cause: Mutex::default(),
        }
    }

    /// Waits for a connection that works, for as long as [`POSTGRES_WAIT_SECONDS`].
    pub(crate) async fn lease(&self) -> Result<Lease<'_>, StoreError> {
        match timeout(Duration::from_secs(POSTGRES_WAIT_SECONDS), self.wait()).await {
            Ok(lease) => lease,
            Err(_) => {
                let cause = lock(&self.cause).clone();
                let cause = cause.unwrap_or_else(|| "all are in use, or the server does not answer".into());
                Err(StoreError::Unavailable(format!(
                    "no connection to PostgreSQL within {POSTGRES_WAIT_SECONDS} s: {cause}"
                )))
            }
        }
    }

    async fn wait(&self) -> Result<Lease<'_>, StoreError> {
        let permit = self.permits.acquire().await.map_err(|_| StoreError::Closed)?;
        loop {
            // Not in the condition: the guard would live as long as the block.
            let idle = lock(&self.idle).pop();
            let Some(mut open) = idle else {
                let (connection, pid) = self.connect().await?;
                let now = Instant::now();
                let open = Open {
                    connection,
                    pid,
                    since: now,
                    used: now,
                };
                return Ok(Lease::new(self, permit, open));
            };
            if open.since.elapsed() > Duration::from_secs(POSTGRES_LIFE_SECONDS) {
                continue;
            }
            if open.used.elapsed() < Duration::from_millis(POSTGRES_IDLE_CHECK_MS)
                || answers(&mut open.connection).await
            {
                return Ok(Lease::new(self, permit, open));
            }
            // Where one is dead the others are too.
            lock(&self.idle).clear();
        }
    }

    async fn connect(&self) -> Result<(PgConnection, i32), StoreError> {
        let mut reconnect = self.reconnect.lock().await;
        if let Some(not_before) = reconnect.not_before {
            sleep_until(not_before).await;
        }
        let patience = Duration::from_secs(POSTGRES_CONNECT_SECONDS);
        let failure = match timeout(patience, establish(&self.options)).await {
            Ok(Ok(established)) => {
                *reconnect = Reconnect::default();
                *lock(&self.cause) = None;
                return Ok(established);
            }
            Ok(Err(error)) => error,
            Err(_) => StoreError::Unavailable(format!("no answer within {POSTGRES_CONNECT_SECONDS} s")),
        };
        let pause = pause(reconnect.failures);
        reconnect.failures = reconnect.failures.saturating_add(1);
        reconnect.not_before = Some(Instant::now() + pause);
        *lock(&self.cause) = Some(failure.to_string());
        Err(failure)
    }

    /// Waits for the calls that are running, then closes for good.
    pub(crate) async fn close(&self) {
        let all = u32::try_from(self.count_max).unwrap_or(u32::MAX);
        let Ok(permits) = self.permits.acquire_many(all).await else {
            return;
        };
        self.permits.close();
        drop(permits);
        let idle = std::mem::take(&mut *lock(&self.idle));
        for open in idle {
            // A server that does not answer has nothing left to do for us.
            let _ = timeout(Duration::from_secs(1), open.connection.close()).await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here can panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The pause after so many failures in a row and one more.
pub(crate) fn pause(failures: u32) -> Duration {
    let longest = RECONNECT_MS_MIN
        .saturating_mul(1 << failures.min(20))
        .min(RECONNECT_MS_MAX);
    Duration::from_millis(rand::rng().random_range(longest / 2..=longest))
}

async fn answers(connection: &mut PgConnection) -> bool {
    let patience = Duration::from_millis(POSTGRES_PING_MS_MAX);
    timeout(patience, connection.ping())
        .await
        .is_ok_and(|ping| ping.is_ok())
}

/// Connects. Gives the session's number on the other side as well.
async fn establish(options: &PgConnectOptions) -> Result<(PgConnection, i32), StoreError> {
    let mut connection = options.connect().await?;
    let pid = configure(&mut connection).await?;
    Ok((connection, pid))
}

/// Sets what every connection needs. Gives the session's number on the other side.
pub(crate) async fn configure(connection: &mut PgConnection) -> Result<i32, StoreError> {
    // An abandoned transaction keeps its locks until the server finds out: it is told to look.
    let settings = format!(
        "SET statement_timeout = '{POSTGRES_STATEMENT_SECONDS}s'; SET lock_timeout = '{POSTGRES_LOCK_SECONDS}s'; \
         SET idle_in_transaction_session_timeout = '{POSTGRES_ABANDONED_SECONDS}s'; \
         SET client_connection_check_interval = '5s'; \
         SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
    );
    // Safe: the text is made of constants.
    sqlx::raw_sql(AssertSqlSafe(settings))
        .execute(&mut *connection)
        .await?;
    // An acknowledged edit survives the loss of power, whatever the database, the role or the URL say. An operator who
    // waits for standbys too (remote_apply) goes on doing so.
    let (commits, pid): (String, i32) = sqlx::query_as(
        "SELECT CASE WHEN current_setting('synchronous_commit') IN ('on', 'remote_apply') \
         THEN current_setting('synchronous_commit') ELSE set_config('synchronous_commit', 'on', false) END, \
         pg_backend_pid()",
    )
    .fetch_one(connection)
    .await?;
    if !["on", "remote_apply"].contains(&commits.as_str()) {
        return Err(StoreError::Misconfigured(format!(
            "synchronous_commit is {commits} and cannot be set: allow this role to set it to on"
        )));
    }
    Ok(pid)
}

/// The use of one connection. Dropping it closes the connection, which undoes what was begun; only [`Lease::settle`]
/// hands it back.
#[derive(Debug)]
pub(crate) struct Lease<'a> {
    home: &'a Connections,
    open: Open,
    /// Last: the place is free once the connection is gone.
    _permit: SemaphorePermit<'a>,
}

impl<'a> Lease<'a> {
    fn new(home: &'a Connections, permit: SemaphorePermit<'a>, open: Open) -> Lease<'a> {
        Lease {
            home,
            open,
            _permit: permit,
        }
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.open.connection
    }

    /// To look after a call on this connection, see [`watched`].
    pub(crate) fn watch(&self) -> Watch<'a> {
        Watch {
            home: self.home,
            pid: self.open.pid,
        }
    }

    /// Ends the use. A connection whose call failed is closed: it is not known what state it is in.
    pub(crate) fn settle<T>(self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let Lease {
            home,
            mut open,
            _permit,
        } = self;
        match &result {
            Ok(_) => {
                open.used = Instant::now();
                lock(&home.idle).push(open);
            }
            // The server may have gone, and the others with it: a new connection finds out.
            Err(StoreError::Unavailable(_)) => lock(&home.idle).clear(),
            Err(_) => {}
        }
        result
    }
}

/// Ends a call that PostgreSQL leaves without an answer.
pub(crate) async fn within<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match timeout(Duration::from_secs(POSTGRES_CALL_SECONDS), call).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::Unavailable(format!(
            "PostgreSQL did not answer within {POSTGRES_CALL_SECONDS} s"
        ))),
    }
}

/// A session on the other side, looked at over another connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch<'a> {
    home: &'a Connections,
    pid: i32,
}

impl Watch<'_> {
    /// Whether PostgreSQL waits for us, or has forgotten us, while we wait for it.
    async fn is_abandoned(self) -> Result<bool, StoreError> {
        let (mut connection, _) = establish(&self.home.options).await?;
        let patience_s = POSTGRES_WAITING_SECONDS as f64;
        let is_at_work: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1 \
             AND (state = 'active' OR state_change > clock_timestamp() - make_interval(secs => $2)))",
        )
        .bind(self.pid)
        .bind(patience_s)
        .fetch_one(&mut connection)
        .await?;
        // It was made for this one question.
        let _ = connection.close().await;
        Ok(!is_at_work)
    }
}

/// As [`within`], and ends a call whose connection is dead, which nobody may ever say: what is behind the address may have
/// moved to another machine. Only for calls that may be made once more without harm.
pub(crate) async fn watched<T>(
    watch: Watch<'_>,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let mut call = pin!(call);
    let patience = Duration::from_secs(POSTGRES_SILENCE_SECONDS);
    within(async {
        loop {
            if let Ok(result) = timeout(patience, &mut call).await {
                return result;
            }
            // The answer may come in the meantime; and where nobody answers, nobody knows.
            tokio::select! {
                result = &mut call => return result,
                abandoned = timeout(patience, watch.is_abandoned()) => {
                    if let Ok(Ok(true)) = abandoned {
                        let why = "the connection to PostgreSQL died without a word".to_owned();
                        return Err(StoreError::Unavailable(why));
                    }
                }
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_differ() {
        for failures in 0..100 {
            let longest = (RECONNECT_MS_MIN << failures.min(10)).min(RECONNECT_MS_MAX);
            let pauses: Vec<u64> = (0..50).map(|_| pause(failures).as_millis() as u64).collect();
            assert!(
                pauses.iter().all(|pause| (longest / 2..=longest).contains(pause)),
                "{failures}: {pauses:?}"
            );
            assert!(
                pauses.iter().any(|pause| *pause != pauses[0]),
                "{failures}: no jitter"
            );
        }
    }
}

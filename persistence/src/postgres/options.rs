//! Where a PostgreSQL database is, and how it is reached.

use std::fmt;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use crate::blobs::BlobStore;

/// What may stand behind the `?` of a URL. Anything else is refused: libraries would log it, and it may be a password
/// under a misspelt name.
const PARAMETERS: &[&str] = &[
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "options",
];

/// The address of a database, with the password that opens it. Shown without the password.
#[derive(Clone)]
pub struct PostgresOptions {
    pub(crate) connect: Box<PgConnectOptions>,
    pub(crate) node: String,
    pub(crate) blobs: Option<BlobStore>,
}

/// A text that is not the URL of a database. It does not repeat the text, which may hold a password.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}; expected postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full")]
pub struct BadPostgresUrl(String);

impl PostgresOptions {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with libpq's parameters for TLS behind a `?`: `sslmode`
    /// (`disable`, `prefer`, `require`, `verify-ca`, `verify-full`), `sslrootcert`, `sslcert`, `sslkey`. `host` takes the
    /// folder of a Unix socket. What is left out comes from libpq's variables (`PGHOST`, `PGPASSWORD`, and so on) and
    /// from the password file.
    ///
    /// # Errors
    /// [`BadPostgresUrl`] says what is wrong, without the text.
    pub fn parse(url: &str) -> Result<PostgresOptions, BadPostgresUrl> {
        let bad = |problem: &str| BadPostgresUrl(problem.to_owned());
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(bad("it does not begin with postgres://"));
        }
        let query = url.split_once('?').map_or("", |(_, query)| query);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let name = pair.split('=').next().unwrap_or_default();
            if !PARAMETERS.contains(&name) {
                // A name of letters says what was meant; anything else may be the middle of a password.
                let is_name = name.len() <= 30 && name.bytes().all(|byte| byte.is_ascii_lowercase());
                let shown = if is_name { name } else { "a parameter" };
                return Err(BadPostgresUrl(format!(
                    "{shown} is not a parameter that is known"
                )));
            }
        }
        let connect: PgConnectOptions = url
            .parse()
            .map_err(|_| bad("host, port or a parameter cannot be read (characters such as @ / # ? in a password are written as %40 %2F %23 %3F)"))?;
        if connect.get_database().is_none() {
            return Err(bad("it names no database"));
        }
        Ok(PostgresOptions {
            // Statements are fixed and counted; sqlx would log each of them.
            connect: Box::new(connect.disable_statement_logging()),
            node: machine(),
            blobs: None,
        })
    }

    /// Puts large snapshots into a blob store. By default they are in the database like the others.
    #[must_use]
    pub fn blobs(mut self, blobs: BlobStore) -> PostgresOptions {
        self.blobs = Some(blobs);
        self
    }

    /// Names the server in the database: for people who look at its connections and tables. By default the name of the
    /// machine.
    #[must_use]
    pub fn node(mut self, name: &str) -> PostgresOptions {
        self.node = name.to_owned();
        self
    }
}

/// The name of this machine, as far as it is known.
fn machine() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unnamed".into())
}

impl fmt::Display for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connect = &self.connect;
        write!(f, "postgres://{}@", connect.get_username())?;
        match connect.get_socket() {
            Some(folder) => write!(f, "[{}]", folder.display())?,
            None => f.write_str(connect.get_host())?,
        }
        write!(f, ":{}", connect.get_port())?;
        match connect.get_database() {
            Some(database) => write!(f, "/{database}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresOptions").field(&self.to_string()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let url = "postgres://user:CANARY@db.example:5433/docs?sslmode=require";
        let options = PostgresOptions::parse(url).unwrap();
        assert_eq!(options.to_string(), "postgres://user@db.example:5433/docs");
        let in_query = PostgresOptions::parse("postgres://db.example/docs?user=u&password=CANARY").unwrap();
        for shown in [
            format!("{options:?}"),
            format!("{options:#?}"),
            in_query.to_string(),
            format!("{in_query:?}"),
        ] {
            assert!(!shown.contains("CANARY"), "{shown}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_secret() {
        for (url, expected) in [
            ("sqlite:CANARY", "postgres://"),
            ("postgres://user:CANARY@host", "no database"),
            ("postgres://user:CANARY@host:port/docs", "host, port"),
            ("postgres://user:CAN/ARY@host/docs", "%2F"),
            ("postgres://user@host/docs?passwort=CANARY", "passwort"),
            ("postgres://user@host/docs?CANARY=1", "a parameter"),
            ("postgres://user@host/docs?sslmode=CANARY", "parameter"),
        ] {
            let text = PostgresOptions::parse(url).unwrap_err().to_string();
            assert!(text.contains(expected), "{url}: {text}");
            assert!(
                !text.contains("CANARY") && !text.contains("CAN/"),
                "{url}: {text}"
            );
        }
    }
}

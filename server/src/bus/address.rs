//! Where Redis is, as an operator writes it. What is secret in it is never shown.

use std::fmt;

use fred::types::config::Config;
use secrecy::{ExposeSecret, SecretString};

/// The address of a Redis: stand-alone, behind Sentinels, or a cluster, with or without TLS.
#[derive(Clone)]
pub struct RedisAddress {
    url: SecretString,
    shown: String,
}

/// An address that cannot be used. It is not repeated: a password may stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected redis://[USER:PASSWORD@]HOST:PORT, with rediss for TLS; redis-sentinel://HOST:PORT/?sentinelServiceName=NAME; or \
     redis-cluster://HOST:PORT; more of them as ?node=HOST:PORT&node=HOST:PORT"
)]
pub struct BadAddress;

/// How the address may begin: there is no other way to ask for it.
const SCHEMES: [&str; 6] = [
    "redis",
    "rediss",
    "redis-sentinel",
    "rediss-sentinel",
    "redis-cluster",
    "rediss-cluster",
];

impl RedisAddress {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`BadAddress`].
    pub fn parse(url: &str) -> Result<RedisAddress, BadAddress> {
        let (scheme, rest) = url.split_once("://").ok_or(BadAddress)?;
        if !SCHEMES.contains(&scheme) {
            return Err(BadAddress);
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        if host.is_empty() {
            return Err(BadAddress);
        }
        let address = RedisAddress {
            url: url.into(),
            shown: format!("{scheme}://{host}"),
        };
        address.config()?;
        Ok(address)
    }

    /// Whether it is a cluster: there the channels are sharded.
    pub(super) fn is_cluster(&self) -> bool {
        self.shown
            .split(':')
            .next()
            .is_some_and(|scheme| scheme.ends_with("-cluster"))
    }

    /// For the client.
    pub(super) fn config(&self) -> Result<Config, BadAddress> {
        Config::from_url(self.url.expose_secret()).map_err(|_| BadAddress)
    }
}

/// Without the password.
impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_shown_without_what_is_secret() {
        for (url, shown) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("redis://h", "redis://h"),
            ("redis://user:CANARY@h:1/2", "redis://h:1"),
            ("redis://:CANARY%40@h:1", "redis://h:1"),
            ("rediss://default:CANARY@h:6380", "rediss://h:6380"),
            (
                "redis-sentinel://u:CANARY@h:26379/?sentinelServiceName=main&node=i:26379&sentinelPassword=CANARY",
                "redis-sentinel://h:26379",
            ),
            (
                "rediss-cluster://:CANARY@h:1?node=i:2&node=j:3",
                "rediss-cluster://h:1",
            ),
        ] {
            let address = RedisAddress::parse(url).expect(url);
            assert_eq!(address.to_string(), shown);
            assert_eq!(format!("{address:?}"), shown);
            assert_eq!(address.is_cluster(), url.contains("cluster"));
        }
    }

    #[test]
    fn a_bad_address_is_refused_without_being_repeated() {
        for url in [
            "",
            "redis",
            "redis://",
            "http://h:1",
            "redis+unix:///run/redis.sock",
            "redis://CANARY@",
            "redis://:CANARY@h:port",
            "redis-sentinel://:CANARY@h:1",
            "redis-cluster://:CANARY@h:1?node=CANARY",
        ] {
            let error = RedisAddress::parse(url).expect_err(url);
            assert!(!error.to_string().contains("CANARY"));
        }
    }
}

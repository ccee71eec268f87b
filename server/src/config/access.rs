//! How tokens are judged, and who may do without.

use std::net::SocketAddr;

use secrecy::{ExposeSecret, SecretString};

use super::{ConfigError, wrong};

/// How tokens are judged.
#[derive(Debug, Clone)]
pub enum Access {
    /// Not at all.
    Open,
    /// HS256 with a shared secret.
    Jwt {
        /// The secret.
        secret: SecretString,
        /// What every token must carry as `aud`, if anything.
        audience: Option<String>,
        /// What every token must carry as `iss`, if anything.
        issuer: Option<String>,
    },
}

pub(super) fn access(
    secret: Option<String>,
    audience: Option<String>,
    issuer: Option<String>,
    open: bool,
    open_to_network: bool,
    listen: SocketAddr,
    warnings: &mut Vec<&'static str>,
) -> Result<Access, ConfigError> {
    match (secret, open) {
        (Some(_), true) => Err(wrong(
            "open",
            "there is a jwt_secret as well; choose one of the two",
        )),
        (Some(secret), false) => {
            let secret = SecretString::from(secret);
            match secret.expose_secret().len() {
                0 => return Err(wrong("jwt_secret", "it is empty")),
                1..32 => {
                    warnings.push("jwt_secret is shorter than 32 bytes: a token can be forged by guessing it")
                }
                _ => {}
            }
            Ok(Access::Jwt {
                secret,
                audience,
                issuer,
            })
        }
        (None, open) => {
            if !listen.ip().is_loopback() {
                if !open {
                    return Err(wrong(
                        "jwt_secret",
                        format!(
                            "needed to listen on {listen}, which others can reach; or --open --open-to-network"
                        ),
                    ));
                }
                if !open_to_network {
                    return Err(wrong(
                        "open",
                        format!(
                            "others can reach {listen}: everybody could read and change everything; add --open-to-network if that is meant"
                        ),
                    ));
                }
                warnings.push(
                    "OPEN TO THE NETWORK: everybody who reaches this address may read and change everything",
                );
            } else {
                warnings.push("no authentication: everybody on this machine may read and change everything (--jwt-secret changes that)");
            }
            Ok(Access::Open)
        }
    }
}

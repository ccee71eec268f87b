//! Which web pages may connect: an exact list of origins, checked on every upgrade (cross-site WebSocket hijacking).

use std::fmt;

use axum::http::{HeaderMap, header};

/// The rule. `null` and unparsable origins are always refused; a request without an Origin comes from no browser
/// and is left to authentication.
#[derive(Clone, Debug)]
pub struct OriginPolicy {
    named: Vec<String>,
    same: SameOrigin,
}

/// What counts as our own page.
#[derive(Clone, Copy, Debug)]
enum SameOrigin {
    /// Only loopback names: an open server must not trust the Host header, which a rebound DNS name can forge.
    Loopback,
    /// The host that was asked for: behind tokens, a forged Host opens nothing.
    Host,
}

impl OriginPolicy {
    /// `named` are exact origins, `scheme://host[:port]`.
    ///
    /// # Errors
    /// Says what is wrong with an origin.
    pub fn new(named: &[String], open: bool, loopback: bool) -> Result<OriginPolicy, String> {
        let mut exact = Vec::with_capacity(named.len());
        for origin in named
            .iter()
            .map(|origin| origin.trim())
            .filter(|origin| !origin.is_empty())
        {
            let host = origin.split_once("://").map(|(_, host)| host).unwrap_or_default();
            if host.is_empty() || host.contains(['/', '*', '?', '#', ' ']) {
                return Err(format!(
                    "`{origin}` is not an origin, such as https://app.example.com"
                ));
            }
            exact.push(origin.to_ascii_lowercase());
        }
        let same = if open && loopback {
            SameOrigin::Loopback
        } else {
            SameOrigin::Host
        };
        Ok(OriginPolicy { named: exact, same })
    }

    /// Whether a request with these headers may connect.
    pub fn allows(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return true;
        };
        let Ok(origin) = origin.to_str() else { return false };
        let origin = origin.to_ascii_lowercase();
        let Some((scheme, host)) = origin.split_once("://") else {
            return false;
        };
        if self.named.contains(&origin) {
            return true;
        }
        let is_web = scheme == "http" || scheme == "https";
        match self.same {
            SameOrigin::Loopback => is_web && is_loopback(host),
            SameOrigin::Host => {
                let asked = headers.get(header::HOST).and_then(|asked| asked.to_str().ok());
                is_web && asked.is_some_and(|asked| asked.eq_ignore_ascii_case(host))
            }
        }
    }
}

impl fmt::Display for OriginPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.same {
            SameOrigin::Loopback => f.write_str("pages on this machine")?,
            SameOrigin::Host => f.write_str("pages of this host")?,
        }
        self.named.iter().try_for_each(|origin| write!(f, ", {origin}"))
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name == "::1" || name == "127.0.0.1"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(policy: &OriginPolicy, origin: Option<&str>, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().expect("a header value"));
        }
        headers.insert(header::HOST, host.parse().expect("a header value"));
        policy.allows(&headers)
    }

    #[test]
    fn an_open_server_on_loopback_trusts_loopback_pages_alone() {
        let policy = OriginPolicy::new(&["https://app.example.com".into()], true, true).expect("a policy");
        for (origin, allowed) in [
            (None, true),
            (Some("http://localhost:5173"), true),
            (Some("http://127.0.0.1:4000"), true),
            (Some("http://[::1]:4000"), true),
            (Some("https://app.example.com"), true),
            (Some("https://APP.example.com"), true),
            (Some("http://app.example.com"), false),
            (Some("https://app.example.com:8443"), false),
            (Some("https://app.example.com.evil.test"), false),
            (Some("http://localhost.evil.test"), false),
            (Some("http://rebound.test:4000"), false),
            (Some("null"), false),
            (Some("file://localhost"), false),
            (Some(""), false),
        ] {
            assert_eq!(
                allows(&policy, origin, "rebound.test:4000"),
                allowed,
                "{origin:?}"
            );
        }
    }

    #[test]
    fn behind_tokens_the_own_host_is_trusted() {
        let policy = OriginPolicy::new(&[], false, false).expect("a policy");
        assert!(allows(
            &policy,
            Some("https://docs.example.com"),
            "docs.example.com"
        ));
        assert!(!allows(
            &policy,
            Some("https://evil.example.com"),
            "docs.example.com"
        ));
    }

    #[test]
    fn wildcards_and_paths_are_no_origins() {
        for bad in [
            "*",
            "https://*.example.com",
            "example.com",
            "https://example.com/",
        ] {
            assert!(OriginPolicy::new(&[bad.into()], true, true).is_err(), "{bad}");
        }
    }
}

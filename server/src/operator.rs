//! The operator's side of `/v1/...`: `roomtone health`, `nodes` and `drain` ask a running node over HTTP.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context as _, bail};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use crate::auth::Authenticator;
use crate::cli::{DrainArgs, NodesArgs, OperatorArgs};
use crate::drain::Window;

/// Time a node has to answer, in milliseconds.
const ANSWER_MS_MAX: u64 = 10_000;
/// Length of an answer, in bytes: a listing of thousands of nodes.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Life of a token that the command signs for itself, in seconds.
const TOKEN_SECONDS: u64 = 3_600;
/// Interval at which progress is asked for, in milliseconds.
const PROGRESS_MS: u64 = 250;

/// A node and how to be let in.
pub struct Node {
    address: String,
    token: Option<SecretString>,
}

/// One answer.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

/// One node of `GET /v1/nodes`.
#[derive(Deserialize)]
struct Listed {
    id: String,
    name: String,
    address: String,
    version: String,
    state: String,
    rooms_count: u64,
    connections_count: u64,
    up_ms: u64,
    heard_ms_ago: u64,
}

#[derive(Deserialize)]
struct Listing {
    nodes: Vec<Listed>,
}

/// `GET /v1/drain`.
#[derive(Deserialize, PartialEq, Eq)]
struct Progress {
    stage: String,
    window_ms: u64,
    clients_at_start_count: u64,
    clients_count: u64,
    rooms_count: u64,
    unsaved_bytes: u64,
}

/// `roomtone health`: whether a node is well.
///
/// # Errors
/// In words for the operator: it is not, or does not answer.
pub fn health(listen: SocketAddr) -> anyhow::Result<()> {
    let node = Node {
        address: listen.to_string(),
        token: None,
    };
    node.ask("GET", "/healthz", None).map(drop)
}

/// `roomtone nodes`: the nodes of the cluster as a table, or as JSON.
///
/// # Errors
/// In words for the operator.
pub fn nodes(args: &NodesArgs) -> anyhow::Result<String> {
    let body = Node::of(&args.node)?.ask("GET", "/v1/nodes", None)?;
    if args.json {
        let value: Value = serde_json::from_slice(&body).context("the answer is no JSON")?;
        return Ok(serde_json::to_string_pretty(&value["nodes"])?);
    }
    let listing: Listing = serde_json::from_slice(&body).context("the answer is not a list of nodes")?;
    Ok(table(&listing.nodes))
}

/// `roomtone drain`: tells a node to send its clients away. `say` gets a line at each step.
///
/// # Errors
/// In words for the operator: it cannot be told.
pub fn drain(args: &DrainArgs, mut say: impl FnMut(&str)) -> anyhow::Result<()> {
    let mut node = Node::of(&args.node)?;
    if let Some(wanted) = &args.id {
        let listing: Listing = serde_json::from_slice(&node.ask("GET", "/v1/nodes", None)?)?;
        node.address = find(&listing.nodes, wanted)?.to_owned();
    }
    let request = match args.window {
        Some(window) => format!(r#"{{"window_ms":{}}}"#, window.as_ms()),
        None => String::new(),
    };
    let begun = node.ask("POST", "/v1/drain", Some(&request))?;
    let mut progress: Progress = serde_json::from_slice(&begun).context("the answer is not a drain's")?;
    say(&format!(
        "{}: {}, over {} s",
        node.address,
        progress.line(),
        progress.window_ms as f64 / 1_000.0
    ));
    if !args.wait {
        return Ok(());
    }
    while progress.stage != "drained" {
        std::thread::sleep(Duration::from_millis(PROGRESS_MS));
        let Ok(body) = node.ask("GET", "/v1/drain", None) else {
            say("the node does not answer any more: it has ended");
            return Ok(());
        };
        let next: Progress = serde_json::from_slice(&body)?;
        if next != progress {
            say(&next.line());
        }
        progress = next;
    }
    Ok(())
}

/// `30s`, `500ms`, `2m` or a bare 0.
///
/// # Errors
/// Says what would do.
pub fn parse_window(text: &str) -> Result<Window, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "" if digits == "0" => 1,
        _ => return Err("expected a number with its unit, such as 30s, 5000ms or 2m".into()),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "expected a whole number with its unit, such as 30s".to_owned())?;
    Window::from_ms(number.saturating_mul(unit_ms)).map_err(|bad| bad.to_string())
}

impl Progress {
    fn line(&self) -> String {
        format!(
            "{}: {} of {} clients left, {} rooms, {} bytes unsaved",
            self.stage, self.clients_count, self.clients_at_start_count, self.rooms_count, self.unsaved_bytes
        )
    }
}

/// The address of the one node that is meant.
fn find<'a>(nodes: &'a [Listed], wanted: &str) -> anyhow::Result<&'a str> {
    let living = || nodes.iter().filter(|node| node.state != "gone");
    let found: Vec<&Listed> = living()
        .filter(|node| node.id == wanted || node.name == wanted || node.address == wanted)
        .collect();
    match found.as_slice() {
        [one] => Ok(&one.address),
        [] => bail!(
            "no living node has the id, name or address {wanted}; there are\n{}",
            table(nodes)
        ),
        several => bail!(
            "{wanted} is the name of {} nodes; give the id of one:\n{}",
            several.len(),
            table(nodes)
        ),
    }
}

/// Columns as wide as what stands in them.
fn table(nodes: &[Listed]) -> String {
    let head = [
        "ID",
        "NAME",
        "ADDRESS",
        "VERSION",
        "STATE",
        "ROOMS",
        "CONNECTIONS",
        "UP",
        "HEARD",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    for node in nodes {
        rows.push([
            node.id.clone(),
            node.name.clone(),
            node.address.clone(),
            node.version.clone(),
            node.state.clone(),
            node.rooms_count.to_string(),
            node.connections_count.to_string(),
            span(node.up_ms),
            format!("{} ago", span(node.heard_ms_ago)),
        ]);
    }
    let mut widths = [0; 9];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

/// A length of time in its two largest units.
fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

impl Node {
    /// Where it is, and a token: the one that was given, or one signed with the secret of the servers.
    fn of(args: &OperatorArgs) -> anyhow::Result<Node> {
        let address = args.url.trim_end_matches('/');
        let address = address.strip_prefix("http://").unwrap_or(address);
        if address.contains("://") || address.contains('/') {
            bail!(
                "{} is not the address of a node, such as http://10.0.0.7:4000; nodes speak no TLS themselves, and a balancer \
                 would pick any of them",
                args.url
            );
        }
        let token = match (&args.token, &args.jwt_secret) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(secret)) => {
                let (audience, issuer) = (args.jwt_audience.as_deref(), args.jwt_issuer.as_deref());
                let auth = Authenticator::jwt(secret.as_bytes(), audience, issuer);
                Some(auth.mint_operator(Duration::from_secs(TOKEN_SECONDS)))
            }
            (None, None) => None,
        };
        Ok(Node {
            address: address.to_owned(),
            token: token.map(SecretString::from),
        })
    }

    /// One small HTTP request, so that a container needs no other program.
    fn ask(&self, method: &str, path: &str, body: Option<&str>) -> anyhow::Result<Vec<u8>> {
        let answer = self
            .exchange(method, path, body.unwrap_or_default())
            .with_context(|| format!("{} does not answer", self.address))?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        let problem: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str());
        let detail = detail.unwrap_or("it does not say why");
        let hint = match answer.status {
            401 | 403 => "; give an owner's token of all documents (--token), or the servers' --jwt-secret",
            404 => "; it may be an older version of Roomtone",
            _ => "",
        };
        bail!("{} answers {}: {detail}{hint}", self.address, answer.status)
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Answer> {
        let patience = Duration::from_millis(ANSWER_MS_MAX);
        let mut stream = TcpStream::connect_timeout(&self.resolve()?, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let authorization = self.token.as_ref().map_or_else(String::new, |token| {
            format!("authorization: Bearer {}\r\n", token.expose_secret())
        });
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\n{authorization}content-length: {}\r\nconnection: close\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut bytes = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes)?;
        let split = bytes.windows(4).position(|end| end == b"\r\n\r\n");
        let split = split.context("the answer is not HTTP")?;
        let head = String::from_utf8_lossy(&bytes[..split]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok(Answer {
            status: status.context("the answer is not HTTP")?,
            body: bytes.split_off(split + 4),
        })
    }

    /// What a server listens on is what it is asked on; every address of a machine includes the nearest.
    fn resolve(&self) -> anyhow::Result<SocketAddr> {
        let mut found = self
            .address
            .to_socket_addrs()
            .with_context(|| format!("`{}` is not HOST:PORT", self.address))?;
        let mut address = found.next().context("the name has no address")?;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
                IpAddr::V6(_) => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
            });
        }
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(id: &str, name: &str, state: &str) -> Listed {
        Listed {
            id: id.into(),
            name: name.into(),
            address: format!("{id}:4000"),
            version: "0.1.0".into(),
            state: state.into(),
            rooms_count: 3,
            connections_count: 12_345,
            up_ms: 90_061_000,
            heard_ms_ago: 2_000,
        }
    }

    #[test]
    fn windows_are_read_with_their_unit() {
        for (text, ms) in [
            ("30s", 30_000),
            ("5000ms", 5_000),
            ("2m", 120_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse_window(text).map(Window::as_ms), Ok(ms), "{text}");
        }
        for text in ["30", "s", "", "1s", "5 s", "-5s", "99m", "18446744073709551615m"] {
            assert!(parse_window(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_one_that_is_meant_is_found_and_of_several_none() {
        let nodes = [
            listed("a", "box", "ready"),
            listed("b", "box", "draining"),
            listed("c", "old", "gone"),
            listed("d", "old", "ready"),
        ];
        let address = |wanted: &str| find(&nodes, wanted).ok();
        assert_eq!(address("a"), Some("a:4000"));
        assert_eq!(address("b:4000"), Some("b:4000"));
        assert_eq!(address("old"), Some("d:4000"));
        for wanted in ["box", "c", "nobody"] {
            assert_eq!(address(wanted), None, "{wanted}");
        }
    }

    #[test]
    fn columns_stand_under_their_heads() {
        let text = table(&[
            listed("one", "a-long-name", "ready"),
            listed("three", "b", "gone"),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        let place = |line: &str, word: &str| line.find(word);
        assert_eq!(lines.len(), 3);
        assert_eq!(place(lines[0], "ADDRESS"), place(lines[1], "one:4000"));
        assert_eq!(place(lines[0], "STATE"), place(lines[2], "gone"));
        assert_eq!(place(lines[0], "UP"), place(lines[1], "1d1h"));
    }
}

//! The token of a run: typed, minted, or fetched from whoever mints it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{ACCEPT, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use jsonwebtoken::{EncodingKey, Header};
use tokio::net::TcpStream;

use crate::scenario::Target;

/// A token that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// What is shown of an answer that is of no use, in characters.
const ANSWER_CHARS_SHOWN: usize = 120;

/// The token that everybody shows, if there is one.
///
/// # Errors
/// It cannot be minted or fetched.
pub async fn token(target: &Target) -> anyhow::Result<Option<Arc<str>>> {
    let token = if let Some(token) = &target.token {
        token.clone()
    } else if let Some(secret) = &target.token_secret {
        mint(secret)?
    } else if let Some(url) = &target.token_url {
        tokio::time::timeout(PATIENCE, fetch(url))
            .await
            .unwrap_or_else(|_| bail!("no answer in {} s", PATIENCE.as_secs()))
            .with_context(|| format!("the token from {url}"))?
    } else {
        return Ok(None);
    };
    Ok(Some(Arc::from(token)))
}

fn mint(secret: &str) -> anyhow::Result<String> {
    let claims =
        serde_json::json!({ "sub": "loadtest", "room": "*", "role": "editor", "exp": 4_102_444_800_u64 });
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims, &key).context("the token cannot be minted")
}

async fn fetch(url: &str) -> anyhow::Result<String> {
    let uri: Uri = url.parse().context("that is no address")?;
    ensure!(
        uri.scheme_str() == Some("http"),
        "the address must begin with http://"
    );
    let host = uri.host().context("the address names no host")?;
    let port = uri.port_u16().unwrap_or(80);
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port))
        .await
        .with_context(|| format!("nothing listens on {host}:{port}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the answer, and what it then has to say nobody asks.
    tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or(host, |authority| authority.as_str());
    let request = Request::get(path)
        .header(HOST, authority)
        .header(ACCEPT, "application/json, text/plain")
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await.context("no answer")?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => bail!("the answer cannot be read: {error}"),
    };
    let text = String::from_utf8_lossy(&body);
    ensure!(status.is_success(), "the answer is {status}: {}", shown(&text));
    read(&text)
}

/// The token in an answer: all of it, or the member `token` where it is a JSON object, or a JSON string.
fn read(answer: &str) -> anyhow::Result<String> {
    let token = match serde_json::from_str::<serde_json::Value>(answer) {
        Ok(serde_json::Value::Object(members)) => members
            .get("token")
            .and_then(|token| token.as_str())
            .with_context(|| {
                format!(
                    "the answer is JSON without a \"token\" that is text: {}",
                    shown(answer)
                )
            })?
            .to_owned(),
        Ok(serde_json::Value::String(token)) => token,
        _ => answer.trim().to_owned(),
    };
    ensure!(!token.is_empty(), "the answer is empty");
    ensure!(
        token.chars().all(|one| one.is_ascii_graphic()),
        "the answer is no token: {}",
        shown(&token)
    );
    Ok(token)
}

fn shown(answer: &str) -> String {
    answer
        .trim()
        .chars()
        .take(ANSWER_CHARS_SHOWN)
        .collect::<String>()
        .escape_debug()
        .to_string()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers once, and gives what was asked.
    async fn answering(answer: &'static str) -> (Target, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = [0; 4_096];
            let length = stream.read(&mut request).await.expect("a request");
            stream.write_all(answer.as_bytes()).await.expect("answered");
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let target = Target {
            token_url: Some(format!("http://{address}/mint?room=all")),
            ..Target::default()
        };
        (target, asked)
    }

    #[tokio::test]
    async fn it_is_fetched_as_text_and_as_json() {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nab.c-\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 18\r\n\r\n{\"token\": \"ab.c-\"}",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nab.\r\n2\r\nc-\r\n0\r\n\r\n",
        ] {
            let (target, asked) = answering(answer).await;
            let token = token(&target).await.expect("a token").expect("a token");
            assert_eq!(&*token, "ab.c-", "{answer}");
            let asked = asked.await.expect("asked").to_ascii_lowercase();
            assert!(
                asked.starts_with("get /mint?room=all http/1.1\r\n") && asked.contains("host: 127.0.0.1:")
            );
        }
    }

    #[tokio::test]
    async fn what_is_no_token_is_said_with_the_address() {
        for (answer, wanted) in [
            (
                "HTTP/1.1 403 Forbidden\r\ncontent-length: 3\r\n\r\nno!",
                "403 Forbidden: no!",
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
                "without a \"token\"",
            ),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "is empty"),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nlog in !",
                "no token: log in !",
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n",
                "cannot be read",
            ),
            ("", "no answer"),
        ] {
            let (target, _asked) = answering(answer).await;
            let error = format!("{:#}", token(&target).await.expect_err(answer));
            assert!(
                error.contains(wanted) && error.contains("http://127.0.0.1:"),
                "{error}"
            );
        }
        let target = Target {
            token_url: Some("http://127.0.0.1:1/".to_owned()),
            ..Target::default()
        };
        let error = format!("{:#}", token(&target).await.expect_err("nobody there"));
        assert!(error.contains("nothing listens on 127.0.0.1:1"), "{error}");
    }
}

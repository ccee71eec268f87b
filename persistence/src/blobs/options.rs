//! Where a blob store is, and how it is reached.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, RetryConfig};

use super::BlobError;
use crate::limits::{
    BLOB_BYTES_MAX, BLOB_CALL_SECONDS, BLOB_CONNECT_SECONDS, BLOB_RETRIES_COUNT_MAX, BLOB_RETRY_MS_MAX,
    BLOB_RETRY_MS_MIN, BLOB_RETRY_SECONDS, BLOB_SECOND_BYTES_MIN,
};

/// The address of a blob store, with the credentials that open it. Shown without them.
#[derive(Clone)]
pub struct BlobOptions(Place);

#[derive(Clone)]
enum Place {
    Files(PathBuf),
    S3(Box<S3>),
}

#[derive(Clone)]
struct S3 {
    bucket: String,
    prefix: Path,
    endpoint: Option<String>,
    builder: AmazonS3Builder,
}

/// A text that is not the address of a blob store. It does not repeat the text, which may hold a secret.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}; expected file:///PATH or s3://BUCKET/PREFIX?endpoint=https://HOST&region=NAME")]
pub struct BadBlobUrl(String);

fn bad(problem: impl Into<String>) -> BadBlobUrl {
    BadBlobUrl(problem.into())
}

impl BlobOptions {
    /// Reads `file:///PATH` or `s3://BUCKET/PREFIX`. Behind a `?` of the second: `endpoint` (of another service than Amazon's, asked
    /// with the bucket in the path), `region`, and `allow_http=true`, without which an endpoint has to be `https`.
    /// Credentials, and what is left out, come from Amazon's usual variables: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL_S3`, `AWS_ALLOW_HTTP`, those of roles; or from the machine's role.
    ///
    /// # Errors
    /// [`BadBlobUrl`] says what is wrong, without the text.
    pub fn parse(url: &str) -> Result<BlobOptions, BadBlobUrl> {
        BlobOptions::parse_with(url, AmazonS3Builder::from_env())
    }

    /// As [`BlobOptions::parse`], with these credentials and nothing from the environment.
    ///
    /// # Errors
    /// [`BadBlobUrl`].
    pub fn parse_with_credentials(url: &str, key_id: &str, secret: &str) -> Result<BlobOptions, BadBlobUrl> {
        let builder = AmazonS3Builder::new()
            .with_access_key_id(key_id)
            .with_secret_access_key(secret);
        BlobOptions::parse_with(url, builder)
    }

    fn parse_with(url: &str, builder: AmazonS3Builder) -> Result<BlobOptions, BadBlobUrl> {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        match address.split_once(':') {
            Some(("file", path)) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                if path.is_empty() {
                    return Err(bad("it names no folder"));
                }
                if !query.is_empty() {
                    return Err(bad("a folder takes no parameters"));
                }
                Ok(BlobOptions(Place::Files(path.into())))
            }
            Some(("s3", place)) => s3(place.strip_prefix("//").unwrap_or(place), query, builder),
            Some(_) | None => Err(bad("it begins neither with file: nor with s3:")),
        }
    }

    /// Where an object is, by its name.
    pub(super) fn path(&self, name: &str) -> Path {
        match &self.0 {
            Place::Files(_) => Path::from(name),
            Place::S3(s3) => Path::from_iter(s3.prefix.parts().chain(Path::from(name).parts())),
        }
    }

    pub(super) fn connect(&self) -> Result<Box<dyn ObjectStore>, BlobError> {
        match &self.0 {
            Place::Files(path) => {
                let misconfigured =
                    |error: std::io::Error| BlobError::Misconfigured(format!("{}: {error}", path.display()));
                std::fs::create_dir_all(path).map_err(misconfigured)?;
                let files = LocalFileSystem::new_with_prefix(path)
                    .map_err(|error| BlobError::Misconfigured(error.to_string()))?;
                // A snapshot takes the place of log rows that were on the disk.
                Ok(Box::new(files.with_fsync(true)))
            }
            Place::S3(s3) => match s3.builder.clone().build() {
                Ok(objects) => Ok(Box::new(objects)),
                Err(error) => Err(BlobError::Misconfigured(error.to_string())),
            },
        }
    }
}

fn s3(place: &str, query: &str, mut builder: AmazonS3Builder) -> Result<BlobOptions, BadBlobUrl> {
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if bucket.is_empty() || !bucket.bytes().all(is_name) {
        return Err(bad(
            "it names no bucket (letters, digits, . - _), or credentials, which belong into the environment",
        ));
    }
    let prefix = Path::parse(prefix.trim_end_matches('/')).map_err(|_| bad("its prefix cannot be used"))?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        builder = match pair.split_once('=') {
            Some(("endpoint", url)) if is_endpoint(url) => {
                builder.with_config(AmazonS3ConfigKey::S3Endpoint, url)
            }
            Some(("endpoint", _)) => {
                return Err(bad("its endpoint is not https://HOST or https://HOST:PORT"));
            }
            Some(("region", name)) => builder.with_region(name),
            Some(("allow_http", flag @ ("true" | "false"))) => builder.with_config(ALLOW_HTTP, flag),
            _ => {
                return Err(bad(
                    "the parameters are endpoint=URL, region=NAME and allow_http=true",
                ));
            }
        };
    }
    let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
        .iter()
        .find_map(|key| builder.get_config_value(key));
    let is_plain = endpoint
        .as_deref()
        .is_some_and(|endpoint| endpoint.starts_with("http:"));
    let is_plain_allowed = builder.get_config_value(&ALLOW_HTTP).as_deref() == Some("true");
    if is_plain && !is_plain_allowed {
        return Err(bad(
            "its endpoint is plain http, over which everybody in between reads the documents; add allow_http=true if that is \
             meant",
        ));
    }
    // Without any the library asks the machine for its role, and a machine that is not Amazon's does not answer.
    let has_credentials = [
        AmazonS3ConfigKey::AccessKeyId,
        AmazonS3ConfigKey::WebIdentityTokenFile,
        AmazonS3ConfigKey::ContainerCredentialsRelativeUri,
        AmazonS3ConfigKey::ContainerCredentialsFullUri,
    ]
    .iter()
    .any(|key| builder.get_config_value(key).is_some());
    let is_unsigned = builder
        .get_config_value(&AmazonS3ConfigKey::SkipSignature)
        .as_deref()
        == Some("true");
    if endpoint.is_some() && !has_credentials && !is_unsigned {
        return Err(bad(
            "there are no credentials for its endpoint: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ));
    }
    let slowest = Duration::from_secs(BLOB_CALL_SECONDS + BLOB_BYTES_MAX / BLOB_SECOND_BYTES_MIN);
    let seconds = |count: u64| format!("{count} seconds");
    let builder = builder
        .with_bucket_name(bucket)
        .with_config(
            client(ClientConfigKey::ConnectTimeout),
            seconds(BLOB_CONNECT_SECONDS),
        )
        // Each call has a shorter time of its own, by its size.
        .with_config(client(ClientConfigKey::Timeout), seconds(slowest.as_secs()))
        .with_config(
            client(ClientConfigKey::UserAgent),
            concat!("roomtone/", env!("CARGO_PKG_VERSION")),
        )
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(BLOB_RETRY_MS_MIN),
                max_backoff: Duration::from_millis(BLOB_RETRY_MS_MAX),
                base: 2.0,
            },
            max_retries: BLOB_RETRIES_COUNT_MAX,
            retry_timeout: Duration::from_secs(BLOB_RETRY_SECONDS),
        });
    Ok(BlobOptions(Place::S3(Box::new(S3 {
        bucket: bucket.to_owned(),
        prefix,
        endpoint,
        builder,
    }))))
}

const ALLOW_HTTP: AmazonS3ConfigKey = client(ClientConfigKey::AllowHttp);

const fn client(key: ClientConfigKey) -> AmazonS3ConfigKey {
    AmazonS3ConfigKey::Client(key)
}

/// An address and nothing that could be a secret.
fn is_endpoint(url: &str) -> bool {
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.contains(['@', '#', '%']))
}

/// Without credentials.
impl fmt::Display for BlobOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Files(path) => write!(f, "file://{}", path.display()),
            Place::S3(s3) => {
                write!(f, "s3://{}/{}", s3.bucket, s3.prefix)?;
                match &s3.endpoint {
                    // One from the environment may hold anything.
                    Some(endpoint) if is_endpoint(endpoint) => write!(f, " at {endpoint}"),
                    Some(_) => f.write_str(" at an endpoint of the environment"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Debug for BlobOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<BlobOptions, BadBlobUrl> {
        BlobOptions::parse_with_credentials(url, "CANARY-id", "CANARY-secret")
    }

    #[test]
    fn addresses_are_read_and_shown_without_secrets() {
        for (url, shown) in [
            ("file:///var/lib/blobs", "file:///var/lib/blobs"),
            ("file:blobs", "file://blobs"),
            ("s3://bucket", "s3://bucket/"),
            ("s3://bucket/a/b/", "s3://bucket/a/b"),
            (
                "s3://bucket/a?endpoint=https://minio:9000&region=here",
                "s3://bucket/a at https://minio:9000",
            ),
            (
                "s3://bucket/a?endpoint=http://127.0.0.1:9000&allow_http=true",
                "s3://bucket/a at http://127.0.0.1:9000",
            ),
        ] {
            let options = parse(url).unwrap();
            assert_eq!(options.to_string(), shown);
            assert_eq!(format!("{options:?}"), shown);
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said_without_its_secret() {
        for (url, expected) in [
            ("CANARY", "begins neither"),
            ("file://", "no folder"),
            ("file:///a?CANARY=1", "no parameters"),
            ("s3://", "no bucket"),
            ("s3://CANARY:CANARY@bucket/a", "credentials"),
            ("s3://bucket/a?CANARY=1", "the parameters are"),
            ("s3://bucket/a?allow_http=CANARY", "the parameters are"),
            ("s3://bucket/a?endpoint=minio", "its endpoint is not"),
            (
                "s3://bucket/a?endpoint=https://CANARY@minio",
                "its endpoint is not",
            ),
            ("s3://bucket/a?endpoint=http://minio", "allow_http=true"),
            ("s3://bucket/a//b", "its prefix"),
        ] {
            let text = parse(url).unwrap_err().to_string();
            assert!(text.contains(expected), "{url}: {text}");
            assert!(!text.contains("CANARY"), "{url}: {text}");
        }
        let url = "s3://bucket/a?endpoint=https://minio";
        let text = BlobOptions::parse_with(url, AmazonS3Builder::new())
            .unwrap_err()
            .to_string();
        assert!(text.contains("AWS_ACCESS_KEY_ID"), "{text}");
    }
}

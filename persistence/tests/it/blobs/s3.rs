//! A server that speaks S3, over real sockets, and does what it is told to do wrong.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use roomtone_persistence::{BlobOptions, BlobStore};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const BUCKET: &str = "documents";
const KEY_ID: &str = "roomtone";
pub(crate) const SECRET: &str = "CANARY";

/// What the server does with requests.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Fault {
    None,
    /// Answers 503 to so many requests.
    Fails(u32),
    /// Never answers.
    Hangs,
    /// Answers each request late.
    Slow(Duration),
    /// Ends the body of what is read half-way.
    Truncates,
    /// Changes a byte of what is read.
    Lies,
}

/// The server. It ends when this is dropped.
pub(crate) struct Server {
    folder: TempDir,
    port: u16,
    fault: Arc<Mutex<Fault>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts one that has the bucket.
    pub(crate) async fn start() -> Server {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fault = Arc::new(Mutex::new(Fault::None));
        let task = serve(&folder, listener, fault.clone());
        Server {
            folder,
            port,
            fault,
            task,
        }
    }

    /// Ends it, and the connections to it: nobody listens on its port.
    pub(crate) async fn stop(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// Starts it again on its port, with what it had.
    pub(crate) async fn start_again(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.task = serve(&self.folder, listener, self.fault.clone());
    }

    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    pub(crate) fn options(&self, bucket: &str, secret: &str) -> BlobOptions {
        let url = format!(
            "s3://{bucket}/some/prefix?endpoint=http://127.0.0.1:{}&region=here&allow_http=true",
            self.port
        );
        BlobOptions::parse_with_credentials(&url, KEY_ID, secret).unwrap()
    }

    pub(crate) fn blobs(&self) -> BlobStore {
        BlobStore::new(self.options(BUCKET, SECRET)).unwrap()
    }

    /// The folder of the bucket.
    pub(crate) fn bucket(&self) -> PathBuf {
        self.folder.path().join(BUCKET)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn serve(folder: &TempDir, listener: TcpListener, fault: Arc<Mutex<Fault>>) -> JoinHandle<()> {
    let files = s3s_fs::FileSystem::new(folder.path()).unwrap();
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(KEY_ID, SECRET));
    let service = builder.build();
    let folder = folder.path().to_owned();
    tokio::spawn(async move {
        // Dropped with this task: the connections end with it.
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((socket, _)) = listener.accept().await {
            let (service, fault, folder) = (service.clone(), fault.clone(), folder.clone());
            connections.spawn(async move {
                let answer = service_fn(move |request| {
                    answer(service.clone(), fault.clone(), folder.clone(), request)
                });
                let server = Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(socket), answer).await;
            });
        }
    })
}

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

async fn answer(
    service: S3Service,
    fault: Arc<Mutex<Fault>>,
    folder: PathBuf,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let fault = {
        let mut fault = fault.lock().unwrap();
        let now = *fault;
        if let Fault::Fails(count) = now {
            *fault = if count > 1 {
                Fault::Fails(count - 1)
            } else {
                Fault::None
            };
        }
        now
    };
    let is_read = request.method() == Method::GET;
    match fault {
        Fault::Fails(_) => {
            let mut response = Response::new(whole(Bytes::new()));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            return Ok(response);
        }
        Fault::Hangs => std::future::pending().await,
        Fault::Slow(delay) => tokio::time::sleep(delay).await,
        Fault::None | Fault::Truncates | Fault::Lies => {}
    }
    // This one would make the bucket; no other does.
    let bucket = request.uri().path().split('/').nth(1).unwrap_or_default();
    if !folder.join(bucket).exists() {
        let text =
            "<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>";
        let mut response = Response::new(whole(text.into()));
        *response.status_mut() = StatusCode::NOT_FOUND;
        return Ok(response);
    }
    let response = hyper::service::Service::call(&service, request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = match fault {
        Fault::Truncates if is_read => half(body),
        Fault::Lies if is_read && !body.is_empty() => {
            let mut lie = body.to_vec();
            lie[body.len() / 2] ^= 1;
            whole(lie.into())
        }
        _ => whole(body),
    };
    Ok(Response::from_parts(head, body))
}

fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

fn half(body: Bytes) -> Body {
    let half = body.slice(..body.len() / 2);
    let frames = [Ok(Frame::data(half)), Err(std::io::Error::other("cut off"))];
    BodyExt::boxed_unsync(StreamBody::new(stream::iter(frames)))
}

//! Servers that answer without end, without sense, or without haste; on loopback.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto};

/// Certificates of half a kilobyte in a chain of ten megabytes.
const CHAIN: usize = 20_000;

/// How long a slow server holds each byte back.
const PAUSE: Duration = Duration::from_millis(300);

/// All servers. Dropping them ends them.
pub(super) struct Servers {
    /// Answers each path in its own way.
    pub(super) web: SocketAddr,
    pub(super) chain: u16,
    /// Greets like a mail server, whatever is wanted.
    pub(super) garbage: u16,
    pub(super) endless: u16,
    pub(super) drip: u16,
    pub(super) http2_flood: u16,
    pub(super) grpc_flood: u16,
    pub(super) dns_garbage: u16,
    _runtime: Runtime,
}

impl Servers {
    pub(super) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let own = Certified::new(1);
        let gzip: Arc<[u8]> = gzip_bomb().into();
        let (web, [chain, garbage, endless, drip, http2_flood, grpc_flood, dns_garbage]) = runtime
            .block_on(async {
                let ports = [
                    secure(Certified::new(CHAIN), Hostile::Garbage).await,
                    plain(Hostile::Garbage).await,
                    plain(Hostile::Endless).await,
                    plain(Hostile::Drip).await,
                    secure(own, Hostile::Http2Flood).await,
                    plain(Hostile::Http2Flood).await,
                    dns().await,
                ];
                (listen(move |stream| web(stream, Arc::clone(&gzip))).await, ports)
            });
        Self {
            web,
            chain,
            garbage,
            endless,
            drip,
            http2_flood,
            grpc_flood,
            dns_garbage,
            _runtime: runtime,
        }
    }
}

/// What is said to whoever connects.
#[derive(Debug, Clone, Copy)]
enum Hostile {
    Garbage,
    Endless,
    Drip,
    Http2Flood,
}

impl Hostile {
    async fn treat<T: AsyncWrite + Unpin>(self, mut stream: T) {
        match self {
            Self::Garbage => hold(&mut stream, b"554 5.7.1 you are not who you are\r\n").await,
            Self::Endless => repeat(&mut stream, b"no line ").await,
            // no line, no frame, and the beginning of a long handshake
            Self::Drip => {
                slowly(&mut stream, b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb\x03\x03aaaaaaa").await;
            }
            Self::Http2Flood => {
                // SETTINGS, then the headers of stream 1 and their continuation without end
                hold_not(&mut stream, b"\0\0\0\x04\0\0\0\0\0").await;
                hold_not(&mut stream, b"\0\0\x01\x01\0\0\0\0\x01\x88").await;
                // a literal header that is never indexed, "x: x"
                repeat(&mut stream, b"\0\0\x05\x09\0\0\0\0\x01\x10\x01x\x01x").await;
            }
        }
    }
}

async fn listen<F, Fut>(treat: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(treat(stream));
        }
    });
    address
}

async fn plain(hostile: Hostile) -> u16 {
    listen(move |stream| hostile.treat(stream)).await.port()
}

/// Behind a TLS handshake that is as it should be, but for its chain.
async fn secure(own: Certified, hostile: Hostile) -> u16 {
    let mut config =
        ServerConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(own.chain, own.key)
            .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let treat = move |stream| {
        let acceptor = acceptor.clone();
        async move {
            // a client that has seen enough breaks off
            let Ok(stream) = acceptor.accept(stream).await else { return };
            hostile.treat(stream).await;
        }
    };
    listen(treat).await.port()
}

struct Certified {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Certified {
    /// The same certificate so many times.
    fn new(times: usize) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Self { chain: vec![certificate; times], key }
    }
}

/// A web server whose every path is a trap.
async fn web(mut stream: TcpStream, gzip: Arc<[u8]>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
    let stream = &mut stream;
    let say = |text: &str| format!("HTTP/1.1 {text}").into_bytes();
    match path.as_str() {
        "10-gb" => {
            hold_not(stream, &say("200 OK\r\ncontent-length: 10000000000\r\n\r\n")).await;
            repeat(stream, &[b'x'; 1024]).await;
        }
        "endless-chunks" => {
            hold_not(stream, &say("200 OK\r\ntransfer-encoding: chunked\r\n\r\n")).await;
            repeat(stream, b"5\r\nhello\r\n").await;
        }
        "endless-headers" => {
            hold_not(stream, &say("200 OK\r\n")).await;
            repeat(stream, b"x-filler: 0123456789012345678901234567890123456789\r\n").await;
        }
        "endless-header" => {
            hold_not(stream, &say("200 OK\r\nx-filler: ")).await;
            repeat(stream, b"0123456789").await;
        }
        "endless-hints" => repeat(stream, &say("103 Early Hints\r\n\r\n")).await,
        "endless-chunk-size" => {
            hold_not(stream, &say("200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=")).await;
            repeat(stream, b"0123456789").await;
        }
        "gzip-bomb" => {
            let length = gzip.len();
            let head =
                format!("200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n");
            hold_not(stream, &say(&head)).await;
            hold(stream, &gzip).await;
        }
        "zstd-bomb" => {
            hold_not(stream, &say("200 OK\r\ncontent-encoding: zstd\r\n\r\n")).await;
            // a window of 96 MiB, and blocks of 128 KiB, four bytes each
            hold_not(stream, &[0x28, 0xb5, 0x2f, 0xfd, 0, (16 << 3) | 4]).await;
            repeat(stream, &[0x02, 0, 0x10, b'x']).await;
        }
        "byte-a-time" => {
            slowly(stream, &say("200 OK\r\ncontent-length: 1000\r\n\r\nhello")).await;
        }
        "redirect-circle" => {
            hold(stream, &say("302 X\r\nlocation: /redirect-circle\r\n\r\n")).await;
        }
        "redirect-to-file" => {
            hold(stream, &say("302 X\r\nlocation: file:///etc/passwd\r\n\r\n")).await;
        }
        "garbage" => hold(stream, b"SSH-2.0-OpenSSH_9.2\r\n").await,
        other => {
            hold_not(stream, &say("200 OK\r\ncontent-type: text/event-stream\r\n\r\n")).await;
            events(stream, other).await;
        }
    }
}

/// A stream of events, so far well begun.
async fn events(stream: &mut TcpStream, path: &str) {
    match path {
        "garbage-stream" => {
            hold(stream, b"data: {\"choices\": [[[[\n\ndata: \xff\n\n").await;
        }
        "endless-event" => {
            repeat(stream, b"data: 0123456789\n").await;
        }
        "endless-answer" => {
            repeat(stream, b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n").await;
        }
        "event-byte-a-time" => {
            slowly(stream, b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n").await;
        }
        other => panic!("no trap at {other}"),
    }
}

/// Says it, and keeps the connection until the other side leaves it.
async fn hold<T: AsyncWrite + Unpin>(stream: &mut T, bytes: &[u8]) {
    hold_not(stream, bytes).await;
    // longer than any look
    tokio::time::sleep(Duration::from_secs(10)).await;
}

/// Says it. A client that has seen enough is gone.
async fn hold_not<T: AsyncWrite + Unpin>(stream: &mut T, bytes: &[u8]) {
    stream.write_all(bytes).await.ok();
    stream.flush().await.ok();
}

/// Says it again and again.
async fn repeat<T: AsyncWrite + Unpin>(stream: &mut T, bytes: &[u8]) {
    let many = bytes.repeat(64 * 1024 / bytes.len());
    while stream.write_all(&many).await.is_ok() {}
}

/// Says it byte by byte.
async fn slowly<T: AsyncWrite + Unpin>(stream: &mut T, bytes: &[u8]) {
    for byte in bytes {
        if stream.write_all(&[*byte]).await.is_err() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Ten gigabytes of nothing: many members of ten megabytes, as gzip allows.
fn gzip_bomb() -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![0; 10 << 20]).unwrap();
    let member = encoder.finish().unwrap();
    member.repeat(1 << 10)
}

/// Answers every question with what is no answer.
async fn dns() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut question = [0; 1500];
        while let Ok((_, from)) = socket.recv_from(&mut question).await {
            socket.send_to(&[0xff; 512], from).await.ok();
        }
    });
    port
}

//! What the samples look at: a page, an LLM service, gRPC, DNS, a mail server, Redis; on loopback.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record};
use parallax::practice::service::{Kind, Service};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto};
use tonic_health::ServingStatus;

/// The hosts for which the servers have a certificate.
const HOSTS: &[&str] = &[
    "www.shop.example",
    "www.example.com",
    "api.openai.com",
    "api.anthropic.com",
    "cart.shop.example",
    "api.shop.example",
    "smtp.shop.example",
    // by hand, where nothing pins a name
    "127.0.0.1",
];

/// All servers. Dropping them ends them.
pub(super) struct Servers {
    pub(super) ca: PathBuf,
    pub(super) page: SocketAddr,
    pub(super) api: SocketAddr,
    pub(super) llm: SocketAddr,
    /// The same in the clear.
    pub(super) llm_plain: SocketAddr,
    pub(super) grpc: SocketAddr,
    pub(super) dns: SocketAddr,
    pub(super) mail: SocketAddr,
    pub(super) smtp: SocketAddr,
    pub(super) redis: SocketAddr,
    pub(super) gateway: SocketAddr,
    _services: [Service; 2],
    _runtime: Runtime,
}

impl Servers {
    /// Starts them; their authority's certificate is written into `folder`.
    pub(super) fn start(folder: &Path) -> Self {
        let runtime = Runtime::new().unwrap();
        let ca = folder.join("ca.pem");
        let tls = authority(&ca);
        let (services, page, api, llm, grpc, mail, smtp, redis) = runtime.block_on(async {
            let shop = Service::open("shop", Kind::Page).await.unwrap();
            let model = Service::open("llm", Kind::Llm).await.unwrap();
            let page = behind_tls(&tls, &[b"http/1.1"], shop.addr()).await;
            let llm = behind_tls(&tls, &[b"http/1.1"], model.addr()).await;
            let grpc = behind_tls(&tls, &[b"h2"], health().await).await;
            let mail = talker("220 mail.shop.example\r\n", "QUIT", "221 bye\r\n").await;
            let smtp = behind_tls(&tls, &[], mail).await;
            let api = behind_tls(&tls, &[], keyed().await).await;
            let redis = talker("", "PING", "+PONG\r\n").await;
            ([shop, model], page, api, llm, grpc, mail, smtp, redis)
        });
        let gateway = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let dns = dns();
        Self {
            ca,
            page,
            api,
            llm,
            llm_plain: services[1].addr(),
            grpc,
            dns,
            mail,
            smtp,
            redis,
            gateway,
            _services: services,
            _runtime: runtime,
        }
    }
}

/// A server's TLS for all hosts, signed by an authority whose certificate is written to `file`.
fn authority(file: &Path) -> ServerConfig {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(file, ca.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let hosts: Vec<String> = HOSTS.iter().map(|&host| host.to_owned()).collect();
    let certificate = CertificateParams::new(hosts).unwrap().signed_by(&key, &ca).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    ServerConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap()
}

/// Takes TLS off, and hands on to `inside`.
async fn behind_tls(tls: &ServerConfig, protocols: &[&[u8]], inside: SocketAddr) -> SocketAddr {
    let mut tls = tls.clone();
    tls.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut outer) = acceptor.accept(stream).await else { return };
                let mut inner = TcpStream::connect(inside).await.unwrap();
                // a client that has seen enough breaks off
                copy_bidirectional(&mut outer, &mut inner).await.ok();
            });
        }
    });
    address
}

/// tonic's own health service, which knows `shop.Cart`.
async fn health() -> SocketAddr {
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter.set_service_status("shop.Cart", ServingStatus::Serving).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    tokio::spawn(
        tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming),
    );
    address
}

/// An API that answers those who show the key.
async fn keyed() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (read, mut write) = stream.split();
                let mut lines = BufReader::new(read).lines();
                let mut known = false;
                while let Ok(Some(line)) = lines.next_line().await {
                    known |= line == "authorization: Bearer sk-practice";
                    if line.is_empty() {
                        break;
                    }
                }
                let answer = if known {
                    "200 OK\r\ncontent-length: 15\r\n\r\n{\"status\":\"ok\"}"
                } else {
                    "401 Unauthorized\r\ncontent-length: 0\r\n\r\n"
                };
                write.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await.ok();
            });
        }
    });
    address
}

/// Says `banner`, and answers the line `word` with `answer`.
async fn talker(banner: &'static str, word: &'static str, answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (read, mut write) = stream.split();
                write.write_all(banner.as_bytes()).await.ok();
                let mut lines = BufReader::new(read).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    if line == word {
                        write.write_all(answer.as_bytes()).await.ok();
                    }
                }
            });
        }
    });
    address
}

/// Two addresses for every name. Ends with the test's process.
fn dns() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((read, from)) = socket.recv_from(&mut buffer) {
            let question = Message::from_vec(&buffer[..read]).unwrap();
            let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
            let query = question.queries[0].clone();
            for last in [7, 8] {
                let data = RData::A(A(Ipv4Addr::new(192, 0, 2, last)));
                answer.add_answer(Record::from_rdata(query.name.clone(), 3600, data));
            }
            answer.add_query(query);
            socket.send_to(&answer.to_vec().unwrap(), from).unwrap();
        }
    });
    address
}

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parallax_model::{GrpcCheck, GrpcSeen, Seen, Serving};
use tonic_health::ServingStatus;

use super::*;

async fn call(address: SocketAddr, service: &str, timeout: Duration) -> ProbeResult {
    let service = service.to_owned();
    let check = GrpcCheck { address: address.to_string(), tls: None, service };
    look(&target(Check::Grpc(check), timeout), &plain(), Timestamp::EPOCH, false).await
}

/// tonic's own health service.
async fn healthy() -> SocketAddr {
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter.set_service_status("shop.Cart", ServingStatus::Serving).await;
    reporter.set_service_status("shop.Broken", ServingStatus::NotServing).await;
    reporter.set_service_status("shop.Odd", ServingStatus::Unknown).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(incoming));
    address
}

/// A server that speaks HTTP/2, and answers every call with this status, these headers and no body.
async fn answering(status: u16, headers: &'static [(&'static str, &'static str)]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = move |_| async move {
        let mut answer = ::http::Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        Ok::<_, Infallible>(answer.body(Full::new(Bytes::new())).unwrap())
    };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    });
    address
}

#[tokio::test]
async fn a_server_says_how_its_services_fare() {
    let address = healthy().await;
    for (service, expected, serving) in [
        ("", None, Serving::Serving),
        ("shop.Cart", None, Serving::Serving),
        ("shop.Broken", Some(ErrorKind::Status5xx), Serving::NotServing),
        ("shop.Odd", Some(ErrorKind::Assertion), Serving::Unknown),
        ("shop.None", Some(ErrorKind::Status4xx), Serving::ServiceUnknown),
    ] {
        let result = call(address, service, PATIENCE).await;
        assert_eq!(kind(&result), expected, "{service}: {}", detail(&result));
        assert_eq!(result.seen.as_deref(), Some(&Seen::Grpc(GrpcSeen { serving })), "{service}");
        assert!(result.stages.connect.is_some() && result.stages.first_byte.is_some());
    }
    let broken = call(address, "shop.Broken", PATIENCE).await;
    assert_eq!(detail(&broken), "service \"shop.Broken\" is NOT_SERVING");
}

#[tokio::test]
async fn a_refused_call_has_the_kind_of_its_status() {
    const GRPC: (&str, &str) = ("content-type", "application/grpc");
    for (status, headers, code, expected) in [
        (200, &[GRPC, ("grpc-status", "14")][..], 14, ErrorKind::Status5xx),
        (200, &[GRPC, ("grpc-status", "16")][..], 16, ErrorKind::Blocked),
        (200, &[GRPC, ("grpc-status", "8")][..], 8, ErrorKind::Blocked),
        (200, &[GRPC, ("grpc-status", "12")][..], 12, ErrorKind::Status4xx),
        (503, &[][..], 14, ErrorKind::Status5xx),
        (401, &[][..], 16, ErrorKind::Blocked),
    ] {
        let result = call(answering(status, headers).await, "", PATIENCE).await;
        assert_eq!(kind(&result), Some(expected), "{headers:?}: {}", detail(&result));
        assert_eq!(result.status, Some(code), "{headers:?}: {}", detail(&result));
    }
}

/// A server that speaks HTTP/2 and answers every call with these bytes, as if they were gRPC.
async fn answering_bytes(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = move |_| async move {
        let answer = ::http::Response::builder().header("content-type", "application/grpc");
        Ok::<_, Infallible>(answer.body(Full::new(Bytes::from_static(bytes))).unwrap())
    };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service_fn(answer)));
        }
    });
    address
}

#[tokio::test]
async fn garbage_in_frames_is_no_word_of_the_server() {
    for bytes in [
        // not protobuf; longer than any answer; no frame; a health status from the future
        &[0, 0, 0, 0, 2, 0xff, 0xff][..],
        &[0, 0xff, 0xff, 0xff, 0xff, 1],
        b"<html>",
        &[0, 0, 0, 0, 2, 8, 99],
    ] {
        let result = call(answering_bytes(bytes).await, "", PATIENCE).await;
        assert_eq!(kind(&result), Some(ErrorKind::Protocol), "{bytes:?}: {}", detail(&result));
    }
}

#[tokio::test]
async fn what_is_no_grpc_is_told_apart() {
    let http1 = stalling(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let result = call(http1, "", PATIENCE).await;
    assert_eq!(kind(&result), Some(ErrorKind::Protocol), "{}", detail(&result));
    let result = call(stalling(b"").await, "", BRIEF).await;
    assert_eq!(kind(&result), Some(ErrorKind::Timeout), "{}", detail(&result));
    let leaves = serve(|mut stream, _| async move {
        stream.shutdown().await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let result = call(leaves, "", PATIENCE).await;
    assert_eq!(kind(&result), Some(ErrorKind::Closed), "{}", detail(&result));
    let result = call(nobody().await, "", PATIENCE).await;
    assert_eq!(kind(&result), Some(ErrorKind::ConnectRefused), "{}", detail(&result));
}

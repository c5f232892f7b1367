//! A server that keeps each request for a told time and remembers how long it really was.
//!
//! `GET /DELAY_US/ID` is answered after the delay, `GET /kept/ID` with the nanoseconds that the last
//! request of that number was kept. A thread a connection, made beforehand.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// More than are ever due at once, and those that ask how long.
const THREADS: usize = 300;

const IDS: usize = 1024;

const STACK_BYTES: usize = 64 << 10;

pub(crate) fn serve(port: u16) -> Result<()> {
    let listener = Arc::new(TcpListener::bind(("127.0.0.1", port))?);
    let kept: Arc<Vec<AtomicU64>> = Arc::new((0..IDS).map(|_| AtomicU64::new(0)).collect());
    let threads = (0..THREADS).map(|_| {
        let (listener, kept) = (Arc::clone(&listener), Arc::clone(&kept));
        std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                // whoever asked is gone: the next one, please
                answer(stream, &kept).ok();
            }
        })
    });
    for thread in threads.collect::<Vec<_>>() {
        thread?.join().ok();
    }
    Ok(())
}

fn answer(mut stream: TcpStream, kept: &[AtomicU64]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
    while !request.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(buffer.get(..read).unwrap_or_default());
    }
    let came = Instant::now();
    let request = String::from_utf8_lossy(&request);
    let mut path = request.split_whitespace().nth(1).unwrap_or_default().split('/').skip(1);
    let (what, id) = (path.next().unwrap_or_default(), path.next().and_then(|n| n.parse().ok()));
    let memory = id.and_then(|id: usize| kept.get(id));
    let body = match (what.parse().map(Duration::from_micros), memory) {
        (Ok(delay), Some(memory)) => {
            crate::wait(delay);
            memory.store(came.elapsed().as_nanos() as u64, Ordering::SeqCst);
            "ok".to_owned()
        }
        (_, memory) => memory.map_or(0, |m| m.load(Ordering::SeqCst)).to_string(),
    };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n", body.len());
    stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes())
}

/// How long the last request of that number was kept, in seconds.
pub(crate) fn kept(port: u16, id: usize) -> Result<f64> {
    let body = crate::http::get(port, &format!("/kept/{id}"))?;
    let ns: f64 = body.trim().parse().context("no time")?;
    anyhow::ensure!(ns > 0.0, "request {id} was never kept");
    Ok(ns / 1e9)
}

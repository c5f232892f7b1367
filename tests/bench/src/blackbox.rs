//! Drives `blackbox_exporter` as its scraper would: one thread and one lasting connection each.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::figures::{Figures, Meter, end_after, spread_us};
use crate::{Burst, Flat, Paced, delay};

/// Lasting connections of a paced run; so many probes may overlap.
const SCRAPERS: usize = 64;

/// A scraper's connection.
struct Scraper(BufReader<TcpStream>);

/// What the exporter said of one probe.
struct Said {
    ok: bool,
    total_s: f64,
    first_byte_s: f64,
}

impl Scraper {
    fn new(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    fn probe(&mut self, url: &str) -> Result<Said> {
        let request =
            format!("GET /probe?module=bench&target={url} HTTP/1.1\r\nhost: bench\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes())?;
        let body = self.body()?;
        let body = String::from_utf8_lossy(&body);
        let value = |name: &str| -> Option<f64> {
            body.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
        };
        Ok(Said {
            ok: value("probe_success ") == Some(1.0),
            total_s: value("probe_duration_seconds ").context("no duration")?,
            first_byte_s: value("probe_http_duration_seconds{phase=\"processing\"}").unwrap_or(0.0),
        })
    }
}

impl Scraper {
    /// The body of an answer: whole, or in chunks.
    fn body(&mut self) -> Result<Vec<u8>> {
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line()?;
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().context("odd length")?;
            }
            chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
            if line.is_empty() {
                break;
            }
        }
        let mut body = Vec::new();
        while chunked {
            length = usize::from_str_radix(&self.line()?, 16).context("odd chunk")?;
            self.read_on(&mut body, length)?;
            self.line()?;
            chunked = length > 0;
            length = 0;
        }
        self.read_on(&mut body, length)?;
        Ok(body)
    }

    fn read_on(&mut self, body: &mut Vec<u8>, length: usize) -> Result<()> {
        let from = body.len();
        body.resize(from + length, 0);
        Ok(self.0.read_exact(body.get_mut(from..).unwrap_or_default())?)
    }

    /// One line, in lower case, without its end.
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        anyhow::ensure!(self.0.read_line(&mut line)? > 0, "the exporter hung up");
        Ok(line.trim_end().to_ascii_lowercase())
    }
}

pub(crate) fn flat(run: &Flat, port: u16, pid: u32) -> Result<Figures> {
    let end = end_after(run.seconds);
    threads(run.at_once, port, pid, |_, scraper| {
        let mut said = Vec::new();
        while Instant::now() < end {
            said.push(scraper.probe(&run.url)?.ok);
        }
        Ok(said)
    })
}

pub(crate) fn paced(run: &Paced, port: u16, pid: u32) -> Result<Figures> {
    let (begin, end) = (Instant::now(), end_after(run.seconds));
    let next = Mutex::new(0_u32);
    let apart = std::time::Duration::from_secs(run.interval) / run.targets as u32;
    threads(SCRAPERS, port, pid, |_, scraper| {
        let mut said = Vec::new();
        loop {
            let at = {
                let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
                *next += 1;
                begin + apart * *next
            };
            if at >= end {
                return Ok(said);
            }
            crate::wait(at.saturating_duration_since(Instant::now()));
            said.push(scraper.probe(&run.url)?.ok);
        }
    })
}

pub(crate) fn burst(run: &Burst, port: u16, pid: u32) -> Result<Figures> {
    let errors = Arc::new(Mutex::new((Vec::new(), Vec::new())));
    let together = Barrier::new(run.at_once);
    let figures = threads(run.at_once, port, pid, |id, scraper| {
        let mut oks = Vec::new();
        for _ in 0..run.rounds {
            together.wait();
            let said = scraper.probe(&run.url(id));
            together.wait();
            let (said, kept) = (said?, delay::kept(run.port, id)?);
            let mut errors = errors.lock().unwrap_or_else(PoisonError::into_inner);
            errors.0.push(said.total_s - kept);
            errors.1.push(said.first_byte_s - kept);
            oks.push(said.ok);
            drop(errors);
            crate::wait(crate::REST);
        }
        Ok(oks)
    })?;
    let mut errors = errors.lock().unwrap_or_else(PoisonError::into_inner);
    let (totals, firsts) = std::mem::take(&mut *errors);
    Ok(Figures { error_us: spread_us(totals), first_byte_error_us: spread_us(firsts), ..figures })
}

/// Has `count` scrapers work beside one another.
fn threads(
    count: usize,
    port: u16,
    pid: u32,
    work: impl Fn(usize, &mut Scraper) -> Result<Vec<bool>> + Sync,
) -> Result<Figures> {
    let meter = Meter::of(pid)?;
    let said = std::thread::scope(|scope| {
        let threads = (0..count).map(|n| {
            let work = &work;
            scope.spawn(move || work(n, &mut Scraper::new(port)?))
        });
        let threads: Vec<_> = threads.collect();
        let ended = threads.into_iter().map(|thread| match thread.join() {
            Ok(said) => said,
            Err(_) => anyhow::bail!("a scraper broke down"),
        });
        ended.collect::<Result<Vec<_>>>()
    })?;
    let (all, ok) = said.iter().flatten().fold((0, 0), |(a, o), ok| (a + 1, o + u64::from(*ok)));
    meter.read(all, ok)
}

//! What came compressed, read up to a bound: a bomb is never unpacked.

use std::io::{self, Read};

use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use parallax_model::ErrorKind;

use super::failure::Failure;

/// What is asked for.
pub(super) const ACCEPTED: &str = "gzip, br, zstd";

const BUFFER_BYTES: usize = 16 << 10;

/// Largest window that a decoder must keep: what RFC 9659 lets servers use. Without a bound, one byte of an
/// answer could ask for a hundred megabytes.
const WINDOW_BYTES_MAX: u64 = 8 << 20;

/// `body` as it was before compression, at most `bytes_max` of it. `whole`: it was read to its end, so that
/// one that stops short is broken.
pub(super) fn plain(
    headers: &HeaderMap,
    body: Vec<u8>,
    whole: bool,
    bytes_max: usize,
) -> Result<Vec<u8>, Failure> {
    let Some(coding) = headers.get(CONTENT_ENCODING) else { return Ok(body) };
    let coding = String::from_utf8_lossy(coding.as_bytes()).trim().to_ascii_lowercase();
    let compressed = body.as_slice();
    let mut out = Vec::new();
    let read = match coding.as_str() {
        "" | "identity" => return Ok(body),
        "gzip" | "x-gzip" => {
            bounded(flate2::read::MultiGzDecoder::new(compressed), bytes_max, &mut out)
        }
        "br" if wants_large_window(compressed) => {
            Err(io::Error::other("its window is larger than the standard knows"))
        }
        "br" => {
            let decoder = brotli_decompressor::Decompressor::new(compressed, BUFFER_BYTES);
            bounded(decoder, bytes_max, &mut out)
        }
        "zstd" if window(compressed).is_some_and(|bytes| bytes > WINDOW_BYTES_MAX) => {
            let why = format!("the body's zstd window is beyond {WINDOW_BYTES_MAX} bytes");
            return Err(Failure::new(ErrorKind::Protocol, why));
        }
        "zstd" => match ruzstd::decoding::StreamingDecoder::new(compressed) {
            Ok(decoder) => bounded(decoder, bytes_max, &mut out),
            Err(why) => Err(io::Error::other(why.to_string())),
        },
        other => {
            let why = format!("the body is encoded as {other:?}, which is unknown here");
            return Err(Failure::new(ErrorKind::Protocol, why));
        }
    };
    match read {
        Err(why) if whole => {
            let why = format!("the body is no valid {coding}: {why}");
            Err(Failure::new(ErrorKind::Protocol, why))
        }
        Ok(()) | Err(_) => Ok(out),
    }
}

/// True for what calls itself "large window brotli", of up to a gigabyte: no standard of HTTP.
fn wants_large_window(brotli: &[u8]) -> bool {
    brotli.first().is_some_and(|first| first & 0x7f == 0x11)
}

/// How much of what it unpacked a zstd frame wants kept (RFC 8878 §3.1.1.1), in bytes; none if it is no frame.
fn window(zstd: &[u8]) -> Option<u64> {
    let header = zstd.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?;
    let (&descriptor, rest) = header.split_first()?;
    if descriptor & 0x20 == 0 {
        let byte = *rest.first()?;
        let base = 1u64 << (10 + (byte >> 3));
        return Some(base + base / 8 * u64::from(byte & 7));
    }
    // one segment: all of it
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let bytes = 1 << (descriptor >> 6);
    let mut size = [0; 8];
    size.get_mut(..bytes)?.copy_from_slice(rest.get(dictionary..dictionary + bytes)?);
    let more = if bytes == 2 { 256 } else { 0 };
    Some(u64::from_le_bytes(size).saturating_add(more))
}

fn bounded(decoder: impl Read, bytes_max: usize, out: &mut Vec<u8>) -> io::Result<()> {
    decoder.take(bytes_max as u64).read_to_end(out).map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn coded(coding: &'static str) -> HeaderMap {
        let value = http::HeaderValue::from_static(coding);
        std::iter::once((CONTENT_ENCODING, value)).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_coding_that_is_asked_for_is_understood() {
        let zstd = ruzstd::encoding::compress_to_vec(
            b"hello".as_slice(),
            ruzstd::encoding::CompressionLevel::Fastest,
        );
        // `printf hello | brotli`
        let brotli = vec![0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];
        for (coding, body) in [("gzip", gzip(b"hello")), ("br", brotli), ("zstd", zstd)] {
            let plain = plain(&coded(coding), body, true, 100).unwrap();
            assert_eq!(plain, b"hello", "{coding}");
        }
    }

    #[test]
    fn a_bomb_is_read_to_the_bound() {
        let bomb = gzip(&vec![0; 50 << 20]);
        assert!(bomb.len() < 100 << 10);
        assert_eq!(plain(&coded("gzip"), bomb, true, 1000).unwrap().len(), 1000);
    }

    /// A frame that wants this window: a thousand blocks of 128 KiB, four bytes each.
    fn zstd_bomb(window: u8) -> Vec<u8> {
        let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0, window];
        let block = ((128u32 << 10) << 3) | (1 << 1);
        for _ in 0..1000 {
            bomb.extend_from_slice(&block.to_le_bytes()[..3]);
            bomb.push(b'x');
        }
        bomb
    }

    #[test]
    fn a_window_is_bounded_before_anything_is_unpacked() {
        // 8 MiB, the most that is usual; then 96 MiB, and a gigabyte in one segment
        let usual = plain(&coded("zstd"), zstd_bomb(13 << 3), true, 1000).unwrap();
        assert_eq!(usual, [b'x'; 1000]);
        let segment = [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0][..], &(1u32 << 30).to_le_bytes()].concat();
        for (coding, bomb) in [
            ("zstd", zstd_bomb((16 << 3) | 4)),
            ("zstd", segment),
            ("br", vec![0x11, 0x1e, 0, 0, 0]),
        ] {
            let failure = plain(&coded(coding), bomb, true, 1000).unwrap_err();
            assert_eq!(failure.kind, ErrorKind::Protocol, "{coding}");
            assert!(failure.detail.contains("window"), "{coding}: {}", failure.detail);
        }
    }

    #[test]
    fn the_window_of_what_was_packed_is_known() {
        for bytes in [b"hello".to_vec(), vec![7; 300], vec![7; 70_000]] {
            let level = ruzstd::encoding::CompressionLevel::Fastest;
            let packed = ruzstd::encoding::compress_to_vec(bytes.as_slice(), level);
            let window = window(&packed).unwrap();
            assert!(
                window >= bytes.len().min(1 << 10) as u64 && window <= WINDOW_BYTES_MAX,
                "{window}"
            );
        }
        assert_eq!(window(b"hello"), None);
        assert_eq!(window(&[0x28, 0xb5, 0x2f, 0xfd]), None);
    }

    #[test]
    fn what_is_broken_is_a_protocol_error_and_what_we_cut_is_not() {
        for coding in ["gzip", "br", "zstd"] {
            let failure =
                plain(&coded(coding), b"\xff\xfenonsense".to_vec(), true, 100).unwrap_err();
            assert_eq!(failure.kind, ErrorKind::Protocol, "{coding}");
        }
        let mut cut = gzip(b"hello hello hello");
        cut.truncate(15);
        assert!(plain(&coded("gzip"), cut.clone(), true, 100).is_err());
        assert!(plain(&coded("gzip"), cut, false, 100).is_ok());
        assert!(plain(&coded("lzw"), vec![], true, 100).is_err());
    }
}

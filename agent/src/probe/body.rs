//! What came compressed, read up to a bound: a bomb is never unpacked.

use std::io::{self, Read};

use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use parallax_model::ErrorKind;

use super::failure::Failure;

/// What is asked for.
pub(super) const ACCEPTED: &str = "gzip, br, zstd";

const BUFFER_BYTES: usize = 16 << 10;

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
        "br" => {
            let decoder = brotli_decompressor::Decompressor::new(compressed, BUFFER_BYTES);
            bounded(decoder, bytes_max, &mut out)
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

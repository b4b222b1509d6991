//! Compression of answers as Prometheus negotiates it: the first of the exact words `gzip` and `deflate` in the
//! client's order wins, weights are not understood.

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::{HeaderMap, header};
use std::io::Write;

/// How an answer is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Deflate,
}

impl Encoding {
    /// What the client asks for.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Self {
        let asked = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
        let mut words = asked.unwrap_or_default().split(',').map(str::trim);
        words
            .find_map(|word| match word {
                "gzip" => Some(Self::Gzip),
                "deflate" => Some(Self::Deflate),
                _ => None,
            })
            .unwrap_or(Self::Identity)
    }

    /// The value of `Content-Encoding`, if any.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Deflate => Some("deflate"),
        }
    }
}

/// Packs an answer piece by piece. The fast level: answers are read once, and CPU is what a server runs out of first.
#[derive(Debug)]
pub(crate) enum Packer {
    Identity,
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
}

impl Packer {
    pub(crate) fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Identity => Self::Identity,
            Encoding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Encoding::Deflate => Self::Deflate(ZlibEncoder::new(Vec::new(), Compression::fast())),
        }
    }

    /// Takes `plain`, leaving it empty, and answers what is packed so far; goes on with the buffer `spare`.
    pub(crate) fn pack(&mut self, plain: &mut Vec<u8>, spare: Vec<u8>) -> Vec<u8> {
        let packed = match self {
            Self::Identity => return std::mem::replace(plain, spare),
            Self::Gzip(packer) => {
                packer.write_all(plain).map(|()| std::mem::replace(packer.get_mut(), spare))
            }
            Self::Deflate(packer) => {
                packer.write_all(plain).map(|()| std::mem::replace(packer.get_mut(), spare))
            }
        };
        plain.clear();
        packed.expect("writing to memory cannot fail")
    }

    /// Takes the last piece and answers the rest.
    pub(crate) fn finish(mut self, mut plain: Vec<u8>) -> Vec<u8> {
        let mut packed = self.pack(&mut plain, Vec::new());
        let rest = match self {
            Self::Identity => return packed,
            Self::Gzip(packer) => packer.finish(),
            Self::Deflate(packer) => packer.finish(),
        };
        packed.extend(rest.expect("writing to memory cannot fail"));
        packed
    }
}

#[cfg(test)]
mod tests;

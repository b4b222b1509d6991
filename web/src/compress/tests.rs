//! Tests of the negotiation and of packing in pieces.

use super::*;
use std::io::Read;

fn negotiated(asked: &str) -> Encoding {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT_ENCODING, asked.parse().expect("header"));
    Encoding::negotiate(&headers)
}

#[test]
fn the_first_exact_word_wins() {
    assert_eq!(Encoding::negotiate(&HeaderMap::new()), Encoding::Identity);
    assert_eq!(negotiated("br,gzip"), Encoding::Gzip);
    assert_eq!(negotiated("deflate, gzip"), Encoding::Deflate);
    for none in ["GZIP", "gzip;q=0", "*", "identity"] {
        assert_eq!(negotiated(none), Encoding::Identity, "{none}");
    }
}

#[test]
fn pieces_unpack_to_the_whole() {
    for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Deflate] {
        let mut packer = Packer::new(encoding);
        let mut packed = packer.pack(&mut b"hello ".to_vec(), Vec::new());
        packed.extend(packer.finish(b"world".to_vec()));
        let mut plain = Vec::new();
        match encoding {
            Encoding::Identity => plain.clone_from(&packed),
            Encoding::Gzip => {
                flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut plain).expect("gzip");
            }
            Encoding::Deflate => {
                flate2::read::ZlibDecoder::new(&packed[..]).read_to_end(&mut plain).expect("zlib");
            }
        }
        assert_eq!(plain, b"hello world", "{encoding:?}");
    }
}

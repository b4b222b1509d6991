//! Byte strings made of known ones by a few random changes, the same in every run: what a decoder must survive.

use crate::random::Random;

/// Numbers at which lengths, counts and differences go wrong.
const TELLING: [u64; 10] = [
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0xFFFF,
    0x7FFF_FFFF,
    0xFFFF_FFFF,
    0x7FFF_FFFF_FFFF_FFFF,
    0xFFFF_FFFF_FFFF_FFFF,
];

/// Seeds are cut to this, so that changes meet what is told about the rest.
const MAX_SEED_BYTES: usize = 4096;

fn change(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.index(bytes.len());
    let end = (at + 1 + random.index(16)).min(bytes.len());
    match random.index(9) {
        0 | 1 if !bytes.is_empty() => bytes[at] ^= 1 << random.index(8),
        2 if !bytes.is_empty() => bytes[at] = TELLING[random.index(5)] as u8,
        3 => {
            let (number, len) = (TELLING[random.index(TELLING.len())], 1 << random.index(4));
            let is_big = random.index(2) == 0;
            let number = if is_big { number.to_be_bytes() } else { number.to_le_bytes() };
            let part = if is_big { &number[8 - len..] } else { &number[..len] };
            for (place, &byte) in bytes.iter_mut().skip(at).zip(part) {
                *place = byte;
            }
        }
        4 => drop(bytes.drain(at.min(end)..end)),
        5 => {
            let part = bytes[at.min(end)..end].to_vec();
            let into = random.index(bytes.len() + 1);
            drop(bytes.splice(into..into, part));
        }
        6 => bytes.truncate(at),
        7 => {
            // The longest varints there are, and longer.
            let part = vec![0xFF; 1 + random.index(11)];
            drop(bytes.splice(at..at, part));
        }
        _ => {
            let from = random.index(other.len());
            let part = &other[from..other.len().min(from + 1 + random.index(64))];
            drop(bytes.splice(at..end.max(at), part.iter().copied()));
        }
    }
}

/// Hands on every seed as it is, then `count` of them changed.
pub fn mutations(seeds: &[Vec<u8>], count: usize, mut each: impl FnMut(&[u8])) {
    assert!(!seeds.is_empty(), "there are seeds");
    let cut = |seed: &Vec<u8>| seed[..seed.len().min(MAX_SEED_BYTES)].to_vec();
    seeds.iter().for_each(|seed| each(seed));
    let mut random = Random::new(0x5EED);
    for _ in 0..count {
        let mut bytes = cut(&seeds[random.index(seeds.len())]);
        let other = cut(&seeds[random.index(seeds.len())]);
        for _ in 0..=random.index(4) {
            change(&mut bytes, &other, &mut random);
        }
        each(&bytes);
    }
}

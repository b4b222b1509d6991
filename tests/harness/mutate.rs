//! Byte strings made of known ones by a few random changes, the same in every run: what a decoder must survive.

/// Numbers that look random (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.roll() % end.max(1) as u64) as usize
    }
}

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

fn change(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(bytes.len());
    let end = (at + 1 + dice.below(16)).min(bytes.len());
    match dice.below(9) {
        0 | 1 if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
        2 if !bytes.is_empty() => bytes[at] = TELLING[dice.below(5)] as u8,
        3 => {
            let (number, len) = (TELLING[dice.below(TELLING.len())], 1 << dice.below(4));
            let is_big = dice.below(2) == 0;
            let number = if is_big { number.to_be_bytes() } else { number.to_le_bytes() };
            let part = if is_big { &number[8 - len..] } else { &number[..len] };
            for (place, &byte) in bytes.iter_mut().skip(at).zip(part) {
                *place = byte;
            }
        }
        4 => drop(bytes.drain(at.min(end)..end)),
        5 => {
            let part = bytes[at.min(end)..end].to_vec();
            let into = dice.below(bytes.len() + 1);
            drop(bytes.splice(into..into, part));
        }
        6 => bytes.truncate(at),
        7 => {
            // The longest varints there are, and longer.
            let part = vec![0xFF; 1 + dice.below(11)];
            drop(bytes.splice(at..at, part));
        }
        _ => {
            let from = dice.below(other.len());
            let part = &other[from..other.len().min(from + 1 + dice.below(64))];
            drop(bytes.splice(at..end.max(at), part.iter().copied()));
        }
    }
}

/// Hands on every seed as it is, then `count` of them changed.
pub fn mutations(seeds: &[Vec<u8>], count: usize, mut each: impl FnMut(&[u8])) {
    assert!(!seeds.is_empty(), "there are seeds");
    let cut = |seed: &Vec<u8>| seed[..seed.len().min(MAX_SEED_BYTES)].to_vec();
    seeds.iter().for_each(|seed| each(seed));
    let mut dice = Dice(0x5EED);
    for _ in 0..count {
        let mut bytes = cut(&seeds[dice.below(seeds.len())]);
        let other = cut(&seeds[dice.below(seeds.len())]);
        for _ in 0..=dice.below(4) {
            change(&mut bytes, &other, &mut dice);
        }
        each(&bytes);
    }
}

//! The bytes of a small profile, read back field by field.

use super::*;
use flate2::read::GzDecoder;
use std::io::Read;

fn place(function: &str, line: u32) -> Place {
    Place { function: function.to_owned(), file: "a.rs".to_owned(), line }
}

/// The fields of a message: number, and what it holds as number or bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, Vec<u8>)> {
    let varint = |bytes: &mut &[u8]| {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let (first, rest) = bytes.split_first().expect("a byte");
            *bytes = rest;
            number |= u64::from(first & 0x7F) << shift;
            if *first < 0x80 {
                return number;
            }
        }
        unreachable!("a varint ends")
    };
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let value = varint(&mut bytes);
        if key & 7 == 0 {
            found.push((key >> 3, value, Vec::new()));
        } else {
            assert_eq!(key & 7, 2);
            let (inner, rest) = bytes.split_at(value as usize);
            found.push((key >> 3, 0, inner.to_vec()));
            bytes = rest;
        }
    }
    found
}

#[test]
fn profiles_read_back() {
    let sample = |stack, value| Sample { stack, values: vec![value], labels: Vec::new() };
    let (inner, outer) = (place("inner", 7), place("outer", 300));
    let mut labelled = sample(vec![outer.clone()], 5);
    labelled.labels.push(("thread", "main".to_owned()));
    let profile = Profile {
        kinds: vec![("cpu", "nanoseconds")],
        samples: vec![sample(vec![inner, outer], 3), labelled],
        period: Some(("cpu", "nanoseconds", 10_000_000)),
        begin_ms: 1500,
        length: Duration::from_secs(2),
        comments: vec!["a note".to_owned()],
    };
    let mut plain = Vec::new();
    GzDecoder::new(&profile.encode()[..]).read_to_end(&mut plain).unwrap();
    let all = fields(&plain);
    let of = |number: u64| all.iter().filter(move |(field, ..)| *field == number);
    let texts: Vec<String> =
        of(6).map(|(_, _, bytes)| String::from_utf8(bytes.clone()).unwrap()).collect();
    assert_eq!(texts[0], "");
    let text = |number: u64| texts[number as usize].as_str();
    let kind = fields(&of(1).next().unwrap().2);
    assert_eq!((text(kind[0].1), text(kind[1].1)), ("cpu", "nanoseconds"));
    let samples: Vec<_> = of(2).map(|(_, _, bytes)| fields(bytes)).collect();
    assert_eq!(samples[0], [(1, 0, vec![1, 2]), (2, 0, vec![3])]);
    assert_eq!(samples[1][..2], [(1, 0, vec![2]), (2, 0, vec![5])]);
    let label = fields(&samples[1][2].2);
    assert_eq!((text(label[0].1), text(label[1].1)), ("thread", "main"));
    let locations: Vec<_> = of(4).map(|(_, _, bytes)| fields(bytes)).collect();
    let lines: Vec<_> = locations.iter().map(|location| fields(&location[1].2)).collect();
    assert_eq!(lines.iter().map(|line| line[1].1).collect::<Vec<_>>(), [7, 300]);
    let functions: Vec<_> = of(5).map(|(_, _, bytes)| fields(bytes)).collect();
    assert_eq!(functions.iter().map(|f| text(f[1].1)).collect::<Vec<_>>(), ["inner", "outer"]);
    assert_eq!(text(functions[0][3].1), "a.rs");
    let single = |number| of(number).next().unwrap().1;
    assert_eq!((single(9), single(10), single(12)), (1_500_000_000, 2_000_000_000, 10_000_000));
    assert_eq!(text(u64::from(of(13).next().unwrap().2[0])), "a note");
}

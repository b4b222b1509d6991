//! Media types of consoles.

use super::*;

#[test]
fn pages_are_told_by_their_beginning() {
    let cases = [
        (" \n<!DOCTYPE html>", "text/html; charset=utf-8"),
        ("<p>x", "text/html; charset=utf-8"),
        ("<path>", "text/plain; charset=utf-8"),
        ("<?xml version='1.0'?>", "text/xml; charset=utf-8"),
        ("up 1", "text/plain; charset=utf-8"),
    ];
    for (page, wanted) in cases {
        assert_eq!(media(page), wanted, "{page}");
    }
}

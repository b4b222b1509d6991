//! scrape.
#![forbid(unsafe_code)]

//! Integration tests: everything seen from outside.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]
#![expect(clippy::print_stdout, reason = "how many recorded lines agree is worth seeing")]

mod active_queries;
mod aggregations;
mod block;
mod budget;
mod cases;
mod chunk;
mod config;
mod conformance;
mod consoles;
mod db;
mod db_answers;
mod delete;
mod discovery;
mod early_scrapes;

mod encodings;
mod exposition;
mod file_sd;
mod flipped;
mod full_disk;
mod functions;
mod fuzz_seeds;
mod head;
mod head_image;
mod histogram;
mod hostile;
mod hostile_targets;
mod http;
mod http_client;
mod http_details;
mod interchange;
mod naive;
mod native;
mod net_client;
mod otlp;
mod out_of_order;
mod parse;
mod queries;
mod query_texts;
mod read_ahead;
mod real_world;
mod recorded_dirs;
mod reference;
mod regex;
mod relabel;
mod remote_http;
mod remote_read;
mod remote_read_client;
mod remote_send;
mod remote_write;
mod roles;
mod safe_mode;
mod scalars;
mod scrape;
mod server;
mod service_discovery;
mod signers;
mod simulated;
mod simulated_aws;
mod template;
mod tools;
mod wal;
mod web_config;

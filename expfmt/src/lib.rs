//! expfmt.

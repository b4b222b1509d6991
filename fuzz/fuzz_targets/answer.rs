//! See the function of this name in `fuzz`.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(answer);

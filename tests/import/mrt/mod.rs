//! MRT dumps: what is written is read, what is wrong is told.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod real;
mod round_trip;
mod sample;
mod writer;
mod wrong;

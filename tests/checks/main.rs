//! Checks, differences and failures of designs, against brute force and on designs with planted faults.

#![cfg(all(feature = "testing", feature = "import"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod diff;
mod faults;
mod flows;
mod laws;
mod matrix;
mod services;
mod sweep;

//! Compiled forwarding: longest-prefix match and nothing else. Addresses in, a `u32` handle out.

mod layered;

pub(crate) use layered::Layered;

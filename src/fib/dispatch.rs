//! Batches: those of IPv4 with the instructions that the machine has, the same code compiled once for each level, chosen
//! once a batch. What it brings is in `BENCHMARKS.md`.
//!
//! The only file that may hold `unsafe`. A function that is compiled for instructions which not every processor has may be
//! called only where they are there, and the compiler cannot see that we asked. Nothing else here is unsafe: the code
//! behind the calls is the safe code of [`plain4`], which is also what other machines run and what tests
//! compare with.

#![cfg_attr(
    target_arch = "x86_64",
    allow(unsafe_code, reason = "calls of functions compiled for instructions that were detected")
)]

use std::net::{Ipv4Addr, Ipv6Addr};

use super::layout::{Layout4, Layout6, each4, each6};
use super::lookup::run;

/// Answers in `out` for as many addresses as both slices hold; `mask` cuts what is stored down to the handle.
pub(super) fn many4(layout: &Layout4, addresses: &[Ipv4Addr], out: &mut [u32], mask: u32) {
    #[cfg(target_arch = "x86_64")]
    if x86::has_512() {
        // SAFETY: the processor has the features that the function is compiled for.
        return unsafe { x86::wide4(layout, addresses, out, mask) };
    } else if x86::has_256() {
        // SAFETY: as above.
        return unsafe { x86::medium4(layout, addresses, out, mask) };
    } else if x86::counts() {
        // SAFETY: as above.
        return unsafe { x86::narrow4(layout, addresses, out, mask) };
    }
    plain4(layout, addresses, out, mask);
}

/// As [`many4`], with what every processor has: on a full table the other instructions gained nothing.
pub(super) fn many6(layout: &Layout6, addresses: &[Ipv6Addr], out: &mut [u32], mask: u32) {
    each6!(layout, table => run(table, addresses, out, mask, Ipv6Addr::to_bits));
}

/// [`many4`] with what every processor of the target has.
#[inline(always)]
pub(super) fn plain4(layout: &Layout4, addresses: &[Ipv4Addr], out: &mut [u32], mask: u32) {
    each4!(layout, table => run(table, addresses, out, mask, Ipv4Addr::to_bits));
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::is_x86_feature_detected as has;
    use std::net::Ipv4Addr;

    use super::{Layout4, plain4};

    // The standard library asks the processor once and remembers.
    #[inline]
    pub(super) fn counts() -> bool {
        has!("popcnt") && has!("sse4.2")
    }

    #[inline]
    pub(super) fn has_256() -> bool {
        counts() && has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt")
    }

    #[inline]
    pub(super) fn has_512() -> bool {
        has_256() && has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl")
    }

    macro_rules! compiled {
        ($features:literal, $name:ident) => {
            #[target_feature(enable = $features)]
            pub(super) fn $name(layout: &Layout4, addresses: &[Ipv4Addr], out: &mut [u32], mask: u32) {
                plain4(layout, addresses, out, mask);
            }
        };
    }

    compiled!("popcnt,sse4.2", narrow4);
    compiled!("popcnt,sse4.2,avx2,bmi1,bmi2,lzcnt", medium4);
    compiled!("popcnt,sse4.2,avx2,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512dq,avx512vl", wide4);
}

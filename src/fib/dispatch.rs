//! Batches, with the instructions that the machine has.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::layout::{Layout4, Layout6, each4, each6};
use super::lookup::run;

/// Answers in `out` for as many addresses as both slices hold; `mask` cuts what is stored down to the handle.
pub(super) fn many4(layout: &Layout4, addresses: &[Ipv4Addr], out: &mut [u32], mask: u32) {
    plain4(layout, addresses, out, mask);
}

/// As [`many4`].
pub(super) fn many6(layout: &Layout6, addresses: &[Ipv6Addr], out: &mut [u32], mask: u32) {
    plain6(layout, addresses, out, mask);
}

#[inline(always)]
fn plain4(layout: &Layout4, addresses: &[Ipv4Addr], out: &mut [u32], mask: u32) {
    each4!(layout, table => run(table, addresses, out, mask, Ipv4Addr::to_bits));
}

#[inline(always)]
fn plain6(layout: &Layout6, addresses: &[Ipv6Addr], out: &mut [u32], mask: u32) {
    each6!(layout, table => run(table, addresses, out, mask, Ipv6Addr::to_bits));
}

//! IPv6 for small tables, and for those whose routes are mostly past /48: sorted starts, searched by halves without a
//! branch on what is found.

use std::hint::select_unpredictable;

use super::leaf::{Leaf, Side};
use super::lookup::{LANES, Lookup};

/// A start as it is kept.
pub(super) trait Start: Copy + Send + Sync + 'static {
    type Number: Ord + Copy;
    fn number(self) -> Self::Number;
    fn cut(address: u128) -> Self::Number;
}

impl Start for u128 {
    type Number = Self;
    #[inline(always)]
    fn number(self) -> Self {
        self
    }
    #[inline(always)]
    fn cut(address: u128) -> Self {
        address
    }
}

/// The first 48 bits.
impl Start for [u16; 3] {
    type Number = u64;
    #[inline(always)]
    fn number(self) -> u64 {
        u64::from(self[0]) << 32 | u64::from(self[1]) << 16 | u64::from(self[2])
    }
    #[inline(always)]
    fn cut(address: u128) -> u64 {
        (address >> 80) as u64
    }
}

#[derive(Clone, Debug)]
pub(super) struct Sorted<S, T> {
    starts: Vec<S>,
    leaves: Vec<T>,
    side: Side<u128>,
}

impl<S: Start, T: Leaf> Sorted<S, T> {
    /// As many leaves as starts, at least one, the first start 0.
    pub(super) fn new(starts: Vec<S>, leaves: Vec<T>, side: Side<u128>) -> Self {
        Self { starts, leaves, side }
    }

    pub(super) fn bytes(&self) -> usize {
        self.starts.capacity() * size_of::<S>() + self.leaves.capacity() * size_of::<T>() + self.side.bytes()
    }

    #[inline(always)]
    fn answer(&self, at: usize, address: u128) -> u32 {
        let leaf = self.leaves[at];
        if leaf == T::ESCAPE { self.side.find(address) } else { leaf.into() }
    }
}

impl<S: Start, T: Leaf> Lookup<u128> for Sorted<S, T> {
    #[inline(always)]
    fn one(&self, address: u128) -> u32 {
        let key = S::cut(address);
        let (mut base, mut size) = (0, self.starts.len());
        while size > 1 {
            let half = size / 2;
            base = select_unpredictable(self.starts[base + half].number() <= key, base + half, base);
            size -= half;
        }
        self.answer(base, address)
    }

    #[inline(always)]
    fn chunk(&self, addresses: &[u128; LANES], out: &mut [u32; LANES]) {
        let mut bases = [0; LANES];
        let mut size = self.starts.len();
        while size > 1 {
            let half = size / 2;
            for (base, address) in bases.iter_mut().zip(addresses) {
                let above = self.starts[*base + half].number() <= S::cut(*address);
                *base = select_unpredictable(above, *base + half, *base);
            }
            size -= half;
        }
        for ((out, base), address) in out.iter_mut().zip(bases).zip(addresses) {
            *out = self.answer(base, *address);
        }
    }
}

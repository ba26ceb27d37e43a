//! Ranges over 32-bit keys: a radix step, then two comparisons with a whole line each.
//!
//! Keys stand in nodes of sixteen. A slot of the radix step names the node that holds the last key not above the slot's
//! own start; which of the nodes from there to the next slot's it is, their first keys tell. No step depends on an
//! address by a branch, but where a slot spans more than eight nodes: then the first keys are searched by halves.

use std::hint::select_unpredictable;

use super::FibError;
use super::leaf::{Leaf, index};
use super::lookup::{LANES, Lookup};

const NODE: usize = 16;
const WINDOW: usize = 8;

/// Trees of any number of blocks, each a space of 32-bit keys of its own.
#[derive(Clone, Debug)]
pub(super) struct Tree<T> {
    slots: Vec<u32>,
    /// The first key of each node, and a window of padding.
    firsts: Vec<u32>,
    keys: Vec<[u32; NODE]>,
    leaves: Vec<[T; NODE]>,
}

/// Where a block's slots begin, and how far a key is shifted to name one of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block {
    pub(super) base: u32,
    pub(super) shift: u8,
}

impl Block {
    #[inline(always)]
    pub(super) fn slot(self, key: u32) -> usize {
        // A block of one slot shifts by 32.
        self.base as usize + key.checked_shr(u32::from(self.shift)).unwrap_or(0) as usize
    }
}

impl<T: Leaf> Tree<T> {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), firsts: Vec::new(), keys: Vec::new(), leaves: Vec::new() }
    }

    /// Adds a block: ascending keys, the first of them 0, with their leaves.
    pub(super) fn block(&mut self, keys: &[u32], leaves: &[T]) -> Result<Block, FibError> {
        let first = index(self.keys.len())?;
        let base = index(self.slots.len())?;
        for (keys, leaves) in keys.chunks(NODE).zip(leaves.chunks(NODE)) {
            // Padding answers as the last key does: a key of all ones is not below it.
            let mut node = ([u32::MAX; NODE], [leaves.last().copied().unwrap_or(T::ESCAPE); NODE]);
            for (to, from) in node.0.iter_mut().zip(keys) {
                *to = *from;
            }
            for (to, from) in node.1.iter_mut().zip(leaves) {
                *to = *from;
            }
            self.firsts.push(node.0[0]);
            self.keys.push(node.0);
            self.leaves.push(node.1);
        }
        // Four keys to a slot. The shift is 32 for one slot.
        let bits = if keys.len() <= NODE { 0 } else { keys.len().ilog2() - 2 };
        let shift = 32 - bits;
        let mut at = 0;
        for slot in 0..1_u64 << bits {
            while keys.get(at + 1).is_some_and(|key| u64::from(*key) <= slot << shift) {
                at += 1;
            }
            self.slots.push(first + index(at / NODE)?);
        }
        self.slots.push(first + index(keys.len().saturating_sub(1) / NODE)?);
        Ok(Block { base, shift: shift.try_into().map_err(|_| FibError::TooLarge)? })
    }

    pub(super) fn finish(&mut self) {
        self.firsts.extend([u32::MAX; WINDOW + 1]);
        self.slots.shrink_to_fit();
        self.firsts.shrink_to_fit();
        self.keys.shrink_to_fit();
        self.leaves.shrink_to_fit();
    }

    pub(super) fn bytes(&self) -> usize {
        (self.slots.capacity() + self.firsts.capacity()) * size_of::<u32>()
            + self.keys.capacity() * size_of::<[u32; NODE]>()
            + self.leaves.capacity() * size_of::<[T; NODE]>()
    }

    /// The node that a key is in.
    #[inline(always)]
    pub(super) fn node(&self, slot: usize, key: u32) -> usize {
        let (node, end) = (self.slots[slot], self.slots[slot + 1]);
        let (at, span) = (node as usize, end - node);
        if span as usize > WINDOW {
            return at + self.search(at, span as usize, key);
        }
        let Some(window) = self.firsts[at + 1..].first_chunk::<WINDOW>() else { return at };
        let mut below = 0;
        for (first, position) in window.iter().zip(0..) {
            below += u32::from((*first <= key) & (position < span));
        }
        at + below as usize
    }

    #[cold]
    #[inline(never)]
    fn search(&self, at: usize, span: usize, key: u32) -> usize {
        let (mut base, mut size) = (0, span + 1);
        while size > 1 {
            let half = size / 2;
            base = select_unpredictable(self.firsts[at + base + half] <= key, base + half, base);
            size -= half;
        }
        base
    }

    /// The leaf of a key, in its node.
    #[inline(always)]
    pub(super) fn leaf(&self, node: usize, key: u32) -> T {
        let mut below = 0_u32;
        for other in &self.keys[node] {
            below += u32::from(*other <= key);
        }
        self.leaves[node][(below as usize).wrapping_sub(1) % NODE]
    }
}

/// A tree over the IPv4 space, where a key is an address: exact, no side list.
#[derive(Clone, Debug)]
pub(super) struct Tree4<T> {
    tree: Tree<T>,
    block: Block,
}

impl<T: Leaf> Tree4<T> {
    pub(super) fn new(starts: &[u32], leaves: &[T]) -> Result<Self, FibError> {
        let mut tree = Tree::new();
        let block = tree.block(starts, leaves)?;
        tree.finish();
        Ok(Self { tree, block })
    }

    pub(super) fn bytes(&self) -> usize {
        self.tree.bytes()
    }
}

impl<T: Leaf> Lookup<u32> for Tree4<T> {
    #[inline(always)]
    fn one(&self, address: u32) -> u32 {
        self.tree.leaf(self.tree.node(self.block.slot(address), address), address).into()
    }

    #[inline(always)]
    fn chunk(&self, addresses: &[u32; LANES], out: &mut [u32; LANES]) {
        let mut nodes = [0; LANES];
        for (node, address) in nodes.iter_mut().zip(addresses) {
            *node = self.tree.node(self.block.slot(*address), *address);
        }
        for ((out, node), address) in out.iter_mut().zip(nodes).zip(addresses) {
            *out = self.tree.leaf(node, *address).into();
        }
    }
}

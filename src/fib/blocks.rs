//! IPv6 for large tables: the top 16 bits name a block, and a [`Tree`] over the next 32 bits finds the range in it.
//!
//! A /48 with longer routes inside has an escape for its leaf and its ranges in the side list.

use super::FibError;
use super::leaf::{Leaf, Side};
use super::lookup::{LANES, Lookup};
use super::sweep::Ranges;
use super::tree::{Block, Tree};

/// Ranges cut to /48: the first 48 bits of each start, its value or none for an escape, and what is finer.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub(super) keys: Vec<u64>,
    pub(super) values: Vec<Option<u32>>,
    pub(super) side: Side<u128>,
}

const CELL: u32 = 80;
const LAST_CELL: u64 = (1 << 48) - 1;

impl Cells {
    pub(super) fn new(ranges: &Ranges<u128>) -> Self {
        let mut cells = Self {
            keys: Vec::with_capacity(ranges.len()),
            values: Vec::with_capacity(ranges.len()),
            side: Side::default(),
        };
        let (starts, values) = (&ranges.starts, &ranges.values);
        let inside = |start: u128| start & ((1 << CELL) - 1) != 0;
        let mut current = 0;
        let mut at = 0;
        while at < starts.len() {
            let start = starts[at];
            let cell = (start >> CELL) as u64;
            let shared = starts.get(at + 1).is_some_and(|next| (next >> CELL) as u64 == cell);
            if !inside(start) && !shared {
                current = values[at];
                cells.set(cell, Some(current));
                at += 1;
                continue;
            }
            if inside(start) {
                cells.side.push(u128::from(cell) << CELL, current);
            }
            while at < starts.len() && (starts[at] >> CELL) as u64 == cell {
                current = values[at];
                cells.side.push(starts[at], current);
                at += 1;
            }
            cells.set(cell, None);
            if cell < LAST_CELL {
                cells.set(cell + 1, Some(current));
            }
        }
        cells.side.finish();
        cells
    }

    fn set(&mut self, key: u64, value: Option<u32>) {
        if self.keys.last() == Some(&key) {
            self.keys.pop();
            self.values.pop();
        }
        self.keys.push(key);
        self.values.push(value);
    }

    /// Entries that the top 16 bits would take.
    pub(super) fn entries(&self) -> usize {
        match (self.keys.get(1), self.keys.last()) {
            (Some(first), Some(last)) => {
                ((last >> 32 & 0xffff) as usize).saturating_sub((first >> 32 & 0xffff) as usize) + 3
            }
            _ => 3,
        }
    }
}

/// Where the top 16 bits lead. In a gap there is no block, and what the last block ends with holds: the greatest key.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    block: Block,
    gap: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Blocks<T> {
    tree: Tree<T>,
    /// What is before the first block, each block or gap, what is behind the last block.
    entries: Vec<Entry>,
    /// The top 16 bits of the second entry.
    first: u32,
    side: Side<u128>,
}

impl<T: Leaf> Blocks<T> {
    /// As many leaves as keys, at least one, the first key 0.
    pub(super) fn new(keys: &[u64], leaves: &[T], side: Side<u128>) -> Result<Self, FibError> {
        let mut tree = Tree::new();
        let before = tree.block(&[0], leaves.get(..1).unwrap_or_default())?;
        let mut entries = vec![Entry { block: before, gap: true }];
        let top = |key: u64| (key >> 32 & 0xffff) as u32;
        // The start of the space is told by the first entry, unless its block has more to say.
        let skip = usize::from(keys.get(1).is_none_or(|next| top(*next) != 0));
        let (keys, mut rest) = (keys.get(skip..).unwrap_or_default(), leaves.get(skip..).unwrap_or_default());
        let first = keys.first().map_or(0, |key| top(*key));
        let mut carried = leaves.first().copied().unwrap_or(T::ESCAPE);
        let mut next = first;
        let mut last = before;
        let (mut low, mut here) = (Vec::new(), Vec::new());
        for block in keys.chunk_by(|a, b| a >> 32 == b >> 32) {
            let at = block.first().map_or(0, |key| top(*key));
            while next < at {
                entries.push(Entry { block: last, gap: true });
                next += 1;
            }
            low.clear();
            here.clear();
            if block.first().is_some_and(|key| key & 0xffff_ffff != 0) {
                low.push(0);
                here.push(carried);
            }
            let (mine, others) = rest.split_at(block.len());
            low.extend(block.iter().map(|key| (key & 0xffff_ffff) as u32));
            here.extend_from_slice(mine);
            carried = mine.last().copied().unwrap_or(carried);
            rest = others;
            last = tree.block(&low, &here)?;
            entries.push(Entry { block: last, gap: false });
            next += 1;
        }
        entries.push(Entry { block: last, gap: true });
        entries.shrink_to_fit();
        tree.finish();
        Ok(Self { tree, entries, first, side })
    }

    pub(super) fn bytes(&self) -> usize {
        self.tree.bytes() + self.entries.capacity() * size_of::<Entry>() + self.side.bytes()
    }

    #[inline(always)]
    fn slot(&self, address: u128) -> (usize, u32) {
        let top = (address >> 112) as u32;
        let at = (top + 1).saturating_sub(self.first) as usize;
        let entry = self.entries[at.min(self.entries.len() - 1)];
        let key = (address >> CELL & 0xffff_ffff) as u32 | 0_u32.wrapping_sub(u32::from(entry.gap));
        (entry.block.slot(key), key)
    }

    #[inline(always)]
    fn answer(&self, node: usize, key: u32, address: u128) -> u32 {
        let leaf = self.tree.leaf(node, key);
        if leaf == T::ESCAPE { self.side.find(address) } else { leaf.into() }
    }
}

impl<T: Leaf> Lookup<u128> for Blocks<T> {
    #[inline(always)]
    fn one(&self, address: u128) -> u32 {
        let (slot, key) = self.slot(address);
        self.answer(self.tree.node(slot, key), key, address)
    }

    #[inline(always)]
    fn chunk(&self, addresses: &[u128; LANES], out: &mut [u32; LANES]) {
        let mut places = [(0, 0); LANES];
        for (place, address) in places.iter_mut().zip(addresses) {
            *place = self.slot(*address);
        }
        for (place, key) in &mut places {
            *place = self.tree.node(*place, *key);
        }
        for ((out, (node, key)), address) in out.iter_mut().zip(places).zip(addresses) {
            *out = self.answer(node, key, *address);
        }
    }
}

//! IPv4 for large tables: the top 18 bits name a word of 64 boundary bits, one for each /24, and the place of its first
//! leaf; the bits up to the address's own /24, counted, are the way from there. Two reads a look-up.
//!
//! A /24 with longer routes inside has an escape for its leaf and its ranges in the side list.

use super::FibError;
use super::leaf::{Leaf, Side, index, narrow};
use super::lookup::{LANES, Lookup};
use super::sweep::Ranges;

const WORDS: usize = 1 << 18;
/// Addresses of a word.
const SPAN: u64 = 1 << 14;

/// Twelve bytes: the bits in halves, so that the alignment is 4.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Word {
    bits: [u32; 2],
    first: u32,
}

impl Word {
    fn new(bits: u64, first: u32) -> Self {
        Self { bits: [(bits & 0xffff_ffff) as u32, (bits >> 32) as u32], first }
    }

    /// How many leaves it has.
    fn leaves(self) -> usize {
        (self.bits[0].count_ones() + self.bits[1].count_ones()) as usize + 1
    }

    #[inline(always)]
    fn leaf(self, address: u32) -> usize {
        let bits = u64::from(self.bits[0]) | u64::from(self.bits[1]) << 32;
        let mask = (2_u64 << (address >> 8 & 63)).wrapping_sub(1);
        self.first as usize + (bits & mask).count_ones() as usize
    }
}

#[derive(Clone, Debug)]
pub(super) struct Words<T> {
    words: Vec<Word>,
    leaves: Vec<T>,
    side: Side<u32>,
    /// Leaves when it was compiled: what comes later is in place of some of them.
    compiled: usize,
    /// Places behind these that no word uses any more, by how many times four leaves they hold, less one.
    spare: [Vec<u32>; 16],
}

/// Leaves come in fours behind the compiled ones, so that a place can be used again.
const FOUR: usize = 4;

/// The leaves of one word while it is put together.
struct Draft<T> {
    bits: u64,
    leaves: [T; 64],
    count: usize,
    /// The cell that the last leaf begins at.
    last: u32,
}

impl<T: Leaf> Draft<T> {
    fn new(leaf: T) -> Self {
        Self { bits: 0, leaves: [leaf; 64], count: 1, last: 0 }
    }

    #[inline]
    fn set(&mut self, cell: u32, leaf: T) {
        if cell != self.last {
            self.bits |= 1 << cell;
            self.last = cell;
            self.count += 1;
        }
        if let Some(at) = self.leaves.get_mut(self.count - 1) {
            *at = leaf;
        }
    }

    fn leaves(&self) -> &[T] {
        self.leaves.get(..self.count).unwrap_or_default()
    }
}

/// One word from the ranges that begin inside it. `before` is what holds at its first address, `cells` gets what goes
/// to the side list. Gives the draft and what holds behind the word.
#[inline]
fn draft<T: Leaf>(
    starts: &[u32],
    values: &[u32],
    before: u32,
    leaf: impl Fn(u32) -> Result<T, FibError>,
    mut fine: impl FnMut(u32, u32),
) -> Result<(Draft<T>, u32), FibError> {
    let mut draft = Draft::new(leaf(before)?);
    let mut current = before;
    let mut at = 0;
    while at < starts.len() {
        let start = starts[at];
        let cell = start >> 8 & 63;
        let inside = start & 255 != 0 || starts.get(at + 1).is_some_and(|next| next >> 8 == start >> 8);
        if !inside {
            current = values[at];
            draft.set(cell, leaf(current)?);
            at += 1;
            continue;
        }
        if start & 255 != 0 {
            fine(start & !255, current);
        }
        while at < starts.len() && starts[at] >> 8 == start >> 8 {
            current = values[at];
            fine(starts[at], current);
            at += 1;
        }
        draft.set(cell, T::ESCAPE);
        if cell < 63 {
            draft.set(cell + 1, leaf(current)?);
        }
    }
    Ok((draft, current))
}

impl<T: Leaf> Words<T> {
    pub(super) fn new(
        ranges: &Ranges<u32>,
        leaf: impl Fn(u32) -> Result<T, FibError>,
    ) -> Result<Self, FibError> {
        let (starts, values) = (&ranges.starts[..], &ranges.values[..]);
        let mut table = Self {
            words: Vec::with_capacity(WORDS),
            leaves: Vec::with_capacity(ranges.len() + ranges.len() / 64),
            side: Side::default(),
            compiled: 0,
            spare: Default::default(),
        };
        let mut current = 0;
        let mut at = 0;
        for word in 0..WORDS as u64 {
            let begin = word * SPAN;
            while at < starts.len() && u64::from(starts[at]) == begin {
                current = values[at];
                at += 1;
            }
            let from = at;
            while at < starts.len() && u64::from(starts[at]) < begin + SPAN {
                at += 1;
            }
            if from == at {
                let leaf = leaf(current)?;
                table.push(0, &[leaf])?;
                continue;
            }
            // A range that begins with the word and one inside its first /24 are one cell.
            let side = &mut table.side;
            let fine = |start, value| side.push(start, value);
            let (draft, behind) = draft(&starts[from..at], &values[from..at], current, &leaf, fine)?;
            current = behind;
            table.push(draft.bits, draft.leaves())?;
        }
        table.leaves.shrink_to_fit();
        table.side.finish();
        table.compiled = table.leaves.len();
        Ok(table)
    }

    /// Makes one word anew from its ranges; those before and behind it do not count. Its leaves go behind the compiled
    /// ones, since neighbours may share the old ones; a word that was made anew before has its place there.
    pub(super) fn replace(&mut self, word: u32, ranges: &Ranges<u32>) -> Result<(), FibError> {
        let first = word << 14;
        let last = first | 0x3fff;
        // What begins with the word or before it, then what begins inside.
        let from = ranges.starts.partition_point(|start| *start <= first);
        let to = ranges.starts.partition_point(|start| *start <= last);
        let before = from.checked_sub(1).and_then(|at| ranges.values.get(at)).copied().unwrap_or(0);
        let mut cells = Vec::new();
        let fine = |start, value| cells.push((start, value));
        let (draft, _) = draft(&ranges.starts[from..to], &ranges.values[from..to], before, narrow, fine)?;
        let place = self.place(word, draft.leaves())?;
        if let Some(at) = self.words.get_mut(word as usize) {
            *at = Word::new(draft.bits, place);
        }
        self.side.replace(first, last, &cells);
        Ok(())
    }

    /// Puts the leaves of a word where they have room: where it is, in a spare place, or at the end.
    fn place(&mut self, word: u32, leaves: &[T]) -> Result<u32, FibError> {
        let fours = leaves.len().div_ceil(FOUR);
        let old = self.words.get(word as usize).copied().unwrap_or_default();
        let own = (old.first as usize >= self.compiled).then(|| old.leaves().div_ceil(FOUR));
        let place = match own {
            Some(held) if held == fours => old.first,
            held => {
                if let Some(spare) = held.and_then(|held| self.spare.get_mut(held - 1)) {
                    spare.push(old.first);
                }
                match self.spare.get_mut(fours - 1).and_then(Vec::pop) {
                    Some(place) => place,
                    None => {
                        let place = index(self.leaves.len())?;
                        self.leaves.resize(self.leaves.len() + fours * FOUR, T::ESCAPE);
                        place
                    }
                }
            }
        };
        if let Some(at) = self.leaves.get_mut(place as usize..place as usize + leaves.len()) {
            at.copy_from_slice(leaves);
        }
        Ok(place)
    }

    /// Whether half as many leaves were added as there were, or the side list has grown long: time to compile anew.
    pub(super) fn is_worn(&self) -> bool {
        self.leaves.len() > self.compiled + self.compiled / 2 || self.side.len() > self.compiled / 8
    }

    /// Adds a word; its first leaf is the last one there is where they are the same.
    #[inline]
    fn push(&mut self, bits: u64, leaves: &[T]) -> Result<(), FibError> {
        let shared = self.leaves.last() == leaves.first();
        self.words.push(Word::new(bits, index(self.leaves.len() - usize::from(shared))?));
        self.leaves.extend_from_slice(&leaves[usize::from(shared)..]);
        Ok(())
    }

    pub(super) fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<Word>()
            + self.leaves.capacity() * size_of::<T>()
            + self.side.bytes()
            + self.spare.iter().map(|places| places.capacity() * size_of::<u32>()).sum::<usize>()
    }
}

impl<T: Leaf> Lookup<u32> for Words<T> {
    #[inline(always)]
    fn one(&self, address: u32) -> u32 {
        let leaf = self.leaves[self.words[(address >> 14) as usize].leaf(address)];
        if leaf == T::ESCAPE { self.side.find(address) } else { leaf.into() }
    }

    #[inline(always)]
    fn chunk(&self, addresses: &[u32; LANES], out: &mut [u32; LANES]) {
        let mut at = [0; LANES];
        for (at, address) in at.iter_mut().zip(addresses) {
            *at = self.words[(address >> 14) as usize].leaf(*address);
        }
        for ((out, at), address) in out.iter_mut().zip(at).zip(addresses) {
            let leaf = self.leaves[at];
            *out = if leaf == T::ESCAPE { self.side.find(*address) } else { leaf.into() };
        }
    }
}

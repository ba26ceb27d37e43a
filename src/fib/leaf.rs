//! What a range answers, as tables store it, and the sorted side list of what is too fine for a table's grid.

use super::FibError;
use super::sweep::{Address, Ranges};

/// A stored answer in its width. 0 is "no route"; [`ESCAPE`](Leaf::ESCAPE) sends the look-up to the side list.
pub(super) trait Leaf: Copy + Eq + Into<u32> + TryFrom<u32> + Send + Sync + 'static {
    const ESCAPE: Self;
}

impl Leaf for u8 {
    const ESCAPE: Self = Self::MAX;
}

impl Leaf for u16 {
    const ESCAPE: Self = Self::MAX;
}

impl Leaf for u32 {
    const ESCAPE: Self = Self::MAX;
}

/// Narrows an answer to the width that was chosen for all of them.
pub(super) fn narrow<T: Leaf>(stored: u32) -> Result<T, FibError> {
    T::try_from(stored).map_err(|_| FibError::TooLarge)
}

/// A count or position as tables hold it.
pub(super) fn index(position: usize) -> Result<u32, FibError> {
    u32::try_from(position).map_err(|_| FibError::TooLarge)
}

/// The ranges of cells that a grid cannot cut, all in one list: the range that an address is in is that of the last
/// start not above it, since every such cell has a start at its own first address.
#[derive(Clone, Debug)]
pub(super) struct Side<A> {
    ranges: Ranges<A>,
}

impl<A: Address> Default for Side<A> {
    fn default() -> Self {
        Self { ranges: Ranges::default() }
    }
}

impl<A: Address> Side<A> {
    /// Adds a range; starts ascend.
    pub(super) fn push(&mut self, start: A, stored: u32) {
        self.ranges.starts.push(start);
        self.ranges.values.push(stored);
    }

    pub(super) fn len(&self) -> usize {
        self.ranges.starts.len()
    }

    pub(super) fn finish(&mut self) {
        self.ranges.starts.shrink_to_fit();
        self.ranges.values.shrink_to_fit();
    }

    #[cold]
    #[inline(never)]
    pub(super) fn find(&self, address: A) -> u32 {
        let after = self.ranges.starts.partition_point(|start| *start <= address);
        after.checked_sub(1).and_then(|at| self.ranges.values.get(at)).copied().unwrap_or(0)
    }

    /// Puts the ranges of some cells in place of those that lie in `first..=last`.
    pub(super) fn replace(&mut self, first: A, last: A, cells: &[(A, u32)]) {
        let from = self.ranges.starts.partition_point(|start| *start < first);
        let to = self.ranges.starts.partition_point(|start| *start <= last);
        if from == to && cells.is_empty() {
            return;
        }
        self.ranges.starts.splice(from..to, cells.iter().map(|(start, _)| *start));
        self.ranges.values.splice(from..to, cells.iter().map(|(_, stored)| *stored));
    }

    pub(super) fn bytes(&self) -> usize {
        self.ranges.bytes()
    }
}

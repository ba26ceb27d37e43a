//! The cells that name the path of each row to each class, in blocks that come into being when one of theirs is set.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Rows of a block.
const ROWS: usize = 16;
/// Classes of a block: with its rows a page of memory. Many rows of few classes, since a stream of packets has many
/// sources, and few classes get most of the packets.
const CLASSES: usize = 64;

/// A path's number and one, or 0 where none is known yet.
type Block = Box<[AtomicU32; ROWS * CLASSES]>;

/// A cell for each pair of a row and a class.
#[derive(Debug)]
pub(super) struct Cells {
    blocks: Box<[OnceLock<Block>]>,
    /// Blocks side by side, for all classes of a row.
    across: usize,
}

impl Cells {
    pub(super) fn new(rows: usize, classes: usize) -> Self {
        let across = classes.div_ceil(CLASSES);
        let blocks = rows.div_ceil(ROWS) * across;
        Self { blocks: (0..blocks).map(|_| OnceLock::new()).collect(), across }
    }

    #[inline(always)]
    fn place(&self, row: u32, class: u32) -> (usize, usize) {
        let (row, class) = (row as usize, class as usize);
        let block = (row / ROWS).saturating_mul(self.across) + class / CLASSES;
        (block, row % ROWS * CLASSES + class % CLASSES)
    }

    /// The path of a row to a class, if it is known. Neither locks nor allocates.
    #[inline(always)]
    pub(super) fn get(&self, row: u32, class: u32) -> Option<u32> {
        let (block, within) = self.place(row, class);
        self.blocks.get(block)?.get()?[within].load(Ordering::Acquire).checked_sub(1)
    }

    /// Makes it known. A row that is not there is left alone.
    pub(super) fn set(&self, row: u32, class: u32, path: u32) {
        let (block, within) = self.place(row, class);
        if let Some(block) = self.blocks.get(block) {
            let block = block.get_or_init(|| Box::new([const { AtomicU32::new(0) }; ROWS * CLASSES]));
            block[within].store(path + 1, Ordering::Release);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let set = self.blocks.iter().filter(|block| block.get().is_some()).count();
        size_of_val(&*self.blocks) + set * size_of::<[AtomicU32; ROWS * CLASSES]>()
    }
}

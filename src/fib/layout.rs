//! Which layout a table has: by its size, by the width its answers need, by how fine its routes are.

use super::FibError;
use super::blocks::{Blocks, Cells};
use super::leaf::{Leaf, narrow};
use super::lookup::Lookup;
use super::sorted::Sorted;
use super::sweep::Ranges;
use super::tree::Tree4;
use super::words::Words;

/// From here on the 3 MiB of words are worth it: 12 bytes a range at most.
const WORDS_FROM: usize = 1 << 18;
/// Up to here IPv6 starts are searched by halves: smaller than anything else, and the search is short.
const SEARCH_TO: usize = 1 << 12;
/// From here on the entries of blocks, 512 KiB at most, are worth it however far apart the blocks are.
const BLOCKS_FROM: usize = 1 << 16;

/// What a test may force. `Fit` is what everybody gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    not(any(test, all(feature = "testing", feature = "import"))),
    allow(dead_code, reason = "only tests force a layout")
)]
pub(crate) enum Shape {
    #[default]
    Fit,
    /// As `Fit`, with words for IPv4 from a quarter as many ranges: for the one table of a network that every question
    /// reads.
    Quick,
    /// IPv4 words; IPv6 blocks.
    Large,
    /// IPv4 tree; IPv6 starts cut to 48 bits.
    Small,
    /// IPv4 tree; IPv6 whole starts.
    Exact,
}

#[derive(Clone, Debug)]
pub(super) enum Layout4 {
    Tree8(Tree4<u8>),
    Tree16(Tree4<u16>),
    Tree32(Tree4<u32>),
    Words8(Words<u8>),
    Words16(Words<u16>),
    Words32(Words<u32>),
}

#[derive(Clone, Debug)]
pub(super) enum Layout6 {
    Packed8(Sorted<[u16; 3], u8>),
    Packed16(Sorted<[u16; 3], u16>),
    Packed32(Sorted<[u16; 3], u32>),
    Exact8(Sorted<u128, u8>),
    Exact16(Sorted<u128, u16>),
    Exact32(Sorted<u128, u32>),
    Blocks8(Blocks<u8>),
    Blocks16(Blocks<u16>),
    Blocks32(Blocks<u32>),
}

/// Runs an expression on whatever the layout is.
macro_rules! each4 {
    ($layout:expr, $table:ident => $what:expr) => {
        match $layout {
            Layout4::Tree8($table) => $what,
            Layout4::Tree16($table) => $what,
            Layout4::Tree32($table) => $what,
            Layout4::Words8($table) => $what,
            Layout4::Words16($table) => $what,
            Layout4::Words32($table) => $what,
        }
    };
}

macro_rules! each6 {
    ($layout:expr, $table:ident => $what:expr) => {
        match $layout {
            Layout6::Packed8($table) => $what,
            Layout6::Packed16($table) => $what,
            Layout6::Packed32($table) => $what,
            Layout6::Exact8($table) => $what,
            Layout6::Exact16($table) => $what,
            Layout6::Exact32($table) => $what,
            Layout6::Blocks8($table) => $what,
            Layout6::Blocks16($table) => $what,
            Layout6::Blocks32($table) => $what,
        }
    };
}

pub(super) use {each4, each6};

/// The bytes of the widest answer; all ones stay free for the escape.
fn width(values: &[u32]) -> u32 {
    match values.iter().copied().max().unwrap_or(0) {
        0..0xff => 1,
        0xff..0xffff => 2,
        _ => 4,
    }
}

fn narrowed<T: Leaf>(values: &[u32]) -> Result<Vec<T>, FibError> {
    values.iter().map(|value| narrow(*value)).collect()
}

fn escaped<T: Leaf>(values: &[Option<u32>]) -> Result<Vec<T>, FibError> {
    values.iter().map(|value| value.map_or(Ok(T::ESCAPE), narrow)).collect()
}

impl Layout4 {
    pub(super) fn new(ranges: Ranges<u32>, shape: Shape) -> Result<Self, FibError> {
        let fine = |starts: &[u32]| starts.iter().filter(|start| *start & 255 != 0).count();
        let large = match shape {
            // The side list is no place for more than a few.
            Shape::Fit | Shape::Quick => {
                let enough = if shape == Shape::Quick { WORDS_FROM / 4 } else { WORDS_FROM };
                ranges.len() >= enough && fine(&ranges.starts) < ranges.len() / 64
            }
            Shape::Large => true,
            Shape::Small | Shape::Exact => false,
        };
        Ok(match (large, width(&ranges.values)) {
            (true, 1) => Self::Words8(Words::new(&ranges, narrow)?),
            (true, 2) => Self::Words16(Words::new(&ranges, narrow)?),
            (true, _) => Self::Words32(Words::new(&ranges, narrow)?),
            (false, 1) => Self::Tree8(Tree4::new(&ranges.starts, &narrowed(&ranges.values)?)?),
            (false, 2) => Self::Tree16(Tree4::new(&ranges.starts, &narrowed(&ranges.values)?)?),
            (false, _) => Self::Tree32(Tree4::new(&ranges.starts, &ranges.values)?),
        })
    }

    /// Large tables are looked up where the call stands, others by a call: they are small enough to be near.
    #[inline(always)]
    pub(super) fn one(&self, address: u32) -> u32 {
        match self {
            Self::Words8(table) => table.one(address),
            Self::Words16(table) => table.one(address),
            Self::Words32(table) => table.one(address),
            _ => self.other(address),
        }
    }

    #[inline(never)]
    fn other(&self, address: u32) -> u32 {
        each4!(self, table => table.one(address))
    }

    pub(super) fn bytes(&self) -> usize {
        each4!(self, table => table.bytes())
    }
}

impl Layout6 {
    pub(super) fn new(ranges: Ranges<u128>, shape: Shape) -> Result<Self, FibError> {
        let width = width(&ranges.values);
        if shape == Shape::Exact {
            return Self::exact(ranges, width);
        }
        let cells = Cells::new(&ranges);
        // Most of it would be in the side list.
        if matches!(shape, Shape::Fit | Shape::Quick) && cells.side.len() > ranges.len() / 2 {
            return Self::exact(ranges, width);
        }
        drop(ranges);
        let large = match shape {
            Shape::Fit | Shape::Quick => {
                let count = cells.keys.len();
                count > SEARCH_TO && (count >= BLOCKS_FROM || cells.entries() < count / 2)
            }
            Shape::Large => true,
            Shape::Small | Shape::Exact => false,
        };
        let Cells { keys, values, side } = cells;
        if large {
            return Ok(match width {
                1 => Self::Blocks8(Blocks::new(&keys, &escaped(&values)?, side)?),
                2 => Self::Blocks16(Blocks::new(&keys, &escaped(&values)?, side)?),
                _ => Self::Blocks32(Blocks::new(&keys, &escaped(&values)?, side)?),
            });
        }
        let cut =
            |key: &u64| [(key >> 32 & 0xffff) as u16, (key >> 16 & 0xffff) as u16, (key & 0xffff) as u16];
        let starts = keys.iter().map(cut).collect();
        Ok(match width {
            1 => Self::Packed8(Sorted::new(starts, escaped(&values)?, side)),
            2 => Self::Packed16(Sorted::new(starts, escaped(&values)?, side)),
            _ => Self::Packed32(Sorted::new(starts, escaped(&values)?, side)),
        })
    }

    fn exact(mut ranges: Ranges<u128>, width: u32) -> Result<Self, FibError> {
        use super::leaf::Side;
        ranges.starts.shrink_to_fit();
        ranges.values.shrink_to_fit();
        let Ranges { starts, values } = ranges;
        Ok(match width {
            1 => Self::Exact8(Sorted::new(starts, narrowed(&values)?, Side::default())),
            2 => Self::Exact16(Sorted::new(starts, narrowed(&values)?, Side::default())),
            _ => Self::Exact32(Sorted::new(starts, values, Side::default())),
        })
    }

    #[inline(never)]
    pub(super) fn one(&self, address: u128) -> u32 {
        each6!(self, table => table.one(address))
    }

    pub(super) fn bytes(&self) -> usize {
        each6!(self, table => table.bytes())
    }
}

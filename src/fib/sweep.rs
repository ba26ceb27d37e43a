//! From sorted prefixes to ranges: one pass with a stack of the prefixes that are still open.

/// An address as a number.
pub(super) trait Address: Copy + Ord + Send + Sync + 'static {
    const ZERO: Self;
    /// The address after this one; none after the last.
    fn next(self) -> Option<Self>;
}

impl Address for u32 {
    const ZERO: Self = 0;
    #[inline]
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Address for u128 {
    const ZERO: Self = 0;
    #[inline]
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

/// Ranges in address order: each goes from its start to before the next one's. Neighbours differ in value.
#[derive(Clone, Debug)]
pub(super) struct Ranges<A> {
    pub(super) starts: Vec<A>,
    pub(super) values: Vec<u32>,
}

impl<A> Default for Ranges<A> {
    fn default() -> Self {
        Self { starts: Vec::new(), values: Vec::new() }
    }
}

impl<A: Address> Ranges<A> {
    /// All addresses without an answer.
    pub(super) fn unanswered() -> Self {
        Self { starts: vec![A::ZERO], values: vec![0] }
    }

    /// From here on this value, in place of what was said of the same start.
    #[inline]
    pub(super) fn emit(&mut self, start: A, value: u32) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.values.pop();
        }
        if self.values.last() != Some(&value) {
            self.starts.push(start);
            self.values.push(value);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.starts.capacity() * size_of::<A>() + self.values.capacity() * size_of::<u32>()
    }
}

/// The pass over one family.
#[derive(Debug)]
pub(super) struct Sweep<A> {
    ranges: Ranges<A>,
    /// Last address and value of each open prefix, outermost first: each lies inside the one before.
    open: Vec<(A, u32)>,
}

impl<A: Address> Sweep<A> {
    pub(super) fn new() -> Self {
        Self { ranges: Ranges::unanswered(), open: Vec::new() }
    }

    /// Takes the next prefix by its first and last address. Not before the last one taken, and not around it.
    #[inline]
    pub(super) fn push(&mut self, first: A, last: A, value: u32) {
        while let Some((end, _)) = self.open.last()
            && *end < first
        {
            self.close();
        }
        self.open.push((last, value));
        self.ranges.emit(first, value);
    }

    #[inline]
    fn close(&mut self) {
        let Some((end, _)) = self.open.pop() else { return };
        // What ends with the space has nothing behind it.
        if let Some(behind) = end.next() {
            let outer = self.open.last().map_or(0, |(_, value)| *value);
            self.ranges.emit(behind, outer);
        }
    }

    pub(super) fn finish(mut self) -> Ranges<A> {
        while !self.open.is_empty() {
            self.close();
        }
        self.ranges
    }
}

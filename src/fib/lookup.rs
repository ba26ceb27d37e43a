//! What every layout does: one address, and a chunk of them in steps that many look-ups take together.

/// Addresses of a chunk.
pub(super) const LANES: usize = 32;

/// A layout of one family. Answers are as stored, with the prefix length in a table by route.
pub(super) trait Lookup<A: Copy> {
    fn one(&self, address: A) -> u32;

    fn chunk(&self, addresses: &[A; LANES], out: &mut [u32; LANES]);
}

/// A whole slice, chunk by chunk. `number` reads an address; `mask` cuts what is stored down to the handle.
#[inline(always)]
pub(super) fn run<I: Copy, A: Copy + Default, L: Lookup<A>>(
    layout: &L,
    addresses: &[I],
    out: &mut [u32],
    mask: u32,
    number: impl Fn(I) -> A,
) {
    let (chunks, rest) = addresses.as_chunks::<LANES>();
    let (answers, rest_of_answers) = out.as_chunks_mut::<LANES>();
    for (chunk, answers) in chunks.iter().zip(answers) {
        let mut numbers = [A::default(); LANES];
        for (number_of, address) in numbers.iter_mut().zip(chunk) {
            *number_of = number(*address);
        }
        layout.chunk(&numbers, answers);
        for answer in answers {
            *answer = (*answer & mask).wrapping_sub(1);
        }
    }
    for (address, answer) in rest.iter().zip(rest_of_answers) {
        *answer = (layout.one(number(*address)) & mask).wrapping_sub(1);
    }
}

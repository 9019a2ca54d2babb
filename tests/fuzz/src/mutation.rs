//! Makes inputs out of a corpus: bytes changed, pieces cut, doubled, and put together with pieces of other inputs.

use std::ops::Range;

use fastrand::Rng;

/// The longest input that is made. What is worse when longer is in the corpus itself.
const LENGTH_MAX: usize = 8 * 1024;

/// Changes to one input at most.
const CHANGES_MAX: usize = 6;

/// Bytes that parsers care about: ends, signs, quotes, separators, halves of characters.
const INTERESTING: &[u8] =
    b"\0\x01\x09\x0a\x0d\x1f \"%&'+,-./019:;<=>?@AZaz[\\]_{|}~\x7f\x80\xbf\xc0\xc2\xe2\xf0\xfe\xff";

/// Numbers at the edge of their types, as text.
const NUMBERS: [&[u8]; 8] =
    [b"0", b"-1", b"99999999", b"100000000", b"4294967296", b"9223372036854775807", b"18446744073709551616", b"1e400"];

/// Makes one input from one seed.
#[derive(Debug)]
pub(crate) struct Mutator<'a> {
    corpus: &'a [Vec<u8>],
    rng: Rng,
}

impl<'a> Mutator<'a> {
    pub(crate) fn new(corpus: &'a [Vec<u8>], seed: u64) -> Self {
        Self { corpus, rng: Rng::with_seed(seed) }
    }

    /// A changed input of the corpus, or now and then bytes that nothing is known of.
    pub(crate) fn input(&mut self) -> Vec<u8> {
        if self.rng.u8(..) < 8 {
            let length = self.rng.usize(..64);
            return std::iter::repeat_with(|| self.rng.u8(..)).take(length).collect();
        }
        let mut input = self.other().to_vec();
        for _ in 0..self.rng.usize(1..=CHANGES_MAX) {
            self.change(&mut input);
            input.truncate(LENGTH_MAX);
        }
        input
    }

    fn other(&mut self) -> &'a [u8] {
        &self.corpus[self.rng.usize(..self.corpus.len())]
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.rng.usize(..=input.len());
        let range = self.range(input.len());
        match self.rng.u8(..10) {
            0 => self.at_one_byte(input, |rng, byte| byte ^ (1 << rng.u8(..8))),
            1 => self.at_one_byte(input, |rng, _| INTERESTING[rng.usize(..INTERESTING.len())]),
            2 => self.at_one_byte(input, |rng, byte| byte.wrapping_add(rng.u8(..5)).wrapping_sub(2)),
            3 => input.insert(at, INTERESTING[self.rng.usize(..INTERESTING.len())]),
            4 => drop(input.drain(range)),
            5 => {
                let piece = input[range].to_vec();
                let times = self.rng.usize(1..=8);
                drop(input.splice(at..at, piece.repeat(times)));
            }
            6 => input.truncate(at),
            7 => {
                let number = NUMBERS[self.rng.usize(..NUMBERS.len())];
                drop(input.splice(digits(input, at), number.iter().copied()));
            }
            8 => {
                let piece = self.piece();
                drop(input.splice(range, piece.iter().copied()));
            }
            _ => {
                let piece = self.piece();
                drop(input.splice(at..at, piece.iter().copied()));
            }
        }
    }

    fn at_one_byte(&mut self, input: &mut [u8], change: impl Fn(&mut Rng, u8) -> u8) {
        if !input.is_empty() {
            let at = self.rng.usize(..input.len());
            input[at] = change(&mut self.rng, input[at]);
        }
    }

    /// A piece of an input of the corpus.
    fn piece(&mut self) -> &'a [u8] {
        let other = self.other();
        &other[self.range(other.len())]
    }

    /// Some range, mostly a short one.
    fn range(&mut self, length: usize) -> Range<usize> {
        let start = self.rng.usize(..=length);
        let longest = if self.rng.u8(..4) == 0 { length } else { 16 };
        let end = start + self.rng.usize(..=longest.min(length - start));
        start..end
    }
}

/// The digits around a place; nothing but the place where there are none.
fn digits(input: &[u8], at: usize) -> Range<usize> {
    let start = input[..at].iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |before| before + 1);
    let end = input[at..].iter().position(|byte| !byte.is_ascii_digit()).map_or(input.len(), |after| at + after);
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_input_and_no_input_is_too_long() {
        let corpus = [vec![b'x'; LENGTH_MAX], b"12".to_vec(), Vec::new()];
        for seed in 0..5_000 {
            let input = Mutator::new(&corpus, seed).input();
            assert!(input.len() <= LENGTH_MAX, "{} bytes", input.len());
            assert_eq!(input, Mutator::new(&corpus, seed).input());
        }
    }

    #[test]
    fn numbers_are_replaced_as_a_whole() {
        assert_eq!(digits(b"ab123c", 3), 2..5);
        assert_eq!(digits(b"ab123c", 1), 1..1);
        assert_eq!(digits(b"123", 3), 0..3);
    }
}

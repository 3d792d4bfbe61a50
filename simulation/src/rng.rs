//! Randomness that a seed fixes: xoshiro256++, seeded by splitmix64.
//!
//! Invariant: nothing in a simulated world is random but through here, so a seed is a world. Own
//! code, because a library may change its numbers with a release, and every noted seed with them.

use std::time::Duration;

use sagas::splitmix::{INCREMENT, scramble};
use uuid::Uuid;

/// A source of numbers.
#[derive(Debug, Clone)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// The source that `seed` fixes.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut counter = seed;
        let state = std::array::from_fn(|_| {
            let word = scramble(counter);
            counter = counter.wrapping_add(INCREMENT);
            word
        });
        Self { state }
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// A number below `count`, which is not zero.
    pub fn below(&mut self, count: u64) -> u64 {
        // The bias is below 2^-40 for the small numbers that are asked for here.
        self.any() % count
    }

    /// An index of a list of `count`, which is not zero.
    pub fn index(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        usize::try_from(self.below(count)).unwrap_or(0)
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// True so many times of a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// One of these; there is one.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    /// A wait of so many microseconds.
    pub fn micros(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_micros(self.between(least, most))
    }

    /// A wait of so many milliseconds, to the microsecond.
    pub fn millis(&mut self, least: u64, most: u64) -> Duration {
        self.micros(least * 1000, most * 1000)
    }

    /// A random id.
    pub fn uuid(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.any(), self.any())
    }
}

/// A number that depends on all of `parts` and on nothing else.
#[must_use]
pub fn mix(parts: &[u64]) -> u64 {
    parts
        .iter()
        .fold(0, |sum, part| scramble(sum ^ scramble(*part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        let mut rng = Rng::new(7);
        let first: Vec<u64> = (0..3).map(|_| rng.below(1000)).collect();
        assert_eq!(first, [661, 916, 178]);
    }

    #[test]
    fn numbers_fill_their_range_evenly() {
        let mut rng = Rng::new(1);
        let mut counts = [0_u32; 8];
        for _ in 0..8000 {
            counts[rng.index(8)] += 1;
        }
        assert!(counts.iter().all(|n| (850..1150).contains(n)), "{counts:?}");
    }
}

//! splitmix64, the one hash that decisions are derived from: waits, shares of replicas, seeds.
//!
//! Invariant: the numbers stay the same in every release. Two replicas of different releases compute
//! their shares from them, and so do the noted seeds of the simulator. That is why this is own code.
//! Reference: Sebastiano Vigna, <https://prng.di.unimi.it/splitmix64.c>.
//!
//! Not here: a source of numbers with a state of its own. Callers keep their counters.

/// Distance between two states of the generator: 2^64 divided by the golden ratio, made odd.
pub const INCREMENT: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number that the generator gives in state `seed`: every bit of `seed` moves every bit of it.
#[must_use]
pub const fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(INCREMENT);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of the reference, seeded with 1234567.
    #[test]
    fn the_numbers_are_those_of_the_reference() {
        let states = std::iter::successors(Some(1_234_567), |state: &u64| {
            Some(state.wrapping_add(INCREMENT))
        });
        let numbers: Vec<u64> = states.take(5).map(scramble).collect();
        let reference = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(numbers, reference);
        assert_eq!(scramble(0), 0xe220_a839_7b1d_cdaf);
    }
}

//! Which live replica serves which reply partition and shard: rendezvous hashing.
//!
//! Every replica computes the same answer from the same list, and a replica that comes or goes
//! moves only its own share. It is affinity, never correctness: two replicas that disagree for a
//! moment both work, and the revision decides.

use uuid::Uuid;

/// What is shared out; part of the hash, so that partitions and shards do not move in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Reply partitions: who reads which.
    Partitions,
    /// Shards: who looks for due wakes in which.
    Shards,
}

/// The numbers in `0..count` that `own` serves among `replicas`.
pub fn owned_by(
    own: Uuid,
    replicas: &[Uuid],
    share: Share,
    count: u32,
) -> impl Iterator<Item = u32> {
    (0..count).filter(move |number| winner(replicas, share, *number) == Some(own))
}

fn winner(replicas: &[Uuid], share: Share, number: u32) -> Option<Uuid> {
    replicas
        .iter()
        .copied()
        .max_by_key(|replica| (weight(*replica, share, number), *replica))
}

fn weight(replica: Uuid, share: Share, number: u32) -> u64 {
    let (high, low) = replica.as_u64_pair();
    let salt = match share {
        Share::Partitions => 0x7061_7274,
        Share::Shards => 0x7368_6172,
    };
    scramble(high ^ scramble(low ^ scramble(u64::from(number) ^ (salt << 32))))
}

/// The finalizer of splitmix64.
fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn replicas(count: u128) -> Vec<Uuid> {
        (1..=count)
            .map(|n| Uuid::from_u128(n * 0x9e37_79b9_7f4a_7c15_0000_0001))
            .collect()
    }

    fn share(own: Uuid, all: &[Uuid]) -> BTreeSet<u32> {
        owned_by(own, all, Share::Partitions, 240).collect()
    }

    #[test]
    fn every_number_has_exactly_one_owner_and_shares_are_even() {
        let all = replicas(4);
        let shares: Vec<_> = all.iter().map(|own| share(*own, &all)).collect();
        assert_eq!(shares.iter().map(BTreeSet::len).sum::<usize>(), 240);
        assert_eq!(shares.iter().flatten().collect::<BTreeSet<_>>().len(), 240);
        assert!(
            shares.iter().all(|share| (35..=85).contains(&share.len())),
            "{shares:?}"
        );
    }

    #[test]
    fn a_replica_that_leaves_moves_only_its_own_share() {
        let all = replicas(4);
        let left: Vec<_> = all[..3].to_vec();
        for own in &left {
            assert!(share(*own, &all).is_subset(&share(*own, &left)));
        }
    }

    #[test]
    fn the_order_of_the_list_does_not_matter() {
        let mut all = replicas(3);
        let before = share(all[0], &all);
        let own = all[0];
        all.reverse();
        assert_eq!(share(own, &all), before);
    }
}

//! Which live replica serves which reply partition and shard: rendezvous hashing with equal shares.
//!
//! Every replica computes the same answer from the same list. Each number goes to the replica that it
//! weighs most for, among those whose share is not full: with eight partitions and three replicas, the
//! weights alone would leave one of them without any in one deployment of nine. So a replica that comes
//! or goes moves its own share, and a little of the others'. It is affinity, never correctness: two
//! replicas that disagree for a moment both work, and the revision decides.

use std::collections::BTreeMap;

use sagas::splitmix::scramble;
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
    let owners = owners(replicas, share, count);
    let numbered = (0..count).zip(owners);
    numbered.filter_map(move |(number, owner)| (owner == own).then_some(number))
}

/// Of each number; none when there are no replicas. Shares differ by one at most.
fn owners(replicas: &[Uuid], share: Share, count: u32) -> Vec<Uuid> {
    let mut shares: BTreeMap<Uuid, u32> = replicas.iter().map(|replica| (*replica, 0)).collect();
    let sharers = u32::try_from(shares.len()).unwrap_or(u32::MAX);
    let (Some(least), Some(mut larger)) = (count.checked_div(sharers), count.checked_rem(sharers))
    else {
        return Vec::new();
    };
    let mut owners = Vec::new();
    for number in 0..count {
        let has_room = |held: u32| held < least || (held == least && larger > 0);
        let open = shares.iter_mut().filter(|(_, held)| has_room(**held));
        let winner = open.max_by_key(|(replica, _)| (weight(**replica, share, number), **replica));
        // The shares add up to the count, so one of them has room.
        let Some((replica, held)) = winner else { break };
        if *held == least {
            larger -= 1;
        }
        *held += 1;
        owners.push(*replica);
    }
    owners
}

fn weight(replica: Uuid, share: Share, number: u32) -> u64 {
    let (high, low) = replica.as_u64_pair();
    let salt = match share {
        Share::Partitions => 0x7061_7274,
        Share::Shards => 0x7368_6172,
    };
    scramble(high ^ scramble(low ^ scramble(u64::from(number) ^ (salt << 32))))
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
    fn every_number_has_exactly_one_owner_and_shares_are_equal() {
        for (count, numbers) in [(1, 8), (2, 8), (3, 8), (5, 8), (9, 8), (3, 64), (4, 240)] {
            let all = replicas(count);
            let own = |own: &Uuid| owned_by(*own, &all, Share::Partitions, numbers);
            let shares: Vec<BTreeSet<u32>> = all.iter().map(|one| own(one).collect()).collect();
            let owned: Vec<u32> = shares.iter().flatten().copied().collect();
            assert_eq!(owned.len(), numbers as usize);
            assert_eq!(
                owned.into_iter().collect::<BTreeSet<_>>().len(),
                numbers as usize
            );
            let sizes: BTreeSet<_> = shares.iter().map(BTreeSet::len).collect();
            let (smallest, largest) = (sizes.first().unwrap(), sizes.last().unwrap());
            assert!(largest - smallest <= 1, "{numbers} over {count}: {sizes:?}");
        }
        assert_eq!(owned_by(Uuid::nil(), &[], Share::Shards, 8).count(), 0);
    }

    #[test]
    fn a_replica_that_leaves_moves_little_beside_its_own_share() {
        let all = replicas(4);
        let left: Vec<_> = all[..3].to_vec();
        let stay = left
            .iter()
            .map(|own| share(*own, &all).intersection(&share(*own, &left)).count());
        let stay: usize = stay.sum();
        assert!(stay > 150, "{stay} of 180 stay where they are");
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

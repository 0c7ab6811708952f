//! The sum of a set of pairs: 256 bits, each pair one number, addition without carry out.
//!
//! Order does not count, a pair is added and taken away in one step, and the sum of a range is the
//! difference of two sums: what a sorted hash cannot do. Adding is weaker than hashing: who knows
//! the numbers can look for sets with the same sum (Wagner's generalised birthday search). Nobody
//! knows them here, because each is a hash under a key of the run; see `ranges` for two nodes.

use super::Pair;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sum(u128, u128);

impl Sum {
    pub(super) fn add(&mut self, pair: Pair) {
        let (low, carry) = self.0.overflowing_add(pair.row);
        *self = Self(low, self.1.wrapping_add(pair.key).wrapping_add(u128::from(carry)));
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let mut sum = self;
        sum.add(Pair { key: other.1, row: other.0 });
        sum
    }

    pub(super) fn minus(self, other: Self) -> Self {
        let (low, borrow) = self.0.overflowing_sub(other.0);
        Self(low, self.1.wrapping_sub(other.1).wrapping_sub(u128::from(borrow)))
    }

    pub(super) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.0.to_le_bytes());
        bytes[16..].copy_from_slice(&self.1.to_le_bytes());
        bytes
    }
}

impl FromIterator<Pair> for Sum {
    fn from_iter<I: IntoIterator<Item = Pair>>(pairs: I) -> Self {
        pairs.into_iter().fold(Self::default(), |mut sum, pair| {
            sum.add(pair);
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_sum_forgets_the_order_and_can_be_taken_apart(
            first in prop::collection::vec((any::<u128>(), any::<u128>()), 0..8),
            second in prop::collection::vec((any::<u128>(), any::<u128>()), 0..8),
        ) {
            let sum = |pairs: &[(u128, u128)]| pairs.iter().map(|(key, row)| Pair { key: *key, row: *row }).collect::<Sum>();
            let mut all: Vec<_> = first.iter().chain(&second).copied().collect();
            let whole = sum(&all);
            all.reverse();
            prop_assert_eq!(sum(&all), whole);
            prop_assert_eq!(whole.minus(sum(&first)), sum(&second));
            prop_assert_eq!(sum(&first).plus(sum(&second)), whole);
        }
    }
}

//! The Merkle tree of RFC 9162 section 2.1 (the same as RFC 6962): leaf `SHA-256(0x00 ‖ d)`, node `SHA-256(0x01 ‖ left ‖ right)`.
//!
//! [`Compact`] keeps a growing tree in at most 64 hashes. A proof is a list of hashes of ranges of leaves; [`Gather`] computes them while
//! the leaves stream by, so proofs over any number of entries need no more memory than that.

use crate::{Hash, TrailError, hash::sha256};
use std::ops::Range;

/// Hash of the tree without leaves: of nothing.
pub(crate) fn empty_root() -> Hash {
    sha256(&[])
}

/// The leaf hash of some bytes.
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Hash {
    sha256(&[&[0], data])
}

pub(crate) fn leaf_hash_into(buffer: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Hash {
    buffer.clear();
    buffer.push(0);
    write(buffer);
    sha256(&[buffer])
}

fn node(left: &Hash, right: &Hash) -> Hash {
    let mut joined = [1; 65];
    joined[1..33].copy_from_slice(left);
    joined[33..].copy_from_slice(right);
    sha256(&[&joined])
}

/// A tree as the roots of its perfect subtrees, largest first: one for each bit that is set in its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compact {
    size: u64,
    peaks: Vec<Hash>,
}

impl Compact {
    /// Takes a stored tree up again. None where the number of hashes does not fit the size.
    #[must_use]
    pub fn restore(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// How many leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hashes to store.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: &Hash) {
        let mut joined = *leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                joined = node(&left, &joined);
            }
        }
        self.peaks.push(joined);
        self.size += 1;
    }

    /// The root of the tree (`MTH` of RFC 9162).
    #[must_use]
    pub fn root(&self) -> Hash {
        self.peaks.iter().rev().copied().reduce(|right, left| node(&left, &right)).unwrap_or_else(empty_root)
    }
}

/// The largest power of two that is smaller than `n`, for `n >= 2`.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The ranges of leaves whose roots prove that leaf `index` is in the tree of `size`, in the order of the proof. None where it is not.
#[must_use]
pub fn inclusion_ranges(index: u64, size: u64) -> Option<Vec<Range<u64>>> {
    if index >= size {
        return None;
    }
    let (mut whole, mut ranges) = (0..size, Vec::new());
    while whole.end - whole.start > 1 {
        let middle = whole.start + split(whole.end - whole.start);
        if index < middle {
            ranges.push(middle..whole.end);
            whole.end = middle;
        } else {
            ranges.push(whole.start..middle);
            whole.start = middle;
        }
    }
    ranges.reverse();
    Some(ranges)
}

/// The ranges of leaves whose roots prove that the tree of `old` leaves is the beginning of the one of `new` leaves (`PROOF(m, D_n)`).
/// None where `old` is 0 or not smaller than `new`: there is nothing to prove then.
#[must_use]
pub fn consistency_ranges(old: u64, new: u64) -> Option<Vec<Range<u64>>> {
    if old == 0 || old >= new {
        return None;
    }
    let (mut whole, mut complete, mut ranges) = (0..new, true, Vec::new());
    while whole.end != old {
        let middle = whole.start + split(whole.end - whole.start);
        if old <= middle {
            ranges.push(middle..whole.end);
            whole.end = middle;
        } else {
            ranges.push(whole.start..middle);
            whole.start = middle;
            complete = false;
        }
    }
    if !complete {
        ranges.push(whole);
    }
    ranges.reverse();
    Some(ranges)
}

/// Computes the roots of ranges of leaves while the leaves stream by in order.
#[derive(Debug)]
pub struct Gather {
    ranges: Vec<(Range<u64>, Compact)>,
    order: Vec<usize>,
    next: u64,
    current: usize,
}

impl Gather {
    /// Prepares for ranges that do not overlap.
    #[must_use]
    pub fn new(ranges: Vec<Range<u64>>) -> Self {
        let mut order: Vec<usize> = (0..ranges.len()).collect();
        order.sort_by_key(|i| ranges[*i].start);
        Self { ranges: ranges.into_iter().map(|range| (range, Compact::default())).collect(), order, next: 0, current: 0 }
    }

    /// Takes the next leaf.
    pub fn push(&mut self, leaf: &Hash) {
        while let Some((range, tree)) = self.order.get(self.current).and_then(|i| self.ranges.get_mut(*i)) {
            if self.next < range.end {
                if range.start <= self.next {
                    tree.push(leaf);
                }
                break;
            }
            self.current += 1;
        }
        self.next += 1;
    }

    /// The hashes in the order of the proof. None where leaves are missing.
    #[must_use]
    pub fn finish(self) -> Option<Vec<Hash>> {
        self.ranges.into_iter().map(|(range, tree)| (tree.size() == range.end - range.start).then(|| tree.root())).collect()
    }
}

const WRONG_LENGTH: TrailError = TrailError::Proof("it has the wrong number of hashes for these sizes");
const WRONG_ROOT: TrailError = TrailError::Proof("it leads to another root than the signed one");

/// Verifies that a leaf is in the tree (RFC 9162 section 2.1.3.2).
///
/// # Errors
/// `Proof`.
pub fn verify_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> Result<(), TrailError> {
    if index >= size {
        return Err(TrailError::Proof("the entry stands behind the end of the tree"));
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(WRONG_LENGTH);
        }
        if at & 1 == 1 || at == last {
            hash = node(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(WRONG_LENGTH);
    }
    if hash == *root { Ok(()) } else { Err(WRONG_ROOT) }
}

/// Verifies that one tree is the beginning of another (RFC 9162 section 2.1.4.2).
///
/// # Errors
/// `Proof`.
pub fn verify_consistency(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> Result<(), TrailError> {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size > new_size {
        return Err(TrailError::Proof("the newer tree is smaller than the older one"));
    }
    if old_size == new_size || old_size == 0 {
        let sound = proof.is_empty() && (old_size == 0 || old_root == new_root);
        return if sound { Ok(()) } else { Err(WRONG_ROOT) };
    }
    let (first, rest) = if old_size.is_power_of_two() {
        (old_root, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(WRONG_LENGTH)?;
        (first, rest)
    };
    let (mut at, mut last) = (old_size - 1, new_size - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut of_old, mut of_new) = (*first, *first);
    for hash in rest {
        if last == 0 {
            return Err(WRONG_LENGTH);
        }
        if at & 1 == 1 || at == last {
            of_old = node(hash, &of_old);
            of_new = node(hash, &of_new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            of_new = node(&of_new, hash);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(WRONG_LENGTH);
    }
    if of_old == *old_root && of_new == *new_root { Ok(()) } else { Err(WRONG_ROOT) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition of RFC 9162 section 2.1.1, word for word.
    fn naive(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [one] => *one,
            more => {
                let k = (1..).map(|i| 1_usize << i).take_while(|k| *k < more.len()).last().unwrap_or(1);
                node(&naive(&more[..k]), &naive(&more[k..]))
            }
        }
    }

    /// `PATH(m, D_n)` of section 2.1.3.1.
    fn path(m: usize, d: &[Hash]) -> Vec<Hash> {
        if d.len() == 1 {
            return Vec::new();
        }
        let k = (1..).map(|i| 1_usize << i).take_while(|k| *k < d.len()).last().unwrap_or(1);
        let (mut out, other) = if m < k { (path(m, &d[..k]), naive(&d[k..])) } else { (path(m - k, &d[k..]), naive(&d[..k])) };
        out.push(other);
        out
    }

    /// `SUBPROOF(m, D_n, b)` of section 2.1.4.1.
    fn subproof(m: usize, d: &[Hash], b: bool) -> Vec<Hash> {
        if m == d.len() {
            return if b { Vec::new() } else { vec![naive(d)] };
        }
        let k = (1..).map(|i| 1_usize << i).take_while(|k| *k < d.len()).last().unwrap_or(1);
        let (mut out, other) =
            if m <= k { (subproof(m, &d[..k], b), naive(&d[k..])) } else { (subproof(m - k, &d[k..], false), naive(&d[..k])) };
        out.push(other);
        out
    }

    fn leaves(n: usize) -> Vec<Hash> {
        (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    fn root(leaves: &[Hash]) -> Hash {
        let mut tree = Compact::default();
        leaves.iter().for_each(|leaf| tree.push(leaf));
        tree.root()
    }

    fn gather(ranges: Vec<Range<u64>>, leaves: &[Hash]) -> Vec<Hash> {
        let mut gather = Gather::new(ranges);
        leaves.iter().for_each(|leaf| gather.push(leaf));
        gather.finish().unwrap()
    }

    /// The eight leaves and roots that implementations of Certificate Transparency test themselves with.
    #[test]
    fn known_roots_of_certificate_transparency_are_met() {
        let data = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
        let known = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        assert_eq!(hex::encode(root(&[])), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let mut tree = Compact::default();
        for (data, known) in data.iter().zip(known) {
            tree.push(&leaf_hash(&hex::decode(data).unwrap()));
            assert_eq!(hex::encode(tree.root()), known);
        }
    }

    #[test]
    fn every_proof_of_small_trees_equals_the_definition_and_holds() {
        for n in 1..=33_usize {
            let d = leaves(n);
            let top = root(&d);
            assert_eq!(top, naive(&d));
            for m in 0..n {
                let proof = gather(inclusion_ranges(m as u64, n as u64).unwrap(), &d);
                assert_eq!(proof, path(m, &d));
                verify_inclusion(m as u64, n as u64, &d[m], &proof, &top).unwrap();
            }
            for m in 1..n {
                let proof = gather(consistency_ranges(m as u64, n as u64).unwrap(), &d);
                assert_eq!(proof, subproof(m, &d, true));
                verify_consistency((m as u64, &root(&d[..m])), (n as u64, &top), &proof).unwrap();
            }
        }
    }

    proptest! {
        #[test]
        fn a_tree_taken_up_again_grows_as_if_it_had_never_been_put_away(n in 0_usize..300, more in 0_usize..50) {
            let d = leaves(n + more);
            let mut tree = Compact::default();
            d[..n].iter().for_each(|leaf| tree.push(leaf));
            let mut again = Compact::restore(tree.size(), tree.peaks().to_vec()).unwrap();
            d[n..].iter().for_each(|leaf| again.push(leaf));
            prop_assert_eq!(again.root(), naive(&d));
        }

        #[test]
        fn no_altered_proof_holds(n in 2_usize..200, at in any::<prop::sample::Index>(), bit in 0_usize..256, which in any::<prop::sample::Index>()) {
            let d = leaves(n);
            let top = root(&d);
            let m = at.index(n);
            let good = gather(inclusion_ranges(m as u64, n as u64).unwrap(), &d);
            let mut bad = good.clone();
            let i = which.index(bad.len());
            bad[i][bit / 8] ^= 1 << (bit % 8);
            prop_assert!(verify_inclusion(m as u64, n as u64, &d[m], &bad, &top).is_err());
            prop_assert!(verify_inclusion(m as u64, n as u64, &d[m], &good[1..], &top).is_err());
            prop_assert!(verify_inclusion(((m + 1) % n) as u64, n as u64, &d[m], &good, &top).is_err());
            let old = m.max(1);
            if let Some(ranges) = consistency_ranges(old as u64, n as u64) {
                let good = gather(ranges, &d);
                let mut bad = good.clone();
                let i = which.index(bad.len());
                bad[i][bit / 8] ^= 1 << (bit % 8);
                let of_old = root(&d[..old]);
                prop_assert!(verify_consistency((old as u64, &of_old), (n as u64, &top), &bad).is_err());
                prop_assert!(verify_consistency((old as u64, &of_old), (n as u64, &top), &good[1..]).is_err());
            }
        }

        #[test]
        fn hostile_proofs_never_panic(index in any::<u64>(), size in any::<u64>(), n in 0_usize..70) {
            let d = leaves(n);
            let _ = verify_inclusion(index, size, &[0; 32], &d, &[1; 32]);
            let _ = verify_consistency((index, &[0; 32]), (size, &[1; 32]), &d);
            let _ = (inclusion_ranges(index, size), consistency_ranges(index, size));
        }
    }
}

//! Trees of few leaves on many rows: no walk, but which leaves are left.
//!
//! In: trees in the form in which they are walked. Out: for each tree and row the leaf. The leaves of a tree are the bits
//! of a word, those of "yes" before those of "no". A test that says no strikes out the leaves of its "yes"; after all
//! tests, in any order, the first leaf left is where a walk would have ended. Every test is made for every row, but for
//! sixteen rows at once, and no row waits for where it is.

use crate::v4::{F4, I4};

/// Rows that are looked at together.
pub(crate) const ROWS: usize = 4 * FOURS;
const FOURS: usize = 4;
/// Fewer rows than these are walked.
pub(crate) const WORTH: usize = 4;
/// The bits of a word.
const MOST_LEAVES: usize = 32;

/// The values of one column in [`ROWS`] rows.
pub(crate) type Column = [f32; ROWS];

#[derive(Clone, Copy, Debug)]
struct Test {
    feature: u32,
    value: f32,
    /// Leaves that are left where it says no.
    keep: u32,
    /// NaN goes the way of "yes".
    missing_yes: bool,
}

#[derive(Clone, Copy, Debug)]
struct Tree {
    first_test: usize,
    first_leaf: usize,
    /// What all its leaves vote for, each once.
    only: Option<u32>,
}

/// A leaf, as it was found.
#[derive(Clone, Copy, Debug)]
struct Leaf {
    /// By what number the caller knows it.
    number: u32,
    /// What it votes where it is its only vote.
    weight: f32,
}

/// What rows reach in a tree.
pub(crate) enum Reached {
    /// Leaves, by the caller's numbers.
    Leaves([u32; ROWS]),
    /// Votes for the same target.
    Votes(u32, [f32; ROWS]),
}

/// Trees, all of them with at most 32 leaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shallow {
    tests: Vec<Test>,
    leaves: Vec<Leaf>,
    trees: Vec<Tree>,
}

/// What a caller knows of a node.
pub(crate) enum Seen {
    /// The column, the greatest value that is "yes", the way of NaN, and the numbers of "yes" and "no".
    Test(u32, f32, bool, [u32; 2]),
    /// A leaf, and its vote where it has just one.
    Leaf(Option<(u32, f32)>),
}

impl Shallow {
    /// `look` tells of the node of a number. None where a tree has too many leaves, or the trees share so much that
    /// taking them apart would make more than `most` tests.
    pub(crate) fn new(roots: &[u32], most: usize, look: impl Fn(u32) -> Seen) -> Option<Self> {
        let mut all = Self::default();
        for root in roots {
            let (first_test, first_leaf) = (all.tests.len(), all.leaves.len());
            all.grow(first_leaf, *root, 0, &look)?;
            let targets = all.leaves[first_leaf..].iter().map(|leaf| match look(leaf.number) {
                Seen::Leaf(Some((target, _))) => Some(target),
                _ => None,
            });
            let only = targets.reduce(|all, one| all.filter(|_| all == one)).flatten();
            all.trees.push(Tree { first_test, first_leaf, only });
            if all.tests.len() > most {
                return None;
            }
        }
        Some(all)
    }

    /// Adds a node and all below it; the bits of its leaves.
    fn grow(
        &mut self,
        first_leaf: usize,
        at: u32,
        depth: usize,
        look: &impl Fn(u32) -> Seen,
    ) -> Option<u32> {
        let (feature, value, missing_yes, [yes, no]) = match look(at) {
            Seen::Test(feature, value, missing_yes, children) => {
                (feature, value, missing_yes, children)
            }
            Seen::Leaf(vote) => {
                let bit = self.leaves.len() - first_leaf;
                self.leaves.push(Leaf { number: at, weight: vote.map_or(0., |v| v.1) });
                return (bit < MOST_LEAVES).then(|| 1 << bit);
            }
        };
        // A path has fewer tests than its tree has leaves.
        if depth + 1 >= MOST_LEAVES {
            return None;
        }
        let own = self.tests.len();
        self.tests.push(Test { feature, value, keep: 0, missing_yes });
        let yes = self.grow(first_leaf, yes, depth + 1, look)?;
        let no = self.grow(first_leaf, no, depth + 1, look)?;
        self.tests[own].keep = !yes;
        Some(yes | no)
    }

    /// What the rows reach in a tree; every feature has its column.
    #[inline(always)]
    pub(crate) fn reached(&self, tree: usize, columns: &[Column]) -> Reached {
        let Tree { first_test, first_leaf, only } = self.trees[tree];
        let end = self.trees.get(tree + 1).map_or(self.tests.len(), |next| next.first_test);
        let mut left = [I4::splat(u32::MAX); FOURS];
        for test in &self.tests[first_test..end] {
            let column = &columns[test.feature as usize];
            let (most, keep) = (F4::splat(test.value), I4::splat(test.keep));
            for (four, left) in left.iter_mut().enumerate() {
                // SAFETY: a column has so many fours.
                let x = unsafe { F4::load(column.as_ptr().add(4 * four)) };
                *left = if test.missing_yes {
                    left.where_above(x, most, keep)
                } else {
                    left.unless_at_most(x, most, keep)
                };
            }
        }
        let leaves = &self.leaves[first_leaf..];
        let left = left.map(I4::to_array);
        let leaf = |row: usize| leaves[left[row / 4][row % 4].trailing_zeros() as usize];
        match only {
            Some(target) => Reached::Votes(target, std::array::from_fn(|row| leaf(row).weight)),
            None => Reached::Leaves(std::array::from_fn(|row| leaf(row).number)),
        }
    }
}

/// Lays up to [`ROWS`] rows into columns.
pub(crate) fn lay(rows: &[f32], width: usize, columns: &mut [Column]) {
    for (at, row) in rows.chunks_exact(width).enumerate().take(ROWS) {
        for (column, value) in columns.iter_mut().zip(row) {
            column[at] = *value;
        }
    }
}

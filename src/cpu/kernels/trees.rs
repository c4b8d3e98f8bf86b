//! Ensembles of decision trees on float32 rows.
//!
//! In: rows of a table, as they lie. Out: for each row and target the sum of what the leaves vote, added tree after
//! tree. A node is sixteen bytes and has one kind of test; leaves come after all tests and lead to themselves, so that
//! four walks can go on side by side, each of which would wait for its memory, until all four are at a leaf.

use std::ops::Range;

use crate::{Misfit, Result, fits};

/// Walks that go on side by side.
const LANES: usize = 4;
/// In a step's feature: NaN goes the way of "yes".
const MISSING: u32 = 1 << 31;

/// A node of a tree; children are numbers of nodes.
#[derive(Clone, Debug)]
pub enum Node {
    /// `yes` where the feature is at most `value`, or NaN and `missing_yes`; else `no`.
    Split {
        /// The column.
        feature: u32,
        /// The greatest that is "yes".
        value: f32,
        /// The way of NaN.
        missing_yes: bool,
        /// One child.
        yes: u32,
        /// The other one.
        no: u32,
    },
    /// Adds these of the votes.
    Leaf(Range<u32>),
}

#[derive(Clone, Copy, Debug)]
struct Step {
    value: f32,
    feature: u32,
    /// no, yes
    children: [u32; 2],
}

/// Trees in the form in which they are walked.
#[derive(Clone, Debug)]
pub struct Forest {
    steps: Vec<Step>,
    /// Steps from here on are leaves.
    first_leaf: u32,
    /// Of each leaf.
    votes_of: Vec<Range<u32>>,
    /// (target, weight)
    votes: Vec<(u32, f32)>,
    roots: Vec<u32>,
    targets: usize,
    features: usize,
}

impl Forest {
    /// No node may be its own descendant: a walk would not end. A number that leads nowhere is refused.
    pub fn new(
        nodes: &[Node],
        roots: &[u32],
        votes: Vec<(u32, f32)>,
        targets: usize,
    ) -> Result<Self> {
        let count = u32::try_from(nodes.len()).map_err(|_| Misfit)?;
        fits(roots.iter().all(|r| *r < count))?;
        fits(votes.iter().all(|(target, _)| (*target as usize) < targets))?;
        // The new number of each node: tests first.
        let is_leaf = |node: &&Node| matches!(node, Node::Leaf(_));
        let first_leaf = count - nodes.iter().filter(is_leaf).count() as u32;
        let (mut next_split, mut next_leaf) = (0, first_leaf);
        let numbers = nodes.iter().map(|node| {
            let next = if is_leaf(&node) { &mut next_leaf } else { &mut next_split };
            *next += 1;
            *next - 1
        });
        let numbers: Vec<u32> = numbers.collect();
        let number = |node: u32| numbers.get(node as usize).copied().ok_or(Misfit);
        let itself = |at: u32| Step { value: 0., feature: 0, children: [at, at] };
        let mut steps: Vec<Step> = (0..count).map(itself).collect();
        let mut votes_of = vec![0..0; (count - first_leaf) as usize];
        // A leaf reads a feature too, to no effect.
        let mut features = 1;
        for (node, at) in nodes.iter().zip(&numbers) {
            match node {
                Node::Split { feature, value, missing_yes, yes, no } => {
                    fits(feature & MISSING == 0)?;
                    features = features.max(*feature as usize + 1);
                    let feature = feature | if *missing_yes { MISSING } else { 0 };
                    let children = [number(*no)?, number(*yes)?];
                    steps[*at as usize] = Step { value: *value, feature, children };
                }
                Node::Leaf(range) => {
                    fits(range.start <= range.end && range.end as usize <= votes.len())?;
                    votes_of[(at - first_leaf) as usize] = range.clone();
                }
            }
        }
        let roots = roots.iter().map(|r| number(*r)).collect::<Result<_>>()?;
        Ok(Self { steps, first_leaf, votes_of, votes, roots, targets, features })
    }

    /// How many columns a row must have at least.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Adds what `trees` vote for each row of `columns` values to `sums`, `targets` a row, and marks in `seen` what
    /// anything was added to.
    pub fn add(
        &self,
        trees: Range<usize>,
        rows: &[f32],
        columns: usize,
        sums: &mut [f32],
        seen: &mut [bool],
    ) -> Result<()> {
        let roots = self.roots.get(trees).ok_or(Misfit)?;
        fits(columns >= self.features && rows.len().is_multiple_of(columns))?;
        let count = rows.len() / columns;
        fits(sums.len() == count * self.targets && seen.len() == sums.len())?;
        let row = |at: usize| rows[at * columns..].as_ptr();
        let mut vote = |row: usize, leaf: u32| {
            let at = row * self.targets..(row + 1) * self.targets;
            self.vote(leaf, &mut sums[at.clone()], &mut seen[at]);
        };
        let whole = count / LANES * LANES;
        for root in roots {
            for first in (0..whole).step_by(LANES) {
                // SAFETY: each row has as many columns as any step reads.
                let leaves = unsafe { self.walk([*root; LANES], |i| row(first + i)) };
                leaves.iter().enumerate().for_each(|(i, leaf)| vote(first + i, *leaf));
            }
        }
        for at in whole..count {
            let mut fours = roots.chunks_exact(LANES);
            for four in &mut fours {
                // SAFETY: as above.
                let leaves =
                    unsafe { self.walk([four[0], four[1], four[2], four[3]], |_| row(at)) };
                leaves.iter().for_each(|leaf| vote(at, *leaf));
            }
            for root in fours.remainder() {
                // SAFETY: as above.
                let [leaf] = unsafe { self.walk([*root], |_| row(at)) };
                vote(at, leaf);
            }
        }
        Ok(())
    }

    /// From each of these roots to a leaf, by the row at `row(i)`.
    ///
    /// # Safety
    /// The roots must be steps, and each row must have `features` readable floats.
    #[inline(always)]
    unsafe fn walk<const N: usize>(
        &self,
        mut at: [u32; N],
        row: impl Fn(usize) -> *const f32,
    ) -> [u32; N] {
        let rows: [*const f32; N] = std::array::from_fn(row);
        while at.iter().any(|a| *a < self.first_leaf) {
            for (at, row) in at.iter_mut().zip(rows) {
                // SAFETY: children are steps, and their features are below `features`: `new` saw to it.
                let (step, x) = unsafe {
                    let step = self.steps.get_unchecked(*at as usize);
                    (step, *row.add((step.feature & !MISSING) as usize))
                };
                let missing = (step.feature & MISSING != 0) & x.is_nan();
                *at = step.children[usize::from((x <= step.value) | missing)];
            }
        }
        at
    }

    #[inline(always)]
    fn vote(&self, leaf: u32, sums: &mut [f32], seen: &mut [bool]) {
        let range = &self.votes_of[(leaf - self.first_leaf) as usize];
        for (target, weight) in &self.votes[range.start as usize..range.end as usize] {
            let target = *target as usize;
            // SAFETY: there are `targets` sums, and `new` saw that a vote is for one of them.
            unsafe {
                *sums.get_unchecked_mut(target) += weight;
                *seen.get_unchecked_mut(target) = true;
            }
        }
    }
}

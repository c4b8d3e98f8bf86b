//! Ensembles of decision trees on float32 rows.
//!
//! In: rows of a table, as they lie. Out: for each row and target the sum of what the leaves vote, added tree after
//! tree. A node is sixteen bytes and has one kind of test; leaves come after all tests and lead to themselves, so that
//! several walks can go on side by side, each of which would wait for its memory, until all are at a leaf. Trees of few
//! leaves are not walked where there are rows enough, see [`crate::shallow`].

use std::ops::Range;

use crate::parallel::{self, Divided};
use crate::shallow::{self, Column, Reached, Seen, Shallow};
use crate::{Misfit, Result, fits};

/// Walks of several rows that go on side by side.
const LANES: usize = 4;
/// Walks of one row that do, each in a tree of its own.
const TREES: usize = 8;
/// In a step's feature: NaN goes the way of "yes".
const MISSING_YES: u32 = 1 << 31;
/// What a tree costs a row, in products.
const COST: usize = 32;
/// Parts a lane takes, of rows.
const PARTS: usize = 4;

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
    /// Of each leaf its vote, where all have one.
    single: Option<Vec<(u32, f32)>>,
    roots: Vec<u32>,
    targets: usize,
    features: usize,
    /// Whether NaN goes the way of "yes" anywhere.
    missing: bool,
    /// The same trees, where all of them have few leaves.
    shallow: Option<Shallow>,
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
        let (mut features, mut missing) = (1, false);
        for (node, at) in nodes.iter().zip(&numbers) {
            match node {
                Node::Split { feature, value, missing_yes, yes, no } => {
                    fits(feature & MISSING_YES == 0)?;
                    features = features.max(*feature as usize + 1);
                    missing |= missing_yes;
                    let feature = feature | if *missing_yes { MISSING_YES } else { 0 };
                    let children = [number(*no)?, number(*yes)?];
                    steps[*at as usize] = Step { value: *value, feature, children };
                }
                Node::Leaf(range) => {
                    fits(range.start <= range.end && range.end as usize <= votes.len())?;
                    votes_of[(at - first_leaf) as usize] = range.clone();
                }
            }
        }
        let roots = roots.iter().map(|r| number(*r)).collect::<Result<Vec<_>>>()?;
        let shallow = Shallow::new(&roots, 2 * steps.len(), |at| match steps.get(at as usize) {
            Some(Step { value, feature, children: [no, yes] }) if at < first_leaf => {
                Seen::Test(feature & !MISSING_YES, *value, feature & MISSING_YES != 0, [*yes, *no])
            }
            _ => Seen::Leaf(match votes_of.get((at - first_leaf) as usize) {
                Some(range) if range.len() == 1 => votes.get(range.start as usize).copied(),
                _ => None,
            }),
        });
        let one = |range: &Range<u32>| match range.len() {
            1 => votes.get(range.start as usize).copied(),
            _ => None,
        };
        let single = votes_of.iter().map(one).collect();
        Ok(Self {
            steps,
            first_leaf,
            votes_of,
            votes,
            single,
            roots,
            targets,
            features,
            missing,
            shallow,
        })
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
        fits(trees.start <= trees.end && trees.end <= self.roots.len())?;
        fits(columns >= self.features && rows.len().is_multiple_of(columns))?;
        let count = rows.len() / columns;
        fits(sums.len() == count * self.targets && seen.len() == sums.len())?;
        if count == 0 {
            return Ok(());
        }
        let lanes = parallel::lanes(&[count, trees.len(), COST]);
        let each = if lanes > 1 { count.div_ceil(PARTS * lanes) } else { count };
        let each = each.next_multiple_of(shallow::ROWS);
        let shallow = self.shallow.as_ref().filter(|_| count >= shallow::WORTH);
        let width = if shallow.is_some() { self.features } else { 0 };
        let mut laid: Vec<Column> = vec![[0.; shallow::ROWS]; lanes * width];
        let (laid, sums, seen) = (Divided::new(&mut laid), Divided::new(sums), Divided::new(seen));
        parallel::each(count.div_ceil(each), lanes, |part, lane| {
            let from = part * each;
            let rows = &rows[from * columns..count.min(from + each) * columns];
            let (first, length) = (from * self.targets, rows.len() / columns * self.targets);
            // SAFETY: each part has rows of its own, each lane its columns.
            let (laid, mut votes) = unsafe {
                let votes = Votes {
                    forest: self,
                    sums: sums.take(first, length),
                    seen: seen.take(first, length),
                };
                (laid.take(lane * width, width), votes)
            };
            let seen =
                shallow.map_or(0, |s| self.look(s, trees.clone(), rows, columns, laid, &mut votes));
            let walk = if self.missing { Self::walk_all::<true> } else { Self::walk_all::<false> };
            walk(self, trees.clone(), rows, columns, seen, &mut votes);
        });
        Ok(())
    }

    /// Looks at rows by sixteens; how many rows that were.
    fn look(
        &self,
        shallow: &Shallow,
        trees: Range<usize>,
        rows: &[f32],
        columns: usize,
        laid: &mut [Column],
        votes: &mut Votes<'_>,
    ) -> usize {
        let mut done = 0;
        for some in rows.chunks(shallow::ROWS * columns) {
            let height = some.len() / columns;
            if height < shallow::WORTH {
                break;
            }
            shallow::lay(some, columns, laid);
            for tree in trees.clone() {
                match shallow.reached(tree, laid) {
                    Reached::Votes(target, weights) => {
                        votes.add_all(done, target, &weights[..height])
                    }
                    Reached::Leaves(leaves) => {
                        let leaves = leaves.iter().enumerate().take(height);
                        leaves.for_each(|(at, leaf)| votes.add(done + at, *leaf));
                    }
                }
            }
            done += height;
        }
        done
    }

    /// Walks with the rows from `first` on.
    fn walk_all<const MISSING: bool>(
        &self,
        trees: Range<usize>,
        rows: &[f32],
        columns: usize,
        first: usize,
        votes: &mut Votes<'_>,
    ) {
        let roots = self.roots.get(trees).unwrap_or_default();
        let count = rows.len() / columns;
        let row = |at: usize| rows[at * columns..].as_ptr();
        let whole = first + (count - first) / LANES * LANES;
        for root in roots {
            for first in (first..whole).step_by(LANES) {
                // SAFETY: each row has as many columns as any step reads.
                let leaves =
                    unsafe { self.walk::<LANES, MISSING>([*root; LANES], |i| row(first + i)) };
                leaves.iter().enumerate().for_each(|(i, leaf)| votes.add(first + i, *leaf));
            }
        }
        for at in whole..count {
            let (some, rest) = roots.as_chunks::<TREES>();
            for roots in some {
                // SAFETY: as above.
                let leaves = unsafe { self.walk::<TREES, MISSING>(*roots, |_| row(at)) };
                leaves.iter().for_each(|leaf| votes.add(at, *leaf));
            }
            for root in rest {
                // SAFETY: as above.
                let [leaf] = unsafe { self.walk::<1, MISSING>([*root], |_| row(at)) };
                votes.add(at, leaf);
            }
        }
    }

    /// From each of these roots to a leaf, by the row at `row(i)`; `MISSING` unless NaN always goes the way of "no".
    ///
    /// # Safety
    /// The roots must be steps, and each row must have `features` readable floats.
    #[inline(always)]
    unsafe fn walk<const N: usize, const MISSING: bool>(
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
                    (step, *row.add((step.feature & !MISSING_YES) as usize))
                };
                let missing = MISSING && (step.feature & MISSING_YES != 0) & x.is_nan();
                *at = step.children[usize::from((x <= step.value) | missing)];
            }
        }
        at
    }
}

/// What the rows of a part get.
struct Votes<'a> {
    forest: &'a Forest,
    sums: &'a mut [f32],
    seen: &'a mut [bool],
}

impl Votes<'_> {
    #[inline(always)]
    fn add(&mut self, row: usize, leaf: u32) {
        let Forest { votes_of, first_leaf, votes, targets, single, .. } = self.forest;
        let at = (leaf - first_leaf) as usize;
        let (sums, seen) = (&mut self.sums[row * targets..], &mut self.seen[row * targets..]);
        if let Some(single) = single {
            let (target, weight) = single[at];
            sums[target as usize] += weight;
            seen[target as usize] = true;
            return;
        }
        let range = &votes_of[at];
        for (target, weight) in &votes[range.start as usize..range.end as usize] {
            let target = *target as usize;
            sums[target] += weight;
            seen[target] = true;
        }
    }
    /// The same of rows that follow each other, and one target.
    #[inline(always)]
    fn add_all(&mut self, first: usize, target: u32, weights: &[f32]) {
        let targets = self.forest.targets;
        let (from, step) = (first * targets + target as usize, targets.max(1));
        let sums = self.sums[from..].iter_mut().step_by(step);
        let seen = self.seen[from..].iter_mut().step_by(step);
        for ((sum, seen), weight) in sums.zip(seen).zip(weights) {
            *sum += weight;
            *seen = true;
        }
    }
}

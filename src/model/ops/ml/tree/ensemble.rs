//! The trees themselves: a flat list of nodes, and the walk from a root to a leaf.
//!
//! In: checked nodes. Out: for a row, the leaf of a tree. Everything is float64, which holds every
//! float32: a comparison of two float32 gives the same in both, and sums are rounded where needed.
//! Trees of float32 with the usual tests are kept as a [`Forest`] too, which is walked many times faster.

use nearside_kernels::trees::{self, Forest};
use tract_onnx::tract_hir::internal::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Leq,
    Lt,
    Gte,
    Gt,
    Eq,
    Neq,
    /// In a set; the node's value is its number.
    Member,
    Leaf,
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) mode: Mode,
    /// NaN goes the way of "yes".
    pub(super) missing_yes: bool,
    pub(super) feature: u32,
    pub(super) value: f64,
    /// Of a leaf the first of its weights.
    pub(super) yes: u32,
    /// Of a leaf how many weights it has.
    pub(super) no: u32,
}

/// A number in the file, not a list: without a limit it could cost any amount of memory.
const MAX_TARGETS: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Ensemble {
    pub(super) nodes: Vec<Node>,
    pub(super) roots: Vec<u32>,
    /// (target, weight)
    pub(super) weights: Vec<(u32, f64)>,
    pub(super) sets: Vec<Vec<f64>>,
    pub(super) targets: usize,
    /// How many columns the trees ask for.
    pub(super) features: usize,
    /// The same trees, where float32 holds them and their tests are of size.
    pub(super) forest: Option<Forest>,
}

/// The same number, where float32 has it.
fn single(value: f64) -> Option<f32> {
    let near = value as f32;
    (f64::from(near) == value).then_some(near)
}

impl Ensemble {
    /// Refuses what a walk could not end in, or could read beyond.
    pub(super) fn checked(mut self) -> TractResult<Self> {
        ensure!((1..=MAX_TARGETS).contains(&self.targets), "it has {} targets", self.targets);
        ensure!(!self.roots.is_empty(), "it has no trees");
        ensure!(
            self.weights.iter().all(|(target, _)| (*target as usize) < self.targets),
            "a leaf adds to a target or class that does not exist"
        );
        for node in &self.nodes {
            if node.mode == Mode::Leaf {
                let end = u64::from(node.yes) + u64::from(node.no);
                ensure!(end <= self.weights.len() as u64, "a leaf has no weight");
            } else {
                let count = self.nodes.len();
                let inside = (node.yes as usize) < count && (node.no as usize) < count;
                ensure!(inside, "a node has no child of the number that it names");
                self.features = self.features.max(node.feature as usize + 1);
            }
        }
        self.refuse_cycles()?;
        self.forest = self.forest();
        Ok(self)
    }

    fn forest(&self) -> Option<Forest> {
        let nodes = self.nodes.iter().map(|node| {
            if node.mode == Mode::Leaf {
                return Some(trees::Node::Leaf(node.yes..node.yes + self.votes(node)));
            }
            let value = single(node.value)?;
            // "Less than" is "at most the number before"; the other two ask the opposite.
            let below = || (value > f32::NEG_INFINITY).then(|| value.next_down());
            let (value, opposite) = match node.mode {
                Mode::Leq => (value, false),
                Mode::Gt => (value, true),
                Mode::Lt => (below()?, false),
                Mode::Gte => (below()?, true),
                Mode::Eq | Mode::Neq | Mode::Member | Mode::Leaf => return None,
            };
            let (yes, no) = if opposite { (node.no, node.yes) } else { (node.yes, node.no) };
            let missing_yes = node.missing_yes != opposite;
            Some(trees::Node::Split { feature: node.feature, value, missing_yes, yes, no })
        });
        let nodes = nodes.collect::<Option<Vec<_>>>()?;
        let weights = self.weights.iter().map(|(target, weight)| Some((*target, single(*weight)?)));
        let weights = weights.collect::<Option<Vec<_>>>()?;
        Forest::new(&nodes, &self.roots, weights, self.targets).ok()
    }

    /// How many weights a leaf adds: where there is one target, one.
    fn votes(&self, leaf: &Node) -> u32 {
        if self.targets == 1 { leaf.no.min(1) } else { leaf.no }
    }

    fn refuse_cycles(&self) -> TractResult<()> {
        /// On the path from the root to here, or done.
        const OPEN: u8 = 1;
        const DONE: u8 = 2;
        let mut state = vec![0u8; self.nodes.len()];
        let mut stack: Vec<u32> = vec![];
        for root in &self.roots {
            ensure!((*root as usize) < self.nodes.len(), "a tree has no root");
            stack.push(*root);
            while let Some(at) = stack.last().map(|at| *at as usize) {
                let node = &self.nodes[at];
                if state[at] != 0 || node.mode == Mode::Leaf {
                    // Seen for the second time: its children are done.
                    state[at] = DONE;
                    stack.pop();
                    continue;
                }
                state[at] = OPEN;
                for child in [node.no, node.yes] {
                    match state[child as usize] {
                        OPEN => bail!("a tree has a cycle"),
                        DONE => {}
                        _ => stack.push(child),
                    }
                }
            }
        }
        Ok(())
    }

    /// The leaf that a row reaches.
    pub(super) fn leaf(&self, root: u32, row: &[f64]) -> &Node {
        let mut node = &self.nodes[root as usize];
        loop {
            let (x, value) = (row.get(node.feature as usize).copied().unwrap_or(0.0), node.value);
            let yes = match node.mode {
                Mode::Leaf => return node,
                Mode::Leq => x <= value,
                Mode::Lt => x < value,
                Mode::Gte => x >= value,
                Mode::Gt => x > value,
                Mode::Eq => x == value,
                Mode::Neq => x != value,
                Mode::Member => self.sets[value as usize].contains(&x),
            };
            let yes = yes || node.missing_yes && x.is_nan();
            node = &self.nodes[if yes { node.yes } else { node.no } as usize];
        }
    }

    pub(super) fn weights_of(&self, leaf: &Node) -> &[(u32, f64)] {
        &self.weights[leaf.yes as usize..][..self.votes(leaf) as usize]
    }
}

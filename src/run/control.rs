//! `Loop` and `SequenceMap`: a nested graph, run again and again.
//!
//! In: the values of the node. Out: those that the last iteration leaves, and what all of them gave,
//! one below the other.

use super::{Run, from_bool, from_integer, need, refused, scalar, sequence};
use crate::error::Result;
use crate::model::{Body, Loop};
use crate::tensor::{DType, Tensor};
use crate::value::Value;

impl Run<'_> {
    pub(super) fn repeat(
        &mut self,
        op: &Loop,
        inputs: &[Option<Value>],
        frame: &[Option<Value>],
    ) -> Result<Vec<Value>> {
        let given = |at: usize| inputs.get(at).and_then(Option::as_ref).map(scalar).transpose();
        let trips = given(0)?.unwrap_or(i64::MAX);
        let mut condition = given(1)?.is_none_or(|c| c != 0);
        let count = inputs.len().saturating_sub(2);
        let mut carried =
            (0..count).map(|at| need(inputs, at + 2).cloned()).collect::<Result<Vec<_>>>()?;
        let mut scans = Stacks::new(op.declared.get(1 + count..).unwrap_or_default());
        let mut iteration = 0;
        while condition && iteration < trips {
            self.spend(1)?;
            let mut given =
                vec![from_integer(iteration, op.ranks[0])?, from_bool(true, op.ranks[1])?];
            given.append(&mut carried);
            let mut made = self.body(&op.body, given, frame)?.into_iter();
            let next = made.next().ok_or_else(|| refused("the body gives no condition"))?;
            condition = scalar(&next)? != 0;
            carried = made.by_ref().take(count).collect();
            scans.push(made, self.limits.tensor_bytes)?;
            iteration += 1;
        }
        if iteration == 0 && scans.is_open() {
            // No turn ran, and what a turn gives is declared in part only: one is tried to learn its shapes.
            let limits = self.limits;
            let mut given = vec![from_integer(0, op.ranks[0])?, from_bool(true, op.ranks[1])?];
            given.extend(carried.iter().cloned());
            if let Ok(made) = self.body(&op.body, given, frame) {
                scans.learn(made.into_iter().skip(1 + count));
            }
            self.limits = limits;
        }
        carried.extend(scans.finish()?);
        Ok(carried)
    }

    /// The first input is a sequence; others are sequences of the same length, or are given to each.
    pub(super) fn map(
        &mut self,
        body: &Body,
        inputs: Vec<Option<Value>>,
        frame: &[Option<Value>],
    ) -> Result<Vec<Value>> {
        let Value::Sequence(first) = need(&inputs, 0)? else {
            return Err(refused("the first input must be a sequence"));
        };
        let mut outputs = vec![vec![]; body.program.outputs.len()];
        for at in 0..first.len() {
            self.spend(1)?;
            let element = |value: &Option<Value>| match value {
                Some(Value::Sequence(list)) => {
                    let element = list.get(at).cloned().map(Value::Tensor);
                    element.ok_or_else(|| refused("the sequences are of different lengths"))
                }
                Some(other) => Ok(other.clone()),
                None => Ok(Value::Absent),
            };
            let given = inputs.iter().map(element).collect::<Result<Vec<_>>>()?;
            let made = self.body(body, given, frame)?;
            for (list, value) in outputs.iter_mut().zip(made) {
                list.push(super::plain(value)?);
                sequence::check_size(list, self.limits.tensor_bytes)?;
            }
        }
        Ok(outputs.into_iter().map(Value::Sequence).collect())
    }
}

/// Outputs that iterations give, one below the other.
pub(super) struct Stacks<'a> {
    declared: &'a [Option<(DType, Vec<usize>)>],
    lists: Vec<Vec<Tensor>>,
    bytes: u64,
    learnt: Vec<Option<(DType, Vec<usize>)>>,
}

impl<'a> Stacks<'a> {
    pub(super) fn new(declared: &'a [Option<(DType, Vec<usize>)>]) -> Self {
        Self { declared, lists: vec![vec![]; declared.len()], bytes: 0, learnt: vec![] }
    }

    pub(super) fn push(&mut self, made: impl Iterator<Item = Value>, limit: u64) -> Result<()> {
        for (list, value) in self.lists.iter_mut().zip(made) {
            let tensor = super::plain(value)?;
            self.bytes += sequence::bytes_of(&tensor);
            sequence::within(self.bytes, limit)?;
            list.push(tensor);
        }
        Ok(())
    }

    /// Whether a declaration leaves a dimension open, which reads as 0.
    fn is_open(&self) -> bool {
        self.declared.iter().any(|d| d.as_ref().is_none_or(|(_, shape)| shape.contains(&0)))
    }

    fn learn(&mut self, made: impl Iterator<Item = Value>) {
        let each = |v: Value| v.tensor().map(|t| (t.dtype(), t.shape().to_vec()));
        self.learnt = made.map(each).collect();
    }

    pub(super) fn finish(self) -> Result<Vec<Value>> {
        let learnt = self.learnt.iter().map(Option::as_ref).chain(std::iter::repeat(None));
        let each = self.lists.into_iter().zip(self.declared).zip(learnt);
        let stacks = each.map(|((list, declared), learnt)| {
            if let [_, ..] = &list[..] {
                return sequence::stack(&list).map(Value::Tensor);
            }
            let (dtype, shape) = learnt
                .or(declared.as_ref())
                .ok_or_else(|| refused("no iteration ran, and the body declares no type"))?;
            let shape: Vec<usize> = std::iter::once(0).chain(shape.iter().copied()).collect();
            sequence::empty(*dtype, &shape).map(Value::Tensor)
        });
        stacks.collect()
    }
}

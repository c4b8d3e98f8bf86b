//! `Scan` where the engine's own cannot be used: operator set 8, with a batch axis and lengths, and
//! bodies with control flow or sequences.
//!
//! In: states, and tensors to go along. Out: the last states, and what every step gave. Behind the end
//! of a shorter sequence of a batch there are zeros, as ONNX says.

use super::control::Stacks;
use super::sequence::{axis_of, concat, pick, stack};
use super::{Run, integers, need, plain, refused};
use crate::error::Result;
use crate::model::Scan;
use crate::tensor::Tensor;
use crate::value::Value;

impl Run<'_> {
    pub(super) fn scan(
        &mut self,
        op: &Scan,
        inputs: &[Option<Value>],
        frame: &[Option<Value>],
    ) -> Result<Vec<Value>> {
        let first = usize::from(op.batched);
        let tensors = (first..inputs.len()).map(|at| plain(need(inputs, at)?.clone()));
        let tensors = tensors.collect::<Result<Vec<_>>>()?;
        if !op.batched {
            return self.along(op, &tensors, None, frame);
        }
        let lengths = inputs.first().and_then(Option::as_ref).and_then(Value::tensor);
        let lengths = lengths.map(integers).transpose()?;
        let batch = tensors.first().and_then(|t| t.shape().first().copied()).unwrap_or(0);
        if tensors.iter().any(|t| t.shape().first() != Some(&batch)) || batch == 0 {
            return Err(refused("the inputs have no common batch axis"));
        }
        let mut outputs: Vec<Vec<Tensor>> = vec![];
        for row in 0..batch {
            let given = tensors.iter().map(|t| pick(t, 0, row)).collect::<Result<Vec<_>>>()?;
            let length = lengths.as_ref().map(|l| l.get(row).copied().unwrap_or(-1));
            let length = length.map(|l| usize::try_from(l).map_err(|_| refused("a bad length")));
            let made = self.along(op, &given, length.transpose()?, frame)?;
            outputs.resize(made.len(), vec![]);
            for (list, value) in outputs.iter_mut().zip(made) {
                list.push(plain(value)?);
            }
        }
        outputs.iter().map(|list| stack(list).map(Value::Tensor)).collect()
    }

    /// Goes along one sequence, `length` steps of it at most.
    fn along(
        &mut self,
        op: &Scan,
        inputs: &[Tensor],
        length: Option<usize>,
        frame: &[Option<Value>],
    ) -> Result<Vec<Value>> {
        let states = inputs.len() - op.scan_inputs;
        let (given, scanned) = inputs.split_at(states);
        let mut axes = vec![];
        for (tensor, axis) in scanned.iter().zip(&op.input_axes) {
            axes.push(axis_of(*axis, tensor.shape().len())?);
        }
        let steps = scanned.iter().zip(&axes).map(|(t, axis)| t.shape()[*axis]);
        let total = steps.clone().next().unwrap_or(0);
        let length = length.unwrap_or(total);
        if steps.clone().any(|n| n != total) || length > total {
            return Err(refused("the scanned inputs are of different lengths"));
        }
        let mut state: Vec<Value> = given.iter().cloned().map(Value::Tensor).collect();
        let mut stacks = Stacks::new(op.declared.get(states..).unwrap_or_default());
        for step in 0..length {
            self.spend(1)?;
            let mut given = std::mem::take(&mut state);
            for ((tensor, axis), reversed) in scanned.iter().zip(&axes).zip(&op.input_reversed) {
                let at = if *reversed { length - 1 - step } else { step };
                given.push(pick(tensor, *axis, at)?.into());
            }
            let mut made = self.body(&op.body, given, frame)?.into_iter();
            state = made.by_ref().take(states).collect();
            stacks.push(made, self.limits.tensor_bytes)?;
        }
        let order = op.output_axes.iter().zip(&op.output_reversed);
        for (stacked, (axis, reversed)) in stacks.finish()?.into_iter().zip(order) {
            let mut tensor = plain(stacked)?;
            let axis = axis_of(*axis, tensor.shape().len())?;
            if length < total {
                let mut shape = tensor.shape().to_vec();
                shape[0] = total - length;
                let size = shape.iter().product::<usize>() * tensor.dtype().size();
                let zeros = Tensor::from_bytes(tensor.dtype(), &shape, &vec![0; size])?;
                tensor = concat(&[tensor, zeros], 0, false)?;
            }
            if axis != 0 || *reversed {
                let count = tensor.shape()[0];
                let at = |n: usize| if *reversed { count - 1 - n } else { n };
                let parts = (0..count).map(|n| pick(&tensor, 0, at(n)));
                let parts = parts.collect::<Result<Vec<_>>>()?;
                if !parts.is_empty() {
                    tensor = concat(&parts, axis, true)?;
                }
            }
            state.push(tensor.into());
        }
        Ok(state)
    }
}

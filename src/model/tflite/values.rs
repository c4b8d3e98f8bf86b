//! The values of a graph: under which name each tensor is read.
//!
//! In: tensors of the file, as they are stored or as operators make them. Out: names. Quantised tensors have two: of
//! their integers, and of the float32 numbers that they stand for.

use tract_onnx::pb::tensor_proto::DataType;

use super::graph::{Graph, Refused};
use super::nodes::{int, ints};
use super::tensor::Quantisation;

impl Graph<'_> {
    /// A tensor is there as the file stores it, under `name`.
    pub(super) fn made(&mut self, at: usize, name: String) {
        match self.tensors[at].quantisation.clone() {
            None => {
                self.values.insert(at, name);
            }
            Some(q) => {
                let value = self.quantised("DequantizeLinear", &name, &q, at);
                self.integers.insert(at, name);
                self.values.insert(at, value);
            }
        }
    }

    fn quantised(&mut self, op_type: &str, input: &str, q: &Quantisation, at: usize) -> String {
        let dtype = self.tensors[at].dtype;
        let dims: &[usize] = if q.scale.len() > 1 { &[q.scale.len()] } else { &[] };
        let scale = self.floats(&q.scale.clone(), dims);
        let zero = |i: usize| q.zero.get(i).or(q.zero.first()).copied().unwrap_or(0);
        let zeros = (0..q.scale.len()).map(zero);
        let bytes = zeros.flat_map(|z| match dtype {
            DataType::Int16 => (z as i16).to_le_bytes().to_vec(),
            DataType::Int32 => (z as i32).to_le_bytes().to_vec(),
            _ => vec![z as u8],
        });
        let zero = self.raw(dtype, dims, bytes.collect());
        self.node(op_type, &[input, &scale, &zero], vec![int("axis", q.axis as i64)])
    }

    /// The name to read a tensor under.
    pub(super) fn value(&mut self, at: usize) -> Refused<String> {
        if let Some(name) = self.values.get(&at) {
            return Ok(name.clone());
        }
        let tensor = self.tensors[at].clone();
        if tensor.is_variable {
            return Err(format!("`{}` is kept from run to run", tensor.name));
        }
        if let Some(floats) = self.folded.get(&at).cloned() {
            let name = self.floats(&floats, &tensor.shape);
            self.values.insert(at, name.clone());
            return Ok(name);
        }
        let name = if tensor.is_quantised() {
            let floats = tensor.floats();
            let floats = floats.ok_or_else(|| format!("nothing makes `{}`", tensor.name))?;
            self.floats(&floats, &tensor.shape)
        } else {
            let data = tensor.constant().map(<[u8]>::to_vec);
            let empty = || (tensor.count() == Some(0)).then(Vec::new);
            let data = data.or_else(empty);
            let data = data.ok_or_else(|| format!("nothing makes `{}`", tensor.name))?;
            self.raw(tensor.dtype, &tensor.shape, data)
        };
        self.values.insert(at, name.clone());
        Ok(name)
    }

    /// A constant that is made while the file is read takes the place of an operator's output.
    pub(super) fn constant(&mut self, at: usize, data: Vec<f32>) {
        self.folded.insert(at, data);
    }

    /// An operator's result, as it comes out of float32 arithmetic.
    pub(super) fn give(&mut self, at: usize, value: String) {
        let Some(q) = self.tensors[at].quantisation.clone() else {
            self.values.insert(at, value);
            return;
        };
        let integers = self.quantised("QuantizeLinear", &value, &q, at);
        self.made(at, integers);
    }

    /// Weights with their axes in another order, turned here where they are constants.
    pub(super) fn turned_weights(&mut self, at: usize, order: &[i64]) -> Refused<String> {
        let key = (at, order.to_vec());
        if let Some(name) = self.turned.get(&key) {
            return Ok(name.clone());
        }
        let name = match self.folded.get(&at).cloned().or_else(|| self.tensors[at].floats()) {
            Some(floats) => {
                let axes: Vec<usize> = order.iter().map(|a| *a as usize).collect();
                let (turned, shape) = turn(&floats, &self.tensors[at].shape, &axes);
                self.floats(&turned, &shape)
            }
            None => {
                let value = self.value(at)?;
                self.node("Transpose", &[&value], vec![ints("perm", order)])
            }
        };
        self.turned.insert(key, name.clone());
        Ok(name)
    }
}

/// Elements with their axes in another order.
fn turn(from: &[f32], shape: &[usize], axes: &[usize]) -> (Vec<f32>, Vec<usize>) {
    let stride = |axis: usize| shape[axis + 1..].iter().product::<usize>();
    let strides: Vec<usize> = axes.iter().map(|a| stride(*a)).collect();
    let sizes: Vec<usize> = axes.iter().map(|a| shape[*a]).collect();
    let mut index = vec![0; axes.len()];
    let mut turned = Vec::with_capacity(from.len());
    for _ in 0..from.len() {
        let at: usize = index.iter().zip(&strides).map(|(i, s)| i * s).sum();
        turned.push(from.get(at).copied().unwrap_or_default());
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            if index[axis] < sizes[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    (turned, sizes)
}

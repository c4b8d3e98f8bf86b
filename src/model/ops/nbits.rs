//! com.microsoft `MatMulNBits`: a product with weights of 2, 4 or 8 bits in blocks along K.
//!
//! In: activations, packed weights, a scale and maybe a zero point a block. Out: the product in
//! float32. The weights stay packed; a column is unpacked into a buffer just before it is used, with
//! the scales as the file has them. (The importer's own lowering rounds scales to float16, and
//! unpacks all weights for good where the block size is not 32.)

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::lower::{Built, lowered};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MatMulNBits {
    pub(crate) k: usize,
    pub(crate) n: usize,
    pub(crate) bits: usize,
    pub(crate) block: usize,
    /// A zero point a block comes after the scales; else it is the middle code.
    pub(crate) zeros: bool,
    /// A block index for every row of K comes last.
    pub(crate) groups: bool,
}

crate::codec::fields! { MatMulNBits { k, n, bits, block, zeros, groups } }

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let given = |at: usize| node.input.get(at).is_some_and(|i| !i.is_empty());
    let op = MatMulNBits {
        k: node.get_attr("K")?,
        n: node.get_attr("N")?,
        bits: node.get_attr_opt("bits")?.unwrap_or(4),
        block: node.get_attr("block_size")?,
        zeros: given(3),
        groups: given(4),
    };
    ensure!(matches!(op.bits, 2 | 4 | 8), "{} bits are not supported", op.bits);
    ensure!(op.block >= 16 && op.block.is_power_of_two(), "block_size {}", op.block);
    lowered(node, move |g, inputs| {
        let a = inputs.need(0)?;
        let dtype = g.dtype(a)?;
        let mut operands = tvec!(g.f32(a)?, inputs.need(1)?, g.f32(inputs.need(2)?)?);
        if let Some(zeros) = inputs.get(3) {
            // Packed like the weights, or one float a block.
            let packed = g.dtype(zeros)? == DatumType::U8;
            operands.push(if packed { zeros } else { g.f32(zeros)? });
        }
        if let Some(groups) = inputs.get(4) {
            operands.push(g.cast(groups, DatumType::I64)?);
        }
        let mut y = g.op(op.clone(), &operands)?;
        if let Some(bias) = inputs.get(5) {
            let bias = g.f32(bias)?;
            y = g.add(y, bias)?;
        }
        Ok(tvec!(g.cast(y, dtype)?))
    })
}

/// The code at `at` among codes of `bits` bits, the lowest bits first.
pub(super) fn code(bytes: &[u8], at: usize, bits: usize) -> u8 {
    let each = 8 / bits;
    let byte = bytes.get(at / each).copied().unwrap_or(0);
    (byte >> (bits * (at % each))) & (255 >> (8 - bits))
}

impl MatMulNBits {
    fn blocks(&self) -> usize {
        self.k.div_ceil(self.block)
    }

    /// The code at `at` among those of a column.
    pub(crate) fn code(&self, column: &[u8], at: usize) -> u8 {
        code(column, at, self.bits)
    }

    /// What reading unpacked relies on.
    fn check(&self, inputs: &[&TypedFact]) -> TractResult<()> {
        ensure!(
            matches!(self.bits, 2 | 4 | 8) && self.block > 0,
            "{} bits in blocks of {}",
            self.bits,
            self.block
        );
        ensure!(inputs.len() == 3 + usize::from(self.zeros) + usize::from(self.groups));
        let a = inputs[0];
        ensure!(a.rank() > 0 && a.shape[a.rank() - 1] == self.k.to_dim(), "A is not [.., K]");
        ensure!(inputs[1].datum_type == DatumType::U8, "B is not uint8");
        let holds = |at: usize, wanted: usize| -> TractResult<()> {
            let found = inputs[at].shape.volume();
            ensure!(found == wanted.to_dim(), "operand {at} has {found} elements, not {wanted}");
            Ok(())
        };
        let blocks = self.n * self.blocks();
        holds(1, blocks * self.block * self.bits / 8)?;
        holds(2, blocks)?;
        if self.zeros {
            let packed = self.n * (self.blocks() * self.bits).div_ceil(8);
            let is_packed = inputs[3].datum_type == DatumType::U8;
            holds(3, if is_packed { packed } else { blocks })?;
        }
        if self.groups {
            let length = inputs[inputs.len() - 1].shape.volume().to_usize()?;
            ensure!(length >= self.k, "g_idx has {length} elements for {} rows", self.k);
        }
        Ok(())
    }
}

impl Op for MatMulNBits {
    fn name(&self) -> StaticName {
        "MatMulNBits".into()
    }

    op_as_typed_op!();
}

impl EvalOp for MatMulNBits {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let blocks = self.blocks();
        let plain =
            inputs.iter().map(|i| i.try_as_plain_ram()).collect::<TractResult<TVec<_>>>()?;
        let a = plain[0].as_slice::<f32>()?;
        let weights = plain[1].as_slice::<u8>()?;
        let scales = plain[2].as_slice::<f32>()?;
        let mut shape: TVec<usize> = inputs[0].shape().into();
        if let Some(last) = shape.last_mut() {
            *last = self.n;
        }
        let rows = a.len() / self.k.max(1);
        let mut output = Tensor::zero::<f32>(&shape)?;
        let mut output_plain = output.try_as_plain_ram_mut()?;
        let y = output_plain.as_slice_mut::<f32>()?;
        let groups: Option<&[i64]> = match plain.last() {
            Some(last) if self.groups => Some(last.as_slice()?),
            _ => None,
        };
        let zeros = if self.zeros { Some(&plain[3]) } else { None };
        let mut zero_row = vec![(1 << (self.bits - 1)) as f32; blocks];
        let mut column = vec![0f32; blocks * self.block];
        let stride = blocks * self.block * self.bits / 8;
        for n in 0..self.n {
            match zeros {
                Some(z) if inputs[3].datum_type() == DatumType::U8 => {
                    let bytes = (blocks * self.bits).div_ceil(8);
                    let bytes = &z.as_slice::<u8>()?[n * bytes..][..bytes];
                    for (at, zero) in zero_row.iter_mut().enumerate() {
                        *zero = f32::from(code(bytes, at, self.bits));
                    }
                }
                Some(z) => {
                    zero_row.copy_from_slice(&z.as_slice::<f32>()?[n * blocks..][..blocks]);
                }
                None => {}
            }
            let bytes = &weights[n * stride..][..stride];
            unpack(bytes, self.bits, &mut column);
            let scales = &scales[n * blocks..][..blocks];
            match groups {
                None => {
                    for (block, part) in column.chunks_exact_mut(self.block).enumerate() {
                        let (zero, scale) = (zero_row[block], scales[block]);
                        part.iter_mut().for_each(|q| *q = (*q - zero) * scale);
                    }
                }
                Some(groups) => {
                    for (q, group) in column.iter_mut().zip(groups) {
                        let block = usize::try_from(*group).ok().filter(|b| *b < blocks);
                        let block = block.context("g_idx names no block")?;
                        *q = (*q - zero_row[block]) * scales[block];
                    }
                }
            }
            multiply(a, &column[..self.k], rows, &mut y[n..], self.n);
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

fn unpack(bytes: &[u8], bits: usize, out: &mut [f32]) {
    match bits {
        4 => {
            for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
                pair[0] = f32::from(byte & 15);
                pair[1] = f32::from(byte >> 4);
            }
        }
        8 => out.iter_mut().zip(bytes).for_each(|(q, byte)| *q = f32::from(*byte)),
        _ => out.iter_mut().enumerate().for_each(|(at, q)| *q = f32::from(code(bytes, at, bits))),
    }
}

/// `y[r * step] = a[r] · column`. Rows go four at a time, so that a column is read once for four;
/// eight partial sums are what vector registers want.
fn multiply(a: &[f32], column: &[f32], rows: usize, y: &mut [f32], step: usize) {
    let k = column.len();
    let mut row = 0;
    while row + 4 <= rows {
        let sums = dot(std::array::from_fn::<_, 4, _>(|r| &a[(row + r) * k..][..k]), column);
        for (r, sum) in sums.into_iter().enumerate() {
            y[(row + r) * step] = sum;
        }
        row += 4;
    }
    for row in row..rows {
        y[row * step] = dot([&a[row * k..][..k]], column)[0];
    }
}

fn dot<const R: usize>(rows: [&[f32]; R], column: &[f32]) -> [f32; R] {
    const LANES: usize = 8;
    let mut sums = [[0f32; LANES]; R];
    let whole = column.len() / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        let c = &column[at..at + LANES];
        for (sum, row) in sums.iter_mut().zip(rows) {
            let r = &row[at..at + LANES];
            for lane in 0..LANES {
                sum[lane] += r[lane] * c[lane];
            }
        }
    }
    std::array::from_fn(|r| {
        let tail = rows[r][whole..].iter().zip(&column[whole..]).map(|(a, b)| a * b).sum::<f32>();
        sums[r].iter().sum::<f32>() + tail
    })
}

impl TypedOp for MatMulNBits {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        self.check(inputs)?;
        let mut shape = inputs[0].shape.to_tvec();
        if let Some(last) = shape.last_mut() {
            *last = self.n.to_dim();
        }
        Ok(tvec!(f32::fact(shape)))
    }

    as_op!();
}

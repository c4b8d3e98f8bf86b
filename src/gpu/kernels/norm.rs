//! Layer and RMS norms over the last axes.
//!
//! In: `Normalisation`. Out: one dispatch, in which neighbouring invocations share a row.

use nearside_kernels::norm::Norm;
use tract_onnx::prelude::*;

use super::reduce::{lanes, spread};
use super::shared::Lanes;
use crate::cpu::norm::Normalisation;
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::kernel::Param;

const BODY: &str = wgsl!("norm.wgsl");

pub(crate) fn lower(cx: &mut Cx, op: &Normalisation) -> Lowered<()> {
    let view = cx.dense_input(0)?;
    if view.datum != DatumType::F32 {
        return because("a norm of another type than float32");
    }
    let width = op.width(&view.shape);
    let rows = view.len() / width;
    let lanes = Lanes::new(cx, lanes(width), 64, true);
    let (groups, across) = spread(rows.div_ceil(64 / lanes.count));
    let output = cx.output(0)?;
    let head = format!(
        "const LANES = {}u;\nconst CENTRED = {};\nconst SCALED = {};\nconst SHIFTED = {};\n{}{}",
        lanes.count,
        op.norm == Norm::Deviation,
        op.scale.is_some(),
        op.shift.is_some(),
        lanes.parts("f32"),
        lanes.join("shared_sum", "f32", "a + b")
    );
    let mut reads = vec![view.clone()];
    for column in [&op.scale, &op.shift] {
        // What is absent is bound, but not read.
        reads.push(match column {
            Some(column) => cx.builder.constant(Arc::new(tensor1(column)))?,
            None => view.clone(),
        });
    }
    let mut kernel = cx.kernel(head + BODY, groups, output);
    kernel.params = vec![
        ("across".to_owned(), Param::U(across)),
        ("rows".to_owned(), Param::U(rows as u32)),
        ("length".to_owned(), Param::U(width as u32)),
        ("epsilon".to_owned(), Param::F(op.epsilon)),
    ];
    kernel.reads = reads;
    cx.run(kernel);
    Ok(())
}

//! Regions of a feature map, each sampled into a grid of one size.
//!
//! In: `RoiAlign`, as the CPU has it. Out: one dispatch, and a count of regions that lie in no entry of the batch.

use tract_onnx::prelude::DatumType;

use super::flat::elements;
use super::gather::counted;
use crate::gpu::builder::{Cx, Lowered, because};
use crate::gpu::kernel::Param;
use crate::gpu::value::Carrier;
use crate::model::ops::{Coded, RoiAlign};

const BODY: &str = wgsl!("roi_align.wgsl");
/// Samples along an axis of a cell that one invocation takes; the CPU holds more against a limit of the whole.
const MOST_SAMPLES: usize = 64;

pub(crate) fn lower(cx: &mut Cx, coded: &Coded<'_, RoiAlign>) -> Lowered<()> {
    let op = coded.code;
    if op.sampling > MOST_SAMPLES || !op.bounds([op.sampling.max(1); 2]) {
        return because("very many samples of a cell");
    }
    let mut reads = vec![];
    for at in 0..3 {
        let Some(slot) = coded.slots.get(at).copied().flatten() else {
            return because("an input is missing");
        };
        reads.push(cx.dense_input(slot)?);
    }
    let [_, channels, height, width] = reads[0].shape[..] else {
        return because("a feature map of other axes");
    };
    let floats = reads[..2].iter().all(|view| view.datum == DatumType::F32);
    let fits = reads[1].len() == 4 * reads[2].len() && reads[2].carrier == Carrier::I32;
    if !floats || !fits {
        return because("regions of another form");
    }
    let entries = reads[2].clone();
    let told = format!("`{}` has a region in no entry of the batch", cx.node.name);
    let most = Param::I(i32::try_from(reads[0].shape[0]).unwrap_or(i32::MAX));
    let bad = "  return select(0u, 1u, in0[k] < 0 || in0[k] >= p.entries);\n";
    let params = vec![("entries".to_owned(), most)];
    counted(cx, bad, entries.len(), (params, vec![entries]), told)?;
    let (shift, least) =
        if op.half_pixel { ("0.5", "-3.4028234663852886e38f") } else { ("0.0", "1.0") };
    let body = format!(
        "const MAX = {};\nconst SHIFT = {shift};\nconst LEAST = {least};\nconst SAMPLES = {}u;\n{BODY}",
        op.max, op.sampling
    );
    let output = cx.output(0)?;
    let mut kernel = elements(cx, &body, output)?;
    let u = |name: &str, v: usize| (name.to_owned(), Param::U(v as u32));
    kernel.params.extend([
        u("rows", op.rows),
        u("columns", op.columns),
        u("channels", channels),
        u("height", height),
        u("width", width),
        ("scale".to_owned(), Param::F(op.scale as f32)),
    ]);
    kernel.reads = reads;
    cx.run(kernel);
    Ok(())
}

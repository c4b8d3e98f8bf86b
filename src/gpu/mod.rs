//! The WebGPU engine: parts of a concrete-shaped graph as prebuilt lists of dispatches.
//!
//! In: nodes of the engine's decluttered graph, chosen by `plan::partition`. Out: a [`Program`] that is
//! replayed for each run. No type of the GPU enters the CPU engine: what it computes crosses as tensors.
//!
//! ```text
//! node ─► lower (THE table) ─► Builder: kernels over views ─► arena ─► Program ─► submit ─► readback
//! ```
//!
//! # Adding a kernel family
//!
//! 1. `kernels/<family>.rs`: `pub(crate) fn lower(cx: &mut Cx, op: &TheOp) -> Lowered<()>`. First what
//!    it cannot do: `return because("…")`, the words that the plan shows for the node. Then read with
//!    `cx.input(i)` (a strided [`value::View`]; use its strides where the kernel can, `cx.dense_input(i)`
//!    where it cannot), `cx.konst(i)` for what must be known when planning, `cx.output(0)` for where the
//!    result goes, and `cx.run(kernel)`.
//! 2. An operator that is an expression of single elements needs no kernel: `cx.elementwise(text, …)`.
//!    One that only moves elements is `cx.alias(…)` or a copy (`cx.run_elements(Chain::copy(view), …)`).
//! 3. `kernels/<family>.wgsl`: the body, with `main`. It reads `in0`, `in1`, … (in the order of
//!    `kernel.reads`; four at a time where `kernel.wide` says so), parameters as `p.name` (`kernel.params`), and hands element `i` of the dense
//!    output to `store(i, value)`: what follows in the graph is fused behind it. Sizes are parameters;
//!    only what changes the text's structure is a constant that the host writes above the body.
//!    Named accumulators, no indexed private arrays; workgroup memory is not zeroed.
//! 4. One row in `lower.rs`, and the node tests of the operator:
//!    `nearside check --conformance DIR --device gpu`.
//!
//! A kernel may be made of several dispatches (`cx.temporary` for what lies between them), and may take the
//! place of dispatches before it ([`kernel::Pattern`]; attention does). Elements take 32 bits each, those of float16 16
//! where the adapter has that: a body reads them as f32 all the same, `store` rounds, and a body that writes `out0[…]`
//! itself writes `view.stored()`. One that multiplies f16 says `kernel.narrow`, and reads what lies so as it is; then
//! few products are added before the sum, which is f32, is. 64-bit integers are
//! computed in 32 bits, and inputs beyond that range make the run go to the CPU. What invocations share goes
//! through `kernels/shared.rs`, which has subgroups where the adapter has them.

mod arena;
#[cfg(target_arch = "wasm32")]
pub(crate) mod borrowed;
pub(crate) mod builder;
mod chain;
mod device;
mod kernel;
mod kernels;
pub(crate) mod lower;
mod memory;
mod own;
mod page;
mod pipelines;
mod program;
mod readback;
mod resident;
mod stopwatch;
#[cfg(test)]
mod tests;
pub(crate) mod transfer;
pub(crate) mod value;
mod verdicts;

pub(crate) use builder::{Builder, Limits};
pub(crate) use device::Device;
pub use device::{Gpu, GpuOptions};
pub(crate) use own::Lent;
pub(crate) use program::{Exchange, Program};
pub use resident::GpuTensor;
pub(crate) use stopwatch::Timed;
pub use verdicts::{Verdict, Verdicts};

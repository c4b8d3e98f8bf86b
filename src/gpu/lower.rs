//! THE table: operator of the engine's core -> kernel, or why not.
//!
//! In: a node of a concrete-shaped graph. Out: dispatches in the [`Builder`], or a [`Reason`]. A new
//! operator is one row here; see [`super`] for how to add a family.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::AxisOp;
use tract_onnx::tract_core::ops::Downsample;
use tract_onnx::tract_core::ops::array::{
    CumSum, FiniteReshape, Gather, GatherElements, GatherNd, MultiBroadcastTo, OneHot, Pad,
    ScatterElements, ScatterNd, Slice, Tile, Topk, Trilu, TypedConcat,
};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::cnn::{Conv, Deconv, MaxPool, SumPool};
use tract_onnx::tract_core::ops::einsum::prefix_matmul::PrefixMatMul;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::fft::Fft;
use tract_onnx::tract_core::ops::identity::Identity;
use tract_onnx::tract_core::ops::logic::Iff;
use tract_onnx::tract_core::ops::nn::grid_sample::GridSample;
use tract_onnx::tract_core::ops::nn::resize::NearestUpsample;
use tract_onnx::tract_core::ops::nn::{Reduce, Resize, RmsNorm, Softmax};
use tract_onnx::tract_core::ops::quant::DequantizeLinearF32;
use tract_onnx::tract_core::ops::source::TypedSource;
use tract_onnx_opl::resize::Resize as OnnxResize;

use super::builder::{Builder, Cx, Lowered, Origin, because};
use super::kernels::{
    attention_onnx, conv, deconv, deform_conv, elementwise, gather, grid, group_query, layout,
    linear_attention, matmul, narrow, nbits, norm, pad, pool, quantize, recurrent, reduce, resize,
    roi_align, select, tensor_scatter, transform,
};
use crate::cpu::norm::Normalisation;
use crate::cpu::recurrence::Recurrence;
use crate::model::ops::{
    Attention, CausalConv, DeformConv, GatherBlocks, GroupQuery, LinearAttention, MatMulNBits,
    Quotient, RoiAlign, RoundTo, TensorScatter, ToNarrow, code_of,
};
use crate::optimize::{CheckDivisors, CheckIndices, Stride};

/// Lowers a node whose operator it knows; `None` for all others.
type Row = fn(&mut Cx, &dyn TypedOp) -> Option<Lowered<()>>;

macro_rules! row {
    // An operator that the CPU has as code of ours.
    (code $op:ty => $lower:path) => {
        |cx, _| code_of::<$op>(cx.node).map(|code| $lower(cx, &code))
    };
    ($op:ty => $lower:path) => {
        |cx, op| op.downcast_ref::<$op>().map(|op| $lower(cx, op))
    };
}

const TABLE: &[Row] = &[
    row!(ElementWiseOp => elementwise::unary),
    row!(TypedBinOp => elementwise::binary),
    row!(Iff => elementwise::select),
    row!(Cast => elementwise::cast),
    row!(Identity => layout::identity),
    row!(AxisOp => layout::axis),
    row!(Slice => layout::slice),
    row!(MultiBroadcastTo => layout::broadcast),
    row!(TypedConcat => layout::concat),
    row!(Tile => layout::tile),
    row!(Pad => pad::pad),
    row!(PrefixMatMul => matmul::lower),
    row!(Conv => conv::lower),
    row!(MaxPool => pool::max),
    row!(SumPool => pool::sum),
    row!(Reduce => reduce::reduce),
    row!(Softmax => reduce::softmax),
    row!(RmsNorm => reduce::rms_norm),
    row!(FiniteReshape => layout::reshape),
    row!(Downsample => layout::downsample),
    row!(Stride => layout::stride),
    row!(Deconv => deconv::lower),
    row!(CheckIndices => gather::check),
    row!(CheckDivisors => gather::divisors),
    row!(Gather => gather::gather),
    row!(GatherElements => gather::gather_elements),
    row!(GatherNd => gather::gather_nd),
    row!(ScatterElements => gather::scatter_elements),
    row!(ScatterNd => gather::scatter_nd),
    row!(Resize => resize::resize),
    row!(OnnxResize => resize::resize_onnx),
    row!(NearestUpsample => resize::nearest),
    row!(Topk => select::topk),
    row!(CumSum => select::cumsum),
    row!(OneHot => select::one_hot),
    row!(Trilu => select::trilu),
    row!(DequantizeLinearF32 => quantize::dequantize),
    row!(Quotient => quantize::quotient),
    row!(RoundTo => quantize::round_to),
    row!(ToNarrow => narrow::round),
    row!(MatMulNBits => nbits::product),
    row!(GatherBlocks => nbits::gather),
    row!(GridSample => grid::sample),
    row!(Fft => transform::lower),
    row!(Normalisation => norm::lower),
    row!(Recurrence => recurrent::lower),
    row!(code GroupQuery => group_query::lower),
    row!(code Attention => attention_onnx::lower),
    row!(code TensorScatter => tensor_scatter::lower),
    row!(code DeformConv => deform_conv::lower),
    row!(code RoiAlign => roi_align::lower),
    row!(code LinearAttention => linear_attention::attention),
    row!(code CausalConv => linear_attention::convolution),
];

/// How an ONNX operator comes to run on the GPU.
#[derive(Clone, Copy, Debug)]
pub enum Ran {
    /// By the kernels of these families, into whose operators the import takes it apart; the case shows it.
    By(&'static str, &'static str),
    /// Not in a run: its result is known when the plan is made; the case shows it.
    Planned(&'static str),
    /// Not at all, and why.
    Never(&'static str),
}

/// What becomes of each operator that ONNX Runtime's WebGPU provider has: the table above knows operators of the
/// engine's core, into which the importer takes those of a file apart. Cases are of the node tests, or
/// `family::case` of `tests/cases/operators`; `tests/native/gpu.rs` runs them.
pub const OPERATORS: &[(&str, Ran)] = &[
    ("Abs", Ran::By("elementwise", "test_abs")),
    ("Acos", Ran::By("elementwise", "test_acos")),
    ("Acosh", Ran::By("elementwise", "test_acosh")),
    ("Add", Ran::By("elementwise", "test_add")),
    ("ArgMax", Ran::By("reduce", "test_argmax_keepdims_random")),
    ("ArgMin", Ran::By("reduce", "test_argmin_keepdims_random")),
    ("Asin", Ran::By("elementwise", "test_asin")),
    ("Asinh", Ran::By("elementwise", "test_asinh")),
    ("Atan", Ran::By("elementwise", "test_atan")),
    ("Atanh", Ran::By("elementwise", "test_atanh")),
    ("Attention", Ran::By("matmul, reduce", "microsoft::Attention")),
    ("AveragePool", Ran::By("pool", "test_averagepool_2d_pads")),
    ("BatchNormalization", Ran::By("elementwise", "test_batchnorm_example")),
    ("BiasAdd", Ran::By("elementwise", "webgpu::BiasAdd")),
    ("BiasSplitGelu", Ran::By("elementwise", "webgpu::BiasSplitGelu")),
    ("Cast", Ran::By("elementwise", "test_cast_FLOAT_to_DOUBLE")),
    ("Ceil", Ran::By("elementwise", "test_ceil")),
    ("Clip", Ran::By("elementwise", "test_clip")),
    ("Concat", Ran::By("layout", "test_concat_3d_axis_1")),
    ("Conv", Ran::By("conv", "webgpu::Conv_3x3")),
    ("ConvTranspose", Ran::By("deconv", "test_convtranspose")),
    ("Cos", Ran::By("elementwise", "test_cos")),
    ("Cosh", Ran::By("elementwise", "test_cosh")),
    ("CumSum", Ran::By("select", "test_cumsum_1d")),
    ("DFT", Ran::By("transform", "webgpu::DFT_96")),
    ("DepthToSpace", Ran::By("layout", "test_depthtospace_example")),
    ("DequantizeLinear", Ran::By("elementwise", "test_dequantizelinear")),
    ("Div", Ran::By("elementwise", "test_div")),
    ("Einsum", Ran::By("matmul", "webgpu::Einsum")),
    ("Elu", Ran::By("elementwise", "test_elu")),
    ("Equal", Ran::By("elementwise", "test_equal")),
    ("Erf", Ran::By("elementwise", "test_erf")),
    ("Exp", Ran::By("elementwise", "test_exp")),
    ("Expand", Ran::By("layout", "test_expand_dim_changed")),
    ("FastGelu", Ran::By("elementwise", "microsoft::FastGelu")),
    ("Flatten", Ran::By("layout", "test_flatten_axis1")),
    ("Floor", Ran::By("elementwise", "test_floor")),
    ("FusedConv", Ran::By("conv", "microsoft::FusedConv_Relu")),
    ("Gather", Ran::By("gather", "test_gather_1")),
    ("GatherBlockQuantized", Ran::By("nbits", "microsoft::GatherBlockQuantized_4_32")),
    ("GatherElements", Ran::By("gather", "test_gather_elements_1")),
    ("GatherND", Ran::By("gather", "test_gathernd_example_float32")),
    ("Gelu", Ran::By("elementwise", "test_gelu_default_1")),
    ("Gemm", Ran::By("matmul", "test_gemm_all_attributes")),
    ("GlobalAveragePool", Ran::By("pool", "test_globalaveragepool")),
    ("GlobalMaxPool", Ran::By("pool", "test_globalmaxpool")),
    ("Greater", Ran::By("elementwise", "test_greater")),
    ("GreaterOrEqual", Ran::By("elementwise", "test_greater_equal")),
    ("GridSample", Ran::By("grid", "webgpu::GridSample_bilinear_border_1")),
    ("GroupQueryAttention", Ran::By("group_query", "forms::GroupQueryAttention_token_rotary")),
    ("HardSigmoid", Ran::By("elementwise", "test_hardsigmoid")),
    ("HardSwish", Ran::By("elementwise", "test_hardswish")),
    ("If", Ran::Planned("test_if")),
    ("InstanceNormalization", Ran::By("reduce, elementwise", "test_instancenorm_example")),
    ("LayerNormalization", Ran::By("norm", "test_layer_normalization_4d_axis1")),
    ("LeakyRelu", Ran::By("elementwise", "test_leakyrelu")),
    ("Less", Ran::By("elementwise", "test_less")),
    ("LessOrEqual", Ran::By("elementwise", "test_less_equal")),
    ("Log", Ran::By("elementwise", "test_log")),
    ("MatMul", Ran::By("matmul", "webgpu::MatMul_batch_computed")),
    ("MatMulNBits", Ran::By("nbits", "microsoft::MatMulNBits_4_32x64_1")),
    ("MaxPool", Ran::By("pool", "test_maxpool_2d_pads")),
    ("MemcpyFromHost", Ran::Never("ONNX Runtime's own copy, no operator of a file")),
    ("MemcpyToHost", Ran::Never("ONNX Runtime's own copy, no operator of a file")),
    ("Mul", Ran::By("elementwise", "test_mul")),
    ("MultiHeadAttention", Ran::By("matmul, reduce", "microsoft::MultiHeadAttention")),
    ("Neg", Ran::By("elementwise", "test_neg")),
    ("Not", Ran::By("elementwise", "test_not_4d")),
    ("Pad", Ran::By("pad", "test_reflect_pad")),
    ("Pow", Ran::By("elementwise", "test_pow")),
    ("QuickGelu", Ran::By("elementwise", "microsoft::QuickGelu")),
    ("Range", Ran::Planned("test_range_float_type_positive_delta")),
    ("Reciprocal", Ran::By("elementwise", "test_reciprocal")),
    ("ReduceL1", Ran::By("reduce", "test_reduce_l1_keep_dims_random")),
    ("ReduceL2", Ran::By("reduce", "test_reduce_l2_keep_dims_random")),
    ("ReduceLogSum", Ran::By("reduce", "test_reduce_log_sum_default")),
    ("ReduceLogSumExp", Ran::By("reduce", "test_reduce_log_sum_exp_keepdims_random")),
    ("ReduceMax", Ran::By("reduce", "test_reduce_max_keepdims_random")),
    ("ReduceMean", Ran::By("reduce", "test_reduce_mean_keepdims_random")),
    ("ReduceMin", Ran::By("reduce", "test_reduce_min_keepdims_random")),
    ("ReduceProd", Ran::By("reduce", "test_reduce_prod_keepdims_random")),
    ("ReduceSum", Ran::By("reduce", "test_reduce_sum_keepdims_random")),
    ("ReduceSumSquare", Ran::By("reduce", "test_reduce_sum_square_keepdims_random")),
    ("Relu", Ran::By("elementwise", "test_relu")),
    ("Reshape", Ran::By("layout", "test_reshape_reduced_dims")),
    ("Resize", Ran::By("resize", "test_resize_upsample_scales_cubic")),
    ("RotaryEmbedding", Ran::By("gather, elementwise", "microsoft::RotaryEmbedding")),
    ("ScatterND", Ran::By("gather", "test_scatternd")),
    ("Shape", Ran::Planned("test_shape")),
    ("Sigmoid", Ran::By("elementwise", "test_sigmoid")),
    ("SimplifiedLayerNormalization", Ran::By("norm", "webgpu::SimplifiedLayerNormalization")),
    ("Sin", Ran::By("elementwise", "test_sin")),
    ("Sinh", Ran::By("elementwise", "test_sinh")),
    ("SkipLayerNormalization", Ran::By("norm", "microsoft::SkipLayerNormalization")),
    (
        "SkipSimplifiedLayerNormalization",
        Ran::By("norm", "microsoft::SkipSimplifiedLayerNormalization"),
    ),
    ("Slice", Ran::By("layout", "test_slice")),
    ("Softmax", Ran::By("reduce", "test_softmax_axis_2")),
    ("Split", Ran::By("layout", "test_split_variable_parts_2d_opset18")),
    ("Sqrt", Ran::By("elementwise", "test_sqrt")),
    ("Squeeze", Ran::By("layout", "test_squeeze")),
    ("Sub", Ran::By("elementwise", "test_sub")),
    ("Tan", Ran::By("elementwise", "test_tan")),
    ("Tanh", Ran::By("elementwise", "test_tanh")),
    ("ThresholdedRelu", Ran::By("elementwise", "test_thresholdedrelu")),
    ("Tile", Ran::By("layout", "test_tile")),
    ("Transpose", Ran::By("layout", "test_transpose_all_permutations_4")),
    ("Unsqueeze", Ran::By("layout", "test_unsqueeze_axis_1")),
    ("Where", Ran::By("elementwise", "test_where_example")),
];

/// Lowers one node whose inputs are on the GPU.
pub(crate) fn lower<'m>(builder: &mut Builder<'m>, node: &'m TypedNode) -> Lowered<()> {
    let mut cx = Cx { builder, node };
    for row in TABLE {
        if let Some(lowered) = row(&mut cx, &*node.op) {
            return lowered;
        }
    }
    because(format!("no kernel for {}", node.op.name()))
}

/// Whether a node can be lowered, tried on its own.
pub(crate) fn verdict(model: &TypedModel, node: &TypedNode, limits: super::Limits) -> Lowered<()> {
    let mut builder = Builder::new(model, limits, Default::default());
    for input in &node.inputs {
        if model.outlet_fact(*input).is_ok_and(|f| f.konst.is_none()) {
            let made = !model.node(input.node).op_is::<TypedSource>();
            builder.given(*input, if made { Origin::Made } else { Origin::Upload })?;
        }
    }
    for slot in 0..node.outputs.len() {
        let (datum, shape) = builder.fact(OutletId::new(node.id, slot))?;
        builder.value(datum, &shape, Origin::Made)?;
    }
    lower(&mut builder, node)
}

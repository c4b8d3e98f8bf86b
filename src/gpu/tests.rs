//! Every row of the table makes WGSL that naga takes, without a GPU.
//!
//! In: small graphs, one for each variant of a kernel. Out: a failure with the text of the shader.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops;
use tract_onnx::tract_core::ops::cnn::{
    Conv, Deconv, KernelFormat, MaxPool, PaddingSpec, PoolSpec, SumPool,
};
use tract_onnx::tract_core::ops::einsum::prefix_matmul::PrefixMatMul;
use tract_onnx::tract_core::ops::nn::{DataFormat, Reduce, Reducer, Softmax, SoftmaxKind};
use wgpu::naga::valid::Capabilities;

use super::builder::Origin;
use super::{Builder, Limits};
use crate::model::ops::MatMulNBits;
use crate::optimize::HALF;

const LIMITS: Limits = Limits {
    max_value_bytes: 1 << 27,
    max_made_bytes: 1 << 27,
    half: false,
    half_math: false,
    subgroup: None,
    busy: 4096,
};
/// Of adapters with all that is optional, and subgroups of any size.
const FULL: [Limits; 3] = [
    Limits { half: true, half_math: true, subgroup: Some(4), ..LIMITS },
    Limits { half: true, half_math: true, subgroup: Some(32), busy: 1, ..LIMITS },
    Limits { half: true, subgroup: Some(128), ..LIMITS },
];

/// Lowers the whole graph for all kinds of adapters and has naga check each shader; gives how many there are.
fn check(model: &TypedModel) -> usize {
    let full = FULL.map(|limits| check_on(model, limits));
    let plain = check_on(model, LIMITS);
    assert_eq!(full, [plain; 3]);
    let halves = halves(model);
    assert_eq!(FULL.map(|limits| check_on(&halves, limits)), [plain; 3]);
    plain
}

/// The graph as it is of a model that is float16 throughout.
fn halves(model: &TypedModel) -> TypedModel {
    let mut model = model.clone();
    let slots =
        |node: &TypedNode| (0..node.outputs.len()).map(|s| (node.id, s)).collect::<Vec<_>>();
    for (node, slot) in model.nodes().iter().flat_map(slots).collect::<Vec<_>>() {
        model.set_outlet_label(OutletId::new(node, slot), HALF.to_owned()).unwrap();
    }
    model
}

fn check_on(model: &TypedModel, limits: Limits) -> usize {
    let outputs = model.output_outlets().unwrap().iter().copied().collect();
    let mut builder = Builder::new(model, limits, outputs);
    for node in model.nodes() {
        if node.inputs.is_empty() {
            if model.outlet_fact(OutletId::new(node.id, 0)).unwrap().konst.is_none() {
                builder.upload(OutletId::new(node.id, 0)).unwrap();
            }
            continue;
        }
        super::lower::verdict(model, node, limits).unwrap();
        super::lower::lower(&mut builder, node).unwrap();
    }
    let kept: Vec<_> =
        model.output_outlets().unwrap().iter().map(|o| builder.view(*o).unwrap().value).collect();
    builder.prune(&kept);
    let shaders: Vec<_> = builder.kernels.iter().flatten().map(|k| k.shader()).collect();
    for shader in &shaders {
        let source = &shader.source;
        let module = wgpu::naga::front::wgsl::parse_str(source);
        let module =
            module.map_err(|e| eprintln!("{}\n{source}", e.emit_to_string(source))).unwrap();
        let mut validator = wgpu::naga::valid::Validator::new(
            wgpu::naga::valid::ValidationFlags::all(),
            if limits.half {
                Capabilities::SUBGROUP | Capabilities::SHADER_FLOAT16
            } else {
                Capabilities::empty()
            },
        );
        validator.validate(&module).map_err(|e| eprintln!("{e:?}\n{source}")).unwrap();
        assert!(shader.reads.len() + shader.writes.len() <= 8, "{}", shader.label);
    }
    shaders.len()
}

/// One operator over float32 inputs of these shapes.
fn one(op: impl Into<Box<dyn TypedOp>>, shapes: &[&[usize]]) -> TypedModel {
    typed(op, &shapes.iter().map(|s| (DatumType::F32, *s)).collect::<Vec<_>>())
}

fn typed(op: impl Into<Box<dyn TypedOp>>, inputs: &[(DatumType, &[usize])]) -> TypedModel {
    let mut model = TypedModel::default();
    let mut wires = tvec!();
    for (at, (datum, shape)) in inputs.iter().enumerate() {
        wires.push(model.add_source(format!("in{at}"), datum.fact(*shape)).unwrap());
    }
    let out = model.wire_node("op", op, &wires).unwrap();
    model.select_output_outlets(&out).unwrap();
    model
}

fn pool(kernel: &[usize], channels: (usize, usize)) -> PoolSpec {
    let ones: TVec<usize> = kernel.iter().map(|_| 1).collect();
    PoolSpec::new(
        DataFormat::NCHW,
        kernel.into(),
        PaddingSpec::Explicit(ones.clone(), ones),
        None,
        None,
        channels.0,
        channels.1,
    )
}

#[test]
fn elementwise_chains_are_one_dispatch() {
    let mut model = TypedModel::default();
    let a = model.add_source("a", f32::fact([2, 8, 16])).unwrap();
    let b = model.add_source("b", f32::fact([1, 8, 1])).unwrap();
    let c = model.wire_node("add", ops::math::add(), &[a, b]).unwrap()[0];
    let d = model.wire_node("tanh", ops::math::tanh(), &[c]).unwrap()[0];
    let e = model.wire_node("mul", ops::math::mul(), &[d, a]).unwrap()[0];
    let f = model.wire_node("move", AxisOp::Move(1, 2), &[e]).unwrap()[0];
    let g = model.wire_node("erf", ops::math::erf(), &[f]).unwrap();
    model.select_output_outlets(&g).unwrap();
    assert_eq!(check(&model), 2);
}

#[test]
fn a_product_takes_what_follows() {
    let mut model = TypedModel::default();
    let a = model.add_source("a", f32::fact([1, 2, 40, 24])).unwrap();
    let b = model.add_source("b", f32::fact([1, 2, 24, 70])).unwrap();
    let product = PrefixMatMul {
        transpose_a: false,
        transpose_b: false,
        transpose_c: false,
        quantize_output: None,
        operating_dt: None,
    };
    let c = model.wire_node("mm", product, &[a, b]).unwrap()[0];
    let bias = model.add_source("bias", f32::fact([1, 1, 1, 70])).unwrap();
    let d = model.wire_node("add", ops::math::add(), &[c, bias]).unwrap()[0];
    let e = model.wire_node("relu", ops::nn::sigmoid(), &[d]).unwrap();
    model.select_output_outlets(&e).unwrap();
    assert_eq!(check(&model), 1);
    let vector = PrefixMatMul { transpose_b: true, ..product };
    assert_eq!(check(&one(vector, &[&[1, 24], &[70, 24]])), 1);
}

/// softmax(q x k * mask) x v, over keys and values that are repeated for `group` heads of queries each.
fn attention(rows: usize, keys: usize, group: usize) -> TypedModel {
    use ops::array::MultiBroadcastTo;
    let mut model = TypedModel::default();
    let heads = 2 * group;
    let q = model.add_source("q", f32::fact([1, heads, rows, 16])).unwrap();
    let mask = model.add_source("m", f32::fact([1, 1, rows, keys])).unwrap();
    let mut sides = vec![];
    for name in ["k", "v"] {
        let x = model.add_source(name, f32::fact([1, 2, keys, 16])).unwrap();
        let whole = [1, 2, group, keys, 16].iter().map(|n| n.to_dim()).collect::<TVec<_>>();
        let ops: [Box<dyn TypedOp>; 3] = [
            Box::new(AxisOp::Add(2)),
            Box::new(MultiBroadcastTo::new(ShapeFact::from_dims(whole))),
            Box::new(AxisOp::Reshape(1, tvec!(2.to_dim(), group.to_dim()), tvec!(heads.to_dim()))),
        ];
        sides.push(
            ops.into_iter().enumerate().fold(x, |x, (at, op)| {
                model.wire_node(format!("{name}.{at}"), op, &[x]).unwrap()[0]
            }),
        );
    }
    let product = |transpose_b| PrefixMatMul {
        transpose_a: false,
        transpose_b,
        transpose_c: false,
        quantize_output: None,
        operating_dt: None,
    };
    let s = model.wire_node("s", product(true), &[q, sides[0]]).unwrap()[0];
    let s = model.wire_node("masked", ops::math::mul(), &[s, mask]).unwrap()[0];
    let op = Softmax { axes: tvec!(3), quant_output_dt: None, kind: SoftmaxKind::default() };
    let p = model.wire_node("p", op, &[s]).unwrap()[0];
    let y = model.wire_node("y", product(false), &[p, sides[1]]).unwrap()[0];
    let y = model.wire_node("last", ops::nn::sigmoid(), &[y]).unwrap();
    model.select_output_outlets(&y).unwrap();
    model
}

#[test]
fn attention_is_one_dispatch() {
    for (rows, keys, group) in [(1, 100, 1), (1, 100, 3), (40, 70, 1), (40, 70, 3), (2048, 2048, 1)]
    {
        let model = attention(rows, keys, group);
        assert_eq!(FULL.map(|limits| check_on(&model, limits)), [1; 3]);
        assert_eq!(FULL.map(|limits| check_on(&halves(&model), limits)), [1; 3]);
        // Where everyone would wait for everyone, small scores are the better way.
        let few = rows == 1 || rows == 2048;
        let copies = if group > 1 { 2 } else { 0 };
        assert_eq!(check_on(&model, LIMITS), if few { 1 } else { 3 + copies });
    }
}

#[test]
fn many_channels_are_products_of_tiles() {
    let spec = PoolSpec { padding: PaddingSpec::SameUpper, ..pool(&[3, 3], (32, 36)) };
    let conv = Conv { pool_spec: spec, kernel_fmt: KernelFormat::OIHW, group: 1, q_params: None };
    let mut model = TypedModel::default();
    let x = model.add_source("x", f32::fact([2, 32, 9, 9])).unwrap();
    let weights = Tensor::zero::<f32>(&[36, 32, 3, 3]).unwrap();
    let w = model.add_const("w", weights).unwrap();
    let b = model.add_source("b", f32::fact([36])).unwrap();
    let y = model.wire_node("conv", conv, &[x, w, b]).unwrap();
    let y = model.wire_node("last", ops::nn::sigmoid(), &y).unwrap();
    model.select_output_outlets(&y).unwrap();
    assert_eq!(check(&model), 3);
}

#[test]
fn convolutions_and_pools() {
    for (kernel, group, (i, o)) in
        [(&[3, 3][..], 1, (8, 6)), (&[3, 3], 8, (8, 8)), (&[1, 1], 1, (8, 6)), (&[5], 2, (4, 8))]
    {
        let mut shape = vec![o, i / group];
        shape.extend(kernel);
        let mut image = vec![2, i];
        image.extend(kernel.iter().map(|_| 9));
        let spec = PoolSpec {
            padding: if kernel[0] == 1 { PaddingSpec::Valid } else { PaddingSpec::SameUpper },
            ..pool(kernel, (i, o))
        };
        let conv = Conv { pool_spec: spec, kernel_fmt: KernelFormat::OIHW, group, q_params: None };
        assert_eq!(check(&one(conv.clone(), &[&image, &shape, &[o]])), 1);
        let mut model = TypedModel::default();
        let x = model.add_source("x", f32::fact(&image)).unwrap();
        let weights = Tensor::zero::<f32>(&shape).unwrap();
        let w = model.add_const("w", weights).unwrap();
        let b = model.add_const("b", Tensor::zero::<f32>(&[o]).unwrap()).unwrap();
        let y = model.wire_node("conv", conv, &[x, w, b]).unwrap();
        model.select_output_outlets(&y).unwrap();
        assert_eq!(check(&model), 1);
    }
    let max = MaxPool { pool_spec: pool(&[3, 3], (4, 4)), with_index_outputs: None };
    assert_eq!(check(&one(max, &[&[1, 4, 9, 9]])), 1);
    let mean =
        SumPool { pool_spec: pool(&[2, 2], (4, 4)), count_include_pad: true, normalize: true };
    assert_eq!(check(&one(mean, &[&[1, 4, 9, 9]])), 1);
    let deconv = Deconv {
        pool_spec: pool(&[3, 3], (4, 6)),
        kernel_format: KernelFormat::OIHW,
        adjustments: tvec!(0, 0),
        group: 1,
    };
    assert_eq!(check(&one(deconv, &[&[1, 4, 9, 9], &[6, 4, 3, 3], &[6]])), 1);
}

#[test]
fn rows() {
    for reducer in [
        Reducer::Sum,
        Reducer::Prod,
        Reducer::Max,
        Reducer::Min,
        Reducer::MeanOfSquares,
        Reducer::ArgMax(false),
        Reducer::ArgMin(true),
    ] {
        for axes in [tvec!(1), tvec!(0, 2)] {
            if matches!(reducer, Reducer::ArgMax(_) | Reducer::ArgMin(_)) && axes.len() > 1 {
                continue;
            }
            assert_eq!(check(&one(Reduce { axes, reducer }, &[&[3, 200, 5]])), 1);
        }
    }
    for kind in [SoftmaxKind::Softmax, SoftmaxKind::LogSoftmax] {
        let softmax = Softmax { axes: tvec!(2), quant_output_dt: None, kind };
        assert_eq!(check(&one(softmax, &[&[2, 3, 77]])), 1);
    }
}

#[test]
fn indices_and_order() {
    use ops::array::*;
    let (f, i) = (DatumType::F32, DatumType::I64);
    let data: (DatumType, &[usize]) = (f, &[4, 6, 5]);
    let gather = Gather { axis: 1, output_type: None };
    assert_eq!(check(&typed(gather, &[data, (i, &[3])])), 1);
    assert_eq!(check(&typed(GatherElements::new(1), &[data, (i, &[4, 2, 5])])), 1);
    assert_eq!(check(&typed(GatherNd::new(0), &[data, (i, &[3, 2])])), 1);
    for reduction in [ScatterReduction::None, ScatterReduction::Add, ScatterReduction::Max] {
        let scatter = ScatterElements::new(1, reduction);
        assert_eq!(check(&typed(scatter, &[data, (i, &[4, 2, 5]), (f, &[4, 2, 5])])), 2);
        let scatter = ScatterNd::new(reduction);
        assert_eq!(check(&typed(scatter, &[data, (i, &[3, 1]), (f, &[3, 6, 5])])), 2);
    }
    let cumsum = CumSum { axis: 1, exclusive: true, reverse: true };
    assert_eq!(check(&typed(cumsum, &[data])), 1);
}

#[test]
fn few_bits_stay_packed() {
    for (bits, block, zeros) in [(4, 32, false), (4, 16, true), (8, 32, true), (2, 64, true)] {
        for rows in [1, 5] {
            let (k, n) = (100, 24);
            let blocks = 100usize.div_ceil(block);
            let op = MatMulNBits { k, n, bits, block, zeros, groups: false };
            let mut model = TypedModel::default();
            let codes = Tensor::zero::<u8>(&[n, blocks, block * bits / 8]).unwrap();
            let stored = codes.len();
            let mut wires = tvec!(
                model.add_source("a", f32::fact([rows, k])).unwrap(),
                model.add_const("codes", codes).unwrap(),
                model.add_const("scales", Tensor::zero::<f32>(&[n * blocks]).unwrap()).unwrap(),
            );
            if zeros {
                let packed = Tensor::zero::<u8>(&[n * (blocks * bits).div_ceil(8)]).unwrap();
                wires.push(model.add_const("zeros", packed).unwrap());
            }
            let y = model.wire_node("product", op, &wires).unwrap();
            model.select_output_outlets(&y).unwrap();
            // A row that is filled up, and the product.
            assert_eq!(check(&model), 1 + usize::from(k % block != 0));
            let mut builder = Builder::new(&model, LIMITS, Default::default());
            builder.upload(wires[0]).unwrap();
            super::lower::lower(&mut builder, model.node(y[0].node)).unwrap();
            let words = builder.values.iter().find_map(|value| match &value.origin {
                Origin::Derived(_) => Some(value.len * 4),
                _ => None,
            });
            assert_eq!(words, Some(stored));
        }
    }
}

#[test]
fn looking_up() {
    use ops::array::{Pad, PadMode};
    use ops::nn::grid_sample::{GridSample, InterpolationMode, PaddingMode};
    for mode in
        [InterpolationMode::Nearest, InterpolationMode::Bilinear, InterpolationMode::Bicubic]
    {
        let padding_mode = PaddingMode::Reflection;
        let op = GridSample { mode, padding_mode, align_corners: true };
        assert_eq!(check(&one(op, &[&[1, 3, 5, 6], &[1, 4, 4, 2]])), 1);
    }
    for mode in
        [PadMode::Constant(tensor0(1f32).into_arc_tensor()), PadMode::Edge, PadMode::Reflect]
    {
        let op = Pad { pads: vec![(0, 0), (2, 3)], mode };
        assert_eq!(check(&one(op, &[&[4, 5]])), 1);
    }
}

#[test]
fn what_the_gpu_cannot_hold_is_refused_with_the_reason() {
    let model = TypedModel::default();
    let mut builder = Builder::new(&model, LIMITS, Default::default());
    let reason = |e: Result<_, super::builder::Reason>| e.err().map(|r| r.0.into_owned());
    let large = builder.value(DatumType::F32, &[1 << 26], Origin::Made);
    assert!(reason(large).unwrap().contains("over the adapter's limit"));
    let double = builder.value(DatumType::F64, &[2], Origin::Made);
    assert!(reason(double).unwrap().contains("F64"));
}

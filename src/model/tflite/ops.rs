//! The table of TensorFlow Lite's operators.
//!
//! In: an operator. Out: ONNX nodes that compute the same, or why this form cannot be translated.

use tract_onnx::pb::tensor_proto::DataType;

use super::graph::{Graph, Operator, Refused, float, int, ints, text};
use super::{conv, shape};

/// Makes the nodes of one operator.
type Translate = fn(&mut Graph, &Operator) -> Refused;

/// (number, what makes its nodes); names are in `names.rs`.
const TABLE: &[(i32, Translate)] = &[
    (0, |g, op| binary(g, op, "Add", Some(0))),
    (1, |g, op| conv::pool(g, op, "AveragePool")),
    (2, shape::concat),
    (3, conv::conv),
    (4, conv::depthwise),
    (5, |g, op| shape::blocks(g, op, "DepthToSpace")),
    (6, same),
    (8, |g, op| unary(g, op, "Floor")),
    (9, conv::fully_connected),
    (11, l2_normalise),
    (14, |g, op| unary(g, op, "Sigmoid")),
    (17, |g, op| conv::pool(g, op, "MaxPool")),
    (18, |g, op| binary(g, op, "Mul", Some(0))),
    (19, |g, op| clipped(g, op, 1)),
    (20, |g, op| clipped(g, op, 2)),
    (21, |g, op| clipped(g, op, 3)),
    (22, shape::reshape),
    (23, |g, op| conv::resize(g, op, "linear")),
    (25, softmax),
    (26, |g, op| shape::blocks(g, op, "SpaceToDepth")),
    (28, |g, op| unary(g, op, "Tanh")),
    (34, shape::pad),
    (36, shape::gather),
    (39, shape::transpose),
    (40, |g, op| reduce(g, op, "ReduceMean")),
    (41, |g, op| binary(g, op, "Sub", Some(0))),
    (42, |g, op| binary(g, op, "Div", Some(0))),
    (43, shape::squeeze),
    (45, shape::strided_slice),
    (47, |g, op| unary(g, op, "Exp")),
    (49, |g, op| shape::split(g, op, 1, 0)),
    (50, |g, op| with_axis(g, op, "LogSoftmax")),
    (53, cast),
    (54, prelu),
    (55, |g, op| binary(g, op, "Max", None)),
    (56, |g, op| arg(g, op, "ArgMax")),
    (57, |g, op| binary(g, op, "Min", None)),
    (58, |g, op| binary(g, op, "Less", None)),
    (59, |g, op| unary(g, op, "Neg")),
    (60, shape::pad),
    (61, |g, op| binary(g, op, "Greater", None)),
    (62, |g, op| binary(g, op, "GreaterOrEqual", None)),
    (63, |g, op| binary(g, op, "LessOrEqual", None)),
    (64, select),
    (65, shape::slice),
    (66, |g, op| unary(g, op, "Sin")),
    (67, conv::transposed),
    (69, |g, op| shape::with_longs(g, op, "Tile")),
    (70, shape::expand_dims),
    (71, |g, op| binary(g, op, "Equal", None)),
    (72, not_equal),
    (73, |g, op| unary(g, op, "Log")),
    (74, |g, op| reduce(g, op, "ReduceSum")),
    (75, |g, op| unary(g, op, "Sqrt")),
    (76, |g, op| composed(g, op, &["Sqrt", "Reciprocal"])),
    (77, shape::shape),
    (78, |g, op| binary(g, op, "Pow", None)),
    (79, |g, op| arg(g, op, "ArgMin")),
    (81, |g, op| reduce(g, op, "ReduceProd")),
    (82, |g, op| reduce(g, op, "ReduceMax")),
    (83, shape::pack),
    (84, |g, op| binary(g, op, "Or", None)),
    (86, |g, op| binary(g, op, "And", None)),
    (87, |g, op| unary(g, op, "Not")),
    (88, shape::unpack),
    (89, |g, op| reduce(g, op, "ReduceMin")),
    (92, square),
    (97, |g, op| conv::resize(g, op, "nearest")),
    (98, leaky),
    (99, squared_difference),
    (100, shape::mirror_pad),
    (101, |g, op| unary(g, op, "Abs")),
    (102, |g, op| shape::split(g, op, 0, 2)),
    (104, |g, op| unary(g, op, "Ceil")),
    (106, sum),
    (107, shape::gather_nd),
    (108, |g, op| unary(g, op, "Cos")),
    (111, |g, op| unary(g, op, "Elu")),
    (114, same),
    (116, |g, op| unary(g, op, "Round")),
    (117, |g, op| unary(g, op, "HardSwish")),
    (123, select),
    (126, batch_matmul),
    (130, |g, op| shape::with_longs(g, op, "Expand")),
    (150, gelu),
    (152, |g, op| clipped(g, op, 6)),
    (158, |g, op| unary(g, op, "Sign")),
];

const CUSTOM: i32 = 32;

pub(super) fn translate(g: &mut Graph, code: i32, op: &Operator) -> Refused {
    if op.outputs.is_empty() {
        return Err("it has no output".to_owned());
    }
    if code == CUSTOM && op.name == "Convolution2DTransposeBias" {
        return conv::transposed_with_bias(g, op);
    }
    match TABLE.iter().find(|(known, _)| *known == code) {
        Some((_, translate)) => translate(g, op),
        None => Err(String::new()),
    }
}

/// A value after a fused activation, by its number in the options.
pub(super) fn activated(g: &mut Graph, value: String, activation: i8) -> Refused<String> {
    let clip = |g: &mut Graph, low: f32, high: f32| {
        let (low, high) = (g.floats(&[low], &[]), g.floats(&[high], &[]));
        g.node("Clip", &[&value, &low, &high], vec![])
    };
    Ok(match activation {
        0 => value,
        1 => g.node("Relu", &[&value], vec![]),
        2 => clip(g, -1.0, 1.0),
        3 => clip(g, 0.0, 6.0),
        4 => g.node("Tanh", &[&value], vec![]),
        // No fused one: an operator of its own.
        6 => clip(g, 0.0, 1.0),
        other => return Err(format!("the fused activation {other}")),
    })
}

fn unary(g: &mut Graph, op: &Operator, op_type: &str) -> Refused {
    composed(g, op, &[op_type])
}

fn composed(g: &mut Graph, op: &Operator, types: &[&str]) -> Refused {
    let mut value = g.value(op.input(0)?)?;
    for op_type in types {
        value = g.node(op_type, &[&value], vec![]);
    }
    g.give(op.outputs[0], value);
    Ok(())
}

fn clipped(g: &mut Graph, op: &Operator, activation: i8) -> Refused {
    let value = g.value(op.input(0)?)?;
    let value = activated(g, value, activation)?;
    g.give(op.outputs[0], value);
    Ok(())
}

/// `activation` is the number of the option that says the fused one.
fn binary(g: &mut Graph, op: &Operator, op_type: &str, activation: Option<usize>) -> Refused {
    let (a, b) = (g.value(op.input(0)?)?, g.value(op.input(1)?)?);
    let value = g.node(op_type, &[&a, &b], vec![]);
    let value = activated(g, value, activation.map_or(0, |number| op.byte(number)))?;
    g.give(op.outputs[0], value);
    Ok(())
}

fn not_equal(g: &mut Graph, op: &Operator) -> Refused {
    let (a, b) = (g.value(op.input(0)?)?, g.value(op.input(1)?)?);
    let equal = g.node("Equal", &[&a, &b], vec![]);
    let value = g.node("Not", &[&equal], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

/// Between quantised, half and float32 numbers: what is read is float32 already, or is made so. A
/// constant becomes one, so that weights are not converted in each run.
fn same(g: &mut Graph, op: &Operator) -> Refused {
    let at = op.input(0)?;
    let from = &g.tensors[at];
    if let Some(floats) = from.floats().filter(|_| from.data.is_some() && !from.sparse)
        && !g.tensors[op.outputs[0]].is_quantised()
    {
        g.constant(op.outputs[0], floats);
        return Ok(());
    }
    let half = from.dtype == DataType::Float16;
    let mut value = g.value(at)?;
    if half {
        value = g.node("Cast", &[&value], vec![int("to", DataType::Float as i64)]);
    }
    g.give(op.outputs[0], value);
    Ok(())
}

fn with_axis(g: &mut Graph, op: &Operator, op_type: &str) -> Refused {
    let value = g.value(op.input(0)?)?;
    let value = g.node(op_type, &[&value], vec![int("axis", -1)]);
    g.give(op.outputs[0], value);
    Ok(())
}

fn softmax(g: &mut Graph, op: &Operator) -> Refused {
    let mut value = g.value(op.input(0)?)?;
    let beta = op.options.map_or(1.0, |o| o.float(0));
    if beta != 1.0 {
        let beta = g.floats(&[beta], &[]);
        value = g.node("Mul", &[&value, &beta], vec![]);
    }
    let value = g.node("Softmax", &[&value], vec![int("axis", -1)]);
    g.give(op.outputs[0], value);
    Ok(())
}

fn l2_normalise(g: &mut Graph, op: &Operator) -> Refused {
    let value = g.value(op.input(0)?)?;
    let square = g.node("Mul", &[&value, &value], vec![]);
    let axes = g.longs(&[-1]);
    let sum = g.node("ReduceSum", &[&square, &axes], vec![int("keepdims", 1)]);
    let (least, root) = (g.floats(&[1e-12], &[]), "Sqrt");
    let sum = g.node("Max", &[&sum, &least], vec![]);
    let norm = g.node(root, &[&sum], vec![]);
    let value = g.node("Div", &[&value, &norm], vec![]);
    let value = activated(g, value, op.byte(0))?;
    g.give(op.outputs[0], value);
    Ok(())
}

fn reduce(g: &mut Graph, op: &Operator, op_type: &str) -> Refused {
    let axes = shape::constant(g, op, 1)?;
    let (value, axes) = (g.value(op.input(0)?)?, g.longs(&axes));
    let keep = int("keepdims", i64::from(op.flag(0)));
    let value = g.node(op_type, &[&value, &axes], vec![keep]);
    g.give(op.outputs[0], value);
    Ok(())
}

fn cast(g: &mut Graph, op: &Operator) -> Refused {
    let value = g.value(op.input(0)?)?;
    let out = &g.tensors[op.outputs[0]];
    if out.is_quantised() || g.tensors[op.input(0)?].is_quantised() {
        return Err("of quantised values".to_owned());
    }
    let to = int("to", out.dtype as i64);
    let value = g.node("Cast", &[&value], vec![to]);
    g.give(op.outputs[0], value);
    Ok(())
}

fn prelu(g: &mut Graph, op: &Operator) -> Refused {
    let (value, slope) = (g.value(op.input(0)?)?, g.value(op.input(1)?)?);
    let zero = g.floats(&[0.0], &[]);
    let above = g.node("Relu", &[&value], vec![]);
    let below = g.node("Min", &[&value, &zero], vec![]);
    let below = g.node("Mul", &[&below, &slope], vec![]);
    let value = g.node("Add", &[&above, &below], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

fn leaky(g: &mut Graph, op: &Operator) -> Refused {
    let value = g.value(op.input(0)?)?;
    let alpha = float("alpha", op.options.map_or(0.0, |o| o.float(0)));
    let value = g.node("LeakyRelu", &[&value], vec![alpha]);
    g.give(op.outputs[0], value);
    Ok(())
}

fn gelu(g: &mut Graph, op: &Operator) -> Refused {
    let value = g.value(op.input(0)?)?;
    let form = text("approximate", if op.flag(0) { "tanh" } else { "none" });
    let value = g.node("Gelu", &[&value], vec![form]);
    g.give(op.outputs[0], value);
    Ok(())
}

fn square(g: &mut Graph, op: &Operator) -> Refused {
    let value = g.value(op.input(0)?)?;
    let value = g.node("Mul", &[&value, &value], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

fn squared_difference(g: &mut Graph, op: &Operator) -> Refused {
    let (a, b) = (g.value(op.input(0)?)?, g.value(op.input(1)?)?);
    let difference = g.node("Sub", &[&a, &b], vec![]);
    let value = g.node("Mul", &[&difference, &difference], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

fn sum(g: &mut Graph, op: &Operator) -> Refused {
    let mut value = g.value(op.input(0)?)?;
    for at in 1..op.inputs.len() {
        let other = g.value(op.input(at)?)?;
        value = g.node("Add", &[&value, &other], vec![]);
    }
    g.give(op.outputs[0], value);
    Ok(())
}

fn arg(g: &mut Graph, op: &Operator, op_type: &str) -> Refused {
    let axis = shape::constant(g, op, 1)?.first().copied().unwrap_or(-1);
    let value = g.value(op.input(0)?)?;
    let index = g.node(op_type, &[&value], vec![int("axis", axis), int("keepdims", 0)]);
    let to = g.tensors[op.outputs[0]].dtype as i64;
    let value = g.node("Cast", &[&index], vec![int("to", to)]);
    g.give(op.outputs[0], value);
    Ok(())
}

fn select(g: &mut Graph, op: &Operator) -> Refused {
    let condition = g.value(op.input(0)?)?;
    let (a, b) = (g.value(op.input(1)?)?, g.value(op.input(2)?)?);
    let value = g.node("Where", &[&condition, &a, &b], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

fn batch_matmul(g: &mut Graph, op: &Operator) -> Refused {
    let mut values = vec![];
    for at in 0..2 {
        let index = op.input(at)?;
        let mut value = g.value(index)?;
        if op.flag(at) {
            let rank = g.tensors[index].shape.len();
            if rank < 2 {
                return Err("of less than two dimensions".to_owned());
            }
            let mut order: Vec<i64> = (0..rank as i64).collect();
            order.swap(rank - 2, rank - 1);
            value = g.node("Transpose", &[&value], vec![ints("perm", &order)]);
        }
        values.push(value);
    }
    let value = g.node("MatMul", &[&values[0], &values[1]], vec![]);
    g.give(op.outputs[0], value);
    Ok(())
}

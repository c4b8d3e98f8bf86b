//! The table of TensorFlow Lite's operators.
//!
//! In: an operator. Out: ONNX nodes that compute the same, or why this form cannot be translated.

use super::graph::{Graph, Refused};
use super::nodes::Operator;
use super::{
    blocks, control, conv, detect, elementwise, indices, recurrent, reduce, shape, sliced,
    spectrum, svdf,
};

/// Makes the nodes of one operator.
type Translate = fn(&mut Graph, &Operator) -> Refused;

/// (number, what makes its nodes); names are in `names.rs`.
const TABLE: &[(i32, Translate)] = &[
    (0, |g, op| elementwise::binary(g, op, "Add", Some(0))),
    (1, |g, op| conv::pool(g, op, "AveragePool")),
    (2, shape::concat),
    (3, conv::conv),
    (4, conv::depthwise),
    (5, |g, op| blocks::blocks(g, op, "DepthToSpace")),
    (6, elementwise::same),
    (7, indices::embedding),
    (8, |g, op| elementwise::unary(g, op, "Floor")),
    (9, conv::fully_connected),
    (11, elementwise::l2_normalise),
    (12, conv::l2_pool),
    (13, conv::local_response),
    (14, |g, op| elementwise::unary(g, op, "Sigmoid")),
    (16, |g, op| recurrent::lstm(g, op, false)),
    (17, |g, op| conv::pool(g, op, "MaxPool")),
    (18, |g, op| elementwise::binary(g, op, "Mul", Some(0))),
    (19, |g, op| elementwise::clipped(g, op, 1)),
    (20, |g, op| elementwise::clipped(g, op, 2)),
    (21, |g, op| elementwise::clipped(g, op, 3)),
    (22, shape::reshape),
    (23, |g, op| conv::resize(g, op, "linear")),
    (24, |g, op| recurrent::rnn(g, op, false)),
    (25, elementwise::softmax),
    (26, |g, op| blocks::blocks(g, op, "SpaceToDepth")),
    (27, svdf::svdf),
    (28, |g, op| elementwise::unary(g, op, "Tanh")),
    (34, shape::pad),
    (35, |g, op| recurrent::rnn(g, op, true)),
    (36, indices::gather),
    (37, blocks::from_batch),
    (38, blocks::to_batch),
    (39, shape::transpose),
    (40, |g, op| reduce::reduce(g, op, "ReduceMean")),
    (41, |g, op| elementwise::binary(g, op, "Sub", Some(0))),
    (42, |g, op| elementwise::binary(g, op, "Div", Some(0))),
    (43, shape::squeeze),
    (44, |g, op| recurrent::lstm(g, op, true)),
    (45, sliced::strided),
    (46, recurrent::rnn_both_ways),
    (47, |g, op| elementwise::unary(g, op, "Exp")),
    (48, indices::top),
    (49, |g, op| shape::split(g, op, 1, 0)),
    (50, |g, op| elementwise::with_axis(g, op, "LogSoftmax")),
    (52, recurrent::lstm_both_ways),
    (53, elementwise::cast),
    (54, elementwise::prelu),
    (55, |g, op| elementwise::binary(g, op, "Max", None)),
    (56, |g, op| reduce::arg(g, op, "ArgMax")),
    (57, |g, op| elementwise::binary(g, op, "Min", None)),
    (58, |g, op| elementwise::binary(g, op, "Less", None)),
    (59, |g, op| elementwise::unary(g, op, "Neg")),
    (60, shape::pad),
    (61, |g, op| elementwise::binary(g, op, "Greater", None)),
    (62, |g, op| elementwise::binary(g, op, "GreaterOrEqual", None)),
    (63, |g, op| elementwise::binary(g, op, "LessOrEqual", None)),
    (64, elementwise::select),
    (65, sliced::slice),
    (66, |g, op| elementwise::unary(g, op, "Sin")),
    (67, conv::transposed),
    (69, |g, op| shape::with_longs(g, op, "Tile")),
    (70, shape::expand_dims),
    (71, |g, op| elementwise::binary(g, op, "Equal", None)),
    (72, elementwise::not_equal),
    (73, |g, op| elementwise::unary(g, op, "Log")),
    (74, |g, op| reduce::reduce(g, op, "ReduceSum")),
    (75, |g, op| elementwise::unary(g, op, "Sqrt")),
    (76, |g, op| elementwise::composed(g, op, &["Sqrt", "Reciprocal"])),
    (77, shape::shape),
    (78, |g, op| elementwise::binary(g, op, "Pow", None)),
    (79, |g, op| reduce::arg(g, op, "ArgMin")),
    (80, elementwise::fake_quantised),
    (81, |g, op| reduce::reduce(g, op, "ReduceProd")),
    (82, |g, op| reduce::reduce(g, op, "ReduceMax")),
    (83, shape::pack),
    (84, |g, op| elementwise::binary(g, op, "Or", None)),
    (85, indices::one_hot),
    (86, |g, op| elementwise::binary(g, op, "And", None)),
    (87, |g, op| elementwise::unary(g, op, "Not")),
    (88, shape::unpack),
    (89, |g, op| reduce::reduce(g, op, "ReduceMin")),
    (90, reduce::floor_div),
    (91, |g, op| reduce::truths(g, op, "ReduceMax")),
    (92, elementwise::square),
    (93, indices::zeros),
    (94, indices::fill),
    (95, reduce::floor_mod),
    (96, indices::range),
    (97, |g, op| conv::resize(g, op, "nearest")),
    (98, elementwise::leaky),
    (99, elementwise::squared_difference),
    (100, sliced::mirror),
    (101, |g, op| elementwise::unary(g, op, "Abs")),
    (102, |g, op| shape::split(g, op, 0, 2)),
    (103, indices::unique),
    (104, |g, op| elementwise::unary(g, op, "Ceil")),
    (105, sliced::reverse),
    (106, elementwise::sum),
    (107, indices::gather_nd),
    (108, |g, op| elementwise::unary(g, op, "Cos")),
    (109, indices::places),
    (110, indices::rank),
    (111, |g, op| elementwise::unary(g, op, "Elu")),
    (112, sliced::reverse_sequence),
    (114, elementwise::same),
    (116, |g, op| elementwise::unary(g, op, "Round")),
    (117, |g, op| elementwise::unary(g, op, "HardSwish")),
    (118, control::branch),
    (119, control::repeat),
    (120, detect::suppression),
    (121, detect::suppression),
    (122, indices::scatter_nd),
    (123, elementwise::select),
    // Sparse constants are dense once they are read.
    (124, elementwise::same),
    (126, elementwise::batch_matmul),
    (128, reduce::running_sum),
    (130, |g, op| shape::with_longs(g, op, "Expand")),
    (131, spectrum::transform),
    (132, conv::conv_3d),
    (133, |g, op| spectrum::part(g, op, 1)),
    (134, |g, op| spectrum::part(g, op, 0)),
    (135, spectrum::magnitude),
    (140, |g, op| reduce::truths(g, op, "ReduceMin")),
    (150, elementwise::gelu),
    (151, indices::update),
    (152, |g, op| elementwise::clipped(g, op, 6)),
    (156, elementwise::angle),
    (158, |g, op| elementwise::unary(g, op, "Sign")),
];

const CUSTOM: i32 = 32;
/// (name, what makes the nodes of a custom operator)
const CUSTOMS: &[(&str, Translate)] = &[
    ("Convolution2DTransposeBias", conv::transposed_with_bias),
    ("TFLite_Detection_PostProcess", detect::detections),
];

pub(super) fn translate(g: &mut Graph, code: i32, op: &Operator) -> Refused {
    if op.outputs.is_empty() {
        return Err("it has no output".to_owned());
    }
    let custom = || CUSTOMS.iter().find(|(name, _)| *name == op.name).map(|(_, t)| t);
    let known = || TABLE.iter().find(|(known, _)| *known == code).map(|(_, t)| t);
    let translate = if code == CUSTOM { custom() } else { known() };
    translate.map_or(Err(String::new()), |translate| translate(g, op))
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

//! The last step of detectors: which boxes stay.
//!
//! In: `NON_MAX_SUPPRESSION_V4` and `V5`, and the custom operator of TensorFlow's SSD models. Out: operators of our own
//! domain, whose outputs are as long as the file says, where ONNX's depend on data.

use super::flex::Map;
use super::graph::{Graph, Refused};
use super::nodes::{Operator, float, int};
use crate::model::ops::{DETECTIONS, NEARSIDE, SUPPRESSED};

/// Inputs: boxes, scores, most boxes, threshold of the overlap, of the score, and for the fifth version a sigma.
pub(super) fn suppression(g: &mut Graph, op: &Operator) -> Refused {
    let most = *super::shape::constant(g, op, 2)?.first().ok_or("without a limit")?;
    let mut inputs = vec![];
    for at in [0, 1, 3, 4] {
        inputs.push(g.value(op.input(at)?)?);
    }
    if let Some(sigma) = op.maybe(5) {
        inputs.push(g.value(sigma)?);
    }
    let inputs: Vec<_> = inputs.iter().map(String::as_str).collect();
    let made = g.nodes_of(NEARSIDE, SUPPRESSED, &inputs, 3, vec![int("most", most)]);
    // The fourth version has no scores among its outputs.
    let order: &[usize] = if op.outputs.len() == 3 { &[0, 1, 2] } else { &[0, 2] };
    for (output, at) in op.outputs.iter().zip(order) {
        g.give(*output, made[*at].clone());
    }
    Ok(())
}

/// `TFLite_Detection_PostProcess`. Inputs: box encodings, class scores, anchors.
pub(super) fn detections(g: &mut Graph, op: &Operator) -> Refused {
    let options = Map::root(&op.custom).ok_or("with options that are not understood")?;
    let whole = |key: &str| options.number(key).map(|n| n as i64);
    let need = |key: &str| whole(key).ok_or_else(|| format!("without the option {key}"));
    let mut attributes = vec![
        int("max_detections", need("max_detections")?),
        int("max_classes", need("max_classes_per_detection")?),
        int("per_class", whole("detections_per_class").unwrap_or(100)),
        int("regular", whole("use_regular_nms").unwrap_or(0)),
        int("classes", need("num_classes")?),
    ];
    let keys =
        ["nms_score_threshold", "nms_iou_threshold", "y_scale", "x_scale", "h_scale", "w_scale"];
    for key in keys {
        let value = options.number(key).ok_or_else(|| format!("without the option {key}"))?;
        attributes.push(float(key, value as f32));
    }
    let mut inputs = vec![];
    for at in 0..3 {
        inputs.push(g.value(op.input(at)?)?);
    }
    let inputs: Vec<_> = inputs.iter().map(String::as_str).collect();
    let made = g.nodes_of(NEARSIDE, DETECTIONS, &inputs, 4, attributes);
    for (output, value) in op.outputs.iter().zip(made) {
        g.give(*output, value);
    }
    Ok(())
}

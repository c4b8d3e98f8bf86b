//! Which boxes of a detector stay: greedy suppression, and what TensorFlow Lite's detectors end in.
//!
//! In: boxes and scores. Out: tables of a fixed length, filled up with zeros, as TensorFlow Lite has them, which is
//! where the rules come from (its reference kernels of `NON_MAX_SUPPRESSION_V5` and `TFLite_Detection_PostProcess`).

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;
use crate::scalar::Scalar as _;

/// Rows of a table that no detector needs.
const MOST: usize = 1 << 24;

/// Corners: top, left, bottom, right; either may be the greater one.
type Corners = [f32; 4];

/// The part of the union of two boxes that both cover.
fn overlap(a: &Corners, b: &Corners) -> f32 {
    let [a, b] = [a, b].map(|c| [c[0].min(c[2]), c[1].min(c[3]), c[0].max(c[2]), c[1].max(c[3])]);
    let area = |c: &Corners| (c[2] - c[0]) * (c[3] - c[1]);
    let height = (a[2].min(b[2]) - a[0].max(b[0])).max(0.);
    let width = (a[3].min(b[3]) - a[1].max(b[1])).max(0.);
    let both = height * width;
    let (a, b) = (area(&a), area(&b));
    if a <= 0. || b <= 0. { 0. } else { both / (a + b - both) }
}

fn corners(boxes: &Tensor) -> TractResult<Vec<Corners>> {
    let boxes = boxes.cast_to::<f32>()?;
    let boxes = boxes.try_as_plain_ram()?;
    Ok(boxes.as_slice::<f32>()?.as_chunks().0.to_vec())
}

fn f32s(tensor: &Tensor) -> TractResult<Vec<f32>> {
    let tensor = tensor.cast_to::<f32>()?;
    Ok(tensor.try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
}

/// Numbers of the best, greatest first; of equal ones the first.
fn ranking(scores: &[f32], least: impl Fn(f32) -> bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).filter(|i| least(scores[*i])).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    order
}

/// The numbers of the boxes that stay, best first; `apart` says of an overlap whether both may.
fn suppress(
    boxes: &[Corners],
    order: &[usize],
    most: usize,
    apart: impl Fn(f32) -> bool,
) -> Vec<usize> {
    let mut kept: Vec<usize> = vec![];
    for at in order {
        if kept.len() == most {
            break;
        }
        if kept.iter().all(|k| apart(overlap(&boxes[*k], &boxes[*at]))) {
            kept.push(*at);
        }
    }
    kept
}

#[derive(Debug)]
struct Suppression {
    most: usize,
}

pub(super) fn suppressed(_: &ParsingContext, node: &NodeProto) -> Built {
    let most = node.get_attr("most")?;
    ensure!(most < MOST, "too many boxes");
    host(node, Suppression { most })
}

impl Suppression {
    /// Overlaps lower a score instead of striking it out (Bodla et al., Soft-NMS, 2017): the best is taken, and
    /// those behind it are weighed anew, until too little is left.
    fn soft(
        &self,
        boxes: &[Corners],
        scores: &mut [f32],
        [overlap_most, score_least, sigma]: [f32; 3],
    ) -> Vec<usize> {
        let mut left = ranking(scores, |s| s > score_least);
        let mut kept = vec![];
        while kept.len() < self.most {
            let best = left.iter().copied().enumerate();
            let best = best.max_by(|a, b| scores[a.1].total_cmp(&scores[b.1]).then(b.0.cmp(&a.0)));
            let Some((place, best)) = best else { break };
            left.remove(place);
            kept.push(best);
            left.retain(|at| {
                let shared = overlap(&boxes[best], &boxes[*at]);
                scores[*at] *= (-0.5 * shared * shared / sigma).exp();
                shared < overlap_most && scores[*at] > score_least
            });
        }
        kept
    }
}

impl Host for Suppression {
    fn name(&self) -> &'static str {
        "NonMaxSuppression"
    }

    fn facts(&self, _: &Facts) -> TractResult<TVec<TypedFact>> {
        let none: [usize; 0] = [];
        Ok(tvec!(i32::fact([self.most]), f32::fact([self.most]), i32::fact(none)))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (boxes, mut scores) = (corners(need(inputs, 0)?)?, f32s(need(inputs, 1)?)?);
        ensure!(boxes.len() == scores.len(), "{} scores of {} boxes", scores.len(), boxes.len());
        let number = |at: usize| -> TractResult<f32> {
            maybe(inputs, at).map_or(Ok(0.), |t| t.number::<f32>())
        };
        let [most, least, sigma] = [number(2)?, number(3)?, number(4)?];
        let kept = if sigma > 0. {
            self.soft(&boxes, &mut scores, [most, least, sigma])
        } else {
            suppress(&boxes, &ranking(&scores, |s| s > least), self.most, |o| o < most)
        };
        let mut numbers = vec![0i32; self.most];
        let mut values = vec![0f32; self.most];
        for (place, at) in kept.iter().enumerate() {
            numbers[place] = i32::try_from(*at)?;
            values[place] = scores[*at];
        }
        Ok(tvec!(tensor1(&numbers), tensor1(&values), tensor0(i32::try_from(kept.len())?)))
    }
}

#[derive(Debug)]
struct Detections {
    most: usize,
    classes: usize,
    /// Classes told of one box.
    classes_each: usize,
    /// Boxes of a class, where each class is suppressed by itself.
    per_class: Option<usize>,
    score_least: f32,
    overlap_most: f32,
    /// Of the encoded centre and size: y, x, height, width.
    scales: [f32; 4],
}

/// A box that is told: where it is, its class and score.
struct Found {
    at: usize,
    class: usize,
    score: f32,
}

pub(super) fn detections(_: &ParsingContext, node: &NodeProto) -> Built {
    let regular = node.get_attr::<i64>("regular")? != 0;
    let per_class = node.get_attr("per_class")?;
    let mut scales = [0f32; 4];
    for (scale, name) in scales.iter_mut().zip(["y_scale", "x_scale", "h_scale", "w_scale"]) {
        *scale = node.get_attr(name)?;
    }
    let op = Detections {
        most: node.get_attr("max_detections")?,
        classes: node.get_attr("classes")?,
        classes_each: node.get_attr("max_classes")?,
        per_class: regular.then_some(per_class),
        score_least: node.get_attr("nms_score_threshold")?,
        overlap_most: node.get_attr("nms_iou_threshold")?,
        scales,
    };
    ensure!(op.classes > 0 && op.most.saturating_mul(op.classes_each) < MOST, "too many boxes");
    host(node, op)
}

impl Detections {
    fn length(&self) -> usize {
        self.most * self.classes_each
    }

    /// From a centre and a size in units of the anchor to corners.
    fn decode(&self, code: &[f32; 4], anchor: &[f32; 4]) -> Corners {
        let scaled = |i: usize| code[i] / self.scales[i];
        let (y, x) = (scaled(0) * anchor[2] + anchor[0], scaled(1) * anchor[3] + anchor[1]);
        let (h, w) = (scaled(2).exp() * anchor[2] / 2., scaled(3).exp() * anchor[3] / 2.);
        [y - h, x - w, y + h, x + w]
    }

    /// All classes at once: a box counts by its best class, and tells its best few.
    fn at_once(&self, boxes: &[Corners], rows: &[&[f32]]) -> Vec<Found> {
        let best: Vec<f32> =
            rows.iter().map(|r| r.iter().copied().fold(f32::MIN, f32::max)).collect();
        let order = ranking(&best, |s| s >= self.score_least);
        let kept = suppress(boxes, &order, self.most, |o| o <= self.overlap_most);
        let told = kept.into_iter().flat_map(|at| {
            let classes = ranking(rows[at], |_| true).into_iter().take(self.classes_each);
            classes.map(move |class| Found { at, class, score: rows[at][class] })
        });
        told.collect()
    }

    /// Class by class, and then the best of all.
    fn by_class(&self, boxes: &[Corners], rows: &[&[f32]], per_class: usize) -> Vec<Found> {
        let mut found: Vec<Found> = vec![];
        for class in 0..self.classes {
            let scores: Vec<f32> = rows.iter().map(|r| r[class]).collect();
            let order = ranking(&scores, |s| s >= self.score_least);
            let apart = |o| o <= self.overlap_most;
            let kept = suppress(boxes, &order, per_class.min(self.most), apart);
            found.extend(kept.into_iter().map(|at| Found { at, class, score: scores[at] }));
            found.sort_by(|a, b| b.score.total_cmp(&a.score));
            found.truncate(self.most);
        }
        found
    }
}

impl Host for Detections {
    fn name(&self) -> &'static str {
        "DetectionPostProcess"
    }

    fn facts(&self, _: &Facts) -> TractResult<TVec<TypedFact>> {
        let n = self.length();
        let table = f32::fact([1, n]);
        Ok(tvec!(f32::fact([1, n, 4]), table.clone(), table, f32::fact([1])))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (codes, anchors) = (corners(need(inputs, 0)?)?, corners(need(inputs, 2)?)?);
        let scores = need(inputs, 1)?;
        let width = scores.shape().last().copied().unwrap_or(0);
        // Before the classes there may be one for the background.
        let background = width.checked_sub(self.classes).filter(|n| *n <= 1);
        let background =
            background.context("class scores that do not fit the number of classes")?;
        let scores = f32s(scores)?;
        let rows: Vec<&[f32]> = scores.chunks_exact(width).map(|r| &r[background..]).collect();
        ensure!(
            codes.len() == anchors.len() && codes.len() == rows.len(),
            "boxes and scores differ"
        );
        let boxes: Vec<_> = codes.iter().zip(&anchors).map(|(c, a)| self.decode(c, a)).collect();
        let found = match self.per_class {
            Some(per_class) => self.by_class(&boxes, &rows, per_class),
            None => self.at_once(&boxes, &rows),
        };
        let each = if self.per_class.is_some() { 1 } else { self.classes_each.min(self.classes) };
        let count = found.len() / each.max(1);
        let n = self.length();
        let mut places = vec![0f32; 4 * n];
        let (mut classes, mut values) = (vec![0f32; n], vec![0f32; n]);
        for (row, one) in found.iter().enumerate() {
            places[4 * row..][..4].copy_from_slice(&boxes[one.at]);
            classes[row] = one.class as f32;
            values[row] = one.score;
        }
        Ok(tvec!(
            Tensor::from_shape(&[1, n, 4], &places)?,
            Tensor::from_shape(&[1, n], &classes)?,
            Tensor::from_shape(&[1, n], &values)?,
            tensor1(&[count as f32]),
        ))
    }
}

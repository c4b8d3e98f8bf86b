//! Which boxes stay of those that overlap.
//!
//! In: boxes and scores, float32. Out: the numbers of those that stay, best first. The one decision: corners and areas
//! are found once for each box, and not once for each pair.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::top::key;
use crate::{Result, fits};

/// When a box stays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// A box is its centre and its size, and not two corners.
    pub centred: bool,
    /// So many stay at most.
    pub most: usize,
    /// What is shared of the union of two at most.
    pub shared: f32,
    /// A score is above this, where it is given.
    pub least: Option<f32>,
}

/// Left, top, right, bottom, and the area.
type Corners = [f32; 5];

fn corners(b: &[f32; 4], centred: bool) -> Corners {
    let [x, y] = if centred {
        let (w, h) = (b[2] / 2., b[3] / 2.);
        [[b[0] - w, b[0] + w], [b[1] - h, b[1] + h]]
    } else {
        let ordered = |a: f32, b: f32| if a >= b { [b, a] } else { [a, b] };
        [ordered(b[1], b[3]), ordered(b[0], b[2])]
    };
    [x[0], y[0], x[1], y[1], (x[1] - x[0]) * (y[1] - y[0])]
}

/// Whether two overlap by more than `most` of their union.
fn overlap(a: &Corners, b: &Corners, most: f32) -> bool {
    let (low, high) = (a[1].max(b[1]), a[3].min(b[3]));
    let (left, right) = (a[0].max(b[0]), a[2].min(b[2]));
    if high <= low || right <= left {
        return false;
    }
    let both = (right - left) * (high - low);
    let union = a[4] + b[4] - both;
    let negative = [both, a[4], b[4], union].iter().any(|area| area.is_sign_negative());
    !negative && both / union > most
}

/// Adds to `kept` the numbers of the boxes of one image that stay by these scores.
pub fn suppress(rules: Rules, boxes: &[f32], scores: &[f32], kept: &mut Vec<u32>) -> Result<()> {
    let (boxes, rest) = boxes.as_chunks::<4>();
    fits(rest.is_empty() && boxes.len() == scores.len() && scores.len() < u32::MAX as usize)?;
    let enough = |score: &f32| rules.least.is_none_or(|least| *score > least);
    let candidates = scores.iter().enumerate().filter(|(_, score)| enough(score));
    // Few are looked at before enough have stayed.
    let order = candidates.map(|(at, score)| Reverse(key(*score, at, true)));
    let mut order: BinaryHeap<Reverse<u64>> = order.collect::<Vec<_>>().into();
    let mut stay: Vec<Corners> = vec![];
    while stay.len() < rules.most
        && let Some(Reverse(key)) = order.pop()
    {
        let at = key as u32;
        let these = corners(&boxes[at as usize], rules.centred);
        if !stay.iter().any(|other| overlap(&these, other, rules.shared)) {
            stay.push(these);
            kept.push(at);
        }
    }
    Ok(())
}

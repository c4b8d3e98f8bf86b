//! Which boxes of a detector stay, image by image and class by class.
//!
//! In: boxes, scores, and what bounds them. Out: image, class and number of each that stays.

use nearside_kernels::boxes::{Rules, suppress};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use super::floats;
use super::work::Work;
use crate::scalar::Scalar as _;

pub(crate) struct Suppression {
    /// Boxes are given by their centres.
    pub(crate) centred: bool,
    /// The last input bounds scores.
    pub(crate) bounded: bool,
}

impl Work for Suppression {
    fn name(&self) -> &'static str {
        "Suppression"
    }

    fn run(&self, inputs: TVec<TValue>, _facts: &[TypedFact]) -> TractResult<TVec<TValue>> {
        let (boxes, scores) = (floats(&inputs[0])?, floats(&inputs[1])?);
        let [images, classes, count] = *inputs[1].shape() else { bail!("scores of three axes") };
        ensure!(inputs[0].shape() == [images, count, 4], "a box for each score");
        let most = usize::try_from(inputs[2].number::<i64>()?).unwrap_or(0);
        let least =
            inputs.get(4).filter(|_| self.bounded).map(|t| t.number::<f32>()).transpose()?;
        let rules =
            Rules { centred: self.centred, most, shared: inputs[3].number::<f32>()?, least };
        let mut table = vec![];
        let mut kept = vec![];
        for (at, scores) in (0..images * classes).zip(scores.chunks(count.max(1))) {
            let (image, class) = (at / classes, at % classes);
            kept.clear();
            suppress(rules, &boxes[image * count * 4..][..count * 4], scores, &mut kept)?;
            let rows = kept.iter().map(|number| [image as i64, class as i64, i64::from(*number)]);
            table.extend(rows.flatten());
        }
        Ok(tvec!(Tensor::from_shape(&[table.len() / 3, 3], &table)?.into_tvalue()))
    }
}

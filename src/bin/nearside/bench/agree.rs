//! Two engines' outputs of the same inputs.
//!
//! In: outputs by position, and how far they may differ. Out: how far they do, or an error that names the output.

use nearside::{ErrorKind, Tensor};

use crate::failure::Failure;
use crate::values::element;

/// The largest difference of any output, as a part of its largest value.
pub(super) struct Agreement(pub(super) f64);

pub(super) fn check(
    ours: &[(String, Tensor)],
    theirs: &[Option<Tensor>],
    tolerance: f64,
) -> Result<Agreement, Failure> {
    let mut worst: f64 = 0.0;
    for ((name, ours), theirs) in ours.iter().zip(theirs) {
        // What is no tensor there has nothing to be compared with.
        let Some(theirs) = theirs else { continue };
        let differs = |what: String| {
            let text = format!("output `{name}` differs from onnxruntime's: {what}");
            Failure::new(ErrorKind::Internal, text)
        };
        if ours.shape() != theirs.shape() || ours.dtype() != theirs.dtype() {
            let say = |t: &Tensor| format!("{} {:?}", t.dtype().name(), t.shape());
            return Err(differs(format!("{}, not {}", say(ours), say(theirs))));
        }
        let part = difference(ours, theirs);
        if part.is_nan() || part > tolerance {
            return Err(differs(format!("by {part:.2e} of its largest value"))
                .help("raise the limit with --tolerance, if that is right for this model"));
        }
        worst = worst.max(part);
    }
    Ok(Agreement(worst))
}

/// NaN where one has a number and the other has none, or where strings differ.
fn difference(ours: &Tensor, theirs: &Tensor) -> f64 {
    if ours.strings() != theirs.strings() {
        return f64::NAN;
    }
    let number = |t: &Tensor, i| element(t, i).number();
    let pairs: Vec<_> = (0..ours.len())
        .filter_map(|i| number(ours, i).zip(number(theirs, i)))
        .filter(|(a, b)| a != b && !(a.is_nan() && b.is_nan()))
        .collect();
    let range = (0..theirs.len())
        .filter_map(|i| number(theirs, i))
        .filter(|v| v.is_finite())
        .fold(0.0, |most: f64, v| most.max(v.abs()));
    let worst = pairs
        .iter()
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |most: f64, d| if d.is_nan() || most.is_nan() { f64::NAN } else { most.max(d) });
    if worst == 0.0 { 0.0 } else { worst / range.max(f64::MIN_POSITIVE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(values: &[f32]) -> Tensor {
        Tensor::try_from((&[values.len()][..], values)).unwrap()
    }

    #[test]
    fn near_and_far() {
        let ours = [("y".to_owned(), floats(&[1.0, f32::NAN, 200.0]))];
        let near = [Some(floats(&[1.1, f32::NAN, 200.0]))];
        assert!((check(&ours, &near, 1e-3).unwrap().0 - 5e-4).abs() < 1e-6);
        for far in [&[2.0, f32::NAN, 200.0][..], &[1.0, 1.0, 200.0], &[1.0, f32::NAN]] {
            assert!(check(&ours, &[Some(floats(far))], 1e-3).is_err(), "{far:?}");
        }
        assert_eq!(check(&ours, &[None], 1e-3).unwrap().0, 0.0);
    }
}

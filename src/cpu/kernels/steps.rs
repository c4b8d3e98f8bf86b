//! Whole multiples of a step, as weights are that were quantised.
//!
//! In: numbers. Out: the step that all are multiples of, and which ones they are.

/// Steps of the largest number.
const MOST: u8 = 255;
/// How far a number may be from its multiple, relative to it: what rounding a product leaves.
const CLOSE: f32 = 1. / (1 << 22) as f32;
/// Most steps are wrong, which the first few numbers tell one by one.
const FEW: usize = 16;
/// So many of the others are looked at before it is asked whether one of them was off.
const SOME: usize = 64;

/// The largest step that all are multiples of, none by more than 255.
fn step(values: &[f32]) -> Option<f32> {
    let most = values.iter().fold(0f32, |most, value| most.max(value.abs()));
    if most == 0. {
        return Some(1.);
    }
    let (few, others) = values.split_at(values.len().min(FEW));
    (1..=MOST).map(|steps| most / f32::from(steps)).find(|step| {
        let is_multiple = |value: &f32| {
            let multiple = (value / step).round_ties_even() * step;
            (multiple - value).abs() <= value.abs() * CLOSE
        };
        few.iter().all(is_multiple)
            && others
                .chunks(SOME)
                .all(|some| some.iter().fold(true, |all, value| all & is_multiple(value)))
    })
}

/// Rows of `n` as whole multiples, and the step of all or of each column. Never inlined: in a caller that is compiled
/// for size it would be so too.
#[inline(never)]
pub fn multiples(rows: &[f32], n: usize) -> Option<(Vec<i16>, Vec<f32>)> {
    if let Some(one) = step(rows) {
        let whole = rows.iter().map(|value| (value / one).round_ties_even() as i16);
        return Some((whole.collect(), vec![one]));
    }
    let mut column = Vec::with_capacity(rows.len() / n.max(1));
    let steps = (0..n).map(|at| {
        column.clear();
        column.extend(rows.iter().skip(at).step_by(n));
        step(&column)
    });
    let steps: Vec<f32> = steps.collect::<Option<_>>()?;
    let mut whole = Vec::with_capacity(rows.len());
    for row in rows.chunks(n.max(1)) {
        whole.extend(row.iter().zip(&steps).map(|(v, step)| (v / step).round_ties_even() as i16));
    }
    Some((whole, steps))
}

/// `k` rows of `n` from as many columns. Never inlined, as [`multiples`].
#[inline(never)]
pub fn rows(columns: &[f32], k: usize, n: usize) -> Vec<f32> {
    let mut rows = Vec::with_capacity(columns.len());
    for at in 0..k {
        rows.extend(columns.chunks_exact(k).take(n).map(|column| column[at]));
    }
    rows
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn multiples_of_one_step_and_of_one_a_column() {
        let whole: Vec<i16> = (0..300).map(|at| (at * 37 % 255) - 127).collect();
        for steps in [vec![0.013], vec![0.5, 0.013, 0.0001, 3.0]] {
            let step = |at: usize| steps[at % steps.len()];
            let rows: Vec<f32> =
                whole.iter().enumerate().map(|(at, w)| f32::from(*w) * step(at)).collect();
            let (found, of) = multiples(&rows, 4).unwrap();
            assert_eq!(of.len(), steps.len());
            assert_eq!(found, whole);
        }
    }

    #[test]
    fn what_is_no_multiple() {
        let rows: Vec<f32> = (0..64).map(|at| (at as f32).sqrt()).collect();
        assert!(multiples(&rows, 4).is_none());
        assert_eq!(multiples(&[0.; 6], 3).unwrap(), (vec![0; 6], vec![1.]));
        assert_eq!(multiples(&[], 0).unwrap(), (vec![], vec![1.]));
    }
}

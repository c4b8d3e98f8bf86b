//! Elements that are moved, named by indices or compared, and whole numbers.

use super::Numbers;
use crate::boxes::{Rules, suppress};
use crate::moved::Moves;
use crate::pick::{Elements, elements, places, scatter, triangle, tuples};
use crate::power::power;
use crate::whole::{Whole, truth, whole};

type Scalar = fn(i64, i64) -> i64;

fn bytes<const W: usize>(values: &[[u8; W]]) -> &[u8] {
    values.as_flattened()
}

/// Places along an axis: all the same, in steps either way, each twice, in pieces, or any.
fn axis(numbers: &mut Numbers) -> Vec<usize> {
    let count = 1 + numbers.below(40);
    let first = numbers.below(50);
    let step = 1 + numbers.below(3);
    match numbers.below(7) {
        0 => vec![first; count],
        1 => (0..count).map(|i| first + i).collect(),
        2 => (0..count).map(|i| first + i * step).collect(),
        3 => (0..count).rev().map(|i| first + i * step).collect(),
        4 => (0..2 * count).map(|i| first + i / 2).collect(),
        5 => (0..count).map(|i| first + count.abs_diff(2 * i)).collect(),
        _ => (0..count).map(|_| numbers.below(90)).collect(),
    }
}

#[test]
fn elements_that_are_elsewhere() {
    let numbers = &mut Numbers(3);
    for turn in 0..2000 {
        let mut axes: Vec<Vec<usize>> = (0..numbers.below(4)).map(|_| axis(numbers)).collect();
        if turn % 3 == 0 {
            // Two that go on, and two that are turned across.
            let (m, n) = (1 + numbers.below(40), 1 + numbers.below(40));
            axes.truncate(1);
            axes.push((0..m).map(|i| if turn % 2 == 0 { i * n } else { i }).collect());
            axes.push((0..n).map(|i| if turn % 2 == 0 { i } else { i * m }).collect());
        }
        let reach = axes.iter().map(|axis| axis.iter().max().unwrap()).sum::<usize>() + 1;
        let mut wanted = vec![0];
        for axis in &axes {
            wanted = wanted.iter().flat_map(|at| axis.iter().map(move |p| at + p)).collect();
        }
        let moves = Moves::new(&axes).unwrap();
        let from: Vec<[u8; 4]> = (0..reach as u32).map(u32::to_ne_bytes).collect();
        let mut to = vec![[0; 4]; wanted.len()];
        moves.run(4, bytes(&from), to.as_flattened_mut()).unwrap();
        assert!(to.iter().zip(&wanted).all(|(to, at)| *to == from[*at]), "{axes:?}");
        let narrow: Vec<u8> = (0..reach).map(|i| i as u8).collect();
        let mut out = vec![0; wanted.len()];
        moves.run(1, &narrow, &mut out).unwrap();
        assert!(out.iter().zip(&wanted).all(|(to, at)| *to == narrow[*at]), "{axes:?}");
        assert!(moves.run(4, bytes(&from[1..]), to.as_flattened_mut()).is_err());
        assert!(moves.run(4, bytes(&from), to[1..].as_flattened_mut()).is_err());
    }
    let none = Moves::new(&[vec![0, 1], vec![]]).unwrap();
    none.run(4, &[], &mut []).unwrap();
    assert!(Moves::new(&[vec![usize::MAX], vec![1]]).is_err());
    assert!(Moves::new(&[(0..3).map(|i| i * 4).collect(), (0..4).collect()]).unwrap().is_copy());
}

#[test]
fn elements_by_their_indices() {
    let numbers = &mut Numbers(4);
    for _ in 0..300 {
        let rank = 1 + numbers.below(3);
        let shape: Vec<usize> = (0..rank).map(|_| 1 + numbers.below(6)).collect();
        let axis = numbers.below(rank);
        let mut wanted: Vec<usize> = shape.iter().map(|n| 1 + numbers.below(*n)).collect();
        wanted[axis] = 1 + numbers.below(9);
        let count = wanted.iter().product::<usize>();
        let n = shape[axis] as i64;
        let indices: Vec<i64> =
            (0..count).map(|_| numbers.below(2 * n as usize) as i64 - n).collect();
        let data: Vec<[u8; 4]> =
            (0..shape.iter().product::<usize>() as u32).map(u32::to_ne_bytes).collect();
        let mut to = vec![[0; 4]; count];
        elements(axis, &shape, &wanted, &data, &indices, &mut to).unwrap();
        let updates: Vec<f32> = (0..count).map(|at| at as f32).collect();
        let mut sums = vec![0f32; data.len()];
        scatter(axis, &shape, &wanted, &mut sums, &indices, &updates, |a, b| a + b).unwrap();
        let mut expected = vec![0f32; data.len()];
        for (at, to) in to.iter().enumerate() {
            let (mut left, mut place, mut stride) = (at, 0, 1);
            for a in (0..rank).rev() {
                let along = left % wanted[a];
                left /= wanted[a];
                let along = if a == axis { indices[at].rem_euclid(n) as usize } else { along };
                place += along * stride;
                stride *= shape[a];
            }
            assert_eq!(*to, data[place]);
            expected[place] += updates[at];
        }
        assert_eq!(sums, expected);
        let mut wrong = indices.clone();
        for bad in [n, -n - 1, i64::MAX, i64::MIN] {
            wrong[0] = bad;
            assert!(elements(axis, &shape, &wanted, &data, &wrong, &mut to).is_err());
            let put = |_, new| new;
            assert!(scatter(axis, &shape, &wanted, &mut sums, &wrong, &updates, put).is_err());
        }
        assert!(elements(axis, &shape, &wanted, &data[1..], &indices, &mut to).is_err());
    }
    let data: Vec<[u8; 4]> = (0..2 * 3 * 4 * 2u32).map(u32::to_ne_bytes).collect();
    let mut to = vec![[0; 4]; 4 * 2];
    tuples(2, &[3, 4], 8, bytes(&data), &[0, 1, -1, 3, 2, 0, 1, -4], to.as_flattened_mut())
        .unwrap();
    let wanted = [2, 3, 22, 23, 24 + 16, 24 + 17, 24 + 8, 24 + 9];
    assert_eq!(to, wanted.map(u32::to_ne_bytes));
    for bad in [3, -4, i64::MIN] {
        let indices = [0, 1, -1, 3, bad, 0, 1, -4];
        assert!(tuples(2, &[3, 4], 8, bytes(&data), &indices, to.as_flattened_mut()).is_err());
    }
    tuples(0, &[3], 4, &[], &[], &mut []).unwrap_or(());
}

#[test]
fn what_is_not_zero() {
    let x = [0., 1., -0., f32::NAN, 0., -2.];
    assert_eq!(places(&[3, 2], &Elements::F32(&x)).unwrap(), [0, 1, 2, 1, 1, 1]);
    assert_eq!(places(&[], &Elements::I64(&[5])).unwrap(), [0i64; 0]);
    assert_eq!(places(&[2, 0], &Elements::Bytes(&[])).unwrap(), [0i64; 0]);
    assert!(places(&[2, 2], &Elements::I32(&[1])).is_err());
    for k in [-9, -2, -1, 0, 1, 2, 9, i64::MIN, i64::MAX] {
        for upper in [false, true] {
            let mut matrices = [[1u8; 4]; 2 * 3 * 5];
            triangle([3, 5], 4, k, upper, matrices.as_flattened_mut()).unwrap();
            for (at, x) in matrices.iter().enumerate() {
                let apart = (at % 5) as i128 - (at / 5 % 3) as i128 - i128::from(k);
                let stays = if upper { apart >= 0 } else { apart <= 0 };
                assert_eq!(x[0] != 0, stays, "{k} {upper} {at}");
            }
        }
    }
}

#[test]
fn whole_numbers() {
    let numbers = &mut Numbers(6);
    let extremes = [i64::MIN, i64::MAX, -1, 1, 7, 1 << 32, -(1 << 31), u32::MAX.into()];
    let some = |numbers: &mut Numbers, n: usize| -> Vec<i64> {
        let one = |numbers: &mut Numbers| match numbers.below(2) {
            0 => extremes[numbers.below(extremes.len())],
            _ => numbers.next() as i64 >> numbers.below(60),
        };
        (0..n).map(|_| one(numbers)).collect()
    };
    for _ in 0..200 {
        let (period, times) = (1 + numbers.below(70), 1 + numbers.below(12));
        let long = some(numbers, period * times);
        let count = if numbers.below(2) == 0 { 1 } else { period };
        let short = some(numbers, count);
        let (a, b) = if numbers.below(2) == 0 { (&long, &short) } else { (&short, &long) };
        let b: Vec<i64> = b.iter().map(|b| if *b == 0 { 1 } else { *b }).collect();
        let mut out = vec![0; long.len()];
        let ops: [(Whole, Scalar); 7] = [
            (Whole::Add, i64::wrapping_add),
            (Whole::Sub, i64::wrapping_sub),
            (Whole::Mul, i64::wrapping_mul),
            (Whole::Div, i64::wrapping_div),
            (Whole::Rem, i64::wrapping_rem),
            (Whole::Max, i64::max),
            (Whole::Min, i64::min),
        ];
        for (op, f) in ops {
            whole(op, a, &b, &mut out).unwrap();
            for (at, out) in out.iter().enumerate() {
                assert_eq!(*out, f(a[at % a.len()], b[at % b.len()]), "{op:?}");
            }
        }
    }
    let mut true_or_not = [9; 6];
    truth(false, &[0, 1, 0, 1, 1, 0], &[0, 1, 1], &mut true_or_not).unwrap();
    assert_eq!(true_or_not, [0, 1, 0, 0, 1, 0]);
    truth(true, &[1], &[0, 1, 1], &mut true_or_not[..3]).unwrap();
    assert_eq!(true_or_not[..3], [1; 3]);
    let mut out = [0; 4];
    assert!(whole(Whole::Rem, &[1, 2, 3, 4], &[1, 0], &mut out).is_err());
    assert!(whole(Whole::Add, &[], &[1], &mut out).is_err());
    assert!(whole(Whole::Add, &[1, 2, 3], &[1], &mut out).is_err());
}

#[test]
fn boxes_that_stay() {
    let rules = Rules { centred: false, most: 9, shared: 0.5, least: Some(0.1) };
    let boxes = [0., 0., 1., 1., 1., 1.1, 0., 0.1, 0., 2., 1., 3., 0., 2., 0., 3., 5., 5., 6., 6.];
    let mut kept = vec![];
    suppress(rules, &boxes, &[0.5, 0.9, 0.8, 0.8, 0.1], &mut kept).unwrap();
    assert_eq!(kept, [1, 2, 3], "the first is under the second, the last scores too little");
    kept.clear();
    let all = Rules { most: 2, least: None, ..rules };
    suppress(all, &boxes, &[f32::NAN, 0., -0., 1., f32::INFINITY], &mut kept).unwrap();
    assert_eq!(kept, [4, 3], "what is no number is last");
    assert!(suppress(rules, &boxes, &[1.], &mut kept).is_err());
}

#[test]
fn powers() {
    let numbers = &mut Numbers(8);
    let special = [0., -0., 1., -1., 0.5, 2., -3., 3., 1e-42, -1e30, f32::INFINITY, f32::NAN];
    for turn in 0..100_000 {
        let mut pick = |wide: f32| match numbers.below(4) {
            0 => special[numbers.below(special.len())],
            1 => numbers.below(40) as f32 - 20.,
            _ => numbers.floats(1)[0] * wide,
        };
        let x: [f32; 4] = std::array::from_fn(|_| pick(if turn % 2 == 0 { 3. } else { 3e4 }));
        let y: [f32; 4] = std::array::from_fn(|_| pick(8.));
        for (i, power) in power(x, y).into_iter().enumerate() {
            let wanted = f64::from(x[i]).powf(f64::from(y[i]));
            let apart = (f64::from(power) - wanted).abs();
            let close = apart <= f64::from((wanted as f32).abs()) * 6e-8 + 1.5e-45;
            let same = power == wanted as f32 || power.is_nan() && wanted.is_nan();
            assert!(same || close, "{} ** {} = {power}, not {wanted}", x[i], y[i]);
        }
    }
}

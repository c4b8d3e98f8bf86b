//! Pools, images of another size, and functions along an axis, against the definition.

use super::Numbers;
use crate::along;
use crate::conv::Geometry;
use crate::pool;
use crate::resample::{self, Taps};
use crate::spread;
use crate::top;

#[test]
fn means_of_windows() {
    let numbers = &mut Numbers(3);
    for _ in 0..200 {
        let side = |numbers: &mut Numbers| {
            let (kernel, stride, before) =
                (1 + numbers.below(4), 1 + numbers.below(3), numbers.below(2));
            let input = kernel + numbers.below(12);
            (input, (input + before - kernel) / stride + 1, kernel, stride, before)
        };
        let (y, x) = (side(numbers), side(numbers));
        let channels = 1 + numbers.below(3);
        let g = Geometry {
            batch: 1,
            groups: channels,
            channels_in: channels,
            channels_out: channels,
            input: [y.0, x.0],
            output: [y.1, x.1],
            kernel: [y.2, x.2],
            stride: [y.3, x.3],
            dilation: [1, 1],
            pad: [y.4, x.4],
        };
        let image = numbers.floats(channels * y.0 * x.0);
        let (down, across) = (numbers.floats(y.1), numbers.floats(x.1));
        let mut out = vec![f32::NAN; channels * y.1 * x.1];
        pool::mean(&g, &image, [&down, &across], &mut out).unwrap();
        for (at, mean) in out.iter().enumerate() {
            let (c, i, j) = (at / (y.1 * x.1), at / x.1 % y.1, at % x.1);
            let mut sum = 0.;
            for (row, column) in (0..y.2).flat_map(|a| (0..x.2).map(move |b| (a, b))) {
                let row = (i * y.3 + row).wrapping_sub(y.4);
                let column = (j * x.3 + column).wrapping_sub(x.4);
                if row < y.0 && column < x.0 {
                    sum += image[(c * y.0 + row) * x.0 + column];
                }
            }
            assert!((mean - sum * down[i] * across[j]).abs() < 1e-4, "{g:?}");
        }
        assert!(pool::mean(&g, &image, [&down[1..], &across], &mut out).is_err());
    }
}

#[test]
fn images_of_another_size() {
    let numbers = &mut Numbers(5);
    for _ in 0..100 {
        let [h, w, rows, columns] = std::array::from_fn(|_| 1 + numbers.below(12));
        let mut taps = |length: usize, count: usize| {
            let window = 1 + numbers.below(5);
            let places = (0..count * window).map(|_| numbers.below(length)).collect();
            Taps { window, places, weights: numbers.floats(count * window) }
        };
        let (down, across) = (taps(h, rows), taps(w, columns));
        let image = numbers.floats(2 * h * w);
        let mut out = vec![f32::NAN; 2 * rows * columns];
        resample::weighted([h, w], &down, &across, &image, &mut out).unwrap();
        let tap = |taps: &Taps, at: usize, i: usize| {
            (taps.places[at * taps.window + i], taps.weights[at * taps.window + i])
        };
        for (at, value) in out.iter().enumerate() {
            let (plane, y, x) = (at / (rows * columns), at / columns % rows, at % columns);
            let mut sum = 0.;
            for (i, j) in (0..down.window).flat_map(|i| (0..across.window).map(move |j| (i, j))) {
                let ((row, a), (column, b)) = (tap(&down, y, i), tap(&across, x, j));
                sum += image[(plane * h + row) * w + column] * a * b;
            }
            assert!((value - sum).abs() < 1e-5, "{value} for {sum}");
        }
    }
}

#[test]
fn functions_along_an_axis() {
    let numbers = &mut Numbers(9);
    for _ in 0..200 {
        let shape = [1 + numbers.below(5), 1 + numbers.below(9), 1 + numbers.below(80)];
        let shape = if numbers.below(3) == 0 { [shape[0] * 7, shape[1], 1] } else { shape };
        let [outer, n, inner] = shape;
        let x = numbers.floats(outer * n * inner);
        let mut out = x.clone();
        along::softmax(shape, &mut out).unwrap();
        let mut places = vec![-1; outer * inner];
        along::arg_max(shape, &along::Compared::F32(&x), false, &mut places).unwrap();
        for (at, place) in places.iter().enumerate() {
            let of = |i: usize| (at / inner * n + i) * inner + at % inner;
            let sum: f64 = (0..n).map(|i| f64::from(x[of(i)]).exp()).sum();
            for i in 0..n {
                let exact = f64::from(x[of(i)]).exp() / sum;
                assert!((f64::from(out[of(i)]) - exact).abs() < 1e-6, "softmax of {shape:?}");
                let (value, most) = (x[of(i)], x[of(*place as usize)]);
                assert!(value < most || value == most && i >= *place as usize, "of {shape:?}");
            }
        }
    }
    let equal = along::Compared::U8(&[7, 7, 3]);
    let mut place = [0];
    along::arg_max([1, 3, 1], &equal, true, &mut place).unwrap();
    assert_eq!(place, [1]);
}

#[test]
fn planes_between_others() {
    let mut out = [0.; 12];
    spread::spread(&[1., 2., 3., 4.], [2, 2], &mut out, [3, 4], [0, 1], [2, 2]).unwrap();
    assert_eq!(out, [0., 1., 0., 2., 0., 0., 0., 0., 0., 3., 0., 4.]);
    spread::spread(&[5., 6.], [2, 1], &mut out, [3, 4], [1, 0], [1, 3]).unwrap();
    assert_eq!(out, [0., 1., 0., 2., 5., 0., 0., 0., 6., 3., 0., 4.]);
    assert!(spread::spread(&[5., 6.], [2, 1], &mut out, [3, 4], [2, 0], [1, 1]).is_err());
}

#[test]
fn the_greatest_of_lines() {
    let numbers = &mut Numbers(5);
    for round in 0..300 {
        let (lines, n) = (1 + numbers.below(3), 1 + numbers.below(40));
        let mut x: Vec<f32> = (0..lines * n).map(|_| numbers.below(6) as f32 - 3.).collect();
        if round % 3 == 0 {
            let at = numbers.below(x.len());
            x[at] = f32::NAN;
        }
        for last in [false, true] {
            let mut places = vec![-1; lines];
            let values = along::Compared::F32(&x);
            along::arg_max([lines, n, 1], &values, last, &mut places).unwrap();
            for (line, place) in x.chunks(n).zip(places) {
                let wanted = line.iter().enumerate().fold((line[0], 0), |(most, at), (i, x)| {
                    let wins = if last { *x >= most } else { *x > most };
                    if wins { (*x, i as i64) } else { (most, at) }
                });
                assert_eq!(place, wanted.1, "{line:?}, last: {last}");
            }
        }
    }
}

#[test]
fn the_first_of_an_order() {
    let numbers = &mut Numbers(6);
    for _ in 0..200 {
        let size = [1 + numbers.below(3), 1 + numbers.below(30), 1 + numbers.below(3)];
        let [outer, n, inner] = size;
        let k = numbers.below(n + 1);
        let x: Vec<f32> = (0..outer * n * inner).map(|_| numbers.below(9) as f32 - 4.).collect();
        for largest in [false, true] {
            let (mut values, mut places) =
                (vec![0.; outer * k * inner], vec![0; outer * k * inner]);
            top::top(size, k, largest, &x, &mut values, &mut places).unwrap();
            for image in 0..outer {
                for column in 0..inner {
                    let at = |i: usize| x[(image * n + i) * inner + column];
                    let mut order: Vec<usize> = (0..n).collect();
                    order.sort_by(|a, b| {
                        let rising = at(*a).total_cmp(&at(*b));
                        if largest { rising.reverse() } else { rising }
                    });
                    for (rank, i) in order.iter().take(k).enumerate() {
                        let to = (image * k + rank) * inner + column;
                        assert_eq!((values[to], places[to]), (at(*i), *i as i64));
                    }
                }
            }
        }
    }
}

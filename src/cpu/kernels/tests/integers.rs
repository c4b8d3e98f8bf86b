//! Products of 8-bit integers against the definition: every bit.

use super::{Numbers, definition};
use crate::conv::Geometry;
use crate::integer::{self, Columns, Scaled, Weights};
use crate::integer_conv::{self, Finish};
use crate::quantize::Quanta;
use crate::widen::Bytes;
use crate::{Activation, Epilogue, direct, exact, squares};

const ZERO: i16 = 131;

fn bytes(x: &[f32]) -> Vec<u8> {
    x.iter().map(|v| ((v + 1.) * 127.5) as u8).collect()
}

fn floats(values: &[i16]) -> Vec<f32> {
    values.iter().map(|v| f32::from(*v)).collect()
}

/// Each form of a convolution that there is for this geometry.
pub(super) fn integers(g: &Geometry, x: &[f32], w: &[f32]) {
    let (x, w) = (bytes(x), w.iter().map(|v| (v * 255.) as i16).collect::<Vec<_>>());
    let less = x.iter().map(|v| i16::from(*v) - ZERO).collect::<Vec<_>>();
    let expected = definition(g, &floats(&less), &floats(&w), &Epilogue::default());
    let none = vec![0; g.channels_out];
    let check = |sums: &[i32], way: &str| {
        assert!(sums.iter().zip(&expected).all(|(a, b)| f64::from(*a) == *b), "{way}: {g:?}");
    };
    let mut sums = vec![i32::MIN; expected.len()];
    let packed = integer_conv::pack(g, &w).unwrap();
    let finish = &mut Finish::Sums(&mut sums);
    integer_conv::conv(g, Bytes::U8(&x), ZERO, &packed, &none, finish).unwrap();
    check(&sums, "in pairs");
    if exact::suits(g) {
        sums.fill(i32::MIN);
        let packed = direct::pack(g, &floats(&w)).unwrap();
        exact::conv(g, Bytes::U8(&x), ZERO, &packed, &none, &mut Finish::Sums(&mut sums)).unwrap();
        check(&sums, "as floats");
    }
    if squares::suits(g) {
        sums.fill(i32::MIN);
        let packed = squares::pack(g, &w).unwrap();
        let finish = &mut Finish::Sums(&mut sums);
        squares::conv(g, Bytes::U8(&x), ZERO, &packed, &none, finish).unwrap();
        check(&sums, "by tiles");
    }
}

fn three(batch: usize, channels: [usize; 2], input: [usize; 2], pad: [usize; 2]) -> Geometry {
    Geometry {
        batch,
        groups: 1,
        channels_in: channels[0],
        channels_out: channels[1],
        input,
        output: [input[0] + 2 * pad[0] - 2, input[1] + 2 * pad[1] - 2],
        kernel: [3, 3],
        stride: [1, 1],
        dilation: [1, 1],
        pad,
    }
}

#[test]
fn transformed_tiles_are_exact() {
    let numbers = &mut Numbers(5);
    let sizes = [[7, 7], [8, 8], [5, 16], [14, 14], [18, 21], [3, 40], [33, 8], [56, 56]];
    for (at, size) in sizes.into_iter().enumerate() {
        for pad in [[1, 1], [0, 0], [2, 0]] {
            let g = three(1 + at % 2, [8 + at, 9 + 2 * at], size, pad);
            let x = numbers.floats(g.batch * g.channels_in * size[0] * size[1]);
            integers(&g, &x, &numbers.floats(g.channels_out * g.depth()));
        }
    }
    assert!(squares::suits(&three(1, [8, 8], [14, 14], [1, 1])));
}

#[test]
fn the_largest_sums_of_tiles_are_exact() {
    // All of them at the ends of their range.
    let g = three(1, [910, 8], [4, 8], [1, 1]);
    assert!(squares::suits(&g) && !squares::suits(&three(1, [911, 8], [4, 8], [1, 1])));
    for sign in [1, -1] {
        let packed = squares::pack(&g, &vec![255 * sign; 8 * g.depth()]).unwrap();
        let (x, mut sums) = (vec![255; 910 * 32], vec![0; 8 * 32]);
        let finish = &mut Finish::Sums(&mut sums);
        squares::conv(&g, Bytes::U8(&x), 0, &packed, &[0; 8], finish).unwrap();
        assert_eq!(sums[9], i32::from(sign) * 255 * 255 * 9 * 910);
        assert_eq!(sums[0], i32::from(sign) * 255 * 255 * 4 * 910);
    }
}

#[test]
fn integer_products_are_exact() {
    let numbers = &mut Numbers(7);
    for _ in 0..200 {
        let [m, k, n] = [1 + numbers.below(12), 1 + numbers.below(70), 1 + numbers.below(40)];
        let x = numbers.floats(m * k).iter().map(|v| (v * 128.) as i8).collect::<Vec<_>>();
        let most = if numbers.below(2) == 0 { 127. } else { 255. };
        let w = numbers.floats(k * n).iter().map(|v| (v * most) as i16).collect::<Vec<_>>();
        let zero = numbers.below(200) as i16 - 100;
        let packed = integer::pack(k, n, &w).unwrap();
        let narrow = integer::narrowed(&packed);
        let weights = narrow.as_deref().map_or(Weights::Shorts(&packed), Weights::Bytes);
        let run = |columns: &mut Columns<'_>| {
            integer::dense([m, k, n], Bytes::I8(&x), zero, weights, columns).unwrap();
        };
        let mut sums = vec![i32::MIN; m * n];
        run(&mut Columns::Sums(&mut sums));
        for (at, sum) in sums.iter().enumerate() {
            let left = |i: usize| i32::from(i16::from(x[at / n * k + i]) - zero);
            let product = |i: usize| left(i) * i32::from(w[i * n + at % n]);
            assert_eq!(*sum, (0..k).map(product).sum::<i32>(), "{m} x {k} x {n}");
        }
        let (factors, bias) = (numbers.floats(n), numbers.floats(n));
        let offsets = numbers.floats(n).iter().map(|v| (v * 1e5) as i32).collect::<Vec<_>>();
        let bias = (numbers.below(2) == 0).then_some(&bias[..]);
        let scaled = Scaled { offsets: Some(&offsets), factors: &factors, bias };
        let mut expected: Vec<f32> = sums
            .iter()
            .enumerate()
            .map(|(at, sum)| {
                let sum = (sum + offsets[at % n]) as f32;
                sum * factors[at % n] + bias.map_or(0., |b| b[at % n])
            })
            .collect();
        let mut rounded = vec![0; m * n];
        run(&mut Columns::Rounded(scaled, 3, Quanta::I8(&mut rounded)));
        let step = |x: f32| (x.round_ties_even() + 3.).clamp(-128., 127.) as i8;
        assert!(rounded.iter().zip(&expected).all(|(a, b)| *a == step(*b)), "{m} x {k} x {n}");
        let mut floats = vec![f32::NAN; m * n];
        run(&mut Columns::Scaled(scaled, Activation::Leaky(0.5), &mut floats));
        Activation::Leaky(0.5).apply(&mut expected);
        assert_eq!(floats, expected, "{m} x {k} x {n}");
    }
}

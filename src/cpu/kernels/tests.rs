//! Every kernel against the definition, over many geometries.

mod images;
mod integers;
mod moves;
mod pointwise;

use crate::conv::{self, Geometry};
use crate::{Activation, Epilogue, dense, direct, pool, quantize, winograd};
use integers::integers;

/// Numbers in -1..1 that repeat on every machine.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    pub(crate) fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.).collect()
    }
}

/// The error function, by its series.
fn erf(x: f64) -> f64 {
    if x.abs() > 4. {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..100 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2. / std::f64::consts::PI.sqrt()
}

fn activate(a: Activation, x: f64) -> f64 {
    match a {
        Activation::None => x,
        Activation::Clamp(low, high) => x.max(low.into()).min(high.into()),
        Activation::Leaky(slope) if x < 0. => x * f64::from(slope),
        Activation::Leaky(_) => x,
        Activation::HardSigmoid(alpha, beta) => {
            (x * f64::from(alpha) + f64::from(beta)).clamp(0., 1.)
        }
        Activation::HardSwish => x * (x / 6. + 0.5).clamp(0., 1.),
        Activation::Sigmoid => 1. / (1. + (-x).exp()),
        Activation::Silu => x / (1. + (-x).exp()),
        Activation::Gelu => x / 2. * (1. + erf(x / 2f64.sqrt())),
        Activation::RoundTrip { scale, low, high, back } => {
            let [scale, low, high, back] = [scale, low, high, back].map(f64::from);
            (x / scale).clamp(low, high).round_ties_even() * back
        }
    }
}

fn definition(g: &Geometry, x: &[f32], w: &[f32], e: &Epilogue<'_>) -> Vec<f64> {
    let mut out = vec![];
    for n in 0..g.batch {
        for o in 0..g.channels_out {
            let group = o / g.group_out();
            for y in 0..g.output[0] {
                for z in 0..g.output[1] {
                    let mut sum = e.bias.map_or(0., |b| f64::from(b[o]));
                    for c in 0..g.group_in() {
                        for i in 0..g.kernel[0] {
                            for j in 0..g.kernel[1] {
                                let row =
                                    (y * g.stride[0] + i * g.dilation[0]).wrapping_sub(g.pad[0]);
                                let column =
                                    (z * g.stride[1] + j * g.dilation[1]).wrapping_sub(g.pad[1]);
                                if row < g.input[0] && column < g.input[1] {
                                    let channel = n * g.channels_in + group * g.group_in() + c;
                                    let pixel =
                                        x[(channel * g.input[0] + row) * g.input[1] + column];
                                    let tap = ((o * g.group_in() + c) * g.kernel[0] + i)
                                        * g.kernel[1]
                                        + j;
                                    sum += f64::from(pixel) * f64::from(w[tap]);
                                }
                            }
                        }
                    }
                    let residual = e.residual.map_or(0., |r| f64::from(r[out.len()]));
                    let activation =
                        e.slopes.map_or(e.activation, |slopes| Activation::Leaky(slopes[o]));
                    out.push(match e.residual_first {
                        true => activate(activation, sum + residual),
                        false => activate(activation, sum) + residual,
                    });
                }
            }
        }
    }
    out
}

fn greatest(g: &Geometry, x: &[f32]) -> Vec<f32> {
    let mut out = vec![];
    for plane in x.chunks_exact(g.input[0] * g.input[1]) {
        for y in 0..g.output[0] {
            for z in 0..g.output[1] {
                let mut most = f32::NEG_INFINITY;
                for i in 0..g.kernel[0] {
                    for j in 0..g.kernel[1] {
                        let row = (y * g.stride[0] + i * g.dilation[0]).wrapping_sub(g.pad[0]);
                        let column = (z * g.stride[1] + j * g.dilation[1]).wrapping_sub(g.pad[1]);
                        if row < g.input[0] && column < g.input[1] {
                            most = most.max(plane[row * g.input[1] + column]);
                        }
                    }
                }
                out.push(most);
            }
        }
    }
    out
}

fn check(numbers: &mut Numbers, g: &Geometry) {
    let x = numbers.floats(g.batch * g.channels_in * g.input[0] * g.input[1]);
    let w = numbers.floats(g.channels_out * g.depth());
    let bias = numbers.floats(g.channels_out);
    let mut out = vec![f32::NAN; g.batch * g.channels_out * g.output[0] * g.output[1]];
    let residual = numbers.floats(out.len());
    let activations = [
        Activation::None,
        Activation::Clamp(0., f32::INFINITY),
        Activation::Clamp(0., 6.),
        Activation::Leaky(0.1),
        Activation::HardSigmoid(0.2, 0.5),
        Activation::HardSwish,
        Activation::Sigmoid,
        Activation::Silu,
        Activation::Gelu,
    ];
    let slopes = numbers.floats(g.channels_out);
    let epilogue = Epilogue {
        slopes: (numbers.below(8) == 0).then_some(&slopes),
        bias: (numbers.below(3) > 0).then_some(&bias),
        residual: (numbers.below(3) == 0).then_some(&residual),
        residual_first: numbers.below(2) == 0,
        activation: activations[numbers.below(activations.len())],
    };
    let expected = definition(g, &x, &w, &epilogue);
    let worst = |out: &[f32]| {
        out.iter()
            .zip(&expected)
            .fold(0f64, |worst, (a, b)| worst.max((f64::from(*a) - b).abs() / (1. + b.abs())))
    };
    conv::conv(g, &x, &conv::pack(g, &w).unwrap(), &epilogue, &mut out).unwrap();
    assert!(
        worst(&out) < 1e-5,
        "product: off by {} for {g:?} {:?}",
        worst(&out),
        epilogue.activation
    );
    if direct::suits(g) {
        out.fill(f32::NAN);
        direct::conv(g, &x, &direct::pack(g, &w).unwrap(), &epilogue, &mut out).unwrap();
        assert!(worst(&out) < 1e-5, "direct: off by {} for {g:?}", worst(&out));
    }
    integers(g, &x, &w);
    if g.channels_in == g.channels_out {
        pool::max(g, &x, &mut out).unwrap();
        assert_eq!(out, greatest(g, &x), "max pool: {g:?}");
    }
    if winograd::suits(g) {
        out.fill(f32::NAN);
        winograd::conv(g, &x, &winograd::pack(g, &w).unwrap(), &epilogue, &mut out).unwrap();
        assert!(worst(&out) < 1e-4, "winograd: off by {} for {g:?}", worst(&out));
    }
}

#[test]
fn convolutions_of_all_forms() {
    let numbers = &mut Numbers(0x9e37_79b9_7f4a_7c15);
    let mut done = [0; 3];
    while done.iter().any(|n| *n < 150) {
        let kind = numbers.below(3);
        let groups = 1 + if kind == 0 { numbers.below(3) } else { numbers.below(9) * (kind - 1) };
        let (per_in, per_out) = match kind {
            2 => (1, 1),
            _ => (1 + numbers.below(20), 1 + numbers.below(20)),
        };
        let square = kind == 1;
        let side = |numbers: &mut Numbers| {
            let kernel = if square { 3 } else { 1 + numbers.below(5) };
            let (stride, dilation) =
                if square { (1, 1) } else { (1 + numbers.below(3), 1 + numbers.below(2)) };
            let (before, after) = (numbers.below(3), numbers.below(3));
            let input = 1 + numbers.below(20);
            let reach = (kernel - 1) * dilation + 1;
            let output = (input + before + after).checked_sub(reach).map_or(0, |n| n / stride + 1);
            (input, output, kernel, stride, dilation, before)
        };
        let (y, x) = (side(numbers), side(numbers));
        let g = Geometry {
            batch: 1 + numbers.below(2),
            groups,
            channels_in: groups * per_in,
            channels_out: groups * per_out,
            input: [y.0, x.0],
            output: [y.1, x.1],
            kernel: [y.2, x.2],
            stride: [y.3, x.3],
            dilation: [y.4, x.4],
            pad: [y.5, x.5],
        };
        if g.output.contains(&0) {
            continue;
        }
        check(numbers, &g);
        done[kind] += 1;
    }
}

/// Images of which not all is laid out at once.
#[test]
fn convolutions_in_bands() {
    let numbers = &mut Numbers(78);
    for (stride, kernel, groups, width) in [(2, 3, 1, 190), (1, 5, 2, 181), (3, 4, 1, 700)] {
        let size = [230, width];
        let g = Geometry {
            batch: 2,
            groups,
            channels_in: 14,
            channels_out: 4,
            input: size,
            output: size.map(|n| (n + 3 - kernel) / stride + 1),
            kernel: [kernel; 2],
            stride: [stride; 2],
            dilation: [1; 2],
            pad: [1; 2],
        };
        check(numbers, &g);
    }
}

#[test]
fn pixels_to_few_channels() {
    let numbers = &mut Numbers(77);
    for round in 0..120 {
        let groups = 1 + numbers.below(2);
        let size = if round % 4 == 0 {
            [20 + numbers.below(20), 30]
        } else {
            [1 + numbers.below(9), 4 + numbers.below(9)]
        };
        let g = Geometry {
            batch: 1 + numbers.below(2),
            groups,
            channels_in: groups * (1 + numbers.below(11)),
            channels_out: groups * (1 + numbers.below(8)),
            input: size,
            output: size,
            kernel: [1, 1],
            stride: [1, 1],
            dilation: [1, 1],
            pad: [0, 0],
        };
        assert!(direct::suits(&g));
        check(numbers, &g);
    }
}

#[test]
fn a_slice_that_does_not_fit_is_refused() {
    let g = Geometry {
        batch: 1,
        groups: 1,
        channels_in: 8,
        channels_out: 16,
        input: [8, 8],
        output: [8, 8],
        kernel: [3, 3],
        stride: [1, 1],
        dilation: [1, 1],
        pad: [1, 1],
    };
    let (x, w, mut out) = (vec![0.; 512], vec![0.; 1152], vec![0.; 1024]);
    let none = Epilogue::default();
    let packed = conv::pack(&g, &w).unwrap();
    assert!(conv::conv(&g, &x, &packed, &none, &mut out).is_ok());
    assert!(conv::conv(&g, &x[1..], &packed, &none, &mut out).is_err());
    assert!(conv::conv(&g, &x, &packed[1..], &none, &mut out).is_err());
    let packed = winograd::pack(&g, &w).unwrap();
    assert!(winograd::conv(&g, &x, &packed, &none, &mut out).is_ok());
    assert!(winograd::conv(&g, &x, &packed[1..], &none, &mut out).is_err());
    assert!(direct::conv(&g, &x, &w, &none, &mut out).is_err(), "it is not for so many outputs");
    let few = Geometry { channels_out: 4, ..g.clone() };
    let (packed, out) = (direct::pack(&few, &w[..288]).unwrap(), &mut out[..256]);
    assert!(direct::conv(&few, &x, &packed, &none, out).is_ok());
    assert!(direct::conv(&few, &x, &packed[1..], &none, out).is_err());
    let bent = Geometry { output: [9, 8], ..few };
    assert!(direct::conv(&bent, &x, &packed, &none, out).is_err());
}

#[test]
fn rounding_saturates_and_takes_halves_to_even() {
    let x = [-1e9, -3.5, -0.5, 0.5, 1.5, 2.5, 254.4, 255.6, 1e9, f32::NAN];
    let mut bytes = [9u8; 10];
    quantize::round(&x, 3, quantize::Quanta::U8(&mut bytes));
    assert_eq!(bytes, [0, 0, 3, 3, 5, 5, 255, 255, 255, 0]);
    let mut signed = [9i8; 10];
    quantize::divide_round(&x, 0.5, -1, quantize::Quanta::I8(&mut signed));
    assert_eq!(signed, [-128, -8, -2, 0, 2, 4, 127, 127, 127, -128]);
    let mut back = x;
    Activation::RoundTrip { scale: 0.5, low: -8., high: 7., back: 2. }.apply(&mut back);
    assert_eq!(back, [-16., -14., -2., 2., 6., 10., 14., 14., 14., -16.]);
}

#[test]
fn dense_products() {
    let numbers = &mut Numbers(11);
    for _ in 0..300 {
        let [m, k, n] = [1 + numbers.below(12), 1 + numbers.below(70), 1 + numbers.below(70)];
        let (x, w, bias) = (numbers.floats(m * k), numbers.floats(k * n), numbers.floats(n));
        let bias = (numbers.below(2) == 0).then_some(&bias[..]);
        let mut out = vec![f32::NAN; m * n];
        dense::dense([m, k, n], &x, &dense::pack(k, n, |i, c| w[i * n + c]), bias, &mut out)
            .unwrap();
        for (at, sum) in out.iter().enumerate() {
            let product = |i: usize| f64::from(x[at / n * k + i]) * f64::from(w[i * n + at % n]);
            let exact =
                (0..k).map(product).sum::<f64>() + bias.map_or(0., |b| f64::from(b[at % n]));
            assert!((f64::from(*sum) - exact).abs() < 1e-4, "{m} x {k} x {n}: {sum} for {exact}");
        }
    }
}

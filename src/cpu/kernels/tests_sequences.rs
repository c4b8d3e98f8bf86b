//! Recurrences, trees and products of few bits against their definitions.

use crate::nbits::Packed;
use crate::norm;
use crate::product::{Scratch, View, product};
use crate::quantize;
use crate::recurrence::{Cell, Recurrence, Rows};
use crate::tests::Numbers;
use crate::trees::{Forest, Node};
use crate::v4::F4;

#[test]
fn hyperbolic_tangent() {
    for at in -2000..2000 {
        let x = at as f32 / 200.;
        let [y, ..] = F4::splat(x).tanh().to_array();
        let exact = f64::from(x).tanh();
        assert!((f64::from(y) - exact).abs() <= 4e-7 * exact.abs(), "tanh({x}) = {y}");
    }
    let [nan, ..] = F4::splat(f32::NAN).tanh().to_array();
    assert!(nan.is_nan());
}

fn sigmoid(x: f64) -> f64 {
    1. / (1. + (-x).exp())
}

/// One step of ONNX's definitions: `x` are the sums over the input, which lack the bias that the cell adds.
fn step(
    cell: Cell,
    x: &[f64],
    r: &[f32],
    bias: &[f32],
    peep: &[f32],
    h: &mut [f64],
    c: &mut [f64],
) {
    let n = h.len();
    let over = |row: usize, h: &[f64]| -> f64 {
        r[row * n..][..n].iter().zip(h).map(|(r, h)| f64::from(*r) * h).sum()
    };
    let p = |at: usize| peep.get(at).map_or(0., |p| f64::from(*p));
    let old = h.to_vec();
    let gate = |g: usize, i: usize| x[g * n + i] + over(g * n + i, &old);
    let reset = |i: usize| sigmoid(gate(1, i));
    for i in 0..n {
        h[i] = match cell {
            Cell::Rnn => gate(0, i).tanh(),
            Cell::Gru { late_reset } => {
                let z = sigmoid(gate(0, i));
                let kept: Vec<f64> = (0..n).map(|j| reset(j) * old[j]).collect();
                let new = match late_reset {
                    true => reset(i) * (over(2 * n + i, &old) + f64::from(bias[2 * n + i])),
                    false => over(2 * n + i, &kept),
                };
                (1. - z) * (x[2 * n + i] + new).tanh() + z * old[i]
            }
            Cell::Lstm => {
                let input = sigmoid(gate(0, i) + p(i) * c[i]);
                let forget = sigmoid(gate(2, i) + p(2 * n + i) * c[i]);
                c[i] = forget * c[i] + input * gate(3, i).tanh();
                sigmoid(gate(1, i) + p(n + i) * c[i]) * c[i].tanh()
            }
        };
    }
}

#[test]
fn recurrences() {
    let numbers = &mut Numbers(5);
    let cells =
        [Cell::Lstm, Cell::Gru { late_reset: true }, Cell::Gru { late_reset: false }, Cell::Rnn];
    for round in 0..160 {
        let cell = cells[round % 4];
        let (n, steps, batch) = (1 + numbers.below(40), 1 + numbers.below(5), 1 + numbers.below(6));
        let first = numbers.below(batch);
        let count = 1 + numbers.below(batch - first);
        let rows = Rows { batch, first, count };
        let gates = cell.gates() * n;
        let (r, bias) = (numbers.floats(gates * n), numbers.floats(gates));
        let peeps = cell == Cell::Lstm && numbers.below(2) == 0;
        let peep = numbers.floats(if peeps { 3 * n } else { 0 });
        let x = numbers.floats(steps * batch * gates);
        let mut h = numbers.floats(count * n);
        let mut c = numbers.floats(if cell == Cell::Lstm { count * n } else { 0 });
        let wide = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let (mut exact_h, mut exact_c) = (wide(&h), wide(&c));
        exact_c.resize(count * n, 0.);
        let mut exact = vec![];
        for t in 0..steps {
            for b in 0..count {
                let x = wide(&x[(t * batch + first + b) * gates..][..gates]);
                let at = b * n..(b + 1) * n;
                step(
                    cell,
                    &x,
                    &r,
                    &bias,
                    &peep,
                    &mut exact_h[at.clone()],
                    &mut exact_c[at.clone()],
                );
                exact.push((t, first + b, exact_h[at].to_vec()));
            }
        }
        let mut made = vec![];
        let recurrence = Recurrence::new(cell, n, &r, &bias, &peep).unwrap();
        let out = |t, b, h: &[f32]| made.push((t, b, wide(h)));
        recurrence.run(0..steps, rows, &x, &mut h, &mut c, out).unwrap();
        assert_eq!(made.len(), exact.len());
        for ((t, b, made), (exact_t, exact_b, exact)) in made.iter().zip(&exact) {
            assert_eq!((t, b), (exact_t, exact_b));
            for (made, exact) in made.iter().zip(exact) {
                assert!((made - exact).abs() < 1e-5, "{cell:?} of {n}: {made} for {exact}");
            }
        }
    }
}

/// A tree over nodes that are pushed; its root.
fn grow(numbers: &mut Numbers, nodes: &mut Vec<Node>, depth: usize, votes: usize) -> u32 {
    let node = if depth == 0 || numbers.below(4) == 0 {
        let start = numbers.below(votes) as u32;
        Node::Leaf(start..start + numbers.below(votes - start as usize + 1) as u32)
    } else {
        let (yes, no) =
            (grow(numbers, nodes, depth - 1, votes), grow(numbers, nodes, depth - 1, votes));
        let value = numbers.floats(1)[0];
        let missing_yes = numbers.below(2) == 0;
        Node::Split { feature: numbers.below(5) as u32, value, missing_yes, yes, no }
    };
    nodes.push(node);
    nodes.len() as u32 - 1
}

#[test]
fn trees() {
    let numbers = &mut Numbers(3);
    for _ in 0..100 {
        let targets = 1 + numbers.below(4);
        let votes: Vec<(u32, f32)> =
            (0..20).map(|_| (numbers.below(targets) as u32, numbers.floats(1)[0])).collect();
        let mut nodes = vec![];
        // Of few leaves and of more.
        let (count, depth) = (1 + numbers.below(9), 1 + numbers.below(7));
        let roots: Vec<u32> = (0..count).map(|_| grow(numbers, &mut nodes, depth, 20)).collect();
        let forest = Forest::new(&nodes, &roots, votes.clone(), targets).unwrap();
        let rows = numbers.below(70);
        let mut x = numbers.floats(rows * 5);
        for value in &mut x {
            if numbers.below(10) == 0 {
                *value = f32::NAN;
            }
        }
        let (mut sums, mut seen) = (vec![0f32; rows * targets], vec![false; rows * targets]);
        forest.add(0..count, &x, 5, &mut sums, &mut seen).unwrap();
        let (mut exact, mut exact_seen) = (vec![0f32; sums.len()], vec![false; sums.len()]);
        for (row, x) in x.chunks(5).enumerate() {
            for root in &roots {
                let mut at = *root as usize;
                let range = loop {
                    match &nodes[at] {
                        Node::Leaf(range) => break range.clone(),
                        Node::Split { feature, value, missing_yes, yes, no } => {
                            let x = x[*feature as usize];
                            let is_yes = x <= *value || *missing_yes && x.is_nan();
                            at = if is_yes { *yes } else { *no } as usize;
                        }
                    }
                };
                for (target, weight) in &votes[range.start as usize..range.end as usize] {
                    exact[row * targets + *target as usize] += weight;
                    exact_seen[row * targets + *target as usize] = true;
                }
            }
        }
        assert_eq!((sums, seen), (exact, exact_seen));
    }
}

#[test]
fn trees_that_lead_nowhere_are_refused() {
    let leaf = |range| Node::Leaf(range);
    let split = |yes, no| Node::Split { feature: 1, value: 0., missing_yes: false, yes, no };
    let votes = || vec![(0, 1.)];
    assert!(Forest::new(&[leaf(0..2)], &[0], votes(), 1).is_err());
    assert!(Forest::new(&[leaf(0..1)], &[1], votes(), 1).is_err());
    assert!(Forest::new(&[leaf(0..1)], &[0], vec![(1, 1.)], 1).is_err());
    assert!(Forest::new(&[split(1, 2), leaf(0..1)], &[0], votes(), 1).is_err());
    let forest = Forest::new(&[split(1, 1), leaf(0..1)], &[0], votes(), 1).unwrap();
    let (mut sums, mut seen) = (vec![0.; 2], vec![false; 2]);
    assert!(forest.add(0..1, &[1., 2.], 1, &mut sums, &mut seen).is_err());
    assert!(forest.add(0..2, &[1., 2.], 2, &mut sums[..1], &mut seen[..1]).is_err());
    assert!(forest.add(0..1, &[1., 2.], 2, &mut sums[..1], &mut seen[..1]).is_ok());
}

#[test]
fn products_of_few_bits() {
    let numbers = &mut Numbers(17);
    for round in 0..150 {
        let bits = [2, 4, 8][round % 3];
        let block = 16 << numbers.below(3);
        let [m, k, n] = [1 + numbers.below(6), 1 + numbers.below(150), 1 + numbers.below(40)];
        let blocks = k.div_ceil(block);
        let codes: Vec<u8> =
            (0..n * blocks * block).map(|_| numbers.below(1 << bits) as u8).collect();
        let (scales, x) = (numbers.floats(n * blocks), numbers.floats(m * k));
        let zeros: Vec<f32> = (0..n * blocks).map(|_| numbers.below(1 << bits) as f32).collect();
        let code = |c: usize, i: usize| codes[c * blocks * block + i];
        let (scale, zero) = (
            |c: usize, b: usize| scales[c * blocks + b],
            |c: usize, b: usize| zeros[c * blocks + b],
        );
        let bytes = codes.chunks_exact(8 / bits);
        let bytes: Vec<u8> = bytes
            .map(|codes| codes.iter().rev().fold(0, |byte, c| byte << (bits % 8) | c))
            .collect();
        let packed = Packed::new([k, n], bits, block, &bytes, scale, zero).unwrap();
        let mut out = vec![f32::NAN; m * n];
        packed.product(m, &x, &mut out).unwrap();
        for (at, sum) in out.iter().enumerate() {
            let (row, column) = (at / n, at % n);
            let weight = |i: usize| {
                let b = i / block;
                (f64::from(code(column, i)) - f64::from(zero(column, b)))
                    * f64::from(scale(column, b))
            };
            let product = |i: usize| f64::from(x[row * k + i]) * weight(i);
            let (exact, size) = (0..k)
                .map(|i| (product(i), product(i).abs()))
                .fold((0., 0.), |a, b| (a.0 + b.0, a.1 + b.1));
            let off = (f64::from(*sum) - exact).abs();
            assert!(off < 1e-5 * (1. + size), "{m} x {k} x {n}, {bits} bits: {sum} for {exact}");
        }
    }
}

#[test]
fn products_of_two_matrices() {
    let numbers = &mut Numbers(23);
    for _ in 0..300 {
        let mut scratch = Scratch::default();
        let size = [1 + numbers.below(9), 1 + numbers.below(20), 1 + numbers.below(40)];
        let [m, k, n] = size;
        // By rows or by columns, with a gap.
        let mut lie = |rows: usize, columns: usize| match numbers.below(2) {
            0 => [columns + numbers.below(3), 1],
            _ => [1, rows + numbers.below(3)],
        };
        let (sa, sb, so) = (lie(m, k), lie(k, n), lie(m, n));
        let length = |[rows, columns]: [usize; 2], s: [usize; 2]| {
            (rows - 1) * s[0] + (columns - 1) * s[1] + 1
        };
        let (a, b) = (numbers.floats(length([m, k], sa)), numbers.floats(length([k, n], sb)));
        let mut out = vec![f32::NAN; length([m, n], so)];
        let view = |values, strides| View { values, strides };
        for _ in 0..2 {
            // The second time with what the first one has packed.
            out.fill(f32::NAN);
            product(size, view(&a, sa), view(&b, sb), &mut out, so, &mut scratch).unwrap();
        }
        for (r, c) in (0..m).flat_map(|r| (0..n).map(move |c| (r, c))) {
            let one = |i: usize| {
                f64::from(a[r * sa[0] + i * sa[1]]) * f64::from(b[i * sb[0] + c * sb[1]])
            };
            let (exact, sum) = ((0..k).map(one).sum::<f64>(), out[r * so[0] + c * so[1]]);
            assert!((f64::from(sum) - exact).abs() < 1e-5, "{size:?}: {sum} for {exact}");
        }
        let short = View { values: &b[..b.len() - 1], strides: sb };
        assert!(product(size, view(&a, sa), short, &mut out, so, &mut scratch).is_err());
    }
}

#[test]
fn rows_of_all_widths() {
    let numbers = &mut Numbers(29);
    for width in (1..40).chain([9000]) {
        let x = numbers.floats(3 * width);
        let (scale, shift) = (numbers.floats(width), numbers.floats(width));
        let mut parts = x.iter().map(|v| v * 20.).collect::<Vec<_>>();
        parts[0] = f32::NEG_INFINITY;
        let raw = parts.clone();
        norm::softmax(width, &mut parts).unwrap();
        let mut logs = raw.clone();
        norm::log_softmax(width, &mut logs).unwrap();
        for norm in [norm::Norm::Deviation, norm::Norm::MeanSquare] {
            let mut out = vec![f32::NAN; x.len()];
            let sides = [Some(&scale[..]), Some(&shift[..])];
            norm::rows(norm, width, 1e-3, Some(&x), sides[0], sides[1], &mut out).unwrap();
            let mut own = x.clone();
            norm::rows(norm, width, 1e-3, None, sides[0], sides[1], &mut own).unwrap();
            assert_eq!(own, out, "{norm:?} of {width} in place");
            for (row, out) in x.chunks(width).zip(out.chunks(width)) {
                let count = width as f64;
                let mean = match norm {
                    norm::Norm::Deviation => row.iter().map(|v| f64::from(*v)).sum::<f64>() / count,
                    norm::Norm::MeanSquare => 0.,
                };
                let square = |v: &f32| (f64::from(*v) - mean).powi(2);
                let root = (row.iter().map(square).sum::<f64>() / count + 1e-3).sqrt();
                for (at, out) in out.iter().enumerate() {
                    let exact = (f64::from(row[at]) - mean) / root * f64::from(scale[at])
                        + f64::from(shift[at]);
                    assert!((f64::from(*out) - exact).abs() < 1e-4, "{norm:?}: {out} for {exact}");
                }
            }
        }
        for ((row, parts), logs) in
            raw.chunks(width).zip(parts.chunks(width)).zip(logs.chunks(width))
        {
            let most = row.iter().fold(f64::NEG_INFINITY, |a, b| a.max((*b).into()));
            if most == f64::NEG_INFINITY {
                assert!(parts.iter().all(|p| p.is_nan()));
                continue;
            }
            let each = |v: &f32| (f64::from(*v) - most).exp();
            let sum = row.iter().map(each).sum::<f64>();
            for (x, part) in row.iter().zip(parts) {
                assert!((f64::from(*part) - each(x) / sum).abs() < 1e-6, "{part}");
            }
            for (x, log) in row.iter().zip(logs) {
                let exact = f64::from(*x) - most - sum.ln();
                let near = (f64::from(*log) - exact).abs() <= 1e-6 * exact.abs().max(1.);
                assert!(near || exact == f64::NEG_INFINITY && *log == f32::NEG_INFINITY, "{log}");
            }
        }
    }
}

#[test]
fn quantisation_over_the_range() {
    let numbers = &mut Numbers(31);
    for length in 0..40 {
        for shift in [-2., 0., 2.] {
            let x: Vec<f32> = numbers.floats(length).iter().map(|x| x + shift).collect();
            let (low, high) = x.iter().fold((0f32, 0f32), |(a, b), v| (a.min(*v), b.max(*v)));
            let mut out = vec![7; length];
            let (scale, zero) = quantize::over_range(&x, &mut out);
            if high > low {
                assert_eq!(scale, (high - low) / 255.);
            } else {
                assert_eq!((scale, zero), (1., 0));
            }
            for (x, y) in x.iter().zip(out) {
                let exact = (x / scale).round_ties_even() + f32::from(zero);
                assert_eq!(f32::from(y), exact.clamp(0., 255.), "{x} over {low}..{high}");
            }
        }
    }
    let mut out = [7; 3];
    assert_eq!((quantize::over_range(&[0.; 3], &mut out), out), ((1., 0), [0; 3]));
}

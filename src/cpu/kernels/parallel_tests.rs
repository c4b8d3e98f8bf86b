//! Every kernel gives the same bits in one lane and in several.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Job, lend};
use crate::conv::{self, Geometry};
use crate::integer::{self, Columns, Scaled, Weights};
use crate::integer_conv::{self, Finish};
use crate::nbits::Packed;
use crate::norm::{self, Norm};
use crate::pointwise::{Binary, Function, Input, Operand, Output, Program, Repeat, Unary, Values};
use crate::trees::{Forest, Node};
use crate::widen::Bytes;
use crate::{Activation, Epilogue, dense, direct, pool, squares, winograd};

const LANES: usize = 3;

/// Threads of the standard library, a lane each.
fn lender(job: &Job<'_>) {
    let next = AtomicUsize::new(0);
    let take = |lane: usize| {
        let turn = || next.fetch_add(1, Ordering::Relaxed);
        (std::iter::repeat_with(turn)).take_while(|part| *part < job.parts()).for_each(|part| {
            job.run(part, lane);
        });
    };
    std::thread::scope(|scope| {
        for lane in 1..LANES {
            let take = &take;
            scope.spawn(move || take(lane));
        }
        take(0);
    });
}

/// What `kernel` writes, in one lane and in several. Other tests run meanwhile and get lanes too, which is all the same
/// to them.
fn same_bits(name: &str, len: usize, kernel: impl Fn(&mut [f32]) -> crate::Result<()>) {
    let [one, many] = [1, LANES].map(|lanes| {
        lend(lanes, lender);
        let mut out = vec![f32::NAN; len];
        kernel(&mut out).unwrap();
        out.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
    });
    assert_eq!(one, many, "{name}");
}

fn geometry(
    batch: usize,
    groups: usize,
    channels: [usize; 2],
    side: usize,
    kernel: usize,
) -> Geometry {
    Geometry {
        batch,
        groups,
        channels_in: channels[0],
        channels_out: channels[1],
        input: [side, side + 2],
        output: [side, side + 2],
        kernel: [kernel, kernel],
        stride: [1, 1],
        dilation: [1, 1],
        pad: [kernel / 2, kernel / 2],
    }
}

#[test]
fn lanes_do_not_show() {
    let rows = [
        geometry(1, 1, [3, 5], 9, 3),
        geometry(2, 1, [16, 70], 13, 3),
        geometry(1, 1, [40, 150], 3, 1),
        geometry(3, 4, [8, 12], 20, 5),
        geometry(1, 24, [24, 24], 17, 3),
        geometry(1, 1, [9, 9], 33, 3),
        geometry(2, 1, [16, 24], 8, 3),
        geometry(1, 1, [12, 3], 40, 3),
        Geometry { input: [1, 1], output: [1, 1], pad: [0, 0], ..geometry(1, 1, [60, 90], 1, 1) },
    ];
    for g in rows {
        let number = |i: usize| ((i * 2_654_435_761) >> 7 & 0xffff) as f32 / 32768. - 1.;
        let numbers = |n: usize| (0..n).map(number).collect::<Vec<_>>();
        let x = numbers(g.batch * g.channels_in * g.image());
        let w = numbers(g.channels_out * g.depth());
        let len = g.batch * g.channels_out * g.plane();
        let (bias, residual) = (numbers(g.channels_out), numbers(len));
        let epilogue = Epilogue {
            bias: Some(&bias),
            residual: Some(&residual),
            residual_first: true,
            activation: Activation::Silu,
            slopes: None,
        };
        let packed = conv::pack(&g, &w).unwrap();
        same_bits(&format!("conv {g:?}"), len, |out| conv::conv(&g, &x, &packed, &epilogue, out));
        if direct::suits(&g) {
            let packed = direct::pack(&g, &w).unwrap();
            same_bits(&format!("direct {g:?}"), len, |out| {
                direct::conv(&g, &x, &packed, &epilogue, out)
            });
        }
        let whole = |v: &[f32]| v.iter().map(|v| (v * 127.) as i16).collect::<Vec<_>>();
        let xi = x.iter().map(|v| (v * 127.) as i8).collect::<Vec<_>>();
        let (xi, wi) = (Bytes::I8(&xi), whole(&w));
        let zeros = vec![0; g.channels_out];
        let packed = integer_conv::pack(&g, &wi).unwrap();
        same_bits(&format!("integer {g:?}"), len, |out| {
            integer_conv::conv(&g, xi, 3, &packed, &zeros, &mut Finish::Scaled(&bias, out))
        });
        if squares::suits(&g) {
            let packed = squares::pack(&g, &wi).unwrap();
            same_bits(&format!("squares {g:?}"), len, |out| {
                squares::conv(&g, xi, 3, &packed, &zeros, &mut Finish::Scaled(&bias, out))
            });
        }
        if winograd::suits(&g) {
            let packed = winograd::pack(&g, &w).unwrap();
            same_bits(&format!("winograd {g:?}"), len, |out| {
                winograd::conv(&g, &x, &packed, &epilogue, out)
            });
        }
        if g.channels_in == g.channels_out {
            same_bits(&format!("pool {g:?}"), len, |out| pool::max(&g, &x, out));
        }
    }
}

#[test]
fn lanes_do_not_show_in_rows() {
    let number = |i: usize| ((i * 2_654_435_761) >> 7 & 0xffff) as f32 / 32768. - 1.;
    let numbers = |n: usize| (0..n).map(number).collect::<Vec<_>>();
    for [rows, width] in [[1, 7], [60, 5], [33, 130], [7, 4000]] {
        let (len, x, scale) = (rows * width, numbers(rows * width), numbers(width));
        same_bits("norm", len, |out| {
            norm::rows(Norm::Deviation, width, 1e-5, Some(&x), Some(&scale), None, out)
        });
        same_bits("softmax", len, |out| {
            out.copy_from_slice(&x);
            norm::softmax(width, out)
        });
        same_bits("activation", len, |out| {
            out.copy_from_slice(&x);
            Activation::Gelu.apply_to_all(out);
            Ok(())
        });
        let steps = vec![
            (Function::Binary(Binary::Mul, [Operand::Input(0), Operand::Input(1)]), 0),
            (Function::Unary(Unary::Tanh, Operand::Register(0)), 0),
        ];
        let program = Program { steps, registers: 1 };
        same_bits("chain", len, |out| {
            let input = |values, repeat| Input { values: Values::F32(values), repeat };
            let inputs = [input(&x, Repeat::Never), input(&scale, Repeat::Each(1))];
            program.run(&inputs, &mut Output::Floats(out))
        });
        same_bits("chain in place", len, |out| {
            out.copy_from_slice(&x);
            let input = |values, repeat| Input { values: Values::F32(values), repeat };
            let inputs = [input(&[], Repeat::InPlace), input(&scale, Repeat::Each(1))];
            program.run(&inputs, &mut Output::Floats(out))
        });
    }
}

#[test]
fn lanes_do_not_show_in_trees() {
    // A split by each column, in a tree of its own.
    let leaf = |vote: u32| Node::Leaf(vote..vote + 1);
    let split = |feature, yes| {
        let (value, missing_yes) = (feature as f32 / 5. - 0.5, feature % 2 == 0);
        Node::Split { feature, value, missing_yes, yes, no: yes + 1 }
    };
    let trees = (0..5).flat_map(|i| [split(i, 3 * i + 1), leaf(2 * i), leaf(2 * i + 1)]);
    let votes = (0..10).map(|i| (i % 2, i as f32 / 7.)).collect();
    let nodes: Vec<_> = trees.collect();
    let forest = Forest::new(&nodes, &[0, 3, 6, 9, 12], votes, 2).unwrap();
    for rows in [1, 5, 40, 333] {
        let x: Vec<f32> =
            (0..rows * 5).map(|i| ((i * 2_654_435_761) >> 7 & 0xff) as f32 / 128. - 1.).collect();
        same_bits("trees", rows * 2, |out| {
            out.fill(0.);
            forest.add(0..5, &x, 5, out, &mut vec![false; rows * 2])
        });
    }
}

#[test]
fn lanes_do_not_show_in_products() {
    for [m, k, n] in [[1, 30, 200], [7, 33, 70], [150, 20, 33], [4, 64, 8], [1, 5, 3]] {
        let number = |i: usize| ((i * 2_654_435_761) >> 7 & 0xffff) as f32 / 32768. - 1.;
        let numbers = |n: usize| (0..n).map(number).collect::<Vec<_>>();
        let (x, w, bias) = (numbers(m * k), numbers(k * n), numbers(n));
        let packed = dense::pack(k, n, |i, c| w[i * n + c]);
        same_bits(&format!("dense {m} {k} {n}"), m * n, |out| {
            dense::dense([m, k, n], &x, &packed, Some(&bias), out)
        });
        let codes: Vec<u8> = (0..n * k.div_ceil(16) * 8).map(|i| (i * 151) as u8).collect();
        let bits = Packed::new([k, n], 4, 16, &codes, |_, _| 0.125, |_, _| 8.).unwrap();
        same_bits(&format!("bits {m} {k} {n}"), m * n, |out| bits.product(m, &x, out));
        let whole = |v: &[f32]| v.iter().map(|v| (v * 127.) as i16).collect::<Vec<_>>();
        let x = x.iter().map(|v| (v * 127.) as i8).collect::<Vec<_>>();
        let packed = integer::pack(k, n, &whole(&w)).unwrap();
        same_bits(&format!("integer {m} {k} {n}"), m * n, |out| {
            let scaled = Scaled { offsets: None, factors: &[0.5], bias: Some(&bias) };
            let columns = &mut Columns::Scaled(scaled, Activation::Gelu, out);
            integer::dense([m, k, n], Bytes::I8(&x), 5, Weights::Shorts(&packed), columns)
        });
    }
}

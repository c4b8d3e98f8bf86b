//! Programs of single elements against the definition.

use super::{Numbers, activate, erf};
use crate::Activation;
use crate::pointwise::{Binary, Function, Input, Operand, Output, Program, Repeat, Unary, Values};
use crate::quantize::Quanta;

const UNARY: &[Unary] = &[
    Unary::Abs,
    Unary::Exp,
    Unary::Neg,
    Unary::Reciprocal,
    Unary::Square,
    Unary::Sqrt,
    Unary::Rsqrt,
    Unary::Tanh,
    Unary::Erf,
    Unary::Activation(Activation::Silu),
    Unary::Activation(Activation::Leaky(0.2)),
];
const BINARY: &[Binary] = &[
    Binary::Add,
    Binary::Sub,
    Binary::Mul,
    Binary::Div,
    Binary::Max,
    Binary::Min,
    Binary::Less,
    Binary::LessOrEqual,
];

fn one(f: Unary, x: f64) -> f64 {
    match f {
        Unary::Activation(a) => activate(a, x),
        Unary::Abs => x.abs(),
        Unary::Exp => x.exp(),
        Unary::Neg => -x,
        Unary::Reciprocal => 1. / x,
        Unary::Square => x * x,
        Unary::Sqrt => x.sqrt(),
        Unary::Rsqrt => 1. / x.sqrt(),
        Unary::Tanh => x.tanh(),
        Unary::Erf => erf(x),
    }
}

fn two(f: Binary, a: f64, b: f64) -> f64 {
    match f {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Max => a.max(b),
        Binary::Min => a.min(b),
        Binary::Less => f64::from(a < b),
        Binary::LessOrEqual => f64::from(a <= b),
        Binary::Power => a.powf(b),
    }
}

/// Inputs of 3 x 5 x `inner`: whole, a value each of the five, a line, and one.
fn inputs(inner: usize) -> Vec<(usize, Repeat)> {
    vec![
        (15 * inner, Repeat::Never),
        (5, Repeat::Each(inner)),
        (inner, Repeat::Each(1)),
        (1, Repeat::Each(1)),
    ]
}

#[test]
fn programs_give_what_their_steps_say() {
    let numbers = &mut Numbers(21);
    for round in 0..300 {
        let inner = [1, 3, 64, 130, 513, 1100][round % 6];
        let kinds = inputs(inner);
        // Between 0.1 and 2.1, so that no step leaves the numbers; a step of exp is followed by no other.
        let values: Vec<Vec<f32>> = kinds
            .iter()
            .map(|(n, _)| numbers.floats(*n).iter().map(|v| v + 1.1).collect())
            .collect();
        let mut steps: Vec<(Function, usize)> = vec![];
        for to in 0..1 + numbers.below(3) {
            let mut operand = |first: bool| match numbers.below(6) {
                _ if first && to > 0 => Operand::Register(to - 1),
                4 => Operand::Constant(0.7),
                5 if to > 0 => Operand::Register(numbers.below(to)),
                n => Operand::Input(n % 4),
            };
            let (a, b, c) = (operand(true), operand(false), operand(false));
            let function = match numbers.below(3) {
                0 => Function::Unary(UNARY[numbers.below(UNARY.len())], a),
                1 => Function::Binary(BINARY[numbers.below(BINARY.len())], [a, b]),
                _ => Function::Select([a, b, c]),
            };
            steps.push((function, to));
        }
        let program = Program { registers: steps.len(), steps };
        let mut given: Vec<_> = values
            .iter()
            .zip(&kinds)
            .map(|(values, (_, repeat))| Input { values: Values::F32(values), repeat: *repeat })
            .collect();
        let mut out = vec![f32::NAN; 15 * inner];
        program.run(&given, &mut Output::Floats(&mut out)).unwrap();
        let mut own = values[0].clone();
        given[0] = Input { values: Values::F32(&[]), repeat: Repeat::InPlace };
        program.run(&given, &mut Output::Floats(&mut own)).unwrap();
        let bits = |all: &[f32]| all.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&own), bits(&out), "{program:?} in place");
        for (at, value) in out.iter().enumerate() {
            let mut registers: Vec<f64> = vec![];
            for (function, _) in &program.steps {
                let of = |operand: Operand| match operand {
                    Operand::Register(r) => registers[r],
                    Operand::Constant(value) => f64::from(value),
                    Operand::Input(i) => f64::from(match kinds[i].1 {
                        Repeat::Never | Repeat::InPlace => values[i][at],
                        Repeat::Each(times) => values[i][at / times % values[i].len()],
                    }),
                };
                registers.push(match *function {
                    Function::Unary(f, a) => one(f, of(a)),
                    Function::Binary(f, [a, b]) => two(f, of(a), of(b)),
                    Function::Select([c, a, b]) => of(if of(c) > 0. { a } else { b }),
                });
            }
            let exact = registers[registers.len() - 1];
            // A comparison of nearly equal values may go either way.
            let jumps = program
                .steps
                .iter()
                .any(|(f, _)| matches!(f, Function::Binary(Binary::Less | Binary::LessOrEqual, _)));
            let near = (f64::from(*value) - exact).abs() < 1e-4 * (1. + exact.abs());
            let same = near || f64::from(*value).is_nan() && exact.is_nan();
            let far = exact.is_infinite() || exact.abs() > 1e30;
            assert!(same || far || jumps, "{value} for {exact} at {at} of {program:?}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let step =
        |operand| Program { steps: vec![(Function::Unary(Unary::Neg, operand), 0)], registers: 1 };
    let mut out = [0.; 6];
    let input = |values, repeat| [Input { values: Values::F32(values), repeat }];
    let run = |operand, inputs: &[Input<'_>], out: &mut [f32]| {
        step(operand).run(inputs, &mut Output::Floats(out))
    };
    assert!(run(Operand::Register(1), &[], &mut out).is_err());
    assert!(run(Operand::Input(0), &[], &mut out).is_err());
    assert!(run(Operand::Input(0), &input(&[1.; 5][..], Repeat::Never), &mut out).is_err());
    assert!(run(Operand::Input(0), &input(&[1.; 2][..], Repeat::Each(2)), &mut out).is_err());
    assert!(run(Operand::Input(0), &input(&[1.; 2][..], Repeat::Each(0)), &mut out).is_err());
    assert!(run(Operand::Input(0), &input(&[1.; 2][..], Repeat::Each(3)), &mut out).is_ok());
    let mut whole = [0u8; 6];
    let rounded = &mut Output::Rounded(0, Quanta::U8(&mut whole));
    assert!(step(Operand::Input(0)).run(&input(&[], Repeat::InPlace), rounded).is_err());
}

#[test]
fn integers_at_both_ends() {
    let numbers = &mut Numbers(23);
    for times in [1, 7, 200] {
        let whole: Vec<u8> = (0..6 * times).map(|_| numbers.below(256) as u8).collect();
        let (signed, sums) = ([-3i8, 100], [70_000i32, -9, 12]);
        let inputs = [
            Input { values: Values::U8(&whole), repeat: Repeat::Never },
            Input { values: Values::I8(&signed), repeat: Repeat::Each(times) },
            Input { values: Values::I32(&sums), repeat: Repeat::Each(2 * times) },
        ];
        let product = Function::Binary(Binary::Mul, [Operand::Input(1), Operand::Constant(0.25)]);
        let add = Function::Binary(Binary::Add, [Operand::Input(0), Operand::Register(0)]);
        let least = Function::Binary(Binary::Min, [Operand::Register(1), Operand::Input(2)]);
        let program = Program { steps: vec![(product, 0), (add, 1), (least, 0)], registers: 2 };
        let mut out = vec![0; whole.len()];
        program.run(&inputs, &mut Output::Rounded(5, Quanta::U8(&mut out))).unwrap();
        for (at, value) in out.iter().enumerate() {
            let sum = f32::from(whole[at]) + f32::from(signed[at / times % 2]) * 0.25;
            let exact = sum.min(sums[at / (2 * times)] as f32).round_ties_even() + 5.;
            assert_eq!(f32::from(*value), exact.clamp(0., 255.), "at {at} of {times}");
        }
        assert!(program.run(&inputs, &mut Output::Rounded(5, Quanta::U8(&mut out[1..]))).is_err());
    }
}

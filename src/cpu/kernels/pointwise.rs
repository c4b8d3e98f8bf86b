//! Several functions of single elements in one pass: a program that runs block by block.
//!
//! In: a [`Program`] and its inputs, each of which is repeated in its way over the output. Out: the last step's values,
//! as they are or rounded to integers. A block's intermediate values stay in the nearest cache, so that a chain reads and writes memory once, and not
//! once a function. Comparisons give 1 and 0.

use std::ops::Range;

use crate::loops::{Place, binary, select, unary};
use crate::parallel::{self, Divided};
use crate::quantize::Quanta;
use crate::scratch::Scratch;
use crate::v4::F4;
use crate::widen::{floats_i8, floats_u8};
use crate::{Activation, Result, fits};

/// Elements of a block.
const BLOCK: usize = 512;
/// Parts a lane takes.
const PARTS: usize = 4;
/// Inputs, of all lanes, for whose places nothing is asked of the allocator.
const FEW: usize = 16;

/// A function of one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unary {
    /// An activation.
    Activation(Activation),
    /// `|x|`.
    Abs,
    /// `e^x`.
    Exp,
    /// `-x`.
    Neg,
    /// `1 / x`.
    Reciprocal,
    /// `x^2`.
    Square,
    /// The square root.
    Sqrt,
    /// `1 / sqrt(x)`.
    Rsqrt,
    /// The hyperbolic tangent.
    Tanh,
    /// The error function.
    Erf,
}

/// A function of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a * b`.
    Mul,
    /// `a / b`.
    Div,
    /// The greater.
    Max,
    /// The lesser.
    Min,
    /// 1 where `a < b`, else 0.
    Less,
    /// 1 where `a <= b`, else 0.
    LessOrEqual,
    /// `a` to the power of `b`.
    Power,
}

/// What a step reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operand {
    /// What an earlier step left in this place.
    Register(usize),
    /// An input.
    Input(usize),
    /// The same value everywhere.
    Constant(f32),
}

/// What a step computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// Of one value.
    Unary(Unary, Operand),
    /// Of two.
    Binary(Binary, [Operand; 2]),
    /// The second where the first is not 0, else the third.
    Select([Operand; 3]),
}

/// Steps, each with the register that it writes to; the last one's values are the output.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// In the order in which they run.
    pub steps: Vec<(Function, usize)>,
    /// How many there are.
    pub registers: usize,
}

/// How an input is repeated over the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It has an element for each of the output.
    Never,
    /// Each of its elements serves for so many in succession, and all of them again from the first.
    Each(usize),
    /// It is what lies in the output, of float32, whatever its values here.
    InPlace,
}

/// Numbers, which become float32.
#[derive(Clone, Copy)]
pub enum Values<'a> {
    /// float32.
    F32(&'a [f32]),
    /// uint8.
    U8(&'a [u8]),
    /// int8.
    I8(&'a [i8]),
    /// int32.
    I32(&'a [i32]),
}

impl Values<'_> {
    fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::U8(values) => values.len(),
            Self::I8(values) => values.len(),
            Self::I32(values) => values.len(),
        }
    }

    fn at(&self, i: usize) -> f32 {
        match self {
            Self::F32(values) => values[i],
            Self::U8(values) => values[i].into(),
            Self::I8(values) => values[i].into(),
            Self::I32(values) => values[i] as f32,
        }
    }

    /// The elements from `first` on, as many as `to` holds.
    fn copy(&self, first: usize, to: &mut [f32]) {
        let end = first + to.len();
        match self {
            Self::F32(values) => to.copy_from_slice(&values[first..end]),
            Self::U8(values) => floats_u8(&values[first..end], 0, to),
            Self::I8(values) => floats_i8(&values[first..end], 0, to),
            Self::I32(values) => {
                values[first..end].iter().zip(to).for_each(|(value, to)| *to = *value as f32);
            }
        }
    }
}

/// An input of a run.
pub struct Input<'a> {
    /// Its elements.
    pub values: Values<'a>,
    /// How they are repeated.
    pub repeat: Repeat,
}

/// What the last step's values are written to.
pub enum Output<'a> {
    /// float32.
    Floats(&'a mut [f32]),
    /// Integers: rounded, halves to even, and moved by a zero point.
    Rounded(i32, Quanta<'a>),
}

impl Program {
    /// The operands of all steps, some of them several times.
    fn operands(&self) -> impl Iterator<Item = Operand> {
        self.steps.iter().flat_map(|(function, _)| match *function {
            Function::Unary(_, a) => [a; 3],
            Function::Binary(_, [a, b]) => [a, b, b],
            Function::Select(three) => three,
        })
    }

    fn check(&self, inputs: &[Input<'_>], length: usize, floats: bool) -> Result<()> {
        fits(!self.steps.is_empty() && self.steps.iter().all(|(_, to)| *to < self.registers))?;
        fits(self.operands().all(|operand| match operand {
            Operand::Register(at) => at < self.registers,
            Operand::Input(at) => at < inputs.len(),
            Operand::Constant(_) => true,
        }))?;
        fits(inputs.iter().all(|input| match input.repeat {
            Repeat::Never => input.values.len() == length,
            Repeat::Each(times) => {
                let period = times * input.values.len();
                period > 0 && length.is_multiple_of(period)
            }
            Repeat::InPlace => floats,
        }))
    }

    /// Runs. An input that is repeated must fill the output a whole number of times.
    pub fn run(&self, inputs: &[Input<'_>], out: &mut Output<'_>) -> Result<()> {
        let (length, floats) = match out {
            Output::Floats(out) => (out.len(), true),
            Output::Rounded(_, out) => (out.len(), false),
        };
        self.check(inputs, length, floats)?;
        // Integers are rounded by one thread: see quantize.rs.
        let work = [length, self.cost()];
        let lanes = if floats { parallel::lanes(&work) } else { 1 };
        // Blocks end where an input changes that is the same for long.
        let long = inputs.iter().filter_map(|input| match input.repeat {
            Repeat::Each(times) if times >= BLOCK / 4 => Some(times),
            _ => None,
        });
        let long: Vec<usize> = long.collect();
        let each = length.div_ceil(PARTS * lanes).next_multiple_of(BLOCK);
        let room = (self.registers + inputs.len()) * BLOCK;
        let mut scratch = Scratch::<f32>::new(lanes * room);
        let mut few = [Place::Everywhere(F4::splat(0.)); FEW];
        let mut many = vec![];
        let places = match few.get_mut(..lanes * inputs.len()) {
            Some(few) => few,
            None => {
                many.resize(lanes * inputs.len(), Place::Everywhere(F4::splat(0.)));
                &mut many[..]
            }
        };
        let (scratch, places) = (Divided::new(&mut scratch), Divided::new(places));
        let steps = Steps { program: self, inputs, long: &long };
        match out {
            Output::Floats(out) => {
                let out = Divided::new(out);
                parallel::each(length.div_ceil(each.max(1)), lanes, |part, lane| {
                    let first = part * each;
                    // SAFETY: each lane has scratch and places of its own, each part its outputs.
                    unsafe {
                        let scratch = scratch.take(lane * room, room);
                        let places = places.take(lane * inputs.len(), inputs.len());
                        let out = out.take(first, each.min(length - first));
                        steps.run(first..first + out.len(), scratch, places, |_, _| {}, out);
                    }
                });
            }
            Output::Rounded(zero, out) => {
                // SAFETY: nobody else has them.
                let (scratch, places) =
                    unsafe { (scratch.take(0, room), places.take(0, inputs.len())) };
                let round = |at: usize, values: &[f32]| out.round_from(at, values, *zero);
                steps.run(0..length, scratch, places, round, &mut []);
            }
        }
        Ok(())
    }

    /// What an element costs, in products.
    fn cost(&self) -> usize {
        let cost = |function: &Function| match function {
            Function::Unary(Unary::Activation(_) | Unary::Exp | Unary::Tanh | Unary::Erf, _) => 8,
            Function::Binary(Binary::Power, _) => 16,
            _ => 2,
        };
        self.steps.iter().map(|(function, _)| cost(function)).sum()
    }
}

/// A program with its inputs, as parts run it.
struct Steps<'a> {
    program: &'a Program,
    inputs: &'a [Input<'a>],
    long: &'a [usize],
}

impl Steps<'_> {
    /// These elements, block by block: into `out`, or, where that is empty, to `finish`.
    fn run(
        &self,
        range: Range<usize>,
        scratch: &mut [f32],
        places: &mut [Place],
        mut finish: impl FnMut(usize, &[f32]),
        out: &mut [f32],
    ) {
        let (expanded, registers) = scratch.split_at_mut(self.inputs.len() * BLOCK);
        let Some(last) = self.program.steps.len().checked_sub(1) else { return };
        let made = (!out.is_empty()).then_some(out.as_mut_ptr());
        let mut at = range.start;
        while at < range.end {
            let left = self.long.iter().map(|times| times - at % times);
            let count = left.fold(BLOCK.min(range.end - at), usize::min);
            let blocks = expanded.chunks_exact_mut(BLOCK);
            // SAFETY: `count` floats are left of the output.
            let made = made.map(|made| unsafe { made.add(at - range.start) });
            for ((input, block), to) in self.inputs.iter().zip(blocks).zip(places.iter_mut()) {
                *to = match made {
                    // The last step, which alone writes there, reads each element before that.
                    Some(made) if input.repeat == Repeat::InPlace => Place::Block(made),
                    _ => place(input, at, count, block),
                };
            }
            for (step, (function, to)) in self.program.steps.iter().enumerate() {
                let registers = registers.as_mut_ptr();
                let of = |operand: Operand| match operand {
                    // SAFETY: `check` saw that there is such a register.
                    Operand::Register(r) => Place::Block(unsafe { registers.add(r * BLOCK) }),
                    Operand::Input(i) => places[i],
                    Operand::Constant(value) => Place::Everywhere(F4::splat(value)),
                };
                // SAFETY: blocks hold `BLOCK` floats, of which `count` are used.
                unsafe {
                    let to = match made {
                        Some(made) if step == last => made,
                        _ => registers.add(to * BLOCK),
                    };
                    match *function {
                        Function::Unary(f, a) => unary(f, of(a), to, count),
                        Function::Binary(f, [a, b]) => binary(f, of(a), of(b), to, count),
                        Function::Select([c, a, b]) => select(of(c), of(a), of(b), to, count),
                    }
                }
            }
            let (_, result) = self.program.steps[last];
            if made.is_none() {
                finish(at, &registers[result * BLOCK..][..count]);
            }
            at += count;
        }
    }
}

/// The `count` elements of an input from `at` on; in `block` where they do not lie in memory so.
fn place(input: &Input<'_>, at: usize, count: usize, block: &mut [f32]) -> Place {
    let length = input.values.len();
    let (first, times) = match input.repeat {
        Repeat::Never | Repeat::InPlace => (at, 1),
        Repeat::Each(times) => (at / times % length, times),
    };
    if length == 1 || times > 1 && at % times + count <= times {
        return Place::Everywhere(F4::splat(input.values.at(first)));
    }
    if times == 1 && first + count <= length {
        if let Values::F32(values) = input.values {
            return Place::Block(values[first..][..count].as_ptr());
        }
        input.values.copy(first, &mut block[..count]);
        return Place::Block(block.as_ptr());
    }
    if times == 1 {
        // One round of them, then what is there again and again.
        let (round, turned) = (length.min(count), (length - first).min(count));
        input.values.copy(first, &mut block[..turned]);
        input.values.copy(0, &mut block[turned..round]);
        let mut filled = round;
        while filled < count {
            let more = filled.min(count - filled);
            block.copy_within(..more, filled);
            filled += more;
        }
        return Place::Block(block.as_ptr());
    }
    let (mut which, mut left) = (first, times - at % times);
    let mut empty = &mut block[..count];
    while times == 1 && !empty.is_empty() {
        let (run, rest) = empty.split_at_mut((length - which).min(empty.len()));
        input.values.copy(which, run);
        (empty, which) = (rest, 0);
    }
    while !empty.is_empty() {
        let (run, rest) = empty.split_at_mut(left.min(empty.len()));
        run.fill(input.values.at(which));
        (empty, left, which) = (rest, times, (which + 1) % length);
    }
    Place::Block(block.as_ptr())
}

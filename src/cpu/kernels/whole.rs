//! Arithmetic of int64, which wraps around, and of truth.
//!
//! In: two operands, each as long as the output or repeated over it. Out: their sums, differences and so on. A divisor
//! of 0 is a [`Misfit`](crate::Misfit).

use crate::{Result, fits};

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a * b`.
    Mul,
    /// The quotient, towards 0.
    Div,
    /// What that leaves.
    Rem,
    /// The greater.
    Max,
    /// The lesser.
    Min,
}

/// Elements of a value that is the same everywhere.
const SAME: usize = 256;

/// `out = a op b`.
pub fn whole(op: Whole, a: &[i64], b: &[i64], out: &mut [i64]) -> Result<()> {
    fits(!matches!(op, Whole::Div | Whole::Rem) || !b.contains(&0))?;
    parts(a, b, out, |a, b, out| block(op, a, b, out))
}

/// What is 1 where both are, or where `any` is, else 0: `out` of 0 and 1, as the operands are.
pub fn truth(any: bool, a: &[u8], b: &[u8], out: &mut [u8]) -> Result<()> {
    parts(a, b, out, |a, b, out| {
        let all = out.iter_mut().zip(a).zip(b);
        if any {
            all.for_each(|((out, a), b)| *out = a | b);
        } else {
            all.for_each(|((out, a), b)| *out = a & b);
        }
    })
}

/// Goes over the output in parts to which as much of each operand belongs.
fn parts<T: Copy>(
    a: &[T],
    b: &[T],
    out: &mut [T],
    each: impl Fn(&[T], &[T], &mut [T]),
) -> Result<()> {
    if out.is_empty() {
        return Ok(());
    }
    fits(!a.is_empty() && out.len().is_multiple_of(a.len()))?;
    fits(!b.is_empty() && out.len().is_multiple_of(b.len()))?;
    let filled = |x: &[T]| if let [only] = x { vec![*only; SAME] } else { vec![] };
    let (all_a, all_b) = (filled(a), filled(b));
    let mut at = 0;
    while at < out.len() {
        let (a, b) = (part(a, &all_a, at), part(b, &all_b, at));
        let count = a.len().min(b.len()).min(out.len() - at);
        each(&a[..count], &b[..count], &mut out[at..][..count]);
        at += count;
    }
    Ok(())
}

/// What there is of an operand from `at` on, before it begins again.
fn part<'a, T>(x: &'a [T], all: &'a [T], at: usize) -> &'a [T] {
    if all.is_empty() { &x[at % x.len()..] } else { all }
}

fn block(op: Whole, a: &[i64], b: &[i64], out: &mut [i64]) {
    macro_rules! each {
        ($f:expr) => {
            out.iter_mut().zip(a).zip(b).for_each(|((out, a), b)| *out = $f(*a, *b))
        };
    }
    match op {
        Whole::Add => each!(i64::wrapping_add),
        Whole::Sub => each!(i64::wrapping_sub),
        Whole::Mul => each!(i64::wrapping_mul),
        // As 32 bits where it fits, which is a fraction of the work.
        Whole::Div => each!(|a: i64, b: i64| match (u32::try_from(a), u32::try_from(b)) {
            (Ok(a), Ok(b)) => i64::from(a.checked_div(b).unwrap_or(0)),
            _ => a.wrapping_div(b),
        }),
        Whole::Rem => each!(|a: i64, b: i64| match (u32::try_from(a), u32::try_from(b)) {
            (Ok(a), Ok(b)) => i64::from(a.checked_rem(b).unwrap_or(0)),
            _ => a.wrapping_rem(b),
        }),
        Whole::Max => each!(|a: i64, b: i64| a.max(b)),
        Whole::Min => each!(|a: i64, b: i64| a.min(b)),
    }
}

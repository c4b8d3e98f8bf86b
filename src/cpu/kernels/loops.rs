//! One function of single elements over one block.
//!
//! In: operands, each a block or a value that is the same everywhere. Out: a block. A function is one loop, so that
//! its constants stay in registers.

use crate::pointwise::{Binary, Unary};
use crate::power::power;
use crate::v4::F4;

/// Where a step's operand is, for a block.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Block(*const f32),
    Everywhere(F4),
}

// SAFETY: it is what a slice is that is borrowed for the run: lanes read it, and each has places of its own.
unsafe impl Send for Place {}

/// `to[i] = f(a[i])`.
///
/// # Safety
/// `a`, where a block, must have `count` readable floats, `to` as many writable ones.
#[inline(always)]
unsafe fn map1(a: Place, to: *mut f32, count: usize, f: impl Fn(F4) -> F4) {
    match a {
        Place::Everywhere(a) => {
            let value = f(a);
            for at in (0..count).step_by(4) {
                unsafe { value.store_first(to.add(at), count - at) };
            }
        }
        Place::Block(a) => {
            let whole = count / 4 * 4;
            for at in (0..whole).step_by(4) {
                unsafe { f(F4::load(a.add(at))).store(to.add(at)) };
            }
            if whole < count {
                let rest = count - whole;
                unsafe { f(F4::load_first(a.add(whole), rest)).store_first(to.add(whole), rest) };
            }
        }
    }
}

/// `to[i] = f(a[i], b[i])`.
///
/// # Safety
/// As for [`map1`].
#[inline(always)]
unsafe fn map2(a: Place, b: Place, to: *mut f32, count: usize, f: impl Fn(F4, F4) -> F4) {
    match (a, b) {
        (Place::Everywhere(a), b) => unsafe { map1(b, to, count, |b| f(a, b)) },
        (a, Place::Everywhere(b)) => unsafe { map1(a, to, count, |a| f(a, b)) },
        (Place::Block(a), Place::Block(b)) => {
            let whole = count / 4 * 4;
            for at in (0..whole).step_by(4) {
                unsafe { f(F4::load(a.add(at)), F4::load(b.add(at))).store(to.add(at)) };
            }
            if whole < count {
                let rest = count - whole;
                unsafe {
                    let a = F4::load_first(a.add(whole), rest);
                    let b = F4::load_first(b.add(whole), rest);
                    f(a, b).store_first(to.add(whole), rest);
                }
            }
        }
    }
}

/// # Safety
/// As for [`map1`].
pub(crate) unsafe fn unary(f: Unary, a: Place, to: *mut f32, count: usize) {
    let zero = F4::splat(0.);
    unsafe {
        match f {
            Unary::Activation(activation) => {
                map1(a, to, count, |x| x);
                activation.apply(std::slice::from_raw_parts_mut(to, count));
            }
            Unary::Abs => map1(a, to, count, |x| x.if_negative(zero.sub(x), x)),
            Unary::Exp => map1(a, to, count, |x| {
                // Of the half, squared: it reaches infinity and 0 where the exponential does.
                let root = x.mul(F4::splat(0.5)).exp();
                root.mul(root)
            }),
            Unary::Neg => map1(a, to, count, |x| x.mul(F4::splat(-1.))),
            Unary::Reciprocal => map1(a, to, count, |x| F4::splat(1.).div(x)),
            Unary::Square => map1(a, to, count, |x| x.mul(x)),
            Unary::Sqrt => map1(a, to, count, F4::sqrt),
            Unary::Rsqrt => map1(a, to, count, |x| F4::splat(1.).div(x.sqrt())),
            Unary::Tanh => map1(a, to, count, F4::tanh),
            Unary::Erf => map1(a, to, count, F4::erf),
        }
    }
}

/// # Safety
/// As for [`map1`].
pub(crate) unsafe fn binary(f: Binary, a: Place, b: Place, to: *mut f32, count: usize) {
    let (zero, one) = (F4::splat(0.), F4::splat(1.));
    unsafe {
        match f {
            Binary::Add => map2(a, b, to, count, F4::add),
            Binary::Sub => map2(a, b, to, count, F4::sub),
            Binary::Mul => map2(a, b, to, count, F4::mul),
            Binary::Div => map2(a, b, to, count, F4::div),
            Binary::Max => map2(a, b, to, count, F4::max),
            Binary::Min => map2(a, b, to, count, F4::min),
            Binary::Less => map2(a, b, to, count, |a, b| a.if_less(b, one, zero)),
            Binary::LessOrEqual => map2(a, b, to, count, |a, b| a.if_not_greater(b, one, zero)),
            Binary::Power => match b {
                Place::Everywhere(b) if b.to_array()[0] == 3. => {
                    map1(a, to, count, |x| x.mul(x).mul(x));
                }
                _ => map2(a, b, to, count, |a, b| {
                    F4::load(power(a.to_array(), b.to_array()).as_ptr())
                }),
            },
        }
    }
}

/// # Safety
/// As for [`map1`].
pub(crate) unsafe fn select(c: Place, a: Place, b: Place, to: *mut f32, count: usize) {
    let at = |place: Place, i: usize, rest: usize| match place {
        Place::Everywhere(value) => value,
        // SAFETY: `rest` floats are left of the block.
        Place::Block(from) => unsafe { F4::load_first(from.add(i), rest) },
    };
    for i in (0..count).step_by(4) {
        let rest = count - i;
        // Conditions are 1 or 0.
        let value = F4::splat(0.).if_less(at(c, i, rest), at(a, i, rest), at(b, i, rest));
        unsafe { value.store_first(to.add(i), rest) };
    }
}

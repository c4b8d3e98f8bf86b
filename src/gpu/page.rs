//! The text of a kernel in the making: what it binds, its parameters, and its chains as statements.
//!
//! In: views and chains. Out: WGSL. Bindings are found again by value, so that what is read twice is bound once.

use super::chain::{Arg, Chain};
use super::kernel::Param;
use super::value::{Carrier, ValueId, View, collapse};

/// A buffer that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) value: ValueId,
    carrier: Carrier,
    half: bool,
    /// Four at a time.
    wide: bool,
}

impl Bound {
    pub(super) fn of(view: &View, wide: bool) -> Self {
        Self { value: view.value, carrier: view.carrier, half: view.half, wide }
    }

    pub(super) fn is_half(&self) -> bool {
        self.half
    }

    /// The type of what one index gives.
    pub(super) fn element(&self) -> String {
        let scalar = if self.half { "f16" } else { self.carrier.wgsl() };
        if self.wide { format!("vec4<{scalar}>") } else { scalar.to_owned() }
    }

    /// `text` with what it reads of `in{at}` widened to what everyone computes in.
    pub(super) fn widened(&self, text: &str, at: usize) -> String {
        if !self.half {
            return text.to_owned();
        }
        let wanted = if self.wide { "vec4<f32>" } else { "f32" };
        let name = format!("in{at}[");
        let mut text = text.to_owned();
        // From the last to the first, so that an index that reads as well is done with.
        for (start, _) in text.clone().rmatch_indices(&name) {
            let mut open = 0;
            let end = text[start..].find(|c| {
                open += i32::from(c == '[') - i32::from(c == ']');
                c == ']' && open == 0
            });
            if let Some(end) = end {
                text.insert(start + end + 1, ')');
                text.insert_str(start, &format!("{wanted}("));
            }
        }
        text
    }
}

/// Text in the making: bindings, parameters, functions.
pub(super) struct Page {
    pub(super) bound: Vec<Bound>,
    pub(super) params: Vec<(String, Param)>,
    pub(super) wide: bool,
    /// Its floats are f16.
    pub(super) narrow: bool,
}

impl Page {
    fn bind(&mut self, view: &View, wide: bool) -> String {
        let key = Bound::of(view, wide);
        let at = self.bound.iter().position(|b| *b == key).unwrap_or_else(|| {
            self.bound.push(key);
            self.bound.len() - 1
        });
        format!("in{at}")
    }

    /// Parameters of chains start with a letter of their own, so that a body's are its own.
    ///
    /// `offset + c0 * stride + …`, strides of 0 and 1 and offsets of 0 being text.
    fn address(&mut self, name: &str, offset: usize, strides: &[isize]) -> String {
        let mut terms = vec![];
        if offset != 0 {
            let field = format!("{name}_o");
            terms.push(format!("p.{field}"));
            self.params.push((field, Param::U(offset as u32)));
        }
        for (axis, stride) in strides.iter().enumerate() {
            match stride {
                0 => {}
                1 => terms.push(format!("c{axis}")),
                _ => {
                    let field = format!("{name}_s{axis}");
                    terms.push(format!("c{axis} * p.{field}"));
                    // A negative stride works by wrapping around, as unsigned arithmetic does.
                    self.params.push((field, Param::U((*stride as i32).cast_unsigned())));
                }
            }
        }
        if terms.is_empty() { "0u".to_owned() } else { terms.join(" + ") }
    }

    /// `let v0 = in3[…]; … let t2 = …;` over coordinates `c0`, `c1`, …, and what the result is called.
    fn work(&mut self, own: &str, chain: &Chain, loads: &[Vec<isize>]) -> (String, String) {
        let mut text = String::new();
        let mut names = vec![];
        for (at, (view, strides)) in chain.loads.iter().zip(loads).enumerate() {
            let wide = self.wide && strides.last() == Some(&1);
            let variable = self.bind(view, wide);
            let address = self.address(&format!("{own}_v{at}"), view.offset, strides);
            let address = if wide { format!("({address}) >> 2u") } else { address };
            let kind = kind(view.carrier);
            let element = format!("{variable}[{address}]");
            // A vector of four is not made of one number of another type.
            let element = match view.half && !self.narrow && !wide {
                true => format!("f32({element})"),
                false => element,
            };
            text += &format!("  let v{at} = {kind}({element});\n");
            names.push(format!("v{at}"));
        }
        for (at, value) in chain.numbers.iter().enumerate() {
            self.params.push((format!("{own}_n{at}"), *value));
        }
        let name = |arg: Arg| match arg {
            Arg::Acc => "acc".to_owned(),
            Arg::Load(i) => names.get(i).cloned().unwrap_or_default(),
            Arg::Made(i) => format!("t{i}"),
            Arg::Number(i) => match chain.numbers.get(i) {
                Some(Param::I(_)) => format!("I(p.{own}_n{i})"),
                Some(Param::U(_)) => format!("U(p.{own}_n{i})"),
                _ if self.narrow => format!("F(f16(p.{own}_n{i}))"),
                _ => format!("F(p.{own}_n{i})"),
            },
        };
        text += &chain.render(&name);
        (text, name(chain.result))
    }

    /// The same, written: `out0[…] = t2;`.
    pub(super) fn stores(
        &mut self,
        chain: &Chain,
        loads: &[Vec<isize>],
        output: (&View, &[isize]),
    ) -> String {
        let (text, result) = self.work("e", chain, loads);
        let (view, strides) = output;
        let address = self.address("e_out", view.offset, strides);
        let address = if self.wide { format!("({address}) >> 2u") } else { address };
        let result = match (view.half, self.wide) {
            (false, _) => result,
            (true, false) => format!("f16({result})"),
            (true, true) => format!("vec4<f16>({result})"),
        };
        text + &format!("  out0[{address}] = {result};\n")
    }

    /// `score(b, r, c, acc)`: the chain on what lies in row `r` and column `c` of the matrix `b`.
    pub(super) fn scores(&mut self, chain: &Chain, acc: Carrier) -> String {
        let batch = chain.shape.len().saturating_sub(2);
        let lead: Vec<&[isize]> = chain.loads.iter().map(|l| &l.strides[..batch]).collect();
        let (dims, mut strides) = collapse(&chain.shape[..batch], &lead);
        for (strides, load) in strides.iter_mut().zip(&chain.loads) {
            strides.extend(&load.strides[batch..]);
        }
        let mut text = format!("fn score(b: u32, r: u32, c: u32, acc: {}) -> F {{\n", kind(acc));
        text += "  let i = b;\n";
        text += &self.coordinates("s", &dims);
        text += &format!("  let c{} = r;\n  let c{} = c;\n", dims.len(), dims.len() + 1);
        let (work, result) = self.work("s", chain, &strides);
        text + &work + &format!("  return {result};\n}}\n\n")
    }

    /// `let c1 = rest % p.d1; …` from the flat index `i`.
    pub(super) fn coordinates(&mut self, own: &str, dims: &[usize]) -> String {
        let mut text = String::new();
        match dims {
            [] => {}
            [_] => text += "  let c0 = i;\n",
            _ => {
                text += "  var rest = i;\n";
                for (axis, n) in dims.iter().enumerate().skip(1).rev() {
                    self.params.push((format!("{own}_d{axis}"), Param::U(*n as u32)));
                    text += &format!(
                        "  let c{axis} = rest % p.{own}_d{axis};\n  rest = rest / p.{own}_d{axis};\n"
                    );
                }
                text += "  let c0 = rest;\n";
            }
        }
        text
    }
}

pub(super) fn kind(carrier: Carrier) -> char {
    match carrier {
        Carrier::F32 => 'F',
        Carrier::I32 => 'I',
        Carrier::U32 => 'U',
    }
}

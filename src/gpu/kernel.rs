//! One dispatch before it has memory: what it reads and writes, its numbers, its WGSL.
//!
//! In: a kernel family's body and views. Out: [`Shader`], the whole text and the bytes of its
//! parameters. The one decision: structure (ranks, expressions, variants) is text, sizes and strides
//! are uniform parameters, so that equal layers of a model share one pipeline.
//!
//! A body sees: `p`, the parameters by name; `in0`, `in1`, … what it reads; and it hands element `i`
//! (row-major) of its result to `store(i, value)`, behind which the fused chain lies.

use tract_onnx::prelude::f16;

use super::chain::{Chain, FUNCTIONS, SAFE, Statement};
use super::page::{Bound, Page, kind};
use super::value::{Carrier, ValueId, View, collapse, dense_strides};

/// Most workgroups along one axis of a dispatch.
pub(crate) const MAX_GROUPS: u32 = 65535;
/// What every adapter binds at least; uniforms count apart.
pub(crate) const MAX_STORAGE_BINDINGS: usize = 8;

/// A parameter's bits and WGSL type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Param {
    U(u32),
    I(i32),
    F(f32),
}

impl Param {
    fn wgsl(self) -> (&'static str, u32) {
        match self {
            Self::U(v) => ("u32", v),
            Self::I(v) => ("i32", v.cast_unsigned()),
            Self::F(v) => ("f32", v.to_bits()),
        }
    }
}

/// What runs once for each invocation.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Nothing but the chain, over the output's elements.
    Elements,
    /// WGSL with the entry point `main`, and the workgroups to start.
    Text(String, [u32; 3]),
}

/// One dispatch.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    /// The node that it computes, for reports and labels.
    pub(crate) label: String,
    pub(crate) body: Body,
    pub(crate) params: Vec<(String, Param)>,
    pub(crate) reads: Vec<View>,
    /// Which of them the body reads four elements at a time, as an `array<vec4<…>>`; the rest one by one.
    pub(crate) wide: Vec<bool>,
    /// What lies as f16 is computed with as such: the body's `reads` are not widened; without a body, nothing is.
    pub(crate) narrow: bool,
    /// What `store`'s argument is.
    pub(crate) acc: Carrier,
    pub(crate) chain: Chain,
    /// Where `store` writes.
    pub(crate) output: View,
    /// Further results, `out1`, `out2`, …, which the body writes itself.
    pub(crate) more: Vec<View>,
    /// Work on a matrix within the body, which calls it as `score(matrix, row, column, value)`; its last axes are
    /// rows and columns.
    pub(crate) score: Option<Chain>,
    /// What it is a part of, perhaps.
    pub(crate) pattern: Pattern,
}

/// What a later kernel may recognise a kernel as, to do its work as well.
#[derive(Clone, Debug, Default)]
pub(crate) enum Pattern {
    #[default]
    None,
    /// A matrix product of two operands.
    Product(View, View),
    /// The softmax of a view's rows along its last axis; whether nobody else reads that view.
    Softmax(View, bool),
}

/// A kernel's text, ready for any device.
#[derive(Clone, Debug)]
pub(crate) struct Shader {
    pub(crate) label: String,
    pub(crate) source: String,
    pub(crate) params: Vec<u32>,
    pub(crate) reads: Vec<ValueId>,
    pub(crate) writes: Vec<ValueId>,
    pub(crate) groups: [u32; 3],
}

impl Kernel {
    /// A dispatch of nothing but `chain`.
    pub(crate) fn elements(label: &str, chain: Chain, output: View) -> Self {
        Self {
            label: label.to_owned(),
            body: Body::Elements,
            params: vec![],
            reads: vec![],
            wide: vec![],
            narrow: false,
            acc: output.carrier,
            chain,
            output,
            more: vec![],
            score: None,
            pattern: Pattern::None,
        }
    }

    /// All that it reads.
    pub(crate) fn views(&self) -> impl Iterator<Item = &View> {
        let scores = self.score.iter().flat_map(|chain| &chain.loads);
        self.reads.iter().chain(&self.chain.loads).chain(scores)
    }

    /// Whether it is nothing but work on float16 that float16 suffices for: each step rounds as the model's own does.
    pub(crate) fn is_narrow(&self) -> bool {
        let chain = &self.chain;
        let halves = self.output.half && chain.loads.iter().all(|view| view.half);
        let number = |p: &Param| matches!(p, Param::F(v) if f16::from_f32(*v).to_f32() == *v);
        let safe = |s: &Statement| s.carrier == Carrier::F32 && SAFE.contains(&s.text.as_str());
        halves && chain.numbers.iter().all(number) && chain.statements.iter().all(safe)
    }

    /// How many storage buffers it binds.
    pub(crate) fn bindings(&self) -> usize {
        // Four at a time and one at a time are two bindings.
        let wide = |v: &View| {
            v.strides.iter().zip(&v.shape).rfind(|(_, n)| **n != 1).map(|(s, _)| *s == 1)
        };
        let mut loads: Vec<_> = self.chain.loads.iter().map(|v| (v.value, wide(v))).collect();
        // Beside a body everything is read one at a time.
        let scores = self.score.iter().flat_map(|chain| &chain.loads);
        loads.extend(scores.map(|v| (v.value, wide(v))));
        loads.sort_unstable();
        loads.dedup();
        loads.len() + self.reads.len() + 1 + self.more.len()
    }

    /// The whole text.
    pub(crate) fn shader(&self) -> Shader {
        let narrow = self.narrow && matches!(self.body, Body::Elements);
        let mut page = Page { bound: vec![], params: self.params.clone(), wide: false, narrow };
        for (at, view) in self.reads.iter().enumerate() {
            // A body's inputs keep their numbers, also where two of them are one value.
            let wide = self.wide.get(at).copied().unwrap_or(false);
            page.bound.push(Bound::of(view, wide));
        }
        let out_strides = match self.output.reshaped(&self.chain.shape) {
            Some(view) => view.strides,
            None => dense_strides(&self.chain.shape),
        };
        let mut all: Vec<&[isize]> = self.chain.loads.iter().map(|l| &l.strides[..]).collect();
        all.push(&out_strides);
        let (dims, mut strides) = collapse(&self.chain.shape, &all);
        let out = strides.pop().unwrap_or_default();
        let (functions, groups) = match &self.body {
            Body::Elements => self.grid(&mut page, &dims, &strides, &out),
            Body::Text(body, groups) => {
                let coordinates = page.coordinates("e", &dims);
                let stores = page.stores(&self.chain, &strides, (&self.output, &out));
                let acc = kind(self.acc);
                // Chains widen what they read themselves.
                let reads = page.bound.iter().take(self.reads.len()).enumerate();
                let widened = |text: String, (at, b): (usize, &Bound)| match self.narrow {
                    true => text,
                    false => b.widened(&text, at),
                };
                let body = reads.fold(body.clone(), widened);
                let scores = self.score.as_ref().map(|chain| page.scores(chain, self.acc));
                let scores = scores.unwrap_or_default();
                let body = format!(
                    "fn store(i: u32, acc: {acc}) {{\n{coordinates}{stores}}}\n\n{scores}{body}"
                );
                (body, *groups)
            }
        };
        self.assemble(&page, &functions, groups)
    }

    /// The chain alone. Coordinates come from the grid, which costs nothing, where the grid can hold
    /// them, else from division.
    fn grid(
        &self,
        page: &mut Page,
        dims: &[usize],
        loads: &[Vec<isize>],
        out: &[isize],
    ) -> (String, [u32; 3]) {
        let inner = dims.last().copied().unwrap_or(1);
        page.wide = inner.is_multiple_of(4) && {
            let views = self.chain.loads.iter().zip(loads.iter().map(|s| &s[..]));
            views.chain([(&self.output, out)]).all(|(view, strides)| match strides.split_last() {
                Some((1, outer)) => {
                    view.offset.is_multiple_of(4) && outer.iter().all(|s| s % 4 == 0)
                }
                Some((0, _)) => !std::ptr::eq(view, &self.output),
                _ => false,
            })
        };
        let step = if page.wide { 4 } else { 1 };
        let inner = (inner / step) as u32;
        let count = self.chain.shape.iter().product::<usize>() / step;
        let middle = if dims.len() > 1 { dims[dims.len() - 2] as u32 } else { 1 };
        let outer: usize = dims.iter().rev().skip(2).product();
        let x = inner.next_power_of_two().clamp(1, 64);
        let y = if dims.len() > 1 { 64 / x } else { 1 };
        let groups = [inner.div_ceil(x), middle.div_ceil(y), outer as u32];
        let mut text = String::new();
        if dims.len() > 1 && groups.iter().all(|g| *g <= MAX_GROUPS) && outer <= MAX_GROUPS as usize
        {
            page.params.push(("inner".to_owned(), Param::U(inner)));
            page.params.push(("middle".to_owned(), Param::U(middle)));
            text += &format!("@compute @workgroup_size({x}, {y}, 1)\n");
            text += "fn main(@builtin(global_invocation_id) id: vec3<u32>) {\n";
            text += "  if (id.x >= p.inner || id.y >= p.middle) { return; }\n";
            let rank = dims.len();
            text +=
                &format!("  let c{} = id.x{};\n", rank - 1, if step == 4 { " << 2u" } else { "" });
            text += &format!("  let c{} = id.y;\n", rank - 2);
            if rank > 2 {
                text += "  let i = id.z;\n";
                text += &page.coordinates("e", &dims[..rank - 2]);
            }
            text += &page.stores(&self.chain, loads, (&self.output, out));
            return (text + "}\n", groups);
        }
        let many = (count as u64).div_ceil(64);
        let across = many.min(MAX_GROUPS.into()) as u32;
        let down = many.div_ceil(u64::from(across.max(1))) as u32;
        page.params.push(("across".to_owned(), Param::U(across * 64)));
        page.params.push(("count".to_owned(), Param::U(count as u32)));
        text += "@compute @workgroup_size(64)\n";
        text += "fn main(@builtin(global_invocation_id) id: vec3<u32>) {\n";
        text += "  let at = id.y * p.across + id.x;\n  if (at >= p.count) { return; }\n";
        text += if step == 4 { "  let i = at << 2u;\n" } else { "  let i = at;\n" };
        text += &page.coordinates("e", dims);
        text += &page.stores(&self.chain, loads, (&self.output, out));
        (text + "}\n", [across, down, 1])
    }

    fn assemble(&self, page: &Page, functions: &str, groups: [u32; 3]) -> Shader {
        let mut source = String::new();
        let bound = || page.bound.iter().enumerate();
        let mut written = std::iter::once(&self.output).chain(&self.more);
        if bound().any(|(_, b)| b.is_half()) || written.any(|view| view.half) {
            source += "enable f16;\n";
        }
        // Where it is an extension of the language at all.
        if cfg!(target_arch = "wasm32") && functions.contains("subgroup") {
            source += "enable subgroups;\n";
        }
        let float = if page.narrow { "f16" } else { "f32" };
        for (alias, scalar) in [('F', float), ('I', "i32"), ('U', "u32"), ('B', "bool")] {
            if page.wide {
                source += &format!("alias {alias} = vec4<{scalar}>;\n");
            } else {
                source += &format!("alias {alias} = {scalar};\n");
            }
        }
        let mut params = vec![];
        source += "struct Params {\n";
        for (name, param) in &page.params {
            let (kind, bits) = param.wgsl();
            source += &format!("  {name}: {kind},\n");
            params.push(bits);
        }
        if params.is_empty() {
            source += "  none: u32,\n";
            params.push(0);
        }
        source += "}\n@group(0) @binding(0) var<uniform> p: Params;\n";
        let array = |view: &View, wide: bool| match wide {
            true => format!("array<vec4<{}>>", view.stored()),
            false => format!("array<{}>", view.stored()),
        };
        let mut binding = 1;
        for (at, bound) in bound() {
            let element = bound.element();
            source += &format!(
                "@group(0) @binding({binding}) var<storage, read> in{at}: array<{element}>;\n"
            );
            binding += 1;
        }
        let outputs = std::iter::once((&self.output, page.wide));
        for (at, (view, wide)) in outputs.chain(self.more.iter().map(|v| (v, false))).enumerate() {
            let array = array(view, wide);
            source += &format!(
                "@group(0) @binding({binding}) var<storage, read_write> out{at}: {array};\n"
            );
            binding += 1;
        }
        for (call, function) in FUNCTIONS {
            if functions.contains(call) {
                source += function;
            }
        }
        source += functions;
        Shader {
            label: self.label.clone(),
            source,
            params,
            reads: page.bound.iter().map(|b| b.value).collect(),
            writes: std::iter::once(&self.output).chain(&self.more).map(|v| v.value).collect(),
            groups,
        }
    }
}

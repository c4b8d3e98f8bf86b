//! One dispatch before it has memory: what it reads and writes, its numbers, its WGSL.
//!
//! In: a kernel family's body and views. Out: [`Shader`], the whole text and the bytes of its
//! parameters. The one decision: structure (ranks, expressions, variants) is text, sizes and strides
//! are uniform parameters, so that equal layers of a model share one pipeline.
//!
//! A body sees: `p`, the parameters by name; `in0`, `in1`, … what it reads; and it hands element `i`
//! (row-major) of its result to `store(i, value)`, behind which the fused chain lies.

use super::chain::{Arg, Chain, FUNCTIONS};
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
    /// What `store`'s argument is.
    pub(crate) acc: Carrier,
    pub(crate) chain: Chain,
    /// Where `store` writes.
    pub(crate) output: View,
    /// Further results, `out1`, `out2`, …, which the body writes itself.
    pub(crate) more: Vec<View>,
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

/// Text in the making: bindings, parameters, functions.
struct Page {
    /// (what is bound, of which type, four at a time)
    bound: Vec<(ValueId, Carrier, bool)>,
    params: Vec<(String, Param)>,
    wide: bool,
}

impl Page {
    fn bind(&mut self, view: &View, wide: bool) -> String {
        let key = (view.value, view.carrier, wide);
        let at = self.bound.iter().position(|b| *b == key).unwrap_or_else(|| {
            self.bound.push(key);
            self.bound.len() - 1
        });
        format!("in{at}")
    }

    /// The chain's parameters start with `e_`, so that a body's are its own.
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

    /// `let v0 = in3[…]; … out0[…] = t2;` over coordinates `c0`, `c1`, ….
    fn stores(&mut self, chain: &Chain, loads: &[Vec<isize>], output: (&View, &[isize])) -> String {
        let mut text = String::new();
        let mut names = vec![];
        for (at, (view, strides)) in chain.loads.iter().zip(loads).enumerate() {
            let wide = self.wide && strides.last() == Some(&1);
            let variable = self.bind(view, wide);
            let address = self.address(&format!("e_v{at}"), view.offset, strides);
            let address = if wide { format!("({address}) >> 2u") } else { address };
            let kind = kind(view.carrier);
            text += &format!("  let v{at} = {kind}({variable}[{address}]);\n");
            names.push(format!("v{at}"));
        }
        for (at, value) in chain.numbers.iter().enumerate() {
            self.params.push((format!("e_n{at}"), *value));
        }
        let name = |arg: Arg| match arg {
            Arg::Acc => "acc".to_owned(),
            Arg::Load(i) => names.get(i).cloned().unwrap_or_default(),
            Arg::Made(i) => format!("t{i}"),
            Arg::Number(i) => match chain.numbers.get(i) {
                Some(Param::I(_)) => format!("I(p.e_n{i})"),
                Some(Param::U(_)) => format!("U(p.e_n{i})"),
                _ => format!("F(p.e_n{i})"),
            },
        };
        text += &chain.render(&name);
        let (view, strides) = output;
        let address = self.address("e_out", view.offset, strides);
        let address = if self.wide { format!("({address}) >> 2u") } else { address };
        text + &format!("  out0[{address}] = {};\n", name(chain.result))
    }

    /// `let c1 = rest % p.d1; …` from the flat index `i`.
    fn coordinates(&mut self, dims: &[usize]) -> String {
        let mut text = String::new();
        match dims {
            [] => {}
            [_] => text += "  let c0 = i;\n",
            _ => {
                text += "  var rest = i;\n";
                for (axis, n) in dims.iter().enumerate().skip(1).rev() {
                    self.params.push((format!("e_d{axis}"), Param::U(*n as u32)));
                    text += &format!(
                        "  let c{axis} = rest % p.e_d{axis};\n  rest = rest / p.e_d{axis};\n"
                    );
                }
                text += "  let c0 = rest;\n";
            }
        }
        text
    }
}

fn kind(carrier: Carrier) -> char {
    match carrier {
        Carrier::F32 => 'F',
        Carrier::I32 => 'I',
        Carrier::U32 => 'U',
    }
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
            acc: output.carrier,
            chain,
            output,
            more: vec![],
        }
    }

    /// How many storage buffers it binds.
    pub(crate) fn bindings(&self) -> usize {
        // Four at a time and one at a time are two bindings.
        let wide = |v: &View| {
            v.strides.iter().zip(&v.shape).rfind(|(_, n)| **n != 1).map(|(s, _)| *s == 1)
        };
        let mut loads: Vec<_> = self.chain.loads.iter().map(|v| (v.value, wide(v))).collect();
        loads.sort_unstable();
        loads.dedup();
        loads.len() + self.reads.len() + 1 + self.more.len()
    }

    /// The whole text.
    pub(crate) fn shader(&self) -> Shader {
        let mut page = Page { bound: vec![], params: self.params.clone(), wide: false };
        for (at, view) in self.reads.iter().enumerate() {
            // A body's inputs keep their numbers, also where two of them are one value.
            let wide = self.wide.get(at).copied().unwrap_or(false);
            page.bound.push((view.value, view.carrier, wide));
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
                let coordinates = page.coordinates(&dims);
                let stores = page.stores(&self.chain, &strides, (&self.output, &out));
                let acc = kind(self.acc);
                let body =
                    format!("fn store(i: u32, acc: {acc}) {{\n{coordinates}{stores}}}\n\n{body}");
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
                text += &page.coordinates(&dims[..rank - 2]);
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
        text += &page.coordinates(dims);
        text += &page.stores(&self.chain, loads, (&self.output, out));
        (text + "}\n", [across, down, 1])
    }

    fn assemble(&self, page: &Page, functions: &str, groups: [u32; 3]) -> Shader {
        let mut source = String::new();
        for (alias, scalar) in [('F', "f32"), ('I', "i32"), ('U', "u32"), ('B', "bool")] {
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
        let array = |carrier: Carrier, wide: bool| match wide {
            true => format!("array<vec4<{}>>", carrier.wgsl()),
            false => format!("array<{}>", carrier.wgsl()),
        };
        let mut binding = 1;
        for (at, (_, carrier, wide)) in page.bound.iter().enumerate() {
            let array = array(*carrier, *wide);
            source +=
                &format!("@group(0) @binding({binding}) var<storage, read> in{at}: {array};\n");
            binding += 1;
        }
        let outputs = std::iter::once((&self.output, page.wide));
        for (at, (view, wide)) in outputs.chain(self.more.iter().map(|v| (v, false))).enumerate() {
            let array = array(view.carrier, wide);
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
            reads: page.bound.iter().map(|b| b.0).collect(),
            writes: std::iter::once(&self.output).chain(&self.more).map(|v| v.value).collect(),
            groups,
        }
    }
}

//! Chains of element-wise work: what is done to a value between the kernel that makes it and memory.
//!
//! In: operands and WGSL expressions. Out: statements of a kernel's `store`. A chain is how a bias, an
//! activation and a residual join the matmul before them instead of being passes over memory.
//! Expressions are written for scalars and vectors alike: `F`, `I`, `U` and `B` name the float, the
//! integer and the bool type at the kernel's width.

use super::kernel::Param;
use super::value::{Carrier, View};

/// What a statement reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Arg {
    /// What the kernel hands to `store`.
    Acc,
    /// Element of an operand that is loaded.
    Load(usize),
    /// Result of an earlier statement.
    Made(usize),
    /// A number among the parameters.
    Number(usize),
}

/// `let tN: carrier = text`, with `$0`, `$1`, … for the arguments.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) args: Vec<Arg>,
    pub(crate) carrier: Carrier,
}

/// The work on one element of an output.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// The shape over which the loads are views.
    pub(crate) shape: Vec<usize>,
    pub(crate) loads: Vec<View>,
    pub(crate) numbers: Vec<Param>,
    pub(crate) statements: Vec<Statement>,
    pub(crate) result: Arg,
}

impl Chain {
    /// The chain that stores what the kernel gives.
    pub(crate) fn plain(shape: &[usize]) -> Self {
        Self {
            shape: shape.to_vec(),
            loads: vec![],
            numbers: vec![],
            statements: vec![],
            result: Arg::Acc,
        }
    }

    /// The chain that copies a view.
    pub(crate) fn copy(view: View) -> Self {
        let shape = view.shape.clone();
        Self { loads: vec![view], result: Arg::Load(0), ..Self::plain(&shape) }
    }

    /// An operand of the next statement; the same view is loaded once.
    pub(crate) fn load(&mut self, view: View) -> Arg {
        let at = self.loads.iter().position(|l| *l == view).unwrap_or_else(|| {
            self.loads.push(view);
            self.loads.len() - 1
        });
        Arg::Load(at)
    }

    /// A number that is a parameter: equal graphs with other numbers share the pipeline.
    pub(crate) fn number(&mut self, value: Param) -> Arg {
        self.numbers.push(value);
        Arg::Number(self.numbers.len() - 1)
    }

    pub(crate) fn push(
        &mut self,
        text: impl Into<String>,
        args: Vec<Arg>,
        carrier: Carrier,
    ) -> Arg {
        self.statements.push(Statement { text: text.into(), args, carrier });
        self.result = Arg::Made(self.statements.len() - 1);
        self.result
    }

    /// Takes the work of `other`, which makes an operand of this one, into this one.
    pub(crate) fn inline(&mut self, other: &Self) -> Arg {
        let loads: Vec<Arg> = other.loads.iter().map(|l| self.load(l.clone())).collect();
        let (made, numbers) = (self.statements.len(), self.numbers.len());
        let moved = |arg: &Arg| match *arg {
            Arg::Acc => Arg::Acc,
            Arg::Load(i) => loads[i],
            Arg::Made(i) => Arg::Made(i + made),
            Arg::Number(i) => Arg::Number(i + numbers),
        };
        self.numbers.extend(&other.numbers);
        self.statements.extend(
            other
                .statements
                .iter()
                .map(|s| Statement { args: s.args.iter().map(moved).collect(), ..s.clone() }),
        );
        moved(&other.result)
    }

    /// The same work seen over another shape of the same volume, where no load needs a copy for it.
    pub(crate) fn reshaped(&self, shape: &[usize]) -> Option<Self> {
        if self.shape == shape {
            return Some(self.clone());
        }
        let loads = self.loads.iter().map(|l| l.reshaped(shape)).collect::<Option<_>>()?;
        Some(Self { shape: shape.to_vec(), loads, ..self.clone() })
    }

    /// The same work with the axes in another order.
    pub(crate) fn permuted(&self, order: &[usize]) -> Self {
        let shape = order.iter().map(|axis| self.shape[*axis]).collect();
        let loads = self.loads.iter().map(|load| load.permuted(order)).collect();
        Self { shape, loads, ..self.clone() }
    }

    /// The statements, given the name of each argument.
    pub(crate) fn render(&self, name: &dyn Fn(Arg) -> String) -> String {
        let mut text = String::new();
        for (at, statement) in self.statements.iter().enumerate() {
            let mut value = String::new();
            let mut rest = statement.text.as_str();
            while let Some(dollar) = rest.find('$') {
                value += &rest[..dollar];
                let digit = rest[dollar + 1..].chars().next().and_then(|c| c.to_digit(10));
                let arg = digit.and_then(|d| statement.args.get(d as usize));
                value += &arg.map_or_else(String::new, |a| name(*a));
                rest = rest.get(dollar + 2..).unwrap_or("");
            }
            value += rest;
            let kind = match statement.carrier {
                Carrier::F32 => 'F',
                Carrier::I32 => 'I',
                Carrier::U32 => 'U',
            };
            text += &format!("  let t{at}: {kind} = {value};\n");
        }
        text
    }
}

/// Expressions that are as good in float16 as in float32 where all they read and give is float16: exact ones, and those
/// that round once.
pub(crate) const SAFE: &[&str] = &[
    "$0 + $1",
    "$0 - $1",
    "$1 - $0",
    "$0 * $1",
    "$0 * $0",
    "-$0",
    "abs($0)",
    "min($0, $1)",
    "max($0, $1)",
    "select($0, $0 * $1, $0 < F(0.0))",
];

/// Functions that expressions may call; a kernel gets those that it names.
pub(crate) const FUNCTIONS: &[(&str, &str)] = &[
    // Abramowitz and Stegun 7.1.26 is only good to 1e-7 absolute; near 0 the series keeps the relative error.
    (
        "erf_(",
        "fn erf_(x: F) -> F {
  let a = abs(x);
  let t = F(1.0) / (F(1.0) + F(0.3275911) * a);
  let y = F(1.0) - (((((F(1.061405429) * t - F(1.453152027)) * t) + F(1.421413741)) * t - F(0.284496736)) * t + F(0.254829592)) * t * exp(-a * a);
  let q = x * x;
  let near = x * (F(1.1283791671) - q * (F(0.3761263890) - q * (F(0.1128379167) - q * (F(0.0268661706) - q * F(0.0052239776)))));
  return select(sign(x) * y, near, a < F(0.5));
}
",
    ),
    // exp overflows where tanh has long been 1.
    (
        "tanh_(",
        "fn tanh_(x: F) -> F {
  let e = exp(F(-2.0) * min(abs(x), F(20.0)));
  let y = sign(x) * (F(1.0) - e) / (F(1.0) + e);
  let q = x * x;
  return select(y, x * (F(1.0) - q * (F(0.33333333) - q * F(0.13333333))), abs(x) < F(0.05));
}
",
    ),
    // pow of WGSL knows no negative base, and need not know of what is no number or infinite. What is no number is made of
    // bits that are not constant, since a constant of it is refused.
    (
        "pow_(",
        "fn pow_(a: F, b: F) -> F {
  var nan = U(0x7fc00000u);
  let size = abs(a);
  let y = pow(size, b);
  let odd = abs(b - F(2.0) * floor(b * F(0.5))) == F(1.0);
  let s = select(y, -y, (a < F(0.0)) & odd);
  let bits = max(bitcast<U>(a) & U(0x7fffffffu), bitcast<U>(b) & U(0x7fffffffu));
  let unreal = (a < F(0.0)) & (size <= F(3.4028234e38)) & (b != floor(b));
  let t = select(s, bitcast<F>(nan), unreal | (bits > U(0x7f800000u)));
  let one = (b == F(0.0)) | (a == F(1.0)) | ((size == F(1.0)) & (abs(b) > F(3.4028234e38)));
  return select(t, F(1.0), one);
}
",
    ),
    // A GPU's quotient may be off by one, and nothing is left of what is divided by infinity but itself.
    (
        "rem_(",
        "fn rem_(a: F, b: F) -> F {
  let x = abs(a);
  let d = abs(b);
  let q = x - d * trunc(x / d);
  let low = select(q, q + d, q < F(0.0));
  let r = select(low, low - d, low >= d);
  let s = select(r, x, (d > F(3.4028234e38)) & (x <= F(3.4028234e38)));
  return select(s, -s, a < F(0.0));
}
",
    ),
    (
        "sinh_(",
        "fn sinh_(x: F) -> F {
  let q = x * x;
  let near = x * (F(1.0) + q * (F(0.16666667) + q * (F(0.0083333333) + q * F(0.00019841270))));
  return select((exp(x) - exp(-x)) * F(0.5), near, abs(x) < F(0.5));
}
",
    ),
    (
        "asinh_(",
        "fn asinh_(x: F) -> F {
  let a = abs(x);
  let q = x * x;
  let near = x * (F(1.0) - q * (F(0.16666667) - q * (F(0.075) - q * F(0.044642857))));
  return select(sign(x) * log(a + sqrt(q + F(1.0))), near, a < F(0.2));
}
",
    ),
    (
        "atanh_(",
        "fn atanh_(x: F) -> F {
  let q = x * x;
  let near = x * (F(1.0) + q * (F(0.33333333) + q * (F(0.2) + q * F(0.14285714))));
  return select(F(0.5) * log((F(1.0) + x) / (F(1.0) - x)), near, abs(x) < F(0.2));
}
",
    ),
    // The nearest float with `cut` bits fewer, halves to even; below the exponent `least` in steps of one size. What is
    // more than `most` is `over`. The sign of a zero stays unless `signed` is 1.
    (
        "narrow_(",
        "fn narrow_(x: U, cut: U, least: U, most: U, over: U, nan: U, signed: U) -> F {
  let size = x & U(0x7fffffffu);
  let half = (U(1u) << (cut - U(1u))) - U(1u);
  let near = ((size + half + ((size >> cut) & U(1u))) >> cut) << cut;
  let steps = bitcast<F>((U(277u) - cut - least) << U(23u));
  let step = bitcast<F>((least + cut - U(23u)) << U(23u));
  let small = bitcast<U>(round(bitcast<F>(size) * steps) * step);
  let y = select(near, small, size < (least << U(23u)));
  let sign = select(x & U(0x80000000u), U(0u), y < signed);
  let z = select(y, over, y > most) | sign;
  return bitcast<F>(select(z, nan, size > U(0x7f800000u)));
}
",
    ),
    // The nearest power of two: the next one where the rest is `up` or more.
    (
        "power_(",
        "fn power_(x: U, up: U, over: U) -> F {
  let size = x & U(0x7fffffffu);
  let power = (size >> U(23u)) + select(U(0u), U(1u), (size & U(0x7fffffu)) >= up);
  let y = select(power << U(23u), U(0x400000u), power == U(0u));
  let z = select(y, over, power > U(254u));
  return bitcast<F>(select(z, U(0x7fc00000u), size > U(0x7f800000u)));
}
",
    ),
    ("is_inf_(", "fn is_inf_(x: F, sign: u32) -> B {\n  return bitcast<U>(x) == U(0x7f800000u | sign);\n}\n"),
];

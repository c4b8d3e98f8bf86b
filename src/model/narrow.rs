//! Element types that the engine lacks, by the values that they hold: bfloat16, float8, float4, and
//! integers of 4 and 2 bits.
//!
//! In: bit patterns, or numbers to be rounded. Out: numbers. Every value of such a type is one of a
//! wider type that the engine has, its carrier: float32, int8 or uint8. So the engine computes with
//! carriers and rounds where ONNX would, and a caller feeds and gets carriers.

use tract_onnx::pb::{self, tensor_proto::DataType};

/// An element type that the engine lacks.
#[derive(Debug, PartialEq)]
pub(crate) struct Narrow {
    /// ONNX's code.
    pub(crate) code: i32,
    pub(crate) carrier: DataType,
    bits: u32,
    form: Form,
}

/// What the values of a type are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    Integer {
        signed: bool,
    },
    Float {
        mantissa: u32,
        bias: i32,
        max: f32,
        top: Top,
    },
    /// Powers of two: an exponent alone.
    Power,
}

/// What the largest patterns of a float mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Top {
    /// Infinities and NaN, as IEEE 754 has them.
    Infinite,
    /// The one pattern of ones is NaN.
    Nan,
    /// Numbers; NaN is where -0 would be.
    NoZero,
    /// Numbers; there is no NaN, and one becomes 0.
    Finite,
}

const fn float(code: i32, bits: u32, mantissa: u32, bias: i32, max: f32, top: Top) -> Narrow {
    let form = Form::Float { mantissa, bias, max, top };
    Narrow { code, carrier: DataType::Float, bits, form }
}

const fn integer(code: i32, bits: u32, signed: bool) -> Narrow {
    let carrier = if signed { DataType::Int8 } else { DataType::Uint8 };
    Narrow { code, carrier, bits, form: Form::Integer { signed } }
}

const TYPES: [Narrow; 11] = [
    float(16, 16, 7, 127, 3.389_531_4e38, Top::Infinite), // bfloat16
    float(17, 8, 3, 7, 448., Top::Nan),                   // float8e4m3fn
    float(18, 8, 3, 8, 240., Top::NoZero),                // float8e4m3fnuz
    float(19, 8, 2, 15, 57344., Top::Infinite),           // float8e5m2
    float(20, 8, 2, 16, 57344., Top::NoZero),             // float8e5m2fnuz
    float(23, 4, 1, 1, 6., Top::Finite),                  // float4e2m1
    Narrow { code: 24, carrier: DataType::Float, bits: 8, form: Form::Power }, // float8e8m0
    integer(22, 4, true),                                 // int4
    integer(21, 4, false),                                // uint4
    integer(26, 2, true),                                 // int2
    integer(25, 2, false),                                // uint2
];

/// Which power of two a number becomes that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Powers {
    Up,
    Down,
    Nearest,
}

/// The type of an ONNX code, where the engine lacks it.
pub(crate) fn narrow(code: i32) -> Option<&'static Narrow> {
    TYPES.iter().find(|t| t.code == code)
}

fn two_to(exponent: i32) -> f64 {
    2f64.powi(exponent)
}

impl Narrow {
    pub(crate) fn is_float(&self) -> bool {
        !matches!(self.form, Form::Integer { .. })
    }

    /// The least and the greatest integer.
    pub(crate) fn range(&self) -> Option<(i32, i32)> {
        let Form::Integer { signed } = self.form else { return None };
        let half = 1 << (self.bits - 1);
        Some(if signed { (-half, half - 1) } else { (0, 2 * half - 1) })
    }

    /// Whether what is too large becomes the largest number, given what a cast wants.
    pub(crate) fn saturates(&self, wanted: bool) -> bool {
        let finite = matches!(self.form, Form::Float { top: Top::Finite, .. });
        // bfloat16 has float32's range, and no saturation is defined for it.
        finite || wanted && self.bits < 16
    }

    #[cfg(feature = "gpu")]
    pub(crate) fn form(&self) -> Form {
        self.form
    }

    #[cfg(feature = "gpu")]
    pub(crate) fn bits(&self) -> u32 {
        self.bits
    }

    /// The integer of the lowest bits.
    pub(crate) fn wrap(&self, value: i64) -> i64 {
        let above = 64 - self.bits;
        if self.form == (Form::Integer { signed: true }) {
            value << above >> above
        } else {
            value & ((1 << self.bits) - 1)
        }
    }

    /// The number that a pattern stands for.
    fn decode(&self, pattern: u32) -> f32 {
        match self.form {
            Form::Integer { .. } => self.wrap(i64::from(pattern)) as f32,
            Form::Power if pattern == 255 => f32::NAN,
            Form::Power => two_to(pattern as i32 - 127) as f32,
            Form::Float { mantissa, bias, top, .. } => {
                let sign = pattern >> (self.bits - 1);
                let exponents = (1 << (self.bits - 1 - mantissa)) - 1;
                let (exponent, rest) =
                    (pattern >> mantissa & exponents, pattern & ((1 << mantissa) - 1));
                let last = exponent == exponents;
                let sign = if sign == 1 { -1. } else { 1. };
                match top {
                    Top::Infinite if last && rest == 0 => return sign * f32::INFINITY,
                    Top::Infinite if last => return f32::NAN,
                    Top::Nan if last && rest == (1 << mantissa) - 1 => return f32::NAN,
                    Top::NoZero if sign < 0. && exponent == 0 && rest == 0 => return f32::NAN,
                    _ => {}
                }
                // Below the least exponent there is no leading one.
                let whole = if exponent == 0 { rest } else { rest | 1 << mantissa };
                let scale = two_to(exponent.max(1) as i32 - bias - mantissa as i32);
                sign * (f64::from(whole) * scale) as f32
            }
        }
    }

    /// The nearest number of a float type, halves to even; what is too large becomes the largest one
    /// where `saturate`, else infinity or NaN.
    pub(crate) fn round(&self, x: f32, saturate: bool, powers: Powers) -> f32 {
        match self.form {
            Form::Integer { .. } => x,
            Form::Power => power(x, saturate, powers),
            Form::Float { mantissa, bias, max, top } => {
                let all = top == Top::Finite;
                if x.is_nan() {
                    return if all { 0. } else { x };
                }
                let size = f64::from(x.abs());
                let exponent = ((size.to_bits() >> 52) as i32 - 1023).max(1 - bias);
                let step = two_to(exponent - mantissa as i32);
                let near = (size / step).round_ties_even() * step;
                let saturate = self.saturates(saturate);
                let near = match near > f64::from(max) {
                    false => near as f32,
                    true if saturate => max,
                    true if top == Top::Infinite => f32::INFINITY,
                    true => return f32::NAN,
                };
                if near == 0. && top == Top::NoZero { 0. } else { near.copysign(x) }
            }
        }
    }

    /// A constant of this type as one of its carrier; unchanged where its bytes do not fit its shape,
    /// for which it is refused later.
    fn widen(&self, tensor: &mut pb::TensorProto) {
        let count =
            tensor.dims.iter().try_fold(1usize, |n, d| n.checked_mul(usize::try_from(*d).ok()?));
        let each = self.bits.div_ceil(8) as usize;
        let packed: Vec<u8> = if tensor.raw_data.is_empty() {
            tensor.int32_data.iter().flat_map(|v| v.to_le_bytes().into_iter().take(each)).collect()
        } else {
            tensor.raw_data.to_vec()
        };
        let fits = |n: &usize| n.checked_mul(self.bits as usize).map(|b| b.div_ceil(8));
        let Some(count) = count.filter(|n| fits(n) == Some(packed.len())) else { return };
        let patterns = (0..count).map(|at| match (self.bits, at * self.bits as usize) {
            (16, bit) => u32::from(u16::from_le_bytes([packed[bit / 8], packed[bit / 8 + 1]])),
            (bits, bit) => u32::from(packed[bit / 8]) >> (bit % 8) & ((1 << bits) - 1),
        });
        let values = patterns.map(|p| self.decode(p));
        tensor.raw_data = match self.carrier {
            DataType::Float => values.flat_map(f32::to_le_bytes).collect(),
            DataType::Int8 => values.map(|v| v as i8 as u8).collect(),
            _ => values.map(|v| v as u8).collect(),
        };
        tensor.int32_data.clear();
        tensor.data_type = self.carrier as i32;
    }
}

/// The nearest power of two that eight bits of exponent hold.
fn power(x: f32, saturate: bool, powers: Powers) -> f32 {
    if x.is_nan() {
        return x;
    }
    let size = f64::from(x.abs());
    let exponent = (size.to_bits() >> 52) as i32 - 1023;
    let part = size / two_to(exponent);
    let up = match powers {
        Powers::Up => part > 1.,
        Powers::Down => false,
        Powers::Nearest => part >= 1.5,
    };
    let exponent = exponent + i32::from(up);
    if exponent > 127 && !saturate {
        return f32::NAN;
    }
    two_to(exponent.clamp(-127, 127)) as f32
}

/// Turns a tensor of a type that the engine lacks into one of the carrier; others stay.
pub(crate) fn widen_tensor(tensor: &mut pb::TensorProto) -> Option<&'static Narrow> {
    let narrow = narrow(tensor.data_type)?;
    narrow.widen(tensor);
    Some(narrow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_rounds_to_itself() {
        for narrow in TYPES.iter().filter(|t| t.is_float()) {
            for pattern in 0..1u32 << narrow.bits {
                let x = narrow.decode(pattern);
                for saturate in [false, true] {
                    let y = narrow.round(x, saturate, Powers::Up);
                    let kept = y.to_bits() == x.to_bits() || x.is_nan() && y.is_nan();
                    assert!(kept || x.is_infinite() && saturate, "{:?} {pattern}", narrow.code);
                }
            }
        }
    }

    #[test]
    fn halves_go_to_even_and_large_numbers_to_the_top() {
        let round = |code: i32, x: f32| {
            narrow(code).map(|t| [true, false].map(|s| t.round(x, s, Powers::Nearest)))
        };
        assert_eq!(round(17, 17.), Some([16., 16.]));
        assert_eq!(round(17, 19.), Some([20., 20.]));
        assert_eq!(round(19, 1e6), Some([57344., f32::INFINITY]));
        assert_eq!(round(23, -1e6), Some([-6., -6.]));
        assert_eq!(round(16, 1.003_906_3), Some([1., 1.]));
        assert_eq!(round(24, 3.), Some([4., 4.]));
        assert!(round(17, 1e6).is_some_and(|r| r[0] == 448. && r[1].is_nan()));
    }
}

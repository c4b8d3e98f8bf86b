//! Inputs made up: `zeros`, `ones` and `random`, for a quick try or a measurement.
//!
//! In: a word, with a shape where the model leaves it open. Out: a tensor; the same one for the same seed.

use nearside::{DType, Dim, ErrorKind, Tensor, ValueInfo};

use crate::failure::Failure;
use crate::values::{is_float, push};

/// How made-up inputs are made.
#[derive(clap::Args)]
#[command(next_help_heading = "Made-up inputs")]
pub(crate) struct FillOptions {
    /// What every input gets that is not given: zeros, ones or random
    #[arg(long, value_name = "WORD", value_parser = parse)]
    pub(crate) fill: Option<Fill>,
    /// The size of a named dimension (1 unless given or known from another input)
    #[arg(long = "dim", value_name = "NAME=N", value_parser = parse_dim)]
    pub(crate) dims: Vec<(String, usize)>,
    /// The seed of `random`
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
}

/// A made-up input.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fill {
    kind: Kind,
    shape: Option<Vec<usize>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Zeros,
    Ones,
    Random,
}

fn parse(word: &str) -> Result<Fill, String> {
    match Fill::parse(word) {
        Ok(Some(fill)) => Ok(fill),
        _ => Err("use zeros, ones or random".to_owned()),
    }
}

/// `NAME=N`
pub(crate) fn parse_dim(text: &str) -> Result<(String, usize), String> {
    text.rsplit_once('=')
        .and_then(|(name, n)| Some((name.to_owned(), n.parse().ok()?)))
        .ok_or_else(|| "a dimension looks like batch=4".to_owned())
}

/// Zeros for every input, with these sizes of named dimensions.
#[cfg(feature = "gpu")]
pub(crate) fn zeros(
    signature: &nearside::Signature,
    dims: &[(String, usize)],
) -> Result<Vec<(String, Tensor)>, Failure> {
    let zeros = |info: &ValueInfo| {
        let fill = Fill { kind: Kind::Zeros, shape: None };
        Ok((info.name.clone(), fill.tensor(info, dims, 0)?))
    };
    signature.inputs.iter().map(zeros).collect()
}

impl Fill {
    /// `zeros`, `random:1x3x224x224`; none for any other value.
    pub(crate) fn parse(value: &str) -> Result<Option<Self>, Failure> {
        let (word, shape) = match value.split_once(':') {
            Some((word, shape)) => (word, Some(shape)),
            None => (value, None),
        };
        let kind = match word {
            "zeros" => Kind::Zeros,
            "ones" => Kind::Ones,
            "random" => Kind::Random,
            _ => return Ok(None),
        };
        let dims = |text: &str| -> Option<Vec<usize>> {
            text.split(['x', ',']).map(|d| d.trim().parse().ok()).collect()
        };
        let shape = match shape {
            None => None,
            Some(text) => Some(dims(text).ok_or_else(|| {
                Failure::new(ErrorKind::InvalidInput, format!("`{text}` is no shape"))
                    .help(format!("a shape looks like {word}:1x3x224x224"))
            })?),
        };
        Ok(Some(Self { kind, shape }))
    }

    /// The open dimensions of an input whose sizes nobody gave.
    pub(crate) fn assumed<'a>(
        &self,
        info: &'a ValueInfo,
        bound: &'a [(String, usize)],
    ) -> impl Iterator<Item = &'a str> {
        let given = self.shape.is_some();
        info.shape.iter().filter_map(move |dim| match dim {
            Dim::Symbol(s) if !given && !bound.iter().any(|(name, _)| name == s) => Some(&s[..]),
            _ => None,
        })
    }

    /// The tensor for an input, with these sizes of named dimensions.
    pub(crate) fn tensor(
        self,
        info: &ValueInfo,
        bound: &[(String, usize)],
        seed: u64,
    ) -> Result<Tensor, Failure> {
        if !info.ranked && self.shape.is_none() {
            return Err(Failure::new(
                ErrorKind::InvalidInput,
                format!("the model declares no shape for `{}`", info.name),
            )
            .help("give one, for example random:1x3x224x224"));
        }
        let size = |dim: &Dim| match dim {
            Dim::Known(n) => *n,
            Dim::Symbol(s) => bound.iter().find(|(name, _)| name == s).map_or(1, |(_, n)| *n),
            Dim::Unknown => 1,
        };
        let shape = self.shape.unwrap_or_else(|| info.shape.iter().map(size).collect());
        let count = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
        // The engine allows no larger tensor either.
        let count =
            count.filter(|n| n.checked_mul(8).is_some_and(|b| b <= 8 << 30)).ok_or_else(|| {
                Failure::new(
                    ErrorKind::TooLarge,
                    format!("a tensor of shape {shape:?} is too large"),
                )
            })?;
        if info.dtype == DType::String {
            if self.kind == Kind::Random {
                return Err(Failure::new(
                    ErrorKind::InvalidInput,
                    format!("`{}` takes strings, which are not made up at random", info.name),
                ));
            }
            return Ok(Tensor::from_strings(&shape, vec![String::new(); count])?);
        }
        let mut random = SplitMix(seed);
        let mut bytes = Vec::with_capacity(count * info.dtype.size());
        for _ in 0..count {
            let value = match self.kind {
                Kind::Zeros => 0.0,
                Kind::Ones => 1.0,
                Kind::Random => random.value(info.dtype),
            };
            push(info.dtype, value, &mut bytes);
        }
        Ok(Tensor::from_bytes(info.dtype, &shape, &bytes)?)
    }
}

/// Sebastiano Vigna's SplitMix64: five lines, and the same numbers on every machine.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Floats in 0..1, bytes in 0..=255, bools, and other integers in 0..=9: small enough to be an index
    /// into about any table.
    fn value(&mut self, dtype: DType) -> f64 {
        let bits = self.next();
        match dtype {
            _ if is_float(dtype) => (bits >> 40) as f64 / (1u64 << 24) as f64,
            DType::Uint8 => (bits % 256) as f64,
            DType::Bool => (bits % 2) as f64,
            _ => (bits % 10) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::element;

    fn info(dtype: DType, shape: Vec<Dim>) -> ValueInfo {
        ValueInfo {
            name: "x".into(),
            dtype,
            shape,
            ranked: true,
            labels: vec![],
            kind: nearside::Kind::Tensor,
        }
    }

    #[test]
    fn words_and_shapes() {
        let parse = |text| Fill::parse(text).ok().flatten();
        assert_eq!(parse("zeros"), Some(Fill { kind: Kind::Zeros, shape: None }));
        let shape = Some(vec![1, 3]);
        assert_eq!(parse("random:1x3"), Some(Fill { kind: Kind::Random, shape: shape.clone() }));
        assert_eq!(parse("ones:1,3"), Some(Fill { kind: Kind::Ones, shape }));
        assert_eq!(parse("photo.png"), None);
        assert!(Fill::parse("zeros:axb").is_err());
    }

    #[test]
    fn open_dimensions_and_the_same_numbers_again() -> Result<(), Failure> {
        let x = info(
            DType::Float32,
            vec![Dim::Symbol("n".into()), Dim::Known(3), Dim::Unknown, Dim::Symbol("m".into())],
        );
        let random = || Fill { kind: Kind::Random, shape: None }.tensor(&x, &[("n".into(), 2)], 7);
        let tensor = random()?;
        assert_eq!(tensor.shape(), [2, 3, 1, 1]);
        assert_eq!(tensor.bytes(), random()?.bytes());
        assert!(
            (0..6).all(|i| element(&tensor, i).number().is_some_and(|v| (0.0..1.0).contains(&v)))
        );
        let huge = Fill { kind: Kind::Zeros, shape: Some(vec![usize::MAX, 2]) };
        assert_eq!(
            huge.tensor(&x, &[], 0).map_err(|f| f.error.row().code).err(),
            Some("TOO_LARGE")
        );
        Ok(())
    }
}

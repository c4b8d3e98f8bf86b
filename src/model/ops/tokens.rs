//! com.microsoft's operators on tokens: `DynamicTimeWarping`, `MurmurHash3`, `NGramRepeatBlock`.
//!
//! In and out: see each.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

/// Scores of tokens, of which those go that would repeat a run of so many.
#[derive(Debug)]
struct Unrepeated {
    run: usize,
}

pub(super) fn unrepeated(_: &ParsingContext, node: &NodeProto) -> Built {
    let run = node.get_attr("ngram_size")?;
    ensure!(run > 0, "an ngram_size of 0");
    host(node, Unrepeated { run })
}

impl Host for Unrepeated {
    fn name(&self) -> &'static str {
        "NGramRepeatBlock"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(need(inputs, 1)?.without_value()))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let (tokens, scores) = (need(inputs, 0)?, need(inputs, 1)?);
        let (&[rows, length], &[others, words]) = (tokens.shape(), scores.shape()) else {
            bail!("tokens and scores are matrices")
        };
        ensure!(rows == others, "tokens of {rows} rows and scores of {others}");
        let tokens = i64s(tokens)?;
        let mut scores = scores.cast_to::<f32>()?.into_owned();
        let mut plain = scores.try_as_plain_ram_mut()?;
        let values = plain.as_slice_mut::<f32>()?;
        for row in 0..rows {
            let tokens = &tokens[row * length..][..length];
            // What a run of which the last token is still to come would begin with.
            let last = &tokens[length.saturating_sub(self.run - 1)..];
            for before in tokens.windows(self.run) {
                let Some((token, start)) = before.split_last() else { continue };
                if start != last {
                    continue;
                }
                let known = usize::try_from(*token).ok().filter(|token| *token < words);
                let token = known.with_context(|| format!("the token {token} of {words}"))?;
                values[row * words + token] = f32::NEG_INFINITY;
            }
        }
        Ok(tvec!(scores))
    }
}

/// A hash of each element (Appleby's MurmurHash3 of 32 bits).
#[derive(Debug)]
struct Hash {
    seed: u32,
    signed: bool,
}

pub(super) fn hash(_: &ParsingContext, node: &NodeProto) -> Built {
    let seed: i64 = node.get_attr_opt("seed")?.unwrap_or(0);
    let signed = node.get_attr_opt("positive")?.unwrap_or(1i64) == 0;
    // Its lowest bits count.
    host(node, Hash { seed: seed as u32, signed })
}

impl Hash {
    fn of(&self, bytes: &[u8]) -> u32 {
        let mixed = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
        let (words, rest) = bytes.as_chunks::<4>();
        let mut hash = self.seed;
        for word in words {
            hash ^= mixed(u32::from_le_bytes(*word));
            hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
        }
        hash ^= mixed(rest.iter().rev().fold(0, |k, byte| k << 8 | u32::from(*byte)));
        hash ^= bytes.len() as u32;
        for (shift, factor) in [(16, 0x85eb_ca6b), (13, 0xc2b2_ae35)] {
            hash = (hash ^ hash >> shift).wrapping_mul(factor);
        }
        hash ^ hash >> 16
    }
}

impl Host for Hash {
    fn name(&self) -> &'static str {
        "MurmurHash3"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let dt = if self.signed { DatumType::I32 } else { DatumType::U32 };
        Ok(tvec!(dt.fact(need(inputs, 0)?.shape.clone())))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let x = need(inputs, 0)?;
        let dt = x.datum_type();
        let hashes: Vec<u32> = if dt == String::datum_type() {
            strings(x)?.iter().map(|text| self.of(text.as_bytes())).collect()
        } else {
            ensure!(dt.is_copy() && dt.size_of() >= 4, "hashes of {dt:?}");
            x.as_bytes().chunks_exact(dt.size_of()).map(|bytes| self.of(bytes)).collect()
        };
        if self.signed {
            let hashes: Vec<i32> = hashes.iter().map(|hash| hash.cast_signed()).collect();
            return Ok(tvec!(Tensor::from_shape(x.shape(), &hashes)?));
        }
        Ok(tvec!(Tensor::from_shape(x.shape(), &hashes)?))
    }
}

/// The cheapest way from the first to the last place of a matrix of costs, `[2, steps]`.
#[derive(Debug)]
struct Way {
    steps: Symbol,
}

pub(super) fn way(ctx: &ParsingContext, node: &NodeProto) -> Built {
    host(node, Way { steps: ctx.template.symbols.new_with_prefix("x") })
}

/// Where a place is reached from.
#[derive(Clone, Copy)]
enum From {
    Both,
    Row,
    Column,
}

impl Host for Way {
    fn name(&self) -> &'static str {
        "DynamicTimeWarping"
    }

    fn mints(&self) -> bool {
        true
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        let rank = need(inputs, 0)?.rank();
        ensure!((2..4).contains(&rank), "costs of {rank} axes");
        Ok(tvec!(i32::fact([2.to_dim(), self.steps.to_dim()])))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let costs = need(inputs, 0)?;
        let (&[rows, columns] | &[1, rows, columns]) = costs.shape() else {
            bail!("costs of shape {:?}", costs.shape())
        };
        ensure!(rows > 0 && columns > 0, "costs of nothing");
        let costs = costs.cast_to::<f32>()?;
        let costs = costs.try_as_plain_ram()?;
        let costs = costs.as_slice::<f32>()?;
        // Of the row before, behind an edge that nothing comes from.
        let mut above = vec![f32::INFINITY; columns + 1];
        above[0] = 0.;
        let mut ways = Vec::with_capacity(costs.len());
        for row in 0..rows {
            let mut sums = vec![f32::INFINITY; columns + 1];
            for column in 0..columns {
                let [both, up, left] = [above[column], above[column + 1], sums[column]];
                let (least, from) = if both < up && both < left {
                    (both, From::Both)
                } else if up < both && up < left {
                    (up, From::Row)
                } else {
                    (left, From::Column)
                };
                sums[column + 1] = costs[row * columns + column] + least;
                ways.push(from);
            }
            above = sums;
        }
        let (mut row, mut column) = (rows - 1, columns - 1);
        let mut places = vec![[row, column]];
        while (row, column) != (0, 0) {
            let from = match (row, column) {
                (0, _) => From::Column,
                (_, 0) => From::Row,
                _ => ways[row * columns + column],
            };
            match from {
                From::Both => (row, column) = (row - 1, column - 1),
                From::Row => row -= 1,
                From::Column => column -= 1,
            }
            places.push([row, column]);
        }
        let along = |axis: usize| places.iter().rev().map(move |at| at[axis] as i32);
        let values: Vec<i32> = along(0).chain(along(1)).collect();
        Ok(tvec!(Tensor::from_shape(&[2, places.len()], &values)?))
    }
}

//! `Range`, for every constant: the importer counts elements in whole steps upwards only.
//!
//! In: start, limit and step. Out: the numbers in between; its own operator where they are computed.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::array::Range as Theirs;

use super::host::from_f64;
use super::lower::Built;
use crate::limit;
use crate::scalar::Scalar as _;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Range {
    /// com.microsoft's step may be left out.
    unit_step: bool,
}

pub(super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let unit_step = node.input.get(2).is_none_or(String::is_empty);
    Ok((expand(Range { unit_step }), vec![]))
}

/// More elements than any real range has.
const MOST: f64 = 1e9;

/// The three, of one type that is no symbol.
enum Known {
    Whole { start: i64, step: i64 },
    Real { start: f64, step: f64 },
}

/// What the numbers are of and how many there are, where all three are known.
fn known(
    start: &Tensor,
    limit: &Tensor,
    step: &Tensor,
) -> TractResult<Option<(Known, DatumType, usize)>> {
    let all = [start, limit, step];
    let symbolic = all.iter().any(|t| t.datum_type() == TDim::datum_type());
    let dt = if symbolic { DatumType::I64 } else { limit.datum_type() };
    let known = |t: &&Tensor| match t.datum_type() {
        DatumType::TDim => t.len() == 1 && t.number::<i64>().is_ok(),
        DatumType::I64 => t.len() == 1 && dt == DatumType::I64,
        other => t.len() == 1 && other == dt,
    };
    if !all.iter().all(known) {
        return Ok(None);
    }
    let (known, count) = if dt.is_integer() {
        let one = |t: &Tensor| -> TractResult<i64> { t.number::<i64>() };
        let (start, limit, step) = (one(start)?, one(limit)?, one(step)?);
        ensure!(step != 0, "a step of 0");
        let span = i128::from(limit) - i128::from(start);
        let count = (span + i128::from(step) - i128::from(step.signum())) / i128::from(step);
        (Known::Whole { start, step }, count.max(0) as f64)
    } else {
        let one = |t: &Tensor| -> TractResult<f64> { t.number::<f64>() };
        let (start, limit, step) = (one(start)?, one(limit)?, one(step)?);
        ensure!(step != 0.0, "a step of 0");
        (Known::Real { start, step }, ((limit - start) / step).ceil().max(0.0))
    };
    ensure!(count <= MOST, "a range of {count} numbers");
    Ok(Some((known, dt, count as usize)))
}

/// The numbers, where the three are known.
fn numbers(start: &Tensor, limit: &Tensor, step: &Tensor) -> TractResult<Option<Tensor>> {
    let Some((known, dt, count)) = known(start, limit, step)? else { return Ok(None) };
    limit::check(|| format!("a range of {count} numbers"), DatumType::I64, &[count])?;
    let at = 0..count;
    Ok(Some(match known {
        Known::Whole { start, step } => {
            let values: Vec<i64> = at.map(|i| start + i as i64 * step).collect();
            tensor1(&values).cast_to_dt(dt)?.into_owned()
        }
        Known::Real { start, step } => {
            let values: Vec<f64> = at.map(|i| start + i as f64 * step).collect();
            from_f64(&[count], &values, dt)?
        }
    }))
}

impl Expansion for Range {
    fn name(&self) -> StaticName {
        "Range".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, if self.unit_step { 2 } else { 3 })?;
        check_output_arity(outputs, 1)?;
        s.given_all(inputs.iter().map(|i| &i.datum_type), move |s, types| {
            let dt = DatumType::super_type_for(types).context("the types differ")?;
            s.equals(&outputs[0].datum_type, if dt.is_tdim() { i64::datum_type() } else { dt })
        })?;
        for input in inputs {
            s.equals(&input.rank, 0)?;
        }
        s.equals(&outputs[0].rank, 1)?;
        s.given_all(inputs.iter().map(|i| &i.value), move |s, values| {
            let step = self.step(values.get(2), &values[1])?;
            match known(&values[0], &values[1], &step)? {
                Some((.., count)) => s.equals(&outputs[0].shape[0], count.to_dim()),
                None => Ok(()),
            }
        })
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let konst = |model: &TypedModel, at: usize| -> TractResult<Option<Arc<Tensor>>> {
            inputs.get(at).map_or(Ok(None), |i| Ok(model.outlet_fact(*i)?.konst.clone()))
        };
        let (start, limit) = (konst(model, 0)?, konst(model, 1)?);
        let mut inputs: TVec<OutletId> = inputs.into();
        if self.unit_step {
            let dt = model.outlet_fact(inputs[1])?.datum_type;
            let one = tensor0(1i64).cast_to_dt(dt)?.into_owned();
            inputs.push(model.add_const(format!("{prefix}.step"), one)?);
        }
        let step = model.outlet_fact(inputs[2])?.konst.clone();
        if let (Some(start), Some(limit), Some(step)) = (start, limit, step)
            && let Some(numbers) = numbers(&start, &limit, &step)?
        {
            return Ok(tvec!(model.add_const(prefix, numbers)?));
        }
        Theirs.wire(prefix, model, &inputs)
    }
}

impl Range {
    fn step(&self, given: Option<&Arc<Tensor>>, like: &Tensor) -> TractResult<Arc<Tensor>> {
        match given {
            Some(step) => Ok(Arc::clone(step)),
            None => Ok(tensor0(1i64).cast_to_dt(like.datum_type())?.into_owned().into_arc_tensor()),
        }
    }
}

//! A cache of keys and values with room for more than is in it, as com.microsoft's attention fills it in place.
//!
//! In: the cache, how many places of it are filled, and what is new. Out: the cache with the new behind the old, and what
//! attention looks at. The one decision: where the number is known only while running, that is the whole room under a mask,
//! so that one plan holds for a text of any length; where it is known, the filled places alone.

use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::logic::{and, comp_gt, comp_gte, comp_lt, comp_lte};
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_hir::internal::*;

use super::wires::Wires;

/// Keys and values.
pub(super) type Sides = [OutletId; 2];

/// What is written, and where.
pub(super) struct Filling {
    /// `[batch, heads, room, size]`
    pub(super) past: Sides,
    /// `[batch, heads, length, size]`
    pub(super) new: Sides,
    /// One number.
    pub(super) filled: OutletId,
    /// Which beam each place comes from, `[batch, beams, room]`.
    pub(super) origin: Option<OutletId>,
    pub(super) queries: usize,
    pub(super) causal: bool,
}

/// What comes of it.
pub(super) struct Filled {
    /// The cache.
    pub(super) whole: Sides,
    /// What attention looks at.
    pub(super) seen: Sides,
    /// What is added to its scores; nothing where it may look at all of that.
    pub(super) hidden: Option<OutletId>,
}

impl Filling {
    /// `masked`: whether [`Filled::hidden`] may say what is not there.
    pub(super) fn wire(&self, g: &mut Wires<'_>, masked: bool) -> TractResult<Filled> {
        let steps = |x: OutletId| -> TractResult<usize> {
            let shape = g.shape(x)?;
            ensure!(shape.len() == 4, "heads have 4 axes");
            Ok(shape[2].to_usize()?)
        };
        let (room, length) = (steps(self.past[0])?, steps(self.new[0])?);
        ensure!(0 < length && length <= room, "{length} new places in a cache of {room}");
        // The beams of one step are told, not of more.
        let beams = self.origin.filter(|_| self.queries == 1);
        ensure!(beams.is_none() || length == 1, "beams of {length} steps");
        if let Some(beams) = beams {
            let named = g.shape(beams)?;
            ensure!(named.last() == Some(&room.to_dim()), "cache_indirection of shape {named:?}");
        }
        let known = g.fact(self.filled)?.konst.clone();
        if known.is_none() && masked {
            return self.anywhere(g, beams, room, length);
        }
        let known = g.known(self.filled, "past_sequence_length")?.cast_to::<i64>()?.into_owned();
        let start = match known.try_as_plain_ram()?.as_slice::<i64>()? {
            [start] => usize::try_from(*start)?,
            other => bail!("past_sequence_length of {} numbers", other.len()),
        };
        let end = start.checked_add(length).filter(|end| *end <= room);
        let end = end.with_context(|| format!("{length} behind {start} in a cache of {room}"))?;
        let (mut whole, mut seen) = (self.past, self.past);
        for (side, new) in self.new.iter().enumerate() {
            let before = g.slice(self.past[side], 2, 0.to_dim(), start.to_dim())?;
            let behind = g.slice(self.past[side], 2, end.to_dim(), room.to_dim())?;
            seen[side] = g.concat(2, &[before, *new])?;
            whole[side] = g.concat(2, &[seen[side], behind])?;
        }
        if let Some(beams) = beams {
            let beams = g.slice(beams, 2, 0.to_dim(), end.to_dim())?;
            let start = g.constant(tensor2(&[[i64::try_from(start)?]]))?;
            for side in &mut seen {
                *side = from_beams(g, *side, beams, start)?;
            }
        }
        Ok(Filled { whole, seen, hidden: None })
    }

    /// The same where no plan knows how much is filled.
    fn anywhere(
        &self,
        g: &mut Wires<'_>,
        beams: Option<OutletId>,
        room: usize,
        length: usize,
    ) -> TractResult<Filled> {
        let start = g.flat(self.filled)?;
        ensure!(g.shape(start)?[0].is_one(), "past_sequence_length is not one number");
        let start = g.cast(start, DatumType::I64)?;
        // An index that is looked up is checked; a negative one would count from the end.
        let zero = g.constant(tensor1(&[0i64]))?;
        let none = g.constant(tensor1(&[i64::try_from(room)?]))?;
        let negative = g.binary(TypedBinOp(comp_lt(), None), start, zero)?;
        let start = g.select(negative, none, start)?;
        let steps = counted(g, length, &[length])?;
        let written = g.add(start, steps)?;
        let places = counted(g, room, &[room])?;
        let written = g.gather(0, places, written)?;
        let start = g.slice(written, 0, 0.to_dim(), 1.to_dim())?;
        // Which step a place holds, if it is a new one.
        let step = g.sub(places, start)?;
        let last = g.constant(tensor1(&[i64::try_from(length - 1)?]))?;
        let from = g.binary(TypedBinOp(comp_gte(), None), step, zero)?;
        let to = g.binary(TypedBinOp(comp_lte(), None), step, last)?;
        let new = g.binary(and(), from, to)?;
        let new = g.add_axis(new, 1)?;
        let step = g.binary(math::max(), step, zero)?;
        let step = g.binary(math::min(), step, last)?;
        let mut whole = self.past;
        for (side, given) in whole.iter_mut().zip(self.new) {
            let given = g.gather(2, given, step)?;
            *side = g.select(new, given, *side)?;
        }
        let mut seen = whole;
        if let Some(beams) = beams {
            let start = g.add_axis(start, 0)?;
            for side in &mut seen {
                *side = from_beams(g, *side, beams, start)?;
            }
        }
        // The last place that each query sees.
        let end = if self.causal {
            ensure!(self.queries <= length, "{} queries over {length} keys", self.queries);
            let later: Vec<i64> =
                (0..self.queries).map(|q| (length - self.queries + q) as i64).collect();
            let later = g.constant(Tensor::from_shape(&[self.queries, 1], &later)?)?;
            g.add(later, start)?
        } else {
            g.add(start, last)?
        };
        let beyond = g.binary(TypedBinOp(comp_gt(), None), places, end)?;
        let (lost, kept) = (g.like(self.past[0], f32::MIN)?, g.like(self.past[0], 0.)?);
        let mut hidden = g.select(beyond, lost, kept)?;
        while g.rank(hidden)? < 4 {
            hidden = g.add_axis(hidden, 0)?;
        }
        let hidden = Some(hidden);
        Ok(Filled { whole, seen, hidden })
    }
}

/// `0..count`
fn counted(g: &mut Wires<'_>, count: usize, shape: &[usize]) -> TractResult<OutletId> {
    let values: Vec<i64> = (0..count as i64).collect();
    g.constant(Tensor::from_shape(shape, &values)?)
}

/// A side `[rows, heads, room, size]` whose places before `start` `[1, 1]` are those of the beams that are named; a row is
/// a beam.
fn from_beams(
    g: &mut Wires<'_>,
    side: OutletId,
    origin: OutletId,
    start: OutletId,
) -> TractResult<OutletId> {
    let shape = g.lengths(side)?;
    let (&[rows, _, room, _], &[batch, beams, places]) = (&shape[..], &g.lengths(origin)?[..])
    else {
        bail!("beams of other ranks")
    };
    let fits = batch.checked_mul(beams) == Some(rows) && places == room;
    ensure!(fits, "cache_indirection of shape {:?} for {rows} rows of {room}", g.shape(origin)?);
    let origin = g.cast(origin, DatumType::I64)?;
    let origin =
        g.reshape(origin, 0, tvec!(batch.to_dim(), beams.to_dim()), tvec!(rows.to_dim()))?;
    let at = counted(g, room, &[1, room])?;
    let old = g.binary(TypedBinOp(comp_lt(), None), at, start)?;
    let zero = g.constant(tensor2(&[[0i64]]))?;
    let origin = g.select(old, origin, zero)?;
    // Checked as it is looked up; a negative one would count from the end.
    let none = g.constant(tensor2(&[[i64::try_from(beams)?]]))?;
    let negative = g.binary(TypedBinOp(comp_lt(), None), origin, zero)?;
    let origin = g.select(negative, none, origin)?;
    let known = counted(g, beams, &[beams])?;
    let origin = g.gather(0, known, origin)?;
    let firsts: Vec<i64> = (0..rows).map(|row| (row / beams * beams) as i64).collect();
    let firsts = g.constant(Tensor::from_shape(&[rows, 1], &firsts)?)?;
    let own = counted(g, rows, &[rows, 1])?;
    let origin = g.add(origin, firsts)?;
    let row = g.select(old, origin, own)?;
    let width = g.constant(tensor2(&[[i64::try_from(room)?]]))?;
    let row = g.mul(row, width)?;
    let place = g.add(row, at)?;
    let side = g.move_axis(side, 2, 1)?;
    let all = rows.checked_mul(room).context("too many places")?;
    let side = g.reshape(side, 0, tvec!(rows.to_dim(), room.to_dim()), tvec!(all.to_dim()))?;
    let side = g.gather(0, side, place)?;
    g.move_axis(side, 1, 2)
}

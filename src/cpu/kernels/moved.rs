//! Elements that are elsewhere in another tensor: rows cut, padded, repeated, turned round or across.
//!
//! In: bytes of elements, and for each axis of the output and each place along it how many elements of the input it adds
//! to where an element comes from. Out: the elements. The one decision: an element is so many bytes, whatever they mean,
//! so that there is one loop for each size and none for each type.

use crate::{Result, fits};

/// Rows and columns that are turned across together, so that both stay in the nearest cache.
const TILE: usize = 16;
/// Elements to a piece at the least; lines of shorter ones are looked up one by one.
const PIECE: usize = 4;

/// Places one after the other in equal steps.
#[derive(Clone, Copy)]
struct Even {
    first: usize,
    step: isize,
    count: usize,
}

impl Even {
    #[inline(always)]
    fn place(&self, i: usize) -> usize {
        self.first.wrapping_add_signed(self.step * i as isize)
    }

    /// The longest at the beginning of these.
    fn longest(places: &[usize]) -> Self {
        let first = places.first().copied().unwrap_or(0);
        let step = places.get(1).map_or(1, |second| second.wrapping_sub(first) as isize);
        let even = Self { first, step, count: places.len() };
        let count = places.iter().enumerate().take_while(|(i, place)| even.place(*i) == **place);
        Self { count: count.count(), ..even }
    }
}

/// Where the places along an axis are.
enum Axis {
    Even(Even),
    /// Each of these places twice.
    Twice(Even),
    /// Pieces of some length.
    Pieces(Vec<usize>, Vec<Even>),
    Any(Vec<usize>),
}

impl Axis {
    fn new(places: &[usize]) -> Self {
        let even = Even::longest(places);
        if even.count == places.len() {
            return Self::Even(even);
        }
        let (pairs, rest) = places.as_chunks::<2>();
        if rest.is_empty() && pairs.iter().all(|[a, b]| a == b) {
            let singles: Vec<usize> = pairs.iter().map(|[a, _]| *a).collect();
            let even = Even::longest(&singles);
            if even.count == singles.len() && even.step == 1 {
                return Self::Twice(even);
            }
        }
        let mut pieces = vec![];
        let mut left = places;
        while !left.is_empty() && (pieces.len() + 1) * PIECE <= places.len() {
            let piece = Even::longest(left);
            left = &left[piece.count..];
            pieces.push(piece);
        }
        if left.is_empty() {
            return Self::Pieces(places.to_vec(), pieces);
        }
        Self::Any(places.to_vec())
    }

    fn len(&self) -> usize {
        match self {
            Self::Even(even) => even.count,
            Self::Twice(even) => even.count * 2,
            Self::Pieces(places, _) | Self::Any(places) => places.len(),
        }
    }

    fn place(&self, i: usize) -> usize {
        match self {
            Self::Even(even) => even.place(i),
            Self::Twice(even) => even.place(i / 2),
            Self::Pieces(places, _) | Self::Any(places) => places[i],
        }
    }
}

/// Where the elements of an output come from.
pub struct Moves {
    /// Outermost first. Those that go on where the next one ends are one.
    axes: Vec<Axis>,
    /// Elements of the output.
    count: usize,
    /// Elements that the input has at the least.
    reach: usize,
}

impl Moves {
    /// The places along each axis of the output.
    pub fn new(places: &[Vec<usize>]) -> Result<Self> {
        let count = places.iter().try_fold(1usize, |n, axis| n.checked_mul(axis.len()));
        let mut reach = Some(1usize);
        for axis in places {
            let most = axis.iter().copied().max().unwrap_or(0);
            reach = reach.and_then(|n| n.checked_add(most));
        }
        let (Some(count), Some(reach)) = (count, reach) else { return Err(crate::Misfit) };
        fits(reach < isize::MAX as usize)?;
        if count == 0 {
            return Ok(Self { axes: vec![], count, reach: 0 });
        }
        // Innermost first.
        let mut axes: Vec<Axis> = vec![];
        let mut first = 0;
        for axis in places.iter().rev() {
            if let [only] = axis[..] {
                first += only;
                continue;
            }
            let axis = Axis::new(axis);
            if let (Some(Axis::Even(inner)), Axis::Even(outer)) = (axes.last_mut(), &axis)
                && outer.step == inner.step * inner.count as isize
            {
                inner.first += outer.first;
                inner.count *= outer.count;
                continue;
            }
            axes.push(axis);
        }
        axes.reverse();
        // What places of one element add goes to any axis, or is one.
        match axes.first_mut() {
            None => axes.push(Axis::Even(Even { first, step: 1, count: 1 })),
            Some(Axis::Even(even) | Axis::Twice(even)) => even.first += first,
            Some(Axis::Pieces(places, pieces)) => {
                places.iter_mut().for_each(|place| *place += first);
                pieces.iter_mut().for_each(|piece| piece.first += first);
            }
            Some(Axis::Any(places)) => places.iter_mut().for_each(|place| *place += first),
        }
        Ok(Self { axes, count, reach })
    }

    /// Whether the elements lie as they did.
    pub fn is_copy(&self) -> bool {
        matches!(self.axes[..], [Axis::Even(Even { step: 1, .. })])
    }

    /// Moves elements of `width` bytes, of which there may be 1 or 4.
    pub fn run(&self, width: usize, from: &[u8], to: &mut [u8]) -> Result<()> {
        match width {
            1 => self.of::<1>(from, to),
            4 => self.of::<4>(from, to),
            _ => Err(crate::Misfit),
        }
    }

    fn of<const W: usize>(&self, from: &[u8], to: &mut [u8]) -> Result<()> {
        let ((from, _), (to, rest)) = (from.as_chunks::<W>(), to.as_chunks_mut::<W>());
        fits(rest.is_empty() && to.len() == self.count && from.len() >= self.reach)?;
        if !to.is_empty() {
            fill(&self.axes, 0, from, to);
        }
        Ok(())
    }
}

/// Fills `to` along these axes; `at` is what the outer ones add.
fn fill<T: Copy>(axes: &[Axis], at: usize, from: &[T], to: &mut [T]) {
    match axes {
        [] => {}
        [axis] => line(axis, at, from, to),
        [Axis::Even(rows), Axis::Even(columns)] if rows.step == 1 && columns.step > 1 => {
            across(rows, columns, at, from, to);
        }
        [axis, inner @ ..] => {
            let each = to.len() / axis.len();
            for i in 0..axis.len() {
                let place = axis.place(i);
                if i > 0 && place == axis.place(i - 1) {
                    to.copy_within((i - 1) * each..i * each, i * each);
                } else {
                    fill(inner, at + place, from, &mut to[i * each..][..each]);
                }
            }
        }
    }
}

fn line<T: Copy>(axis: &Axis, at: usize, from: &[T], to: &mut [T]) {
    match axis {
        Axis::Even(even) => evenly(even, at, from, to),
        Axis::Twice(even) => {
            let from = &from[at + even.first..][..even.count];
            for (pair, x) in to.as_chunks_mut::<2>().0.iter_mut().zip(from) {
                *pair = [*x; 2];
            }
        }
        Axis::Pieces(_, pieces) => {
            let mut left = to;
            for piece in pieces {
                let (now, rest) = left.split_at_mut(piece.count);
                evenly(piece, at, from, now);
                left = rest;
            }
        }
        Axis::Any(places) => {
            let from = &from[at..];
            to.iter_mut().zip(places).for_each(|(to, place)| *to = from[*place]);
        }
    }
}

#[inline(never)]
fn evenly<T: Copy>(even: &Even, at: usize, from: &[T], to: &mut [T]) {
    let (first, last) = (at + even.first, at + even.place(even.count - 1));
    match even.step {
        0 => to.fill(from[first]),
        1 => to.copy_from_slice(&from[first..=last]),
        2 => {
            let (pairs, one) = from[first..=last].as_chunks::<2>();
            to.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
            if let ([x], Some(to)) = (one, to.last_mut()) {
                *to = *x;
            }
        }
        step if step > 0 => {
            let from = from[first..=last].iter().step_by(step as usize);
            to.iter_mut().zip(from).for_each(|(to, x)| *to = *x);
        }
        step => {
            let from = from[last..=first].iter().rev().step_by(step.unsigned_abs());
            to.iter_mut().zip(from).for_each(|(to, x)| *to = *x);
        }
    }
}

/// Rows that are columns of the input: `rows` go on there, `columns` lie apart.
fn across<T: Copy>(rows: &Even, columns: &Even, at: usize, from: &[T], to: &mut [T]) {
    let wide = columns.count;
    for top in (0..rows.count).step_by(TILE) {
        let high = TILE.min(rows.count - top);
        for left in (0..wide).step_by(TILE) {
            for column in left..wide.min(left + TILE) {
                let start = at + rows.place(top) + columns.place(column);
                for (row, x) in from[start..][..high].iter().enumerate() {
                    to[(top + row) * wide + column] = *x;
                }
            }
        }
    }
}

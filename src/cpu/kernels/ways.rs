//! Several directions of a recurrent layer side by side.
//!
//! In: for each direction its weights, its sums over the input and its state. Out: the states after every step. A step
//! waits for the one before it, and is too short to be divided; a direction waits for none.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::parallel::{self, Divided};
use crate::recurrence::{Recurrence, Rows};
use crate::{Misfit, Result, fits};

/// A direction.
#[derive(Debug)]
pub struct Way<'a> {
    /// What it multiplies its state with.
    pub recurrence: &'a Recurrence,
    /// Whether the last step is done first.
    pub backwards: bool,
    /// How many steps it does.
    pub steps: usize,
    /// Of which rows.
    pub rows: Rows,
    /// The sums over the input, as [`Recurrence::run`] takes them.
    pub x: &'a [f32],
    /// The state of the rows.
    pub h: &'a mut [f32],
    /// The cell of the rows, of an LSTM.
    pub c: &'a mut [f32],
    /// The state of the rows after each step: `[steps, rows, hidden]`.
    pub out: &'a mut [f32],
}

/// Does all steps of all directions.
pub fn run(ways: &mut [Way<'_>]) -> Result<()> {
    let rooms: Vec<usize> = ways.iter().map(|way| way.recurrence.room(way.rows)).collect();
    let most = rooms.iter().copied().max().unwrap_or(0);
    let mut room = vec![0.; most * ways.len()];
    let costs = ways.iter().map(|way| way.recurrence.cost(way.rows).saturating_mul(way.steps));
    let lanes = parallel::lanes(&[costs.fold(0, usize::saturating_add)]);
    let count = ways.len();
    let (room, ways) = (Divided::new(&mut room), Divided::new(ways));
    let failed = AtomicBool::new(false);
    let one = |at: usize, _| {
        // SAFETY: each part has a direction and room of its own.
        let (way, room) = unsafe { (ways.take(at, 1), room.take(at * most, rooms[at])) };
        if way.iter_mut().try_for_each(|way| way.run(room)).is_err() {
            failed.store(true, Ordering::Relaxed);
        }
    };
    if lanes > 1 {
        parallel::each(count, lanes, one);
    } else {
        // One after the other: each may divide its own work.
        (0..count).for_each(|at| one(at, 0));
    }
    if failed.load(Ordering::Relaxed) { Err(Misfit) } else { Ok(()) }
}

impl Way<'_> {
    fn run(&mut self, room: &mut [f32]) -> Result<()> {
        let Self { recurrence, backwards, steps, rows, x, h, c, out } = self;
        let (n, rows, count) = (recurrence.hidden(), *rows, *steps);
        fits(out.len() == count * rows.count * n)?;
        let order = (0..count).map(|t| if *backwards { count - 1 - t } else { t });
        recurrence.run_in(room, order, rows, x, h, c, |t, row, h| {
            let at = t * rows.count + row - rows.first;
            out[at * n..][..n].copy_from_slice(h);
        })
    }
}

//! Planes laid between the rows and columns of larger ones.
//!
//! In: planes, and where their first element goes and in which steps the others follow. Out: those elements of the
//! larger planes; the others stay.

use crate::{Result, fits};

/// Writes element `[y, x]` of each plane to `[first + y * step, first + x * step]`.
pub fn spread(
    from: &[f32],
    [rows, columns]: [usize; 2],
    to: &mut [f32],
    [height, width]: [usize; 2],
    first: [usize; 2],
    step: [usize; 2],
) -> Result<()> {
    let (small, large) = (rows * columns, height * width);
    if small == 0 || large == 0 {
        return Ok(());
    }
    let reach = |axis: usize, count: usize| first[axis] + (count - 1) * step[axis];
    fits(reach(0, rows) < height && reach(1, columns) < width && step[1] > 0)?;
    fits(from.len().is_multiple_of(small) && from.len() / small * large == to.len())?;
    for (from, to) in from.chunks_exact(small).zip(to.chunks_exact_mut(large)) {
        for (y, row) in from.chunks_exact(columns).enumerate() {
            let line = &mut to[(first[0] + y * step[0]) * width..][..width];
            match step[1] {
                1 => line[first[1]..][..columns].copy_from_slice(row),
                2 => every::<2>(row, &mut line[first[1]..]),
                step => {
                    let places = line[first[1]..].iter_mut().step_by(step);
                    places.zip(row).for_each(|(to, from)| *to = *from);
                }
            }
        }
    }
    Ok(())
}

/// Every `STEP`th place in turn.
fn every<const STEP: usize>(row: &[f32], places: &mut [f32]) {
    for (i, from) in row.iter().enumerate() {
        if let Some(to) = places.get_mut(i * STEP) {
            *to = *from;
        }
    }
}

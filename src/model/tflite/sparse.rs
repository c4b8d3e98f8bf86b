//! Sparse constants.
//!
//! In: the elements that are there, and where. Out: all elements. The format is that of the schema: a tensor's
//! dimensions, and those of blocks inside of it, are gone through in an order; each is dense, or lists its indices by
//! segments (<https://github.com/tensorflow/tensorflow/blob/master/tensorflow/lite/tools/optimize/sparsity/README.md>).

use super::flat::Table;

/// More dimensions than this no tensor has.
const MOST: usize = 12;
/// Elements for each one that is there.
const THINNEST: usize = 256;

enum Level {
    Dense(usize),
    /// For each place of the level before: where its indices begin and end.
    Listed {
        segments: Vec<usize>,
        indices: Vec<usize>,
    },
}

/// The dense bytes of a tensor of `shape` with elements of `width` bytes; none where the description is inconsistent.
pub(super) fn dense(table: &Table, shape: &[usize], width: usize, data: &[u8]) -> Option<Vec<u8>> {
    let whole = |list: Vec<i32>| -> Option<Vec<usize>> {
        list.into_iter().map(|i| usize::try_from(i).ok()).collect()
    };
    let (order, map) = (whole(table.ints(0))?, whole(table.ints(1))?);
    let levels = table.tables(2).iter().map(level).collect::<Option<Vec<_>>>()?;
    let rank = shape.len();
    let fits =
        order.len() == rank + map.len() && levels.len() == order.len() && order.len() <= MOST;
    let mut sorted = order.clone();
    sorted.sort_unstable();
    // Nothing to read at each of very many places would cost time without bound.
    let empty = levels.iter().any(|l| matches!(l, Level::Dense(0)));
    if empty
        || !fits
        || !sorted.iter().copied().eq(0..order.len())
        || map.iter().any(|d| *d >= rank)
    {
        return None;
    }
    // The size of a block along each dimension of the tensor.
    let mut block = vec![1; rank];
    for (at, dimension) in map.iter().enumerate() {
        let place = order.iter().position(|o| *o == rank + at)?;
        let Level::Dense(size) = levels[place] else { return None };
        block[*dimension] = size;
    }
    let most = data.len().checked_mul(THINNEST)?;
    let count = shape.iter().try_fold(width, |n, d| n.checked_mul(*d)).filter(|n| *n <= most)?;
    let mut walk =
        Walk { order, map, block, levels, shape, width, data, made: vec![0; count], read: 0 };
    let mut index = vec![0; walk.order.len()];
    walk.level(0, 0, &mut index)?;
    Some(walk.made)
}

fn level(table: &Table) -> Option<Level> {
    if table.int8(0) == 0 {
        return usize::try_from(table.int(1, 0)).ok().map(Level::Dense);
    }
    Some(Level::Listed { segments: list(table, 2)?, indices: list(table, 4)? })
}

/// A vector of numbers of 32, 16 or 8 bits; `number` is the field of its kind, and its table follows.
fn list(table: &Table, number: usize) -> Option<Vec<usize>> {
    let vector = table.table(number + 1)?;
    match table.int8(number) {
        1 => vector.ints(0).into_iter().map(|i| usize::try_from(i).ok()).collect(),
        2 => {
            let halves = vector.shorts(0);
            Some(halves.into_iter().map(usize::from).collect())
        }
        3 => Some(vector.bytes(0)?.iter().map(|b| usize::from(*b)).collect()),
        _ => None,
    }
}

struct Walk<'a> {
    order: Vec<usize>,
    map: Vec<usize>,
    block: Vec<usize>,
    levels: Vec<Level>,
    shape: &'a [usize],
    width: usize,
    data: &'a [u8],
    made: Vec<u8>,
    /// Elements read so far.
    read: usize,
}

impl Walk<'_> {
    /// Goes through one level; `place` is where the levels before it are.
    fn level(&mut self, at: usize, place: usize, index: &mut [usize]) -> Option<()> {
        if at == self.levels.len() {
            return self.element(index);
        }
        let dimension = self.order[at];
        let (from, to, dense) = match &self.levels[at] {
            Level::Dense(size) => (0, *size, Some(*size)),
            Level::Listed { segments, .. } => {
                (*segments.get(place)?, *segments.get(place + 1)?, None)
            }
        };
        for step in from..to {
            let (value, next) = match (&self.levels[at], dense) {
                (_, Some(size)) => (step, place.checked_mul(size)?.checked_add(step)?),
                (Level::Listed { indices, .. }, _) => (*indices.get(step)?, step),
                _ => return None,
            };
            index[dimension] = value;
            self.level(at + 1, next, index)?;
        }
        Some(())
    }

    /// Puts the next element where `index` says: a place among blocks, and one inside of the block.
    fn element(&mut self, index: &[usize]) -> Option<()> {
        let rank = self.shape.len();
        let mut flat = 0usize;
        for (axis, size) in self.shape.iter().enumerate() {
            let mut place = index[axis].checked_mul(self.block[axis])?;
            for (at, dimension) in self.map.iter().enumerate() {
                if *dimension == axis {
                    place = place.checked_add(index[rank + at])?;
                }
            }
            if place >= *size {
                return None;
            }
            flat = flat * size + place;
        }
        let from = self.data.get(self.read * self.width..(self.read + 1) * self.width)?;
        self.made.get_mut(flat * self.width..(flat + 1) * self.width)?.copy_from_slice(from);
        self.read += 1;
        Some(())
    }
}

//! How the work of a convolution is divided.
//!
//! In: a geometry. Out: bands of rows whose pixels are laid out together, a band's parts, which any lane may take, and
//! what room that takes.

use std::ops::Range;

use crate::geometry::Geometry;
use crate::parallel;
use crate::tile::{COLUMNS, ROWS};

/// Panels that share one pass over the weights, at least.
const PANELS: usize = 4;
/// Panels that share one pass over the weights, at most: the outputs of a pass stay in the nearest cache.
const MOST_PANELS: usize = 32;
/// Floats of panels that stay in the nearest cache.
const NEAREST: usize = 4096;
/// Floats of padded images that are held at once.
const BAND: usize = 1 << 19;

/// Rows of outputs whose pixels are laid out together.
pub(crate) struct Band {
    pub(crate) rows: usize,
    /// Rows of pixels under them, with those that are no one's.
    pub(crate) height: usize,
}

impl Band {
    pub(crate) fn new(g: &Geometry, [height, width]: [usize; 2]) -> Self {
        let most = BAND / (g.batch * g.channels_in * width).max(1);
        let reach = (g.kernel[0].max(1) - 1) * g.dilation[0] + 1;
        let rows = most.saturating_sub(reach) / g.stride[0].max(1) + 1;
        if height <= most || rows >= g.output[0] {
            return Self { rows: g.output[0], height };
        }
        Self { rows, height: (rows - 1) * g.stride[0] + reach }
    }
}

/// How the work of a convolution is divided: by images and groups, by chunks of output positions, and, where these are
/// few, by rows of weights.
pub(crate) struct Share {
    images: usize,
    /// Panels of a chunk.
    pub(crate) panels: usize,
    chunks: usize,
    rows: usize,
    rows_each: usize,
}

impl Share {
    pub(crate) fn new(g: &Geometry, positions: usize, panels: usize, lanes: usize) -> Self {
        let (images, rows) = (g.batch * g.groups, g.group_out());
        let all = positions.div_ceil(COLUMNS);
        // Shorter chunks where there would be too few for all lanes.
        let each = if lanes > 1 { all.div_ceil(4 * lanes).max(PANELS) } else { all };
        let panels = panels.min(each).max(1);
        let chunks = all.div_ceil(panels);
        let wanted = if lanes > 1 { (2 * lanes).div_ceil(images * chunks) } else { 1 };
        // Whole steps of `Product::run`, also where it takes several tiles at once.
        let rows_each = rows.div_ceil(wanted).next_multiple_of(4 * ROWS);
        Self { images, panels, chunks, rows, rows_each }
    }

    fn splits(&self) -> usize {
        self.rows.div_ceil(self.rows_each)
    }

    pub(crate) fn parts(&self) -> usize {
        self.images * self.chunks * self.splits()
    }

    /// The image, the first position of the chunk among all, the rows.
    pub(crate) fn part(&self, part: usize) -> (usize, usize, Range<usize>) {
        let (at, split) = (part / self.splits(), part % self.splits());
        let first = split * self.rows_each;
        let rows = first..self.rows.min(first + self.rows_each);
        (at / self.chunks, at % self.chunks * self.panels * COLUMNS, rows)
    }
}

/// What is laid out at once, and what room that takes.
pub(crate) struct Work {
    /// Whether the image is one line.
    pub(crate) flat: bool,
    /// Whether it is copied with zeros around it.
    pub(crate) pads: bool,
    /// Floats that are read beyond it.
    pub(crate) spare: usize,
    pub(crate) width: usize,
    pub(crate) band: Band,
    /// Panels that share one pass over the weights.
    pub(crate) count: usize,
    /// Floats of a lane's panels.
    pub(crate) panel_len: usize,
    /// Channels of a group, in whole tiles.
    pub(crate) rows: usize,
    pub(crate) groups: usize,
    pub(crate) lanes: usize,
}

impl Work {
    pub(crate) fn new(g: &Geometry) -> Self {
        let k = g.depth();
        let flat = g.is_pointwise();
        let [height, width] = if flat { [1, g.image()] } else { g.padded() };
        // With stride 2 whole vectors are read, of which the last float is beyond what the taps reach.
        let spare = usize::from(!flat && g.stride[1] == 2);
        let pads = !flat && ([height, width] != g.input || spare > 0);
        let whole = Band { rows: g.output[0], height };
        let band = if pads { Band::new(g, [height, width]) } else { whole };
        let count = (NEAREST / (COLUMNS * k.max(1))).clamp(PANELS, MOST_PANELS);
        let lanes = parallel::lanes(&[g.batch * g.channels_out * g.plane(), k]);
        let share = Share::new(g, band.rows * g.output[1], count, lanes);
        let panel_len = share.panels * COLUMNS * k;
        let rows = g.group_out().next_multiple_of(ROWS);
        Self { flat, pads, spare, width, band, count, panel_len, rows, groups: g.groups, lanes }
    }

    pub(crate) fn room(&self) -> usize {
        self.lanes * self.panel_len + self.groups * self.rows
    }
}

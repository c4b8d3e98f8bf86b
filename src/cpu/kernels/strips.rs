//! Images cut into square tiles of outputs, and the tiles into parts, each with the pixels under it.
//!
//! In: a geometry of stride 1, how many tiles a part may have. Out: the parts; of a part its pixels, laid out with zeros
//! where the image has none. A part lays out its own, so that the thread that works on it finds them in its cache, and so
//! that no second image is ever held. Parts go through the images from top to bottom.

use std::ops::Range;

use crate::geometry::Geometry;

/// Sides of a tile: of its outputs, of its pixels.
pub(crate) const OUT: usize = 4;
pub(crate) const IN: usize = 6;

/// Where a tile lies: its first pixel among those laid out, the steps there from line to line and from channel to
/// channel, its first output and how much of it there is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tile {
    pub(crate) pixel: usize,
    pub(crate) line: usize,
    pub(crate) channel: usize,
    pub(crate) output: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// Whole rows of tiles of one image, or some of one row.
#[derive(Clone, Debug)]
struct Strip {
    image: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    /// Where it is laid out.
    at: usize,
}

#[derive(Debug, Default)]
struct Part {
    tiles: Range<usize>,
    strips: Range<usize>,
}

#[derive(Debug, Default)]
pub(crate) struct Strips {
    tiles: Vec<Tile>,
    strips: Vec<Strip>,
    parts: Vec<Part>,
    /// Floats that the pixels of a part take, at most.
    room: usize,
}

impl Strips {
    /// Parts of `most` tiles, row by row; the last may have fewer.
    pub(crate) fn new(g: &Geometry, most: usize) -> Self {
        let [down, across] = g.output.map(|n| n.div_ceil(OUT));
        let all = g.batch * down * across;
        let mut this = Self::default();
        this.tiles.reserve_exact(all);
        for first in (0..all).step_by(most.max(1)) {
            let (tiles, strips) = (this.tiles.len(), this.strips.len());
            let end = all.min(first + most);
            let (mut tile, mut at) = (first, 0);
            while tile < end {
                let (row, left) = (tile / across, tile % across);
                let image = row / down;
                // Whole rows down to the end of the image, or what there is of this one.
                let whole = ((end - tile) / across).min((image + 1) * down - row);
                let (rows, right) = match left {
                    0 if whole > 0 => (whole, across),
                    _ => (1, across.min(left + end - tile)),
                };
                let first_row = row - image * down;
                let (rows, columns) = (first_row..first_row + rows, left..right);
                tile += rows.len() * columns.len();
                let strip = Strip { image, rows, columns, at };
                at += this.add(g, strip);
            }
            this.room = this.room.max(at);
            let (tiles, strips) = (tiles..this.tiles.len(), strips..this.strips.len());
            this.parts.push(Part { tiles, strips });
        }
        this
    }

    /// The floats that it takes.
    fn add(&mut self, g: &Geometry, strip: Strip) -> usize {
        let line = pixels(&strip.columns);
        let channel = pixels(&strip.rows) * line;
        for (i, y) in strip.rows.clone().enumerate() {
            self.tiles.extend(strip.columns.clone().enumerate().map(|(j, x)| Tile {
                pixel: strip.at + OUT * (i * line + j),
                line,
                channel,
                output: strip.image * g.channels_out * g.plane() + OUT * (y * g.output[1] + x),
                rows: OUT.min(g.output[0] - OUT * y),
                columns: OUT.min(g.output[1] - OUT * x),
            }));
        }
        self.strips.push(strip);
        channel * g.channels_in
    }

    pub(crate) fn parts(&self) -> usize {
        self.parts.len()
    }

    pub(crate) fn room(&self) -> usize {
        self.room
    }

    /// The tiles of a part, whose pixels are laid out in `room`.
    pub(crate) fn lay(&self, g: &Geometry, part: usize, x: &[f32], room: &mut [f32]) -> &[Tile] {
        let Part { tiles, strips } = &self.parts[part];
        for strip in &self.strips[strips.clone()] {
            let image = &x[strip.image * g.channels_in * g.image()..][..g.channels_in * g.image()];
            let (height, width) = (pixels(&strip.rows), pixels(&strip.columns));
            let planes = room[strip.at..].chunks_exact_mut(height * width);
            for (plane, to) in image.chunks_exact(g.image()).zip(planes) {
                for (y, to) in to.chunks_exact_mut(width).enumerate() {
                    let row = (OUT * strip.rows.start + y).checked_sub(g.pad[0]);
                    match row.filter(|row| *row < g.input[0]) {
                        Some(row) => {
                            let row = &plane[row * g.input[1]..][..g.input[1]];
                            line(row, OUT * strip.columns.start, g.pad[1], to);
                        }
                        None => to.fill(0.),
                    }
                }
            }
        }
        &self.tiles[tiles.clone()]
    }
}

/// Pixels along a side under these tiles.
fn pixels(tiles: &Range<usize>) -> usize {
    OUT * tiles.len() + IN - OUT
}

/// `to` from place `first` on of a row with `left` zeros before it and any number after it.
fn line(row: &[f32], first: usize, left: usize, to: &mut [f32]) {
    let before = left.saturating_sub(first).min(to.len());
    let from = row.get((first + before).saturating_sub(left)..).unwrap_or_default();
    let (zeros, rest) = to.split_at_mut(before);
    zeros.fill(0.);
    let count = from.len().min(rest.len());
    let (pixels, after) = rest.split_at_mut(count);
    pixels.copy_from_slice(&from[..count]);
    after.fill(0.);
}

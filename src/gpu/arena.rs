//! Which buffer each value lies in: buffers are reused once nobody reads their value any more.
//!
//! In: values and the dispatches in order. Out: a buffer for each value that is used. The one decision:
//! a value has a buffer of its own while it lives (never a part of one), because WebGPU refuses a buffer
//! that one dispatch both reads and writes, whatever the ranges.

use super::builder::{Origin, Value};
use super::kernel::Shader;
use super::value::ValueId;

/// Where the values lie.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arena {
    /// Bytes of each shared buffer.
    pub(crate) buffers: Vec<u64>,
    /// The shared buffer of each value; `None` for constants and what nobody uses.
    pub(crate) places: Vec<Option<usize>>,
    /// Whether a dispatch uses the value, or the host does.
    pub(crate) used: Vec<bool>,
}

/// Assigns buffers. `kept` are values that must outlast the last dispatch.
pub(crate) fn assign(values: &[Value], shaders: &[Option<Shader>], kept: &[ValueId]) -> Arena {
    let mut spans: Vec<Option<(usize, usize)>> = vec![None; values.len()];
    for (at, shader) in shaders.iter().enumerate() {
        let Some(shader) = shader else { continue };
        for id in shader.reads.iter().chain(&shader.writes) {
            let span = spans[id.0].get_or_insert((at, at));
            span.1 = at;
        }
    }
    for id in kept {
        spans[id.0].get_or_insert((0, 0)).1 = usize::MAX;
    }
    let mut order: Vec<(usize, usize, usize)> = vec![];
    for (id, (value, span)) in values.iter().zip(&spans).enumerate() {
        if let (Some((first, last)), false) = (span, value.origin.is_constant()) {
            // What the host writes is there before the first dispatch.
            let first = if matches!(value.origin, Origin::Upload) { 0 } else { *first };
            order.push((first, *last, id));
        }
    }
    order.sort_unstable();
    let mut arena = Arena {
        buffers: vec![],
        places: vec![None; values.len()],
        used: spans.iter().map(Option::is_some).collect(),
    };
    let mut busy: Vec<usize> = vec![];
    for (first, last, id) in order {
        let bytes = values[id].bytes();
        let free = |at: &usize| busy[*at] < first;
        let fits = (0..busy.len()).filter(free).filter(|at| arena.buffers[*at] >= bytes);
        let best = fits
            .min_by_key(|at| arena.buffers[*at])
            .or_else(|| (0..busy.len()).filter(free).max_by_key(|at| arena.buffers[*at]));
        let at = best.unwrap_or_else(|| {
            busy.push(0);
            arena.buffers.push(0);
            busy.len() - 1
        });
        busy[at] = last;
        arena.buffers[at] = arena.buffers[at].max(bytes);
        arena.places[id] = Some(at);
    }
    arena
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_values_needs_two_buffers() {
        let value = |origin| Value { len: 8, half: false, origin };
        let mut values = vec![value(Origin::Upload)];
        let mut shaders = vec![];
        for at in 1..6 {
            values.push(value(Origin::Made));
            shaders.push(Some(Shader {
                label: String::new(),
                source: String::new(),
                params: vec![],
                reads: vec![ValueId(at - 1)],
                writes: vec![ValueId(at)],
                groups: [1; 3],
            }));
        }
        let arena = assign(&values, &shaders, &[ValueId(5)]);
        assert_eq!(arena.buffers, [32, 32]);
        for shader in shaders.iter().flatten() {
            assert_ne!(arena.places[shader.reads[0].0], arena.places[shader.writes[0].0]);
        }
    }
}

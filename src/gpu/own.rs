//! The memory of a program, and what the caller's may stand for instead.
//!
//! In: values with their places in the arena. Out: [`Own`]. Rooms come with the first dispatch that is bound to them: a
//! cache that stays on the GPU is read and written where it lies, and takes no memory of the program's.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::arena::Arena;
use super::builder::{Builder, Origin};
use super::device::Device;
use super::kernel::Shader;
use super::memory::Memory;
use super::resident::GpuTensor;
use super::value::ValueId;
use crate::error::Result;

/// The program's own memory. What only the caller's memory stands for in the end never has any.
pub(super) struct Own {
    /// Of constants, which other programs have too.
    pub(super) constants: HashMap<ValueId, Arc<Memory>>,
    /// The room of each other value that is used.
    places: HashMap<ValueId, usize>,
    /// Rooms, with their bytes.
    rooms: Vec<(u64, OnceLock<Arc<Memory>>)>,
}

impl Own {
    pub(super) fn new(gpu: &Device, builder: &Builder<'_>, arena: &Arena) -> Result<Self> {
        let (mut constants, mut places) = (HashMap::new(), HashMap::new());
        for (at, value) in builder.values.iter().enumerate().filter(|(at, _)| arena.used[*at]) {
            let id = ValueId(at);
            match &value.origin {
                Origin::Constant(tensor) => {
                    constants.insert(id, gpu.constant(tensor, value.half)?);
                }
                Origin::Derived(derived) => {
                    constants.insert(id, gpu.derived(derived, value.half)?);
                }
                _ => places.extend(arena.places[at].map(|place| (id, place))),
            }
        }
        let rooms = arena.buffers.iter().map(|size| (*size, OnceLock::new())).collect();
        Ok(Self { constants, places, rooms })
    }

    /// The memory of a value that has some, from now on.
    pub(super) fn memory(&self, gpu: &Device, value: ValueId) -> Result<Option<&wgpu::Buffer>> {
        if let Some(memory) = self.constants.get(&value) {
            return Ok(Some(memory));
        }
        let Some((size, room)) = self.places.get(&value).and_then(|at| self.rooms.get(*at)) else {
            return Ok(None);
        };
        if room.get().is_none() {
            // Runs of a program take turns.
            let _ = room.set(gpu.memory(*size)?);
        }
        Ok(room.get().map(|memory| &***memory))
    }
}

/// Values that lie in memory of the caller's instead of the program's, for as long as a run lasts.
pub(crate) type Lent = HashMap<ValueId, GpuTensor>;

/// The values that cross the program's border in memory that is theirs alone for all that is done to them.
pub(super) fn lendable(
    builder: &Builder<'_>,
    shaders: &[Option<Shader>],
    kept: &[ValueId],
) -> HashMap<ValueId, usize> {
    let mut firsts = HashMap::new();
    for (at, shader) in shaders.iter().enumerate() {
        for id in shader.iter().flat_map(|shader| shader.reads.iter().chain(&shader.writes)) {
            firsts.entry(*id).or_insert(at);
        }
    }
    firsts.retain(|id, _| kept.contains(id) && !builder.values[id.0].origin.is_constant());
    firsts
}

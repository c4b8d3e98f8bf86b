//! How long each dispatch takes, by the GPU's own clock.
//!
//! In: the passes of a run, one a dispatch. Out: milliseconds. A browser may give its clock in coarse steps.

use super::device::Device;
use super::readback::Staging;
use crate::error::Result;

/// One dispatch with its time.
#[derive(Clone, Debug)]
pub(crate) struct Timed {
    /// The nodes that it computes.
    pub(crate) label: String,
    /// Workgroups along each axis.
    pub(crate) groups: [u32; 3],
    pub(crate) ms: f64,
}

/// Bytes of a time stamp.
const STAMP: u64 = 8;

/// The clock of one run.
pub(super) struct Stopwatch {
    set: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    staging: Staging,
    target: wgpu::Buffer,
    passes: usize,
}

impl Stopwatch {
    /// Nothing where the adapter has no clock, or the passes are more than it counts.
    pub(super) fn new(gpu: &Device, passes: usize) -> Option<Self> {
        let most = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;
        let has = gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        if !has || passes == 0 || passes > most {
            return None;
        }
        let bytes = passes as u64 * 2 * STAMP;
        let set = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count: passes as u32 * 2,
        });
        let resolved = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("times"),
            size: bytes,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let staging = Staging::default();
        let target = staging.take(gpu, bytes);
        Some(Self { set, resolved, staging, target, passes })
    }

    /// What the pass `at` is begun with.
    pub(super) fn pass(&self, at: usize) -> wgpu::ComputePassDescriptor<'_> {
        let start = at as u32 * 2;
        wgpu::ComputePassDescriptor {
            label: None,
            timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                query_set: &self.set,
                beginning_of_pass_write_index: Some(start),
                end_of_pass_write_index: Some(start + 1),
            }),
        }
    }

    /// After the last pass.
    pub(super) fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.set, 0..self.passes as u32 * 2, &self.resolved, 0);
        let bytes = self.passes as u64 * 2 * STAMP;
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.target, 0, bytes);
    }

    /// After the run was submitted: milliseconds of each pass.
    pub(super) async fn read(self, gpu: &Device) -> Result<Vec<f64>> {
        let tick = f64::from(gpu.queue.get_timestamp_period()) / 1e6;
        let bytes = self.passes as u64 * 2 * STAMP;
        let times = |bytes: &[u8]| {
            let stamp = |b: &[u8]| b.try_into().map_or(0, u64::from_le_bytes);
            let pairs = bytes.chunks_exact(2 * STAMP as usize);
            Ok(pairs
                .map(|pair| {
                    let (start, end) = pair.split_at(STAMP as usize);
                    stamp(end).saturating_sub(stamp(start)) as f64 * tick
                })
                .collect())
        };
        self.staging.read(gpu, self.target, bytes, times).await
    }
}

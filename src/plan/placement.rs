//! Where the nodes of a plan run, as callers are told.
//!
//! In: a graph and its [`Partition`]. Out: [`Placement`], or the nodes that the GPU refuses as one error.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use tract_onnx::prelude::*;

use super::Step;
use super::partition::{Partition, Place};
use crate::error::{Error, Problem, ProblemKind, Result};
use crate::gpu::{Device, Program, Timed, Verdict};

/// Where nodes may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placing {
    /// What the GPU cannot do is the CPU's.
    Free,
    /// A node on the CPU is an error.
    Strict,
    /// It is known that the GPU takes all of them; where it does not after all, there is no plan.
    Whole,
}

impl Placing {
    pub(crate) fn of(strict: bool) -> Self {
        if strict { Self::Strict } else { Self::Free }
    }
}

/// Where the nodes of a plan run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Placement {
    /// Adapter and driver.
    pub adapter: String,
    /// What optional features of the adapter the kernels use: `f16`, `subgroups`.
    pub features: Vec<&'static str>,
    /// Dispatches on the GPU.
    pub dispatches: usize,
    /// Bytes of constants in the GPU's memory.
    pub weights: u64,
    /// Bytes of what lies between the kernels there.
    pub values: u64,
    /// In the order in which they run.
    pub segments: Vec<PlacedSegment>,
}

/// What a run that has a GPU says of it.
#[derive(Debug, Default)]
pub struct GpuReport {
    /// Where nodes ran, for each graph that the GPU had a part of.
    pub placements: Vec<Arc<Placement>>,
    /// Why the CPU ran what the GPU should have.
    pub error: Option<Error>,
    /// Why the CPU ran what the GPU could have.
    pub cpu_chosen: Option<String>,
    /// What is known of the GPU, for each graph: whether it is right, and how fast.
    pub verdicts: Vec<Verdict>,
    /// Milliseconds spent on comparing it with the CPU.
    pub check_ms: f64,
}

impl Placement {
    /// Whether any node is on the GPU.
    pub fn has_gpu(&self) -> bool {
        self.segments.iter().any(|s| s.device == "gpu")
    }

    /// Whether anything on the GPU is float16.
    pub(crate) fn is_half(&self) -> bool {
        self.segments.iter().flat_map(|s| &s.nodes).any(|node| node.f16.is_some())
    }

    /// Whether values are rounded to the codes of a quantised model.
    pub(super) fn has_codes(&self) -> bool {
        let rounds = |operator: &str| ["RoundTo", "RoundTrip", "Narrow"].contains(&operator);
        self.segments.iter().flat_map(|s| &s.nodes).any(|node| rounds(&node.operator))
    }

    /// Whether every node is.
    pub(super) fn is_whole(&self) -> bool {
        !self.segments.is_empty() && self.segments.iter().all(|s| s.device == "gpu")
    }

    /// A dispatch as a step of a profile: with the operators of the nodes that it computes.
    pub(super) fn timed(&self, timed: Timed) -> Step {
        let nodes = self.segments.iter().flat_map(|s| &s.nodes);
        let named = |word: &str| nodes.clone().find(|n| n.name == word);
        let operators: Vec<&str> =
            timed.label.split(' ').filter_map(named).map(|n| n.operator.as_str()).collect();
        let [x, y, z] = timed.groups;
        Step {
            operator: if operators.is_empty() { "gpu".to_owned() } else { operators.join(" + ") },
            details: vec![format!("{x} x {y} x {z} workgroups")],
            node: timed.label,
            inputs: vec![],
            outputs: vec![],
            ms: timed.ms,
        }
    }
}

/// Nodes that run together.
#[derive(Clone, Debug, Serialize)]
pub struct PlacedSegment {
    /// `gpu` or `cpu`.
    pub device: &'static str,
    /// The nodes, in order.
    pub nodes: Vec<PlacedNode>,
}

/// One node of the optimised graph.
#[derive(Clone, Debug, Serialize)]
pub struct PlacedNode {
    /// Its name.
    pub name: String,
    /// Its operator, by the engine's name.
    pub operator: String,
    /// What of it is float16 on the GPU: `memory`, its result alone, or `arithmetic`, also what its kernel multiplies and
    /// adds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f16: Option<&'static str>,
    /// Why it is not on the GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Fails where a node is on the CPU, with all of them.
pub(super) fn refuse_cpu(model: &TypedModel, parts: &Partition) -> Result<()> {
    let refused = model.nodes().iter().zip(&parts.places).filter_map(|(node, place)| match place {
        Place::Cpu(reason) => Some(Problem {
            kind: ProblemKind::Operator,
            operator: format!("gpu.{}", node.op.name()),
            names: vec![node.name.clone()],
            reason: reason.0.clone().into_owned(),
            advice: "let the CPU run what the GPU cannot".to_owned(),
        }),
        _ => None,
    });
    let refused: Vec<_> = refused.collect();
    if refused.is_empty() { Ok(()) } else { Err(Error::unsupported(refused)) }
}

pub(super) fn placement(
    model: &TypedModel,
    parts: &Partition,
    device: &Device,
    program: &Program,
    halves: &HashMap<String, &'static str>,
) -> Placement {
    let node = |id: &usize| {
        let reason = match &parts.places[*id] {
            Place::Cpu(reason) => Some(reason.0.clone().into_owned()),
            _ => None,
        };
        let node = model.node(*id);
        PlacedNode {
            name: node.name.clone(),
            operator: node.op.name().into_owned(),
            f16: halves.get(&node.name).copied(),
            reason,
        }
    };
    let segments = parts.segments.iter().map(|s| PlacedSegment {
        device: if s.gpu { "gpu" } else { "cpu" },
        nodes: s.nodes.iter().map(node).collect(),
    });
    let adapter = device.name().to_owned();
    Placement {
        adapter,
        features: device.features(),
        dispatches: program.len(),
        weights: program.constant_bytes(),
        values: program.value_bytes(),
        segments: segments.collect(),
    }
}

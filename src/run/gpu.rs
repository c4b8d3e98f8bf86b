//! A program whose graphs have a GPU.
//!
//! In: a program and values. Out: values. The graphs of the program itself run on the GPU; those nested in
//! its loops and branches stay on the CPU, where an iteration costs no round trip.

use super::{Run, at, lost, value};
use crate::error::Result;
use crate::model::{Program, Step};
use crate::plan::{Asked, OnGpu};
use crate::value::Value;

impl Run<'_> {
    /// [`Run::program`] with a GPU. `asked` is of the program's own outputs.
    pub(crate) async fn program_on_gpu(
        &mut self,
        program: &Program,
        inputs: Vec<Value>,
        on: OnGpu<'_>,
        asked: Asked<'_>,
    ) -> Result<Vec<Value>> {
        let mut frame: Vec<Option<Value>> = vec![None; program.slots];
        for (slot, value) in program.inputs.iter().zip(inputs) {
            frame[*slot] = Some(value);
        }
        let stays = |slot: &usize| {
            program.outputs.iter().zip(asked.keep).any(|(output, keep)| *keep && output == slot)
        };
        for step in &program.steps {
            match step {
                Step::Segment { segment, inputs, outputs } => {
                    let given = inputs.iter().map(|slot| value(&frame, *slot));
                    let given = given.collect::<Result<Vec<_>>>()?;
                    let segment = self.segments.get(*segment).ok_or_else(|| lost("a segment"))?;
                    let keep: Vec<bool> = outputs.iter().map(stays).collect();
                    let asked = Asked { keep: &keep, ..asked };
                    let made = segment.run_on_gpu(on, given, asked, &mut self.times).await?;
                    for (slot, value) in outputs.iter().zip(made) {
                        frame[*slot] = Some(value);
                    }
                }
                Step::Node(node) => {
                    // Nested graphs may read any value.
                    for value in frame.iter_mut().flatten() {
                        if let Value::Gpu(tensor) = value {
                            *value = tensor.get().await?.into();
                        }
                    }
                    let made = self.node(node, &frame).map_err(|e| at(node, e))?;
                    for (slot, value) in node.outputs.iter().zip(made) {
                        if let Some(slot) = slot {
                            frame[*slot] = Some(value);
                        }
                    }
                }
            }
        }
        program.outputs.iter().map(|slot| value(&frame, *slot)).collect()
    }
}

//! A program whose graphs have a GPU.
//!
//! In: a program and values. Out: values. The graphs of the program itself run on the GPU; those nested in
//! its loops and branches stay on the CPU, where an iteration costs no round trip.

use super::{Run, at, lost, plain, value};
use crate::error::Result;
use crate::model::{Program, Step};
use crate::plan::OnGpu;
use crate::value::Value;

impl Run<'_> {
    /// [`Run::program`] with a GPU.
    pub(crate) async fn program_on_gpu(
        &mut self,
        program: &Program,
        inputs: Vec<Value>,
        on: OnGpu<'_>,
    ) -> Result<Vec<Value>> {
        let mut frame: Vec<Option<Value>> = vec![None; program.slots];
        for (slot, value) in program.inputs.iter().zip(inputs) {
            frame[*slot] = Some(value);
        }
        for step in &program.steps {
            match step {
                Step::Segment { segment, inputs, outputs } => {
                    let given = inputs.iter().map(|slot| plain(value(&frame, *slot)?));
                    let given = given.collect::<Result<Vec<_>>>()?;
                    let segment = self.segments.get(*segment).ok_or_else(|| lost("a segment"))?;
                    let made = segment.run_on_gpu(on, given, &mut self.times).await?;
                    for (slot, tensor) in outputs.iter().zip(made) {
                        frame[*slot] = Some(tensor.into());
                    }
                }
                Step::Node(node) => {
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

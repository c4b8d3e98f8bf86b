//! A `.tflite` file as the ONNX model that computes the same.
//!
//! In: the bytes of a TensorFlow Lite file. Out: a decoded ONNX model, which from here on is checked,
//! inspected, planned and run as any other. The one decision: quantised values are computed in float32
//! and rounded to their steps after each operator, so that one table of operators serves float and
//! quantised files; results are within a step of the integer kernels. Ends of the graph keep the file's
//! types. An operator that is not in the table stays in the graph under the domain `tflite`, where the
//! check finds it and names it.

mod blocks;
mod control;
mod conv;
mod detect;
mod elementwise;
mod flat;
mod flex;
mod graph;
mod indices;
mod names;
mod nodes;
mod ops;
mod recurrent;
mod reduce;
mod shape;
mod sliced;
mod sparse;
mod spectrum;
mod svdf;
mod tensor;
mod values;

use std::cell::Cell;

use tract_onnx::pb;

use crate::error::{Error, ErrorKind, Result};
use flat::Table;
use graph::Graph;

/// The domain of what could not be translated.
pub(super) const DOMAIN: &str = "tflite";
/// The operator set in which the translation is written.
const OPSET: i64 = 20;

/// What all graphs of a file share.
struct File<'a> {
    subgraphs: Vec<Table<'a>>,
    buffers: Vec<Table<'a>>,
    /// The operators' numbers, and the names of custom ones.
    codes: Vec<(i32, String)>,
    /// Operators translated so far.
    spent: Cell<usize>,
    /// Bytes of constants made so far, and how many there may be.
    constants: Cell<usize>,
    most_constants: usize,
    /// Names made so far, which are of all graphs.
    next: Cell<usize>,
}

impl File<'_> {
    /// Counts constants; an error where they are too many.
    fn spend(&self, bytes: usize) -> std::result::Result<(), String> {
        let constants = self.constants.get().saturating_add(bytes);
        self.constants.set(constants);
        let text = "has graphs whose constants, written out, are too large";
        if constants > self.most_constants { Err(text.to_owned()) } else { Ok(()) }
    }
}

/// Bytes of constants that any file may make.
const CONSTANTS: usize = 1 << 26;

/// Whether the bytes say that they are of a TensorFlow Lite file.
pub(super) fn is(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"TFL3")
}

/// Translates a file.
pub(super) fn decode(bytes: &[u8]) -> Result<pb::ModelProto> {
    let invalid = |what: &str| {
        Error::new(ErrorKind::InvalidModel, format!("the TensorFlow Lite file {what}"))
    };
    let model = Table::root(bytes).ok_or_else(|| invalid("is cut off"))?;
    let file = File {
        subgraphs: model.tables(2),
        buffers: model.tables(4),
        codes: model.tables(1).iter().map(code).collect(),
        spent: Cell::new(0),
        constants: Cell::new(0),
        // Integers of 8 bits become floats of 32, and some are read in two orders.
        most_constants: bytes.len().saturating_mul(16).saturating_add(CONSTANTS),
        next: Cell::new(0),
    };
    let mut graph = Graph::main(&file).map_err(|e| invalid(&e))?;
    graph.translate().map_err(|e| invalid(&e))?;
    let graph = graph.finish().map_err(|e| invalid(&e))?;
    Ok(pb::ModelProto {
        ir_version: 8,
        producer_name: "TensorFlow Lite".to_owned(),
        producer_version: model.text(3),
        opset_import: vec![pb::OperatorSetIdProto { domain: String::new(), version: OPSET }],
        graph: Some(graph),
        ..pb::ModelProto::default()
    })
}

/// An operator's number and, for a custom one, its name. Old files have the number in a byte.
fn code(table: &Table) -> (i32, String) {
    (table.int(3, 0).max(i32::from(table.int8(0))), table.text(1))
}

/// The values of a padding option.
const SAME: i8 = 0;

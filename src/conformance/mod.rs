//! The node tests of the ONNX project on the real engine.
//!
//! In: the archive of a set (`.tar.gz`) or an unpacked folder; each case is `NAME/model.onnx` and
//! `NAME/test_data_set_N/{input,output}_M.pb`. Out: one [`Judged`] a case. A case is judged through
//! [`crate::Session`] only, as any caller would run it; what the engine cannot represent fails with
//! the engine's own words.

mod archive;
mod compare;
mod expected;
mod judge;
mod proto;
mod table;

pub use archive::read;
pub use expected::{Expected, Group};
pub use judge::{Judged, judge, judge_on};
pub use table::{Row, operators, table};

/// One node test.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// Its name, `test_…`.
    pub name: String,
    /// The model file.
    pub model: Vec<u8>,
    /// Inputs and wanted outputs, by position.
    pub sets: Vec<DataSet>,
}

/// One run of a case: the files of its values, in the order of the model's inputs and outputs.
#[derive(Clone, Debug, Default)]
pub struct DataSet {
    /// What is fed.
    pub inputs: Vec<Vec<u8>>,
    /// What must come out.
    pub outputs: Vec<Vec<u8>>,
}

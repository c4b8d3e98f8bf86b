//! `DictVectorizer`: a map, which ONNX turns into a row with a column for each word.
//!
//! In: that row already, since the engine has tensors only: the signature names the word of each
//! column, and a word that a map lacks is 0. Out: the same.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Fact, Kernel, Wiring, operator, table};
use super::labels::Labels;

#[derive(Debug)]
struct DictVectorizer {
    words: usize,
}

pub(in super::super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let words = Labels::of(node, "int64_vocabulary", "string_vocabulary")?.len();
    ensure!(words > 0, "it has no vocabulary");
    operator(DictVectorizer { words })
}

impl Kernel for DictVectorizer {
    fn name(&self) -> &'static str {
        "DictVectorizer"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let columns = table(&inputs[0].1)?.1;
        ensure!(
            columns == self.words.to_dim(),
            "its vocabulary has {} words, its input has {columns} columns",
            self.words
        );
        Ok(tvec!(inputs[0].clone()))
    }

    fn lower(&self, _: &mut Wiring, inputs: &[OutletId]) -> TractResult<Option<TVec<OutletId>>> {
        Ok(Some(tvec!(inputs[0])))
    }
}

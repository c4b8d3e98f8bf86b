//! Constants that a file names twice, as ONNX Runtime's own optimiser writes some.
//!
//! In: a decoded file. Out: the same with the last `Constant` of a name of its main graph alone, where all of that name are
//! of one type and shape. What else is there twice is left for [`super::validate`] to refuse, as ONNX Runtime does; of
//! initializers it takes the last one too, and the importer reads them so.

use std::collections::HashMap;

use tract_onnx::pb;

use super::ops;

pub(super) fn last_alone(model: &mut pb::ModelProto) {
    let Some(graph) = &mut model.graph else { return };
    let mut last: HashMap<String, usize> = HashMap::new();
    let mut gone = vec![false; graph.node.len()];
    for (at, node) in graph.node.iter().enumerate() {
        let [name] = &node.output[..] else { continue };
        if node.op_type != "Constant" || !ops::is_default(&node.domain) {
            continue;
        }
        let before = last.insert(name.clone(), at);
        if let Some((before, gone)) = before.and_then(|b| graph.node.get(b).zip(gone.get_mut(b))) {
            *gone = kind(before) == kind(node);
        }
    }
    let mut gone = gone.into_iter();
    graph.node.retain(|_| gone.next() != Some(true));
}

/// Type and shape of a constant, by whichever attribute says it.
fn kind(node: &pb::NodeProto) -> Vec<(&str, i32, &[i64], [usize; 3])> {
    let tensor = |a: &pb::AttributeProto| a.t.as_ref().map_or(0, |t| t.data_type);
    node.attribute
        .iter()
        .map(|a| {
            let dims = a.t.as_ref().map_or(&[][..], |t| &t.dims[..]);
            (&*a.name, tensor(a), dims, [a.ints.len(), a.floats.len(), a.strings.len()])
        })
        .collect()
}

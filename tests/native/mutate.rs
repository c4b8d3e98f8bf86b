//! A model and its inputs -> the same with one to three mistakes in it, as exporters and attackers make them.
//!
//! In: a decoded node test and a source of numbers. Out: the broken file and inputs that fit what it declares, or do not. Each
//! kind of mistake is one row, made in a file of its like: tensors in `misvalue.rs`, nodes in `misnode.rs`, names, nested graphs
//! and bytes in `misname.rs`.

use prost::Message;
use tract_onnx::pb::{self, TensorProto, type_proto::Value};

use super::{misname, misnode, misvalue};

/// What indices, axes, lengths and counts should not be, and sometimes may.
pub(crate) const ODD: &[i64] = &[
    0,
    -1,
    1,
    2,
    3,
    5,
    -2,
    -3,
    7,
    64,
    100_000,
    i32::MAX as i64,
    i32::MIN as i64,
    i64::MAX,
    i64::MIN,
    1 << 33,
];

pub(crate) const REAL: &[f32] =
    &[0., -1., 1., 0.5, 1e30, -1e30, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-30, 1e9];

/// A linear congruential generator: the same mistakes in every run (Knuth's MMIX constants).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        let mut numbers = Self(seed ^ 0x9e37_79b9_7f4a_7c15);
        for _ in 0..4 {
            numbers.below(2);
        }
        numbers
    }

    pub(crate) fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % below.max(1)
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// A node test under mutation.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) model: pb::ModelProto,
    pub(crate) feeds: Vec<TensorProto>,
    /// The file itself, where it is not the model: another format, or damaged.
    pub(crate) file: Option<Vec<u8>>,
}

impl Subject {
    /// Nothing where an input is no tensor.
    pub(crate) fn read(model: &[u8], feeds: &[Vec<u8>]) -> Option<Self> {
        let model = pb::ModelProto::decode(model).ok()?;
        let feeds = feeds.iter().map(|f| TensorProto::decode(&f[..]).ok());
        let feeds = feeds.collect::<Option<Vec<_>>>()?;
        let graph = model.graph.as_ref()?;
        let plain = graph.input.iter().all(|i| {
            matches!(i.r#type.as_ref().and_then(|t| t.value.as_ref()), Some(Value::TensorType(_)))
        });
        (plain && graph.input.len() == feeds.len() && !graph.node.is_empty()).then_some(Self {
            model,
            feeds,
            file: None,
        })
    }

    /// A file of another format, which is damaged byte by byte.
    pub(crate) fn of_file(file: Vec<u8>, feeds: Vec<TensorProto>) -> Self {
        Self { model: pb::ModelProto::default(), feeds, file: Some(file) }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.file.clone().unwrap_or_else(|| self.model.encode_to_vec())
    }

    pub(crate) fn graph(&mut self) -> &mut pb::GraphProto {
        self.model.graph.get_or_insert_default()
    }

    /// A node, now and then of a nested graph.
    pub(crate) fn node(&mut self, numbers: &mut Numbers) -> &mut pb::NodeProto {
        nested(self.graph(), numbers)
    }

    /// Makes `count` mistakes; says which.
    pub(crate) fn spoil(&mut self, count: usize, numbers: &mut Numbers) -> String {
        if let Some(file) = &mut self.file {
            return misname::damage(file, numbers);
        }
        // What a file holds is planned with its values.
        while numbers.below(3) == 0 && !self.feeds.is_empty() {
            let at = numbers.below(self.feeds.len());
            self.hold(at);
        }
        let mut said = vec![];
        for _ in 0..count {
            let (name, spoil) = numbers.pick(MISTAKES);
            let what = spoil(self, numbers);
            said.push(format!("{name}: {what}"));
        }
        if numbers.below(40) == 0 {
            let mut file = self.bytes();
            said.push(misname::damage(&mut file, numbers));
            self.file = Some(file);
        }
        said.join("; ")
    }

    /// Makes an input a constant.
    fn hold(&mut self, at: usize) {
        let mut tensor = self.feeds.remove(at);
        let graph = self.graph();
        tensor.name = graph.input.remove(at).name;
        graph.initializer.push(tensor);
    }
}

fn nested<'a>(graph: &'a mut pb::GraphProto, numbers: &mut Numbers) -> &'a mut pb::NodeProto {
    let at = numbers.below(graph.node.len());
    let inner = |n: &pb::NodeProto| {
        n.attribute.iter().position(|a| a.g.as_ref().is_some_and(|g| !g.node.is_empty()))
    };
    let node = &mut graph.node[at];
    match inner(node) {
        Some(which) if numbers.below(4) > 0 => {
            nested(node.attribute[which].g.get_or_insert_default(), numbers)
        }
        _ => node,
    }
}

type Mistake = fn(&mut Subject, &mut Numbers) -> String;

const MISTAKES: &[(&str, Mistake)] = &[
    ("type", misvalue::retype),
    ("type", misvalue::retype),
    ("shape", misvalue::reshape),
    ("shape", misvalue::reshape),
    ("shape", misvalue::reshape),
    ("values", misvalue::revalue),
    ("values", misvalue::revalue),
    ("attribute", misnode::attribute),
    ("attribute", misnode::attribute),
    ("attribute", misnode::attribute),
    ("attribute type", misnode::attribute_type),
    ("attribute gone", misnode::without_attribute),
    ("input gone", misnode::without_input),
    ("input gone", misnode::without_input),
    ("input more", misnode::more_input),
    ("inputs swapped", misnode::swapped),
    ("output", misnode::output),
    ("operator set", misnode::operator_set),
    ("operator", misnode::operator),
    ("feed", misvalue::feed),
    ("feed", misvalue::feed),
    ("feed", misvalue::feed),
    ("name", misname::name),
    ("name", misname::name),
    ("constant", misname::constant),
    ("nested", misname::of_nested),
    ("output of the graph", misname::graph_output),
];

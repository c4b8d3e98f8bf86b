//! Operators of com.microsoft that are others of ONNX in one.
//!
//! In: a checked file. Out: the same, with each such node as the nodes that it stands for. Each is one
//! row; weights that are constants stay so, as the nodes in between are computed at planning.

use tract_onnx::pb::{
    self, AttributeProto, NodeProto, TensorProto, attribute_proto::AttributeType,
    tensor_proto::DataType,
};

/// (operator, the nodes that it stands for)
type Row = (&'static str, fn(&NodeProto) -> Vec<NodeProto>);

const ROWS: &[Row] = &[("DynamicQuantizeLSTM", lstm), ("QEmbedLayerNormalization", embed)];

pub(super) const DOMAIN: &str = "com.microsoft";

/// Whether a node of this type is taken apart.
pub(super) fn knows(domain: &str, op_type: &str) -> bool {
    domain == DOMAIN && ROWS.iter().any(|(name, _)| *name == op_type)
}

/// Takes the nodes of one graph apart.
pub(super) fn expand(graph: &mut pb::GraphProto) {
    if !graph.node.iter().any(|n| knows(&n.domain, &n.op_type)) {
        return;
    }
    for node in std::mem::take(&mut graph.node) {
        let row = ROWS.iter().find(|(name, _)| node.domain == DOMAIN && *name == node.op_type);
        match row {
            Some((_, nodes)) => graph.node.extend(nodes(&node)),
            None => graph.node.push(node),
        }
    }
}

/// The nodes under construction for one node.
struct Parts {
    prefix: String,
    nodes: Vec<NodeProto>,
}

impl Parts {
    fn new(node: &NodeProto) -> Self {
        let output = node.output.iter().find(|o| !o.is_empty());
        let prefix = format!("nearside.{}", output.map_or("", String::as_str));
        Self { prefix, nodes: vec![] }
    }

    fn add(&mut self, op_type: &str, input: &[&str], attribute: Vec<AttributeProto>) -> String {
        let name = format!("{}.{}", self.prefix, self.nodes.len());
        self.nodes.push(NodeProto {
            name: name.clone(),
            op_type: op_type.to_owned(),
            input: input.iter().map(|i| (*i).to_owned()).collect(),
            output: vec![name.clone()],
            attribute,
            ..NodeProto::default()
        });
        name
    }

    /// A one-dimensional constant.
    fn ints(&mut self, values: &[i64]) -> String {
        let t = TensorProto {
            dims: vec![values.len() as i64],
            data_type: DataType::Int64 as i32,
            int64_data: values.to_vec(),
            ..TensorProto::default()
        };
        let value = AttributeProto {
            name: "value".to_owned(),
            r#type: AttributeType::Tensor as i32,
            t: Some(t),
            ..AttributeProto::default()
        };
        self.add("Constant", &[], vec![value])
    }

    fn float(&mut self, x: &str) -> String {
        let to = AttributeProto {
            name: "to".to_owned(),
            r#type: AttributeType::Int as i32,
            i: i64::from(DataType::Float as i32),
            ..AttributeProto::default()
        };
        self.add("Cast", &[x], vec![to])
    }

    /// `(x - zero) * scale`, where scale and zero point have one value, or `shape` says how they run.
    fn dequantized(&mut self, x: &str, scale: &str, zero: &str, shape: &[i64]) -> String {
        let shape = self.ints(shape);
        let mut x = self.float(x);
        if !zero.is_empty() {
            let zero = self.float(zero);
            let zero = self.add("Reshape", &[&zero, &shape], vec![]);
            x = self.add("Sub", &[&x, &zero], vec![]);
        }
        let scale = self.add("Reshape", &[scale, &shape], vec![]);
        self.add("Mul", &[&x, &scale], vec![])
    }
}

fn input(node: &NodeProto, at: usize) -> &str {
    node.input.get(at).map_or("", String::as_str)
}

/// Weights lie as `[directions, inputs, gates]`, where LSTM has the last two the other way round; a
/// scale is one a direction, or one a gate. The activations stay float32: they are quantised for
/// speed alone.
fn lstm(node: &NodeProto) -> Vec<NodeProto> {
    let mut parts = Parts::new(node);
    let perm = AttributeProto {
        name: "perm".to_owned(),
        r#type: AttributeType::Ints as i32,
        ints: vec![0, 2, 1],
        ..AttributeProto::default()
    };
    let [w, r] = [(1, 8), (2, 10)].map(|(at, scale)| {
        let (scale, zero) = (input(node, scale), input(node, scale + 1));
        let weights = parts.dequantized(input(node, at), scale, zero, &[0, 1, -1]);
        parts.add("Transpose", &[&weights], vec![perm.clone()])
    });
    let mut lstm = NodeProto { op_type: "LSTM".to_owned(), domain: String::new(), ..node.clone() };
    // What lacks its weights is refused behind this.
    lstm.input.resize(lstm.input.len().clamp(3, 8), String::new());
    lstm.input[1] = w;
    lstm.input[2] = r;
    while lstm.input.last().is_some_and(String::is_empty) {
        lstm.input.pop();
    }
    parts.nodes.push(lstm);
    parts.nodes
}

/// Inputs: indices, segments, five tables, a mask, five scales, five zero points.
fn embed(node: &NodeProto) -> Vec<NodeProto> {
    let mut parts = Parts::new(node);
    let mut embed = NodeProto {
        op_type: "EmbedLayerNormalization".to_owned(),
        input: vec![input(node, 0).to_owned(), input(node, 1).to_owned()],
        ..node.clone()
    };
    for at in 2..7 {
        let table = input(node, at);
        let table = match table {
            "" => String::new(),
            table => parts.dequantized(table, input(node, at + 6), input(node, at + 11), &[1]),
        };
        embed.input.push(table);
    }
    embed.input.push(input(node, 7).to_owned());
    parts.nodes.push(embed);
    parts.nodes
}

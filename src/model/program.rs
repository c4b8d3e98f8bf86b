//! A model as the engine runs it: segments of plain tensor operators, each one plan, and between them
//! the nodes that decide, repeat, or work on sequences.
//!
//! In: what [`super::split`] makes of a file. Out: a [`Program`] for [`crate::run`]. Most models are one
//! segment. The one decision: control flow stays outside of the engine's graphs, so that every
//! graph is planned for shapes that are known when it runs.

use tract_onnx::prelude::InferenceModel;

use crate::tensor::DType;

/// Where a value lies while its program runs.
pub(crate) type Slot = usize;

/// A graph of the file, main or nested.
#[derive(Debug, Default)]
pub(crate) struct Program {
    /// How many values it has.
    pub(crate) slots: usize,
    /// Where its inputs go, in the graph's order.
    pub(crate) inputs: Vec<Slot>,
    /// Where the values of outer graphs go that it reads.
    pub(crate) captures: Vec<Slot>,
    pub(crate) steps: Vec<Step>,
    /// Where its outputs lie, in the graph's order.
    pub(crate) outputs: Vec<Slot>,
}

impl Program {
    /// Whether one segment, on the inputs in their order, is all there is.
    pub(crate) fn is_one_segment(&self) -> bool {
        matches!(&self.steps[..], [Step::Segment { inputs, .. }] if *inputs == self.inputs)
    }
}

#[derive(Debug)]
pub(crate) enum Step {
    /// Runs a segment, by its number in the model.
    Segment {
        segment: usize,
        inputs: Vec<Slot>,
        outputs: Vec<Slot>,
    },
    Node(Box<Node>),
}

/// A node outside of the segments. An input that is left out and an output that nobody names are `None`.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) op_type: String,
    pub(crate) operator: Operator,
    pub(crate) inputs: Vec<Option<Slot>>,
    pub(crate) outputs: Vec<Option<Slot>>,
}

#[derive(Debug)]
pub(crate) enum Operator {
    If {
        then_branch: Body,
        else_branch: Body,
    },
    Loop(Loop),
    Scan(Scan),
    SequenceMap(Body),
    #[cfg(feature = "images")]
    Image(Pixels),
    Values(Values),
}

/// What a decoded image has for each pixel.
#[cfg(feature = "images")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pixels {
    Rgb,
    Bgr,
    Grey,
}

/// A nested graph, and where the values lie, outside, that it reads.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) program: Program,
    pub(crate) captured: Vec<Slot>,
}

#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) body: Body,
    /// Shape of the iteration number and of the condition as the body takes them.
    pub(crate) ranks: [usize; 2],
    /// What the body declares of each of its outputs; a dimension that it leaves open is 0.
    pub(crate) declared: Vec<Option<(DType, Vec<usize>)>>,
}

#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) body: Body,
    /// Operator set 8: a first input with the lengths, and a batch axis before everything.
    pub(crate) batched: bool,
    pub(crate) scan_inputs: usize,
    pub(crate) input_axes: Vec<i64>,
    pub(crate) output_axes: Vec<i64>,
    pub(crate) input_reversed: Vec<bool>,
    pub(crate) output_reversed: Vec<bool>,
    pub(crate) declared: Vec<Option<(DType, Vec<usize>)>>,
}

/// Operators on sequences and optionals, with their attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    /// The value itself: `Identity`, and `Optional` of something.
    Same,
    Optional,
    GetElement,
    HasElement,
    Construct,
    Empty,
    At,
    Insert,
    Erase,
    Length,
    Concat {
        axis: i64,
        new_axis: bool,
    },
    Split {
        axis: i64,
        keepdims: bool,
    },
}

/// A segment before shapes.
#[derive(Clone, Default)]
pub(crate) struct Graph {
    pub(crate) graph: InferenceModel,
    /// The element types of its outputs, where the file declares them.
    pub(crate) outputs: Vec<Option<DType>>,
    /// Whether it holds constants only.
    pub(crate) constant: bool,
}

/// Where the plans of a segment come from.
pub(crate) enum Source {
    /// What was imported.
    Graph(Graph),
    /// A published form of the model that the segment is.
    Published(Box<super::Published>),
}

impl Source {
    /// The graph before shapes.
    pub(crate) fn graph(&self) -> crate::error::Result<Graph> {
        match self {
            Self::Graph(graph) => Ok(graph.clone()),
            Self::Published(published) => published.graph(),
        }
    }

    /// Whether it holds constants only.
    pub(crate) fn is_constant(&self) -> bool {
        matches!(self, Self::Graph(graph) if graph.constant)
    }
}

impl Operator {
    /// Its nested graphs, in the order in which they were read.
    pub(super) fn bodies_mut(&mut self) -> Vec<&mut Body> {
        match self {
            Self::If { then_branch, else_branch } => vec![then_branch, else_branch],
            Self::Loop(Loop { body, .. })
            | Self::Scan(Scan { body, .. })
            | Self::SequenceMap(body) => {
                vec![body]
            }
            #[cfg(feature = "images")]
            Self::Image(_) => vec![],
            Self::Values(_) => vec![],
        }
    }
}

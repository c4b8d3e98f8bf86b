//! Mistakes of names, constants, nested graphs and bytes.
//!
//! In: a subject and a source of numbers. Out: what was done to it, in words.

use tract_onnx::pb::{self, StringStringEntryProto};

use super::mutate::{Numbers, ODD, Subject};

/// Every name that a graph makes.
fn names(graph: &pb::GraphProto) -> Vec<String> {
    let made = graph.node.iter().flat_map(|n| n.output.iter().cloned());
    let held = graph.initializer.iter().map(|t| t.name.clone());
    held.chain(graph.input.iter().map(|i| i.name.clone())).chain(made).collect()
}

/// Reads or makes what another one does: duplicates, cycles, names of nothing.
pub(crate) fn name(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let known = names(subject.graph());
    let other = known[numbers.below(known.len())].clone();
    let node = subject.node(numbers);
    let what = numbers.below(6);
    match what {
        0 if !node.output.is_empty() => node.output[0] = other,
        1 if !node.input.is_empty() && !node.output.is_empty() => {
            node.input[0] = node.output[0].clone();
        }
        2 if !node.input.is_empty() => node.input[0] = "nowhere".into(),
        3 => node.name = other,
        4 => {
            node.domain = ["ai.onnx", "com.microsoft", "ai.onnx.ml", "no.such", "nearside"]
                [numbers.below(5)]
            .into()
        }
        _ if !node.input.is_empty() => {
            let at = numbers.below(node.input.len());
            node.input[at] = other;
        }
        _ => {}
    }
    format!("{what}")
}

/// A constant whose bytes, extents and place are not what they say.
pub(crate) fn constant(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let graph = subject.graph();
    let count = graph.initializer.len();
    if count == 0 {
        return "none".into();
    }
    let copy = graph.initializer[numbers.below(count)].clone();
    let tensor = &mut graph.initializer[numbers.below(count)];
    let what = numbers.below(8);
    match what {
        0 => tensor.raw_data.truncate(tensor.raw_data.len() / 2),
        1 => tensor.raw_data.push(1),
        2 => tensor.dims.push(numbers.pick(ODD)),
        3 => tensor.dims = vec![numbers.pick(ODD), numbers.pick(ODD)],
        4 => tensor.data_type = numbers.below(24) as i32,
        5 => tensor.int64_data.push(7),
        6 => graph.initializer.push(copy),
        _ => {
            tensor.data_location = Some(1);
            tensor.raw_data.clear();
            let entry =
                |key: &str, value: String| StringStringEntryProto { key: key.into(), value };
            let places = ["weights.bin", "../../etc/passwd", "", "/dev/zero"];
            tensor.external_data = vec![
                entry("location", places[numbers.below(4)].into()),
                entry("offset", numbers.pick(ODD).to_string()),
                entry("length", numbers.pick(ODD).to_string()),
            ];
        }
    }
    format!("{what}")
}

/// A nested graph with other inputs, outputs or captures than its node wants.
pub(crate) fn of_nested(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let nested = |n: &pb::NodeProto| n.attribute.iter().position(|a| a.g.is_some());
    let graph = subject.graph();
    let outer = names(graph);
    let Some((node, at)) = graph.node.iter_mut().find_map(|n| nested(n).map(|at| (n, at))) else {
        return "none".into();
    };
    let inner = node.attribute[at].g.get_or_insert_default();
    let what = numbers.below(8);
    match what {
        0 => drop(inner.input.pop()),
        1 => drop(inner.output.pop()),
        2 => inner.node.clear(),
        3 => inner.input.iter_mut().for_each(|i| i.r#type = None),
        4 if !inner.output.is_empty() => {
            inner.output[0].name = outer[numbers.below(outer.len())].clone()
        }
        5 => inner.output.push(pb::ValueInfoProto {
            name: outer[numbers.below(outer.len())].clone(),
            ..pb::ValueInfoProto::default()
        }),
        6 => drop(node.input.pop()),
        _ if !inner.node.is_empty() => {
            let at = numbers.below(inner.node.len());
            inner.node.remove(at);
        }
        _ => {}
    }
    format!("{what}")
}

/// What the graph gives is declared as something else, twice, or is nothing that it makes.
pub(crate) fn graph_output(subject: &mut Subject, numbers: &mut Numbers) -> String {
    let graph = subject.graph();
    let known = names(graph);
    let what = numbers.below(5);
    let other = known[numbers.below(known.len())].clone();
    match what {
        0 => graph.output.clear(),
        1 => graph.output.push(pb::ValueInfoProto { name: other, ..Default::default() }),
        2 => graph.output.iter_mut().for_each(|o| o.r#type = None),
        3 => {
            let types = graph.input.iter().filter_map(|i| i.r#type.clone()).collect::<Vec<_>>();
            if let (Some(output), false) = (graph.output.first_mut(), types.is_empty()) {
                output.r#type = Some(types[numbers.below(types.len())].clone());
            }
        }
        _ => graph.output.extend(graph.output.clone()),
    }
    format!("{what}")
}

/// Cuts a file off, or writes into it.
pub(crate) fn damage(file: &mut Vec<u8>, numbers: &mut Numbers) -> String {
    let what = numbers.below(6);
    if file.is_empty() {
        return "none".into();
    }
    // What describes the graph lies before the weights, or behind them.
    let reach = [file.len(), 600, 4000][numbers.below(3)].min(file.len());
    let back = numbers.below(4) == 0;
    let length = file.len();
    let place = |numbers: &mut Numbers| {
        let at = numbers.below(reach);
        if back { length - 1 - at } else { at }
    };
    let places: Vec<usize> = (0..=numbers.below(6)).map(|_| place(numbers)).collect();
    match what {
        0 => file.truncate(places[0]),
        1 => places.iter().for_each(|at| file[*at] = numbers.below(256) as u8),
        2 | 3 => places.iter().for_each(|at| file[*at] ^= 1 << numbers.below(8)),
        4 => {
            let value = (numbers.pick(ODD) as u32).to_le_bytes();
            let at = places[0] & !3;
            file.iter_mut().skip(at).zip(value).for_each(|(to, from)| *to = from);
        }
        _ => {
            let end = (places[0] + numbers.below(64)).min(file.len());
            let part = file[places[0]..end].to_vec();
            let at = place(numbers);
            file.splice(at..at, part);
        }
    }
    format!("{what} {places:?} of {length}")
}

//! What ONNX and ONNX Runtime define of every operator: inputs, outputs, element types, attributes.
//!
//! In: `operators.txt`, made by `tests/cases/operators/make_schema.py`, which says how its lines read. Out: the
//! [`Row`] of an operator at an operator set; and [`faults`], what of a model is not as they define it.

mod faults;

use std::collections::HashMap;
use std::sync::OnceLock;

pub(super) use faults::{Faults, declare, faults};

use super::ops::DEFAULT_DOMAIN;

const TABLE: &str = include_str!("operators.txt");

/// One version of an operator.
#[derive(Clone, Copy)]
pub(super) struct Row {
    since: i64,
    types: &'static str,
    inputs: &'static str,
    outputs: &'static str,
    attributes: &'static str,
}

/// One input or output of an operator, as defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Formal {
    optional: bool,
    /// Whether it repeats, as the last one may.
    repeats: bool,
    /// Whether all that it repeats is of one type.
    same: bool,
    /// Whether it may repeat never.
    never: bool,
    /// Which of the row's sets of types.
    types: usize,
}

type Rows = HashMap<(&'static str, &'static str), Vec<Row>>;

/// The operator as defined at `opset`; before it was defined at all, as first defined.
pub(super) fn row(domain: &str, op_type: &str, opset: i64) -> Option<Row> {
    let domain = if domain.is_empty() { DEFAULT_DOMAIN } else { domain };
    let versions = rows().get(&(domain, op_type))?;
    versions.iter().rev().find(|r| r.since <= opset).or(versions.first()).copied()
}

/// The versions of each operator, by domain and type, oldest first.
pub(super) fn rows() -> &'static Rows {
    static ROWS: OnceLock<Rows> = OnceLock::new();
    ROWS.get_or_init(|| {
        let (mut domain, mut rows) = ("", HashMap::<_, Vec<Row>>::new());
        for line in TABLE.lines() {
            if let Some(name) = line.strip_prefix('@') {
                domain = name;
            } else if let Some((name, row)) = Row::read(line) {
                rows.entry((domain, name)).or_default().push(row);
            }
        }
        rows
    })
}

impl Row {
    fn read(line: &'static str) -> Option<(&'static str, Self)> {
        let mut words = line.split(' ');
        let name = words.next()?;
        let since = words.next()?.parse().ok()?;
        let [types, inputs, outputs, attributes] = std::array::from_fn(|_| words.next());
        let (inputs, outputs, attributes) = (inputs?, outputs?, attributes?);
        Some((name, Self { since, types: types?, inputs, outputs, attributes }))
    }

    fn inputs(self) -> Vec<Formal> {
        formals(self.inputs)
    }

    fn outputs(self) -> Vec<Formal> {
        formals(self.outputs)
    }

    /// The letters of one of its sets of types.
    fn set(self, at: usize) -> &'static str {
        self.types.split('/').nth(at).unwrap_or_default()
    }

    /// (name, letter of its type, whether it must be there)
    fn attributes(self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        self.attributes.split(',').filter_map(|text| {
            let (name, kind) = text.split_once(':')?;
            let required = name.strip_prefix('!');
            Some((required.unwrap_or(name), kind, required.is_some()))
        })
    }
}

fn formals(text: &str) -> Vec<Formal> {
    let formal = |word: &str| {
        let has = |mark: char| word.contains(mark);
        let letter = word.bytes().last().filter(u8::is_ascii_lowercase)?;
        Some(Formal {
            optional: has('?'),
            repeats: has('*') || has('~'),
            same: !has('~'),
            never: has('0'),
            types: usize::from(letter - b'a'),
        })
    };
    text.split(',').filter_map(formal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        let mut count = 0;
        for line in TABLE.lines().filter(|l| !l.starts_with('@')) {
            let (name, row) = Row::read(line).unwrap();
            let sets = row.types.split('/').count();
            for formal in row.inputs().into_iter().chain(row.outputs()) {
                assert!(formal.types < sets, "{name}");
            }
            assert_eq!(row.attributes().count(), row.attributes.matches(':').count(), "{name}");
            count += 1;
        }
        assert!(count > 600);
    }

    #[test]
    fn the_operator_set_counts() {
        let attributes = |opset| row("", "Slice", opset).unwrap().attributes().count();
        assert_eq!((attributes(9), attributes(13)), (3, 0));
        assert!(row("", "Gelu", 7).is_some());
        assert!(row("com.microsoft", "Gelu", 1).is_some());
        assert!(row("my.company", "Relu", 13).is_none());
    }
}

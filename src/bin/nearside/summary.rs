//! Tensors for people.
//!
//! In: named tensors. Out: a few lines each: type and shape, range, the largest, the first values.

use std::cmp::Ordering;
use std::fmt::Write;

use nearside::{Dim, Tensor};

use crate::style::{BAD, FAINT, RESET, STRONG};
use crate::values::{element, is_float, six_digits};

/// So many elements are printed in full.
const ALL: usize = 16;
/// Of longer ones so many from the front and the back.
const FRONT: usize = 6;
const BACK: usize = 2;

/// `[N, 1, 28, 28]`, with `?` for what is free and has no name.
pub(crate) fn shape(dims: &[Dim]) -> String {
    let dim = |d: &Dim| match d {
        Dim::Known(n) => n.to_string(),
        Dim::Symbol(s) => s.clone(),
        Dim::Unknown => "?".to_owned(),
    };
    format!("[{}]", dims.iter().map(dim).collect::<Vec<_>>().join(", "))
}

/// One tensor. `top` largest elements are listed for a vector of numbers, with `labels` if there are any.
pub(crate) fn tensor(name: &str, tensor: &Tensor, top: usize, labels: &[String]) -> String {
    let mut page =
        format!("{STRONG}{name}{RESET}  {} {:?}\n", tensor.dtype().name(), tensor.shape());
    let mut row = |label: &str, value: &str| {
        let _ = writeln!(page, "  {FAINT}{label:<8}{RESET}{value}");
    };
    if let Some(largest) = largest(tensor, top, labels) {
        row("largest", &largest);
    }
    if let Some(range) = range(tensor) {
        row("range", &range);
    }
    row("values", &values(tensor));
    page
}

/// Of a vector: a tensor with one dimension that is not 1.
fn largest(tensor: &Tensor, top: usize, labels: &[String]) -> Option<String> {
    let count = tensor.len();
    if top == 0 || count < 2 || !tensor.shape().contains(&count) || !is_float(tensor.dtype()) {
        return None;
    }
    let mut all: Vec<(usize, f64)> =
        (0..count).filter_map(|i| Some((i, element(tensor, i).number()?))).collect();
    // NaN last, equal values in their order.
    all.sort_by(|a, b| match (a.1.is_nan(), b.1.is_nan()) {
        (false, false) => b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal),
        (a, b) => a.cmp(&b),
    });
    let item = |(n, (index, value)): (usize, &(usize, f64))| {
        let label = labels.get(*index).map_or_else(|| index.to_string(), Clone::clone);
        let text = format!("{label}: {}", six_digits(*value));
        if n == 0 { format!("{STRONG}{text}{RESET}") } else { text }
    };
    let separator = if labels.is_empty() { "   " } else { "\n          " };
    Some(all.iter().take(top).enumerate().map(item).collect::<Vec<_>>().join(separator))
}

fn range(tensor: &Tensor) -> Option<String> {
    if tensor.len() < 2 {
        return None;
    }
    let (mut low, mut high, mut sum, mut odd) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0usize);
    for index in 0..tensor.len() {
        let value = element(tensor, index).number()?;
        if value.is_finite() {
            (low, high, sum) = (low.min(value), high.max(value), sum + value);
        } else {
            odd += 1;
        }
    }
    let finite = tensor.len() - odd;
    let mut text = String::new();
    if finite > 0 {
        let mean = six_digits(sum / finite as f64);
        text = format!("{} to {}, mean {mean}", six_digits(low), six_digits(high));
    }
    if odd > 0 {
        let comma = if finite > 0 { ", " } else { "" };
        let _ = write!(text, "{comma}{BAD}{odd} not finite{RESET}");
    }
    Some(text)
}

fn values(tensor: &Tensor) -> String {
    if tensor.len() <= ALL {
        let mut text = String::new();
        nested(tensor, tensor.shape(), 0, &mut text);
        return text;
    }
    let list = |range: std::ops::Range<usize>| {
        range.map(|i| element(tensor, i).brief()).collect::<Vec<_>>().join(", ")
    };
    let back = list(tensor.len() - BACK..tensor.len());
    let brackets = tensor.shape().len();
    format!("{}{}, …, {back}{}", "[".repeat(brackets), list(0..FRONT), "]".repeat(brackets))
}

fn nested(tensor: &Tensor, shape: &[usize], at: usize, text: &mut String) {
    let Some((dim, inner)) = shape.split_first() else {
        text.push_str(&element(tensor, at).brief());
        return;
    };
    let step: usize = inner.iter().product();
    text.push('[');
    // An empty inner dimension would print any number of brackets.
    let count = if step == 0 { 0 } else { *dim };
    for index in 0..count {
        if index > 0 {
            text.push_str(", ");
        }
        nested(tensor, inner, at + index * step, text);
    }
    text.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_vector_shows_its_largest() -> nearside::Result<()> {
        let t = Tensor::try_from((&[1usize, 4][..], &[0.25f32, f32::NAN, -1.0, 3.5][..]))?;
        let text = plain(&tensor("y", &t, 2, &[]));
        assert!(text.contains("y  float32 [1, 4]\n"), "{text}");
        assert!(text.contains("largest 3: 3.5   0: 0.25\n"), "{text}");
        assert!(text.contains("range   -1 to 3.5, mean 0.916667, 1 not finite\n"), "{text}");
        assert!(text.contains("values  [[0.25, NaN, -1, 3.5]]\n"), "{text}");
        assert!(plain(&tensor("y", &t.clone().reshaped(&[1, 4, 1])?, 1, &[])).contains("largest"));
        assert!(!plain(&tensor("y", &t.clone().reshaped(&[2, 2])?, 1, &[])).contains("largest"));
        let labels = ["a", "b", "c", "d"].map(String::from);
        assert!(plain(&tensor("y", &t, 1, &labels)).contains("largest d: 3.5\n"));
        Ok(())
    }

    #[test]
    fn long_empty_and_scalar() -> nearside::Result<()> {
        let numbers: Vec<i64> = (0..100).collect();
        let t = Tensor::try_from((&[10usize, 10][..], &numbers[..]))?;
        assert!(plain(&tensor("y", &t, 5, &[])).contains("[[0, 1, 2, 3, 4, 5, …, 98, 99]]"));
        let t = Tensor::from_strings(&[], vec!["hi".into()])?;
        assert!(tensor("y", &t, 5, &[]).contains("\"hi\""));
        let t = Tensor::try_from((&[1_000_000usize, 0][..], &[0f32; 0][..]))?;
        assert!(tensor("y", &t, 5, &[]).len() < 200);
        Ok(())
    }
}

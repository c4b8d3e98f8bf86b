//! `RegexFullMatch`: whether a pattern matches the whole of each string.
//!
//! In: strings, and a pattern in RE2's syntax (without classes of Unicode properties). Out: booleans.

use regex_lite::Regex;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::*;

#[derive(Debug)]
struct FullMatch(Regex);

pub(super) fn full_match(_: &ParsingContext, node: &NodeProto) -> Built {
    let pattern: &str = node.get_attr("pattern")?;
    let whole = Regex::new(&format!(r"\A(?:{pattern})\z"));
    host(node, FullMatch(whole.with_context(|| format!("the pattern `{pattern}`"))?))
}

impl Host for FullMatch {
    fn name(&self) -> &'static str {
        "RegexFullMatch"
    }

    fn facts(&self, inputs: &Facts) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(bool::fact(need(inputs, 0)?.shape.clone())))
    }

    fn compute(&self, inputs: &Values) -> TractResult<TVec<Tensor>> {
        let input = need(inputs, 0)?;
        let matches: Vec<bool> = strings(input)?.iter().map(|s| self.0.is_match(s)).collect();
        Ok(tvec!(Tensor::from_shape(input.shape(), &matches)?))
    }
}

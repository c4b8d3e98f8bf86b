//! What neighbouring invocations have, joined for each of them.
//!
//! In: how many share something, and how two values are joined. Out: WGSL. With subgroups the values pass through
//! registers, as far as a subgroup surely reaches; the rest, or all without them, passes through workgroup memory. Rows
//! of invocations lie in subgroups as they are counted, which holds on every adapter.

use crate::gpu::builder::Cx;

/// Counts up to which everyone reads what everyone has, which needs no steps.
const FLAT: usize = 16;

/// Invocations, a power of two, that lie side by side and share their results.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lanes {
    pub(crate) count: usize,
    /// All invocations of the workgroup.
    room: usize,
    /// How many invocations are in one subgroup at least; 1 without them.
    together: usize,
}

impl Lanes {
    /// `count` of the workgroup's `room` invocations; `joined`: whether they are counted side by side.
    pub(crate) fn new(cx: &Cx, count: usize, room: usize, joined: bool) -> Self {
        let subgroup = cx.builder.limits().subgroup.filter(|n| joined && *n >= 4);
        let together = subgroup.unwrap_or(1);
        Self { count, room, together: together.min(count) }
    }

    /// The room that [`Self::join`] needs, once for each type.
    pub(crate) fn parts(&self, kind: &str) -> String {
        match self.count > self.together {
            true => format!("var<workgroup> parts: array<{kind}, {}>;\n", self.room),
            false => String::new(),
        }
    }

    /// `name(flat, lane, value)`: `join` of `a` and `b` over all lanes, for each of them.
    pub(crate) fn join(&self, name: &str, kind: &str, join: &str) -> String {
        let mut text = format!(
            "fn {name}_two(a: {kind}, b: {kind}) -> {kind} {{ return {join}; }}\n\
             fn {name}(flat: u32, lane: u32, value: {kind}) -> {kind} {{\n  var all = value;\n"
        );
        let mut step = 1;
        while step < self.together {
            text += &format!("  all = {name}_two(all, subgroupShuffleXor(all, {step}u));\n");
            step *= 2;
        }
        let (count, together) = (self.count, self.together);
        if count > together {
            text += "  workgroupBarrier();\n  parts[flat] = all;\n  workgroupBarrier();\n";
        }
        if count > together * FLAT {
            text += &format!(
                "  for (var half = {}u; half > 0u; half /= 2u) {{\n    \
                 if (lane < half) {{ parts[flat] = {name}_two(parts[flat], parts[flat + half]); }}\n    \
                 workgroupBarrier();\n  }}\n  all = parts[flat - lane];\n",
                count / 2
            );
        } else if count > together {
            text += &format!(
                "  let first = flat - lane;\n  all = parts[first];\n  \
                 for (var s = {together}u; s < {count}u; s += {together}u) {{ \
                 all = {name}_two(all, parts[first + s]); }}\n"
            );
        }
        text + "  return all;\n}\n"
    }
}

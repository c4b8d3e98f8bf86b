//! Rows: the elements that a reduction, a softmax or a norm takes together.
//!
//! In: a view and the axes that run along a row. Out: [`Rows`], at most three axes across the rows and two
//! along them (what is more is copied first), and their parameters.

use crate::gpu::builder::{Cx, Lowered};
use crate::gpu::kernel::Param;
use crate::gpu::value::{View, collapse, dense_strides};

/// Rows of a view and where their elements lie in a dense result of the same shape.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    pub(crate) view: View,
    /// How many rows, and how long each.
    pub(crate) count: usize,
    pub(crate) length: usize,
    across: ([usize; 3], [isize; 3], [isize; 3]),
    along: ([usize; 2], [isize; 2], [isize; 2]),
}

/// Functions that a body calls: where row `r` starts and where its element `k` lies, in what is read and
/// in what is written.
pub(crate) const ADDRESS: &str = "
fn row_in(r: u32) -> u32 {
  let c2 = r % p.n2;
  let rest = r / p.n2;
  return p.i_o + (rest / p.n1) * p.i0 + (rest % p.n1) * p.i1 + c2 * p.i2;
}
fn row_out(r: u32) -> u32 {
  let c2 = r % p.n2;
  let rest = r / p.n2;
  return (rest / p.n1) * p.o0 + (rest % p.n1) * p.o1 + c2 * p.o2;
}
fn along_in(k: u32) -> u32 { return (k / p.l1) * p.j0 + (k % p.l1) * p.j1; }
fn along_out(k: u32) -> u32 { return (k / p.l1) * p.q0 + (k % p.l1) * p.q1; }
";

fn last<const N: usize, T: Copy>(values: &[T], fill: T) -> [T; N] {
    let mut all = [fill; N];
    let lead = N - values.len().min(N);
    all[lead..].copy_from_slice(&values[..values.len().min(N)]);
    all
}

impl Rows {
    pub(crate) fn of(cx: &mut Cx, view: View, axes: &[usize]) -> Lowered<Self> {
        let dense = dense_strides(&view.shape);
        let part = |view: &View, inside: bool| {
            let chosen = (0..view.shape.len()).filter(|a| axes.contains(a) == inside);
            let chosen: Vec<usize> = chosen.collect();
            let pick = |from: &[isize]| chosen.iter().map(|a| from[*a]).collect::<Vec<_>>();
            let shape: Vec<usize> = chosen.iter().map(|a| view.shape[*a]).collect();
            collapse(&shape, &[&pick(&view.strides), &pick(&dense)])
        };
        let fits = |view: &View| part(view, false).0.len() <= 3 && part(view, true).0.len() <= 2;
        let view = if fits(&view) { view } else { cx.dense(view)? };
        let view = if fits(&view) {
            view
        } else {
            return crate::gpu::builder::because("rows over too many axes");
        };
        let (across, along) = (part(&view, false), part(&view, true));
        Ok(Self {
            count: across.0.iter().product(),
            length: along.0.iter().product(),
            across: (last(&across.0, 1), last(&across.1[0], 0), last(&across.1[1], 0)),
            along: (last(&along.0, 1), last(&along.1[0], 0), last(&along.1[1], 0)),
            view,
        })
    }

    /// The parameters that [`ADDRESS`] reads, and `rows` and `length`.
    pub(crate) fn params(&self) -> Vec<(String, Param)> {
        let mut params = vec![
            ("rows".to_owned(), Param::U(self.count as u32)),
            ("length".to_owned(), Param::U(self.length as u32)),
            ("i_o".to_owned(), Param::U(self.view.offset as u32)),
        ];
        let mut put = |name: &str, at: usize, v: isize| {
            params.push((format!("{name}{at}"), Param::U((v as i32).cast_unsigned())));
        };
        for at in 0..3 {
            put("n", at, self.across.0[at] as isize);
            put("i", at, self.across.1[at]);
            put("o", at, self.across.2[at]);
        }
        for at in 0..2 {
            put("l", at, self.along.0[at] as isize);
            put("j", at, self.along.1[at]);
            put("q", at, self.along.2[at]);
        }
        params
    }
}

// States turned by their positions, and appended to a cache: an invocation makes LANES neighbours of a head.
// in0: the states, [batch, step, column]. Host text: LANES; CACHE, whether the result is a cache, [batch, head, place,
// element], or the states of the call, [batch, step, head, element]; ROTARY, HALF, INTERLEAVED; `before(b)`, how many
// places of row b are taken; `position(b, step)`; `cosine(at)` and `sine(at)`; `old(b, h, j, d)`, what a place has.
fn state(b: u32, step: u32, column: u32) -> f32 {
  return in0[p.x_o + b * p.x_b + step * p.x_s + column * p.x_c];
}

fn turned(b: u32, step: u32, column: u32, d: u32, at: u32) -> f32 {
  let x = state(b, step, column + d);
  if (!ROTARY || d >= 2u * HALF) { return x; }
  let pair = select(d % HALF, d / 2u, INTERLEAVED);
  let second = select(d >= HALF, d % 2u == 1u, INTERLEAVED);
  let away = select(HALF, 1u, INTERLEAVED);
  let other = state(b, step, column + select(d + away, d - away, second));
  let row = at * HALF + pair;
  return x * cosine(row) + select(-other, other, second) * sine(row);
}

fn run(i: u32) {
  let first = i * LANES;
  let d = first % p.size;
  let row = first / p.size;
  let inner = row % p.inner;
  let outer = row / p.inner;
  let b = outer / p.outer;
  // Of a cache the places are inside the heads.
  let h = select(inner, outer % p.outer, CACHE);
  let j = select(outer % p.outer, inner, CACHE);
  let since = select(0u, before(b), CACHE);
  if (j < since) {
    for (var l = 0u; l < LANES; l++) { store(first + l, old(b, h, j, d + l)); }
    return;
  }
  let step = j - since;
  if (step >= p.steps) {
    for (var l = 0u; l < LANES; l++) { store(first + l, 0.0); }
    return;
  }
  let at = position(b, step);
  for (var l = 0u; l < LANES; l++) { store(first + l, turned(b, step, p.column + h * p.size, d + l, at)); }
}

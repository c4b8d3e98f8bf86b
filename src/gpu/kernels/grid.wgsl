// An image looked up at the points of a grid, after torch.nn.functional.grid_sample and ONNX's GridSample.
// in0: [N, C, H, W] by strides; in1: the grid [N, OH, OW, 2], dense, x before y, from -1 to 1.
// Host constants: MODE (0 nearest, 1 linear, 2 cubic), OUTSIDE (0 zeros, 1 border, 2 reflection), CORNERS.
fn unnormalised(v: f32, size: f32) -> f32 {
  if (CORNERS) { return (v + 1.0) / 2.0 * (size - 1.0); }
  return ((v + 1.0) * size - 1.0) / 2.0;
}

fn low() -> f32 { return select(-0.5, 0.0, CORNERS); }
fn high(size: f32) -> f32 { return size - 1.0 - low(); }

fn reflected(v: f32, size: f32) -> f32 {
  let lowest = low();
  let span = high(size) - lowest;
  if (span == 0.0) { return lowest; }
  let far = abs(v - lowest - select(0.0, span, v > lowest + span));
  if (v >= lowest && v <= lowest + span) { return v; }
  let turns = floor(far / span);
  let rest = far - turns * span;
  let back = (turns - 2.0 * floor(turns / 2.0)) == 0.0;
  return select(lowest + span - rest, lowest + rest, back == (v < lowest));
}

fn inside(v: f32, size: f32) -> f32 {
  if (OUTSIDE == 1u) { return clamp(v, 0.0, size - 1.0); }
  if (OUTSIDE == 2u) { return reflected(v, size); }
  return v;
}

fn pixel(base: u32, y: i32, x: i32) -> f32 {
  var ry = y;
  var rx = x;
  if (OUTSIDE == 0u) {
    if (y < 0 || x < 0 || y >= i32(p.h) || x >= i32(p.w)) { return 0.0; }
  } else if (OUTSIDE == 2u) {
    ry = i32(reflected(f32(y), f32(p.h)));
    rx = i32(reflected(f32(x), f32(p.w)));
  }
  ry = clamp(ry, 0, i32(p.h) - 1);
  rx = clamp(rx, 0, i32(p.w) - 1);
  return in0[base + u32(ry) * p.x_h + u32(rx) * p.x_w];
}

// Keys' cubic with a = -0.75, for the four neighbours of a point that lies `t` behind the second.
fn cubic(t: f32) -> vec4<f32> {
  let a = -0.75;
  let s = 1.0 - t;
  let u = t + 1.0;
  let v = 2.0 - t;
  return vec4<f32>(
    ((a * u - 5.0 * a) * u + 8.0 * a) * u - 4.0 * a,
    ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0,
    ((a + 2.0) * s - (a + 3.0)) * s * s + 1.0,
    ((a * v - 5.0 * a) * v + 8.0 * a) * v - 4.0 * a,
  );
}

fn row(base: u32, y: i32, x: i32) -> vec4<f32> {
  return vec4<f32>(pixel(base, y, x), pixel(base, y, x + 1), pixel(base, y, x + 2), pixel(base, y, x + 3));
}

fn value(i: u32) -> f32 {
  let spot = i % p.spots;
  let plane = i / p.spots;
  let n = plane / p.channels;
  let base = p.x_o + n * p.x_n + (plane - n * p.channels) * p.x_c;
  let at = (n * p.spots + spot) * 2u;
  let h = f32(p.h);
  let w = f32(p.w);
  var x = unnormalised(in1[at], w);
  var y = unnormalised(in1[at + 1u], h);
  if (MODE == 0u) {
    x = round(x);
    y = round(y);
  }
  // At a border a cubic's neighbours are moved inside one by one, the point itself is not.
  let stays = MODE == 2u && OUTSIDE == 1u;
  if (!stays && (x < low() || x > high(w) || y < low() || y > high(h))) {
    x = inside(x, w);
    y = inside(y, h);
  }
  if (MODE == 0u) { return pixel(base, i32(y), i32(x)); }
  let ix = i32(floor(x));
  let iy = i32(floor(y));
  let tx = x - floor(x);
  let ty = y - floor(y);
  if (MODE == 1u) {
    let top = pixel(base, iy, ix) * (1.0 - tx) + pixel(base, iy, ix + 1) * tx;
    let bottom = pixel(base, iy + 1, ix) * (1.0 - tx) + pixel(base, iy + 1, ix + 1) * tx;
    return top * (1.0 - ty) + bottom * ty;
  }
  let across = cubic(tx);
  let down = cubic(ty);
  return down.x * dot(across, row(base, iy - 1, ix - 1)) + down.y * dot(across, row(base, iy, ix - 1))
    + down.z * dot(across, row(base, iy + 1, ix - 1)) + down.w * dot(across, row(base, iy + 2, ix - 1));
}

// Cells of regions of a feature map: an invocation samples one cell of one channel.
// in0: the map, [entry, channel, row, column]; in1: regions, four numbers each; in2: the entry that each lies in.
// Host text: MAX, whether a cell is its highest sample; SHIFT, what a region is moved by; LEAST, its least extent;
// SAMPLES along each axis of a cell, 0 for one a pixel.
struct Between { low: u32, high: u32, share: f32, inside: bool }

fn between(at: f32, size: u32) -> Between {
  let inside = at >= -1.0 && at <= f32(size);
  let place = clamp(at, 0.0, f32(size - 1u));
  let low = u32(place);
  return Between(low, min(low + 1u, size - 1u), place - f32(low), inside);
}

fn value(i: u32) -> f32 {
  let column = i % p.columns;
  let row = i / p.columns % p.rows;
  let channel = i / (p.columns * p.rows) % p.channels;
  let region = i / (p.columns * p.rows * p.channels);
  let left = in1[region * 4u] * p.scale - SHIFT;
  let top = in1[region * 4u + 1u] * p.scale - SHIFT;
  let height = max(in1[region * 4u + 3u] * p.scale - SHIFT - top, LEAST) / f32(p.rows);
  let width = max(in1[region * 4u + 2u] * p.scale - SHIFT - left, LEAST) / f32(p.columns);
  // A region far over the map is no reason to sample for ever.
  let down = select(SAMPLES, u32(clamp(ceil(height), 0.0, 1024.0)), SAMPLES == 0u);
  let across = select(SAMPLES, u32(clamp(ceil(width), 0.0, 1024.0)), SAMPLES == 0u);
  let plane = (u32(in2[region]) * p.channels + channel) * p.height * p.width;
  var sum = 0.0;
  var most = -3.4028234663852886e38f;
  for (var r = 0u; r < down; r++) {
    let y = between(top + (f32(row) + (f32(r) + 0.5) / f32(down)) * height, p.height);
    for (var c = 0u; c < across; c++) {
      let x = between(left + (f32(column) + (f32(c) + 0.5) / f32(across)) * width, p.width);
      var corners = vec4<f32>();
      if (y.inside && x.inside) {
        let low = plane + y.low * p.width;
        let high = plane + y.high * p.width;
        let values = vec4<f32>(in0[low + x.low], in0[low + x.high], in0[high + x.low], in0[high + x.high]);
        corners = values * vec4<f32>(1.0 - y.share, 1.0 - y.share, y.share, y.share)
          * vec4<f32>(1.0 - x.share, x.share, 1.0 - x.share, x.share);
      }
      sum += corners.x + corners.y + corners.z + corners.w;
      // ONNX takes the largest weighted corner, not the largest interpolated value.
      most = max(most, max(max(corners.x, corners.y), max(corners.z, corners.w)));
    }
  }
  let count = down * across;
  if (MAX) { return select(0.0, most, count > 0u); }
  return sum / f32(max(count, 1u));
}

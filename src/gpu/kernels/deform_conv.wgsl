// What each place of a deformable convolution sees of each channel by each kernel point: an invocation makes one such.
// in0: the image, [entry, channel, row, column]; in1: offsets, [entry, offset group, point, axis, place].
// Host text: `scale(at, place)`, what is seen by point `at` of all is multiplied by.
fn pixel(plane: u32, row: f32, column: f32) -> f32 {
  let inside = row >= 0.0 && row < f32(p.height) && column >= 0.0 && column < f32(p.width);
  if (!inside) { return 0.0; }
  return in0[plane + u32(row) * p.width + u32(column)];
}

fn value(i: u32) -> f32 {
  let place = i % p.places;
  let point = i / p.places % p.points;
  let c = i / (p.places * p.points) % p.channels;
  let n = i / (p.places * p.points * p.channels);
  let at = (n * p.offset_groups + c / p.per_offset) * p.points + point;
  let y = f32(place / p.columns * p.step_y + point / p.kernel_x * p.dilation_y) - p.pad_y + in1[at * 2u * p.places + place];
  let x = f32(place % p.columns * p.step_x + point % p.kernel_x * p.dilation_x) - p.pad_x + in1[(at * 2u + 1u) * p.places + place];
  let top = floor(y);
  let left = floor(x);
  let plane = (n * p.channels + c) * p.height * p.width;
  let low = pixel(plane, top, left) * (left + 1.0 - x) + pixel(plane, top, left + 1.0) * (x - left);
  let high = pixel(plane, top + 1.0, left) * (left + 1.0 - x) + pixel(plane, top + 1.0, left + 1.0) * (x - left);
  return scale(at, place) * (low * (top + 1.0 - y) + high * (y - top));
}

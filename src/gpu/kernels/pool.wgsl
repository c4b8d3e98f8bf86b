// One invocation makes one element of a pool. Host constants: `first()`, `combine()`, AVERAGE (divide by
// what counts), COUNT_PADS (padding counts).
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let spot = id.x;
  let plane = p.o1 * p.o2;
  if (spot >= p.o0 * plane) { return; }
  let oz = spot / plane;
  let oy = (spot - oz * plane) / p.o2;
  let ox = spot - oz * plane - oy * p.o2;
  let base = p.x_o + id.z * p.x_n + id.y * p.x_c;
  var value = first();
  var count = 0u;
  for (var kz = 0u; kz < p.k0; kz++) {
    let iz = oz * p.s0 + kz * p.d0 - p.b0;
    for (var ky = 0u; ky < p.k1; ky++) {
      let iy = oy * p.s1 + ky * p.d1 - p.b1;
      for (var kx = 0u; kx < p.k2; kx++) {
        let ix = ox * p.s2 + kx * p.d2 - p.b2;
        if (iz < p.i0 && iy < p.i1 && ix < p.i2) {
          value = combine(value, in0[base + iz * p.x_0 + iy * p.x_1 + ix * p.x_2]);
          count += 1u;
        } else if (COUNT_PADS && iz + p.b0 < p.p0 && iy + p.b1 < p.p1 && ix + p.b2 < p.p2) {
          count += 1u;
        }
      }
    }
  }
  store(id.z * p.y_n + id.y * p.y_c + oz * p.y_0 + oy * p.y_1 + ox * p.y_2, finish(value, count));
}

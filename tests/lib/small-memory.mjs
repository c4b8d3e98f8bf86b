// The engine's wasm with a limit on its memory, so that running out of it is real and cheap. In: the module's bytes,
// the limit in bytes. Out: the module's bytes with that maximum in its memory section.

function readVarint(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7, at += 1) {
    value |= (bytes[at] & 0x7f) << shift;
    if (bytes[at] < 0x80) return [value >>> 0, at + 1];
  }
}

function varint(value) {
  const bytes = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 0x80);
  }
}

const MEMORY_SECTION = 5;

export function withMemoryLimit(wasm, limit) {
  for (let at = 8; at < wasm.length;) {
    const id = wasm[at];
    const [size, start] = readVarint(wasm, at + 1);
    if (id === MEMORY_SECTION) {
      const [min] = readVarint(wasm, start + 2);
      const content = [1, 1, ...varint(min), ...varint(Math.max(min, Math.ceil(limit / 65536)))];
      return Buffer.concat([wasm.subarray(0, at), Uint8Array.from([id, ...varint(content.length), ...content]), wasm.subarray(start + size)]);
    }
    at = start + size;
  }
  throw new Error('the module has no memory of its own');
}

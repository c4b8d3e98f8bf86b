// The engines of the package: the reference and the one with relaxed SIMD, each trimmed and whole; and the glue that
// serves them all. In: the folder that wasm-bindgen filled. Out: the files that the package loads.
// The one decision: relaxed SIMD is what is compiled, the reference is derived; see lower.mjs.
import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RELAXED } from '../../pkg/engine/marks.js';
import { label, withoutLabel } from '../../pkg/engine/module.js';
import { INEXACT, lower } from './lower.mjs';

/** By what they need of the host, and by how much is in them. */
export const ENGINES = {
  simd128: { trimmed: 'nearside_bg.wasm', whole: 'nearside_full_bg.wasm' },
  relaxed: { trimmed: 'nearside_relaxed_bg.wasm', whole: 'nearside_relaxed_full_bg.wasm' },
};

/** What decides how the engines are derived. */
const RECIPE = ['variants', 'lower', 'instructions', 'likeness', 'renumber'].map((name) => `${name}.mjs`).concat('../../pkg/tailor/elements.js', '../../pkg/tailor/module.js');
export const variantsKey = () => RECIPE.map((name) => readFileSync(new URL(name, import.meta.url), 'utf8')).join();

/** The reference of an engine with relaxed SIMD; afterwards that one says that it is it. */
export function writeReference(folder, part) {
  const file = join(folder, ENGINES.relaxed[part]);
  // A trimmed one has the mark of the whole one that it was made of.
  const relaxed = withoutLabel(readFileSync(file), RELAXED);
  const { bytes, functions } = lower(relaxed);
  // Without any the other engine would be the same one twice.
  if (functions === 0) throw new Error(`${file} has no relaxed instruction: the compiler was not asked for them`);
  if (!WebAssembly.validate(bytes)) throw new Error(`${file} without its relaxed instructions is no valid module`);
  writeFileSync(join(folder, ENGINES.simd128[part]), bytes);
  writeFileSync(file, label(lower(relaxed, INEXACT).bytes, RELAXED, 'relaxed-simd'));
}

/** The engine that wasm-bindgen and wasm-opt left in `folder`, as the two whole ones. */
export function divide(folder, module) {
  renameSync(join(folder, module), join(folder, ENGINES.relaxed.whole));
  writeReference(folder, 'whole');
}

/** Where nothing is trimmed, the whole engines under all names. */
export function untrimmed(folder) {
  for (const { trimmed, whole } of Object.values(ENGINES)) copyFileSync(join(folder, whole), join(folder, trimmed));
}

/**
 * The generated glue takes memory to be its own. Shared memory keeps its old buffer when it grows (and to be asked for
 * its buffer takes it as long as a small layer: browsers freeze the buffer each time), and neither text
 * nor random numbers may be read from, or written to, what another thread could change. What wasm-bindgen writes for
 * modules with atomics differs in the same places. And it knows a place of the module, which is another one once the
 * glue is bundled; the package never leaves that to it (pkg/engine/wasm.js).
 */
const GLUE = [
  ['cachedUint8ArrayMemory0.byteLength === 0', 'cachedUint8ArrayMemory0.byteLength !== wasm.nearside_pages() * 65536'],
  ['cachedFloat64ArrayMemory0.byteLength === 0', 'cachedFloat64ArrayMemory0.byteLength !== wasm.nearside_pages() * 65536'],
  ['cachedDataViewMemory0.buffer.detached === true || (cachedDataViewMemory0.buffer.detached === undefined && cachedDataViewMemory0.buffer !== wasm.memory.buffer)', 'cachedDataViewMemory0.buffer.byteLength !== wasm.nearside_pages() * 65536'],
  ['decodeText(getUint8ArrayMemory0().subarray(ptr, ptr + len))', 'decodeText(getUint8ArrayMemory0().slice(ptr, ptr + len))'],
  ["if (!('encodeInto' in cachedTextEncoder)) {", '{'],
  ['globalThis.crypto.getRandomValues(getArrayU8FromWasm0(arg0, arg1));', 'getArrayU8FromWasm0(arg0, arg1).set(globalThis.crypto.getRandomValues(new Uint8Array(arg1)));'],
  ["module_or_path = new URL('nearside_bg.wasm', import.meta.url);", "throw new TypeError('Which module is to be given.');"],
];

export function shareGlue(file) {
  const text = GLUE.reduce((glue, [from, to]) => {
    if (glue.split(from).length !== 2) throw new Error(`${file}: not once: ${from}`);
    return glue.replace(from, to);
  }, readFileSync(file, 'utf8'));
  writeFileSync(file, text);
}

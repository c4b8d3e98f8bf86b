// The wasm memory of this realm. In: an import before any engine. Out: `wasmBytes()`, what all memories hold now; they
// never shrink, so it is also the most that they held.
// The one decision: memories are caught where they are born, by the constructor (ONNX Runtime makes its own) or
// among an instance's exports (nearside exports its), so that neither engine has to be asked.
const memories = new Set();

const { Memory, instantiate, instantiateStreaming } = WebAssembly;
WebAssembly.Memory = class extends Memory {
  constructor(limits) {
    super(limits);
    memories.add(this);
  }
};
// An engine may ask whether an object is a memory: those of before count as well.
Object.defineProperty(WebAssembly.Memory, Symbol.hasInstance, { value: (object) => object instanceof Memory });

function note(result) {
  const { exports = {} } = result.instance ?? result;
  for (const value of Object.values(exports)) if (value instanceof Memory) memories.add(value);
  return result;
}
WebAssembly.instantiate = async (...args) => note(await instantiate(...args));
WebAssembly.instantiateStreaming = async (...args) => note(await instantiateStreaming(...args));

export const wasmBytes = () => [...memories].reduce((sum, { buffer }) => sum + buffer.byteLength, 0);

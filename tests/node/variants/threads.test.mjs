// The engine with threads in Node, more of them than there are cores: every shared model and operator case.
import { defineVariant } from '../../lib/variant.mjs';

defineVariant('threads', { backend: 'wasm-threads', simd: 'simd128', threads: 3 });

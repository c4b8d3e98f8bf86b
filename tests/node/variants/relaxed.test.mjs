// The engine with relaxed SIMD in Node: every shared model and operator case.
import { defineVariant } from '../../lib/variant.mjs';

defineVariant('relaxed', { backend: 'wasm-relaxed-simd', simd: 'relaxed-simd', threads: 1 });

// Published forms of single operators, as cases: `node tests/cases/operators/published.mjs`, after a native build.
// In: the other cases of this folder, functions of one or two tensors, the native binary. Out: published.json, a few of
// them as forms with plans alone: for each operator that a form may have, the smallest case that has it.
// The one decision: forms are kept, not made by the tests, so that a change of what their bytes mean shows: it needs
// another EDITION (src/plan/stored/mod.rs) and this script again.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeBinary, root } from '../../../scripts/lib/paths.mjs';
import { onnx } from '../../lib/onnx.mjs';

const folder = join(root, 'tests', 'cases', 'operators');
const OUT = 'published.json';
/** Larger forms say nothing more. */
const MOST_BYTES = 8 << 10;

/** Functions that the other cases leave to ONNX's node tests; their outputs are the model's own. */
const MORE = {
  float32: ['Abs', 'Acos', 'Acosh', 'Asin', 'Asinh', 'Atan', 'Atanh', 'Ceil', 'Cos', 'Cosh', 'Erf', 'Exp', 'Floor', 'IsInf', 'IsNaN', 'Log', 'Neg',
    'Reciprocal', 'Round', 'Sigmoid', 'Sign', 'Sin', 'Sinh', 'Sqrt', 'Tan', 'Tanh', 'Add', 'Div', 'Equal', 'Greater', 'GreaterOrEqual', 'Less',
    'LessOrEqual', 'Max', 'Min', 'Mul', 'Pow', 'Sub'],
  bool: ['Not', 'And', 'Or', 'Xor'],
  int32: ['BitwiseNot', 'BitwiseAnd', 'BitwiseOr', 'BitwiseXor', 'Mod'],
};
const BINARY = new Set(['Add', 'Div', 'Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Max', 'Min', 'Mul', 'Pow', 'Sub', 'And', 'Or', 'Xor',
  'BitwiseAnd', 'BitwiseOr', 'BitwiseXor', 'Mod']);
const BOOLEAN = new Set(['Equal', 'Greater', 'GreaterOrEqual', 'IsInf', 'IsNaN', 'Less', 'LessOrEqual']);
const VALUES = { float32: [[0.25, 0.75, 0.5], [0.5, 0.25, 0.5]], bool: [[true, false, true], [true, true, false]], int32: [[7, -3, 5], [2, 5, 3]] };

function* more(scratch) {
  for (const [type, ops] of Object.entries(MORE)) {
    for (const op of ops) {
      const names = BINARY.has(op) ? ['a', 'b'] : ['a'];
      const value = (name) => ({ name, type, shape: [3] });
      const bytes = onnx({
        nodes: [{ op, inputs: names, outputs: ['y'] }], inputs: names.map(value),
        outputs: [{ name: 'y', type: BOOLEAN.has(op) ? 'bool' : type, shape: [3] }],
      });
      const file = join(scratch, 'function.onnx');
      writeFileSync(file, bytes);
      const inputs = Object.fromEntries(names.map((name, at) => [name, { type, dims: [3], values: VALUES[type][at] }]));
      const given = names.flatMap((name, at) => ['--input', `${name}=${JSON.stringify(VALUES[type][at])}`]);
      const { status, stdout, stderr } = spawnSync(nativeBinary, ['run', file, ...given, '--json', '--quiet'], { encoding: 'utf8' });
      if (status !== 0) throw new Error(`${op}: ${stderr}`);
      const [{ type: made, shape: dims, data: values }] = JSON.parse(stdout).outputs;
      yield { name: op, model: Buffer.from(bytes).toString('base64'), inputs, outputs: { y: { type: made, dims, values } }, rtol: 1e-6, atol: 1e-7 };
    }
  }
}

/** The names of the table. */
function operators() {
  const source = readFileSync(join(root, 'src', 'plan', 'stored', 'operators.rs'), 'utf8');
  const tables = [...source.matchAll(/rows! \{ \w+,([^}]*)\}/g)].map(([, rows]) => rows);
  return tables.flatMap((rows) => [...rows.matchAll(/\b([A-Z]\w+)\b/g)].map(([, name]) => name));
}

/** The form of a model, planned for its inputs. */
function published(scratch, { model, inputs }) {
  const file = join(scratch, 'model.onnx');
  writeFileSync(file, Buffer.from(model, 'base64'));
  const shapes = Object.entries(inputs).map(([name, { dims }]) => `${name}=${dims.join('x')}`).join(',');
  const args = ['optimize', file, '-o', scratch, '--plans-only', '--quiet', ...(shapes ? ['--shape', shapes] : [])];
  const { status } = spawnSync(nativeBinary, args, { env: { ...process.env, RUST_BACKTRACE: '0' } });
  return status === 0 ? readFileSync(join(scratch, 'model.nearside')) : undefined;
}

const names = operators();
const found = [];
const scratch = mkdtempSync(join(tmpdir(), 'nearside-published-'));
try {
  const add = (one, family) => {
    const form = one.outputs && published(scratch, one);
    if (!form || form.length > MOST_BYTES) return;
    const has = names.filter((name) => form.includes(Buffer.from([name.length, ...Buffer.from(name)])));
    found.push({ one, form, has, name: `${family}: ${one.name}` });
  };
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.json') && name !== OUT).sort()) {
    for (const one of JSON.parse(readFileSync(join(folder, file), 'utf8'))) add(one, file.replace('.json', ''));
  }
  for (const one of more(scratch)) add(one, 'functions');
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
found.sort((a, b) => a.form.length - b.form.length);
const wanted = new Set(names);
const chosen = found.filter(({ has }) => has.filter((name) => wanted.delete(name)).length > 0);
const cases = chosen.map(({ one, form, name }) => ({ ...one, name, model: form.toString('base64') }));
writeFileSync(join(folder, OUT), `[\n${cases.map((one) => JSON.stringify(one)).join(',\n')}\n]\n`);
console.log(`${cases.length} of ${found.length} forms; in none: ${[...wanted].join(', ')}`);

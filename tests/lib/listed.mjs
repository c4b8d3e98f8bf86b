// The node tests that ONNX Runtime runs on its WebGPU engine. In: their names, which lie beside the archives; the cases of
// both archives, and tests/cases/operators/older.json for names that none of them holds, or not of the set of operators
// that the name starts with. Out: for each name its cases, each as conformance.mjs gives them.
// The one decision: a name that both archives hold has two cases, and both must be right.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readCases, sets } from './conformance.mjs';
import { elements } from './elements.mjs';

const list = join(dirname(sets[0].archive), 'ort-web-webgpu-node-tests.json');

/** Whether the names and the archives are there. */
export const listPresent = existsSync(list) && sets.every(({ present }) => present);

function olderCases() {
  const cases = JSON.parse(readFileSync(new URL('../cases/operators/older.json', import.meta.url), 'utf8'));
  const values = (named) => Object.values(named).map(elements);
  return new Map(cases.map(({ name, model, inputs, outputs }) =>
    [name, { name, model: Buffer.from(model, 'base64'), sets: [{ inputs: values(inputs), outputs: values(outputs) }] }]));
}

/** name -> its cases, whose names tell them apart. */
export function listedCases() {
  const older = olderCases();
  const archived = sets.map((set) => ({ set: set.name, cases: new Map(readCases(set).map((each) => [each.name, each])) }));
  const names = JSON.parse(readFileSync(list, 'utf8'));
  return new Map(names.map((name) => {
    if (older.has(name)) return [name, [older.get(name)]];
    const bare = name.split('/').at(-1);
    const held = archived.filter(({ cases }) => cases.has(bare));
    return [name, held.map(({ set, cases }) => ({ ...cases.get(bare), name: `${bare} of ${set}` }))];
  }));
}

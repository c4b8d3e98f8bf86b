// Where the time goes: `npm run bench -- --profile MODEL`. In: a bench and a subject. Out: a table by operator and one by
// node on the terminal, all nodes in tests/out/profile-MODEL.json.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../scripts/lib/paths.mjs';
import { say } from '../../scripts/lib/run.mjs';
import { judge } from './parts.mjs';
import { feedsPath, modelPath } from './site.mjs';
import { inWorker } from './visit.mjs';

const TOP = 25;
const RUNS = 10;

export async function profile({ chromium, url }, subject) {
  const steps = await inWorker(chromium, url, async (ask) => {
    const answers = await ask('prepare', {
      engines: ['nearside'], threads: 1, profile: true, model: modelPath(subject), feeds: feedsPath(subject), outputs: subject.outputs,
    });
    const { nearside } = judge(subject, answers);
    if (nearside !== 'right') throw new Error(`${subject.name}: ${nearside}`);
    await ask('profile', { runs: 3 });
    return ask('profile', { runs: RUNS });
  });
  const total = steps.reduce((sum, { ms }) => sum + ms, 0);
  const row = (ms, text) => say(`${ms.toFixed(3).padStart(10)} ms ${((100 * ms) / total).toFixed(1).padStart(5)} %  ${text}`);
  say(`\n${subject.name}: ${steps.length} nodes, ${total.toFixed(2)} ms, mean of ${RUNS} runs\n\nby operator`);
  const operators = new Map();
  for (const { operator, ms } of steps) {
    const sum = operators.get(operator) ?? { count: 0, ms: 0 };
    operators.set(operator, { count: sum.count + 1, ms: sum.ms + ms });
  }
  for (const [name, { count, ms }] of [...operators].toSorted(([, a], [, b]) => b.ms - a.ms)) row(ms, `${name} x ${count}`);
  say('\nby node');
  for (const { node, operator, inputs, outputs, ms } of steps.toSorted((a, b) => b.ms - a.ms).slice(0, TOP)) {
    row(ms, `${operator}  ${inputs.join(', ')} -> ${outputs.join(', ')}  ${node}`);
  }
  const out = join(root, 'tests', 'out');
  mkdirSync(out, { recursive: true });
  const file = join(out, `profile-${subject.name}.json`);
  writeFileSync(file, `${JSON.stringify({ model: subject.name, total, steps }, null, 1)}\n`);
  say(`\nall nodes with their kernels: tests/out/profile-${subject.name}.json`);
  return 0;
}

// Published forms of what is measured. In: subjects, the native binary. Out: for each its form, planned for the shapes
// of its inputs, as `form`.
// The one decision: a form is made anew for every bench, so that it is this engine's.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nativeBinary, root } from '../../scripts/lib/paths.mjs';

const folder = join(root, 'tests', 'out', 'forms');

function publish({ name, file, feeds }) {
  const out = join(folder, name);
  mkdirSync(out, { recursive: true });
  const shapes = Object.entries(feeds).map(([input, { dims }]) => `${input}=${dims.join('x')}`).join(',');
  const { status, stderr } = spawnSync(nativeBinary, ['optimize', file, '-o', out, '--shape', shapes, '--quiet'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${name} cannot be published: ${stderr}`);
  return join(out, 'model.nearside');
}

/** @param {object[]} subjects */
export function withForms(subjects) {
  return subjects.map((subject) => ({ ...subject, form: readFileSync(publish(subject)) }));
}

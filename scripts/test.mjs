// `npm test [-- suite…] [--no-opt]`: set-up, build, every suite. In: names of suites or groups, none for all.
// Out: progress, the output of what failed, and one last line "N passed, N failed, N skipped".
// The one decision: `suites` is the list of all there is to check, the same here and on CI.
import { nativeFeatures } from './lib/paths.mjs';
import { main, say, seconds } from './lib/run.mjs';
import { cargoTests, command, nodeTests, sizeCheck } from './lib/suites.mjs';
import { wasmEnv } from './lib/wasm-target.mjs';
import { build } from './build.mjs';
import { setup } from './setup.mjs';

const WASM = ['--target', 'wasm32-unknown-unknown'];
const NATIVE = ['nearside', 'nearside-kernels'];
const named = NATIVE.flatMap((name) => ['-p', name]);
const STRICT = ['--', '-D', 'warnings'];
const clippy = (args, env) => command('cargo', ['clippy', ...args, ...STRICT], env);

/** `needs`: the parts of the build that the suite uses. */
const suites = ({ optimise }) => [
  { name: 'format', group: 'check', needs: [], run: command('cargo', ['fmt', '--all', '--check']) },
  { name: 'clippy-native', group: 'check', needs: [], run: clippy([...named, ...nativeFeatures, '--all-targets']) },
  { name: 'clippy-pkg', group: 'check', needs: [], run: clippy(['-p', 'nearside-web', ...WASM], wasmEnv) },
  { name: 'clippy-edge', group: 'check', needs: [], run: clippy(['-p', 'edge', ...WASM], wasmEnv) },
  { name: 'rust', needs: [], run: cargoTests(['--release', ...nativeFeatures], { packages: NATIVE, but: ['gpu'] }) },
  { name: 'gpu', needs: [], run: cargoTests(['--release', ...nativeFeatures], { packages: ['nearside'], only: 'gpu' }) },
  { name: 'size', needs: ['pkg'], run: sizeCheck({ optimise }) },
  { name: 'types', needs: ['pkg'], run: nodeTests('types') },
  { name: 'node', needs: ['pkg'], run: nodeTests('node') },
  { name: 'cli', needs: ['native'], run: nodeTests('cli') },
  { name: 'differential', needs: ['native'], run: nodeTests('differential') },
  { name: 'cloud', needs: ['pkg', 'native'], run: nodeTests('cloud') },
  { name: 'edge', needs: ['edge', 'native'], run: nodeTests('edge') },
  { name: 'browser', needs: ['pkg', 'edge', 'native'], run: nodeTests('browser') },
  { name: 'demo', needs: ['pkg', 'edge', 'native'], run: nodeTests('demo') },
];

function select(all, names) {
  const unknown = names.find((name) => !all.some((suite) => suite.name === name || suite.group === name));
  if (unknown) throw new Error(`no suite ${unknown}; there are: ${['check', ...all.map(({ name }) => name)].join(', ')}`);
  return names.length === 0 ? all : all.filter(({ name, group }) => names.includes(name) || names.includes(group));
}

async function runAll(chosen) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  const failures = [];
  for (const [index, suite] of chosen.entries()) {
    const since = performance.now();
    say(`[${index + 1}/${chosen.length}] ${suite.name}`);
    const done = await suite.run().catch((error) => ({ passed: 0, failed: 1, skipped: 0, output: error.message }));
    for (const key of Object.keys(total)) total[key] += done[key];
    if (done.failed > 0) failures.push({ name: suite.name, output: done.output });
    say(`  ${suite.name}: ${done.note ?? `${done.passed} passed, ${done.failed} failed, ${done.skipped} skipped`} (${seconds(since)})\n`);
  }
  for (const { name, output } of failures) say(`---- ${name} failed ----\n${shorten(output)}\n`);
  return total;
}

/** The end of a tool's output is where it says what is wrong. */
function shorten(output, keep = 400) {
  const lines = output.split('\n').filter((line) => !/^\s+(Compiling|Checking|Downloaded) /.test(line));
  return lines.length <= keep ? lines.join('\n') : [`(the last ${keep} of ${lines.length} lines)`, ...lines.slice(-keep)].join('\n');
}

await main(async () => {
  const since = performance.now();
  let total = { passed: 0, failed: 1, skipped: 0 };
  try {
    const args = process.argv.slice(2);
    const optimise = !args.includes('--no-opt');
    const chosen = select(suites({ optimise }), args.filter((arg) => !arg.startsWith('--')));
    await setup();
    const needs = [...new Set(chosen.flatMap((suite) => suite.needs))];
    if (needs.length > 0) await build({ only: needs, optimise });
    total = await runAll(chosen);
  } catch (error) {
    say(`error: ${error.message}`);
  }
  say(`in ${seconds(since)}`);
  say(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed === 0 ? 0 : 1;
});

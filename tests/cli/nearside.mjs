// The command line as a child process. In: arguments, standard input, environment. Out: { code, stdout, stderr }.
// The one decision: it is the release binary that the build makes, the same that a user gets.
import { spawnSync } from 'node:child_process';
import { nativeBinary } from '../../scripts/lib/paths.mjs';

export { nativeBinary };

const LIMIT = 60_000;

export function nearside(args, { stdin, env, cwd } = {}) {
  const result = spawnSync(nativeBinary, args, {
    input: stdin ?? '',
    cwd,
    env: { ...process.env, NO_COLOR: undefined, RUST_BACKTRACE: undefined, ...env },
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    timeout: LIMIT,
  });
  if (result.error) throw result.error;
  return { code: result.status, stdout: result.stdout, stderr: result.stderr };
}

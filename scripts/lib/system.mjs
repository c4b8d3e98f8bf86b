// Things of the operating system: Debian packages, a browser. In: what is needed. Out: it is there, or an Error
// that says what to install. The one decision: only root on a system with apt installs by itself; everyone else
// is told the command.
import { existsSync, readdirSync } from 'node:fs';
import { capture, run } from './run.mjs';

export const isRoot = () => process.getuid?.() === 0;
export const hasApt = () => process.platform === 'linux' && existsSync('/usr/bin/apt-get');
const quiet = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' };

let updated = false;
export async function aptUpdate() {
  if (!updated) await run('apt-get', ['update', '-q'], { label: 'apt-get update', env: quiet });
  updated = true;
}

export async function aptInstall(packages) {
  const command = `apt-get install ${packages.join(' ')}`;
  if (!hasApt()) throw new Error(`not found; install what your system calls ${packages.join(', ')}`);
  if (!isRoot()) throw new Error(`not found; run: sudo ${command}`);
  await aptUpdate();
  await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], { label: command, env: quiet });
}

const works = (command, args) => capture(command, args).ok;

/** What Debian has to bring, by the command that proves it. */
const needs = [
  { packages: ['build-essential'], there: () => works('cc', ['--version']) && works('make', ['--version']) },
  { packages: ['ca-certificates'], there: () => !hasApt() || existsSync('/etc/ssl/certs/ca-certificates.crt') },
  { packages: ['python3', 'python3-venv'], there: () => works('python3', ['-c', 'import venv, ensurepip']) },
];
export const missingPackages = () => needs.filter((need) => !need.there()).flatMap((need) => need.packages);

/** Mesa's software adapter is one that every machine can have. */
export const VULKAN = ['libvulkan1', 'mesa-vulkan-drivers'];

/** Whether the native GPU engine may find an adapter: elsewhere than on Linux the system brings one. */
export function findVulkan() {
  if (process.platform !== 'linux') return true;
  const { VK_DRIVER_FILES, VK_ICD_FILENAMES } = process.env;
  const folders = ['/etc/vulkan/icd.d', '/usr/share/vulkan/icd.d', '/usr/local/share/vulkan/icd.d'];
  const drivers = VK_DRIVER_FILES || VK_ICD_FILENAMES || folders.some((folder) => existsSync(folder) && readdirSync(folder).length > 0);
  return Boolean(drivers) && capture('/sbin/ldconfig', ['-p']).out.includes('libvulkan.so.1');
}

const browsers = [
  'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/** The path of a Chromium, or undefined. */
export function findChromium() {
  if (process.env.NEARSIDE_CHROMIUM) {
    if (existsSync(process.env.NEARSIDE_CHROMIUM)) return process.env.NEARSIDE_CHROMIUM;
    throw new Error(`NEARSIDE_CHROMIUM names ${process.env.NEARSIDE_CHROMIUM}, which does not exist`);
  }
  const folders = (process.env.PATH ?? '').split(process.platform === 'win32' ? ';' : ':');
  for (const name of browsers) {
    const paths = /[\\/]/.test(name) ? [name] : folders.map((folder) => `${folder}/${name}`);
    const found = paths.find((path) => existsSync(path));
    if (found) return found;
  }
  return undefined;
}

export async function installChromium() {
  if (hasApt() && isRoot()) return aptInstall(['chromium', 'fonts-liberation']);
  throw new Error('no Chrome or Chromium found; install one, or set NEARSIDE_CHROMIUM to its executable');
}

/**
 * Build: the site as a folder for any static host. In: what precache.mjs lists; pkg must be built. Out: www/dist.
 * One decision: files are copied as they are, under the addresses that they have anyway.
 * `_headers` tells hosts that read it (Cloudflare, Netlify) the policy; others need the same header by their own means.
 */
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { POLICY, precacheList, siteFiles, www } from './precache.mjs';

const dist = join(www, 'dist');
await rm(dist, { recursive: true, force: true });
const files = await siteFiles();
for (const { url, path } of [...files, { url: 'sw.js', path: join(www, 'sw.js') }]) {
  await mkdir(dirname(join(dist, url)), { recursive: true });
  await cp(path, join(dist, url));
}
const list = await precacheList(files);
await writeFile(join(dist, 'precache.json'), `${JSON.stringify(list, null, 1)}\n`);
await writeFile(join(dist, '_headers'), `/*\n  Content-Security-Policy: ${POLICY}\n  X-Content-Type-Options: nosniff\n/sw.js\n  Cache-Control: no-cache\n/precache.json\n  Cache-Control: no-cache\n`);
console.log(`www/dist: ${list.files.length} files, ${(list.bytes / 1e6).toFixed(1)} MB, version ${list.version}`);

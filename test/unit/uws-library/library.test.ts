/** What is said where uWebSockets.js cannot be loaded, and that it is true. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';

import { unavailable, UWS_NODE_VERSIONS } from '../../../src/uws-library/library.ts';

/** Of the interface for addons that are made for one version of Node alone. */
const MODULES: Readonly<Record<number, string>> = { 20: '115', 22: '127', 24: '137', 26: '147' };

t.test('there are binaries for the versions that are named, and for no others', (t) => {
  for (const [version, modules] of Object.entries(MODULES)) {
    const file = `../../../../node_modules/uWebSockets.js/dist/bin/uws_linux_${process.arch}_${modules}.node`;
    const has = existsSync(fileURLToPath(new URL(file, import.meta.url)));
    t.equal(has, UWS_NODE_VERSIONS.includes(Number(version)), version);
  }
  const own = MODULES[Number(process.versions.node.split('.')[0])];
  t.ok(own === undefined || own === process.versions.modules, 'the numbers are those of Node');
  t.end();
});

t.test('a Node without a binary is told with which versions it works', (t) => {
  const thrown = new Error(
    "Cannot find module '/opt/sideroute/node_modules/uWebSockets.js/dist/bin/uws_linux_x64_147.node'\nRequire stack:\n- x",
  );
  t.equal(
    unavailable(thrown, 'v26.0.0').message,
    `--engine uws: uWebSockets.js has no binary for Node v26.0.0 (linux ${process.arch}), only for Node 20 and 22; leave --engine away, or use native`,
  );
  t.end();
});

t.test('a binary that does not load says what the system says', (t) => {
  const thrown = new Error("/lib/libc.so.6: version `GLIBC_2.38' not found (required by uws.node)");
  t.match(unavailable(thrown).message, /cannot be loaded by Node v\S+ \(\S+ \S+\): .*GLIBC_2\.38' not found/);
  t.end();
});

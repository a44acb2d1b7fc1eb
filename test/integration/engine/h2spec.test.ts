/** h2spec, a suite of tests for servers of HTTP/2, against the engine: every case of it, nothing left out. */
// Needs: h2spec.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';

import { fixture } from '../../support/sidecar.ts';

const CACHE = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
const found = [...(process.env['PATH'] ?? '').split(delimiter), join(CACHE, 'sideroute', 'bin')]
  .map((directory) => join(directory, 'h2spec'))
  .find((path) => existsSync(path));

t.test('every case passes', { skip: found === undefined && 'h2spec is not there, nor Go to build it' }, async (t) => {
  const [program, ...args] = fixture('http2-front');
  const front = spawn(program!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => front.kill());
  const [port] = (await once(createInterface(front.stdout), 'line')) as [string];
  // Seconds that a case waits for what has to come.
  const { stdout } = spawnSync(found!, ['-h', '127.0.0.1', '-p', port, '-o', '20'], { encoding: 'utf8' });
  const summary = /(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed/.exec(stdout);
  const [tests, passed, skipped, failed] = (summary ?? []).slice(1).map(Number);
  t.equal(failed, 0, stdout.slice(stdout.indexOf('Failures:')));
  t.ok(tests! >= 140, `${tests} cases`);
  t.equal(skipped, 0);
  t.equal(passed, tests);
});

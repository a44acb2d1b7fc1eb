/** A sidecar that has died is back as soon as its code is loaded, which is most of its start: it loads what it needs and no more. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { waitForLine } from '../support/processes.ts';
import { SIDEROUTE, temporaryDirectory } from '../support/sidecar.ts';
import { withoutUws } from '../support/uws-loads.ts';

/** Scripts that a sidecar has run by the time it is ready; Node writes them down when it ends. */
async function loaded(...flags: readonly string[]): Promise<string[]> {
  const [routes, coverage] = [temporaryDirectory(), temporaryDirectory()];
  t.teardown(routes.remove);
  t.teardown(coverage.remove);
  const script = 'ip link set lo up && exec "$0" "$@"';
  const args = ['proxy', '--routes', routes.path, '--drain-timeout', '0s', ...flags];
  const sidecar = spawn('unshare', ['--net', 'sh', '-c', script, ...SIDEROUTE, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', NODE_V8_COVERAGE: coverage.path },
  });
  t.teardown(() => sidecar.kill('SIGKILL'));
  await waitForLine(sidecar, /"message":"ready"/);
  sidecar.kill('SIGTERM');
  await once(sidecar, 'exit');
  return readdirSync(coverage.path).flatMap((file) => {
    const { result } = JSON.parse(readFileSync(join(coverage.path, file), 'utf8')) as { result: { url: string }[] };
    return result.map(({ url }) => url);
  });
}

const OTHERS =
  /\/dist\/src\/(?:inject|iptables|export|controller|kube|webhook)\/|\/dist\/src\/program\.js|\/node_modules\/undici\//;

t.test(
  'the sidecar loads neither the other commands nor the libraries of the engine that it does not run',
  async (t) => {
    const scripts = await loaded();
    t.ok(
      scripts.some((url) => url.endsWith('/dist/src/proxy/proxy.js')),
      `${scripts.length} scripts`,
    );
    t.same(
      scripts.filter((url) => OTHERS.test(url)),
      [],
    );
  },
);

t.test('with the engine uws it loads what that stands on', { skip: withoutUws }, async (t) => {
  const scripts = await loaded('--engine', 'uws');
  t.ok(
    scripts.some((url) => url.includes('/node_modules/undici/')),
    `${scripts.length} scripts`,
  );
});

/**
 * A signal at any moment of starting ends the sidecar with status 0, also as process 1 of a container, for which the kernel
 * drops signals that nobody handles; and a second one ends it at once.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { eventually } from '../support/eventually.ts';
import { largeRouteFiles } from '../support/large-routes.ts';
import { SIDEROUTE, temporaryDirectory } from '../support/sidecar.ts';

const MOMENTS = 20;
/** Says when SIGTERM has a handler, before anything that was not begun by then can say something. */
const PRELOAD = `data:text/javascript,process.on('newListener',(name)=>{
if(name==='SIGTERM')queueMicrotask(()=>console.error('handled'))})`.replaceAll('\n', '');

/** Holds Node up before the first line of the program. */
const HOLD = `data:text/javascript,console.error('held');
const until=Date.now()+500;while(Date.now()<until);`.replaceAll('\n', '');

class FirstProcess {
  readonly unshare: ChildProcess;
  readonly lines: string[] = [];
  /** As this process knows it. */
  pid = 0;

  constructor(t: Test, args: readonly string[], preload = PRELOAD) {
    const isolated = ['--kill-child', '--pid', '--fork', '--mount-proc', '--net'];
    // Loopback is down in a new network namespace. The options are set here, because a test runner that watches child
    // processes adds its own to what they are started with, and they handle signals.
    const script = 'ip link set lo up && NODE_OPTIONS="$PRELOAD" exec "$0" "$@"';
    this.unshare = spawn('unshare', [...isolated, 'sh', '-c', script, ...SIDEROUTE, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PRELOAD: `--import "${preload}"` },
    });
    t.teardown(() => this.unshare.kill('SIGKILL'));
    for (const stream of [this.unshare.stdout!, this.unshare.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => this.lines.push(...text.split('\n')));
    }
  }

  async says(pattern: RegExp): Promise<void> {
    await eventually(
      `${pattern}`,
      () => this.lines.some((line) => pattern.test(line)) || this.unshare.exitCode !== null,
      60_000,
    );
    const { pid } = this.unshare;
    this.pid ||= Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1'));
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }

  /** Rejects when it does not end within half a minute. */
  async ended(): Promise<number | null> {
    if (this.unshare.exitCode === null) await once(this.unshare, 'exit', { signal: AbortSignal.timeout(30_000) });
    return this.unshare.exitCode;
  }
}

t.setTimeout(290_000);

const directory = temporaryDirectory();
t.teardown(directory.remove);
const few = join(directory.path, 'few');
const many = join(directory.path, 'many');
for (const [path, routes] of [
  [few, 1],
  [many, 625],
] as const) {
  mkdirSync(path);
  const files = largeRouteFiles({ routes, rulesPerRoute: 16, services: 50, format: 'documents', files: 1 });
  for (const [name, text] of files) writeFileSync(join(path, name), text);
}

for (const [what, path] of [
  ['few rules', few],
  ['10,000 rules', many],
] as const) {
  t.test(`process 1, ${what}: a signal at any moment of starting ends it with status 0`, async (t) => {
    const flags = ['proxy', '--routes', path, '--drain-timeout', '0s'];
    const whole = new FirstProcess(t, flags);
    await whole.says(/^handled$|"message":"ready"/);
    t.same(whole.lines[0], 'handled', 'the handler is there before anything else');
    const startedAtMs = performance.now();
    await whole.says(/"message":"ready"/);
    let startMs = performance.now() - startedAtMs;
    whole.signal('SIGTERM');
    t.equal(await whole.ended(), 0, 'when it is ready');

    let before = 0;
    for (let moment = 0; moment < MOMENTS; moment++) {
      const one = new FirstProcess(t, flags);
      await one.says(/^handled$/);
      const waitMs = (startMs * moment) / MOMENTS;
      await delay(waitMs);
      if (!one.lines.some((line) => line.includes('"message":"ready"'))) before++;
      // The first start had to read everything from the disk, or others used the processors.
      else startMs = Math.min(startMs, waitMs);
      one.signal(moment % 2 === 0 ? 'SIGTERM' : 'SIGINT');
      const status = await one.ended();
      if (status !== 0) t.fail(`${status} at moment ${moment} of ${MOMENTS}: ${one.lines.join('\n')}`);
    }
    t.ok(before >= MOMENTS / 4, `${before} of ${MOMENTS} signals came before it was ready`);
  });
}

t.test('process 1: a signal that comes while Node itself starts is not lost either', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const one = new FirstProcess(t, ['proxy', '--routes', few], HOLD);
    await one.says(/^held$/);
    one.signal(signal);
    t.equal(await one.ended(), 0, signal);
    t.notOk(one.lines.some((line) => line.includes('"message":"ready"')));
  }
});

t.test('a second signal does not wait for connections', async (t) => {
  const one = new FirstProcess(t, ['proxy', '--routes', few, '--drain-timeout', '1h', '--drain-quiet', '1h']);
  await one.says(/"message":"ready"/);
  one.signal('SIGTERM');
  await one.says(/"message":"draining"/);
  one.signal('SIGTERM');
  t.equal(await one.ended(), 130);
});

t.test('a command that is process 1 ends by a signal, too', async (t) => {
  const one = new FirstProcess(t, ['wait', '--timeout', '1h']);
  await one.says(/^handled$/);
  one.signal('SIGTERM');
  t.equal(await one.ended(), 143);
});

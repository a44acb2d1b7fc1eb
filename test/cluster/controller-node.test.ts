/**
 * From an edit of a route to another answer, through the controller, a real kubelet and a real sidecar. Each edit arrives long before the
 * kubelet would look by itself, and no answer is lost or wrong meanwhile.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import t from 'tap';
import { eventually } from '../support/eventually.ts';
import { sideroute } from '../support/cli.ts';
import { SIDEROUTE } from '../support/sidecar.ts';
import { applicationImages, siderouteImages } from './images.ts';
import { startNode, type NodeCluster } from './node.ts';
import { APPLICATIONS, available, curl, manifest, NAMESPACE } from './scenario.ts';

const TIMEOUT_MS = 1_200_000;
const EDITS = Number(process.env['CONTROLLER_EDITS'] ?? '20');
const QUICK_EDITS = 100;
/** A kubelet looks after 60 to 90 s by itself. */
const ARRIVES_MS = 45_000;
/** On a busy machine a term can end for want of a turn; what counts is that routes arrive nevertheless, which is tested. */
const LEASE_WARNING =
  /"level":"warn".*(?:the lease was acquired too slowly to lead|this replica leads no more|the lease cannot be read or written)/;

t.setTimeout(TIMEOUT_MS);

/** In the network of the node, where pods can be asked what they serve. */
function startController(cluster: NodeCluster, log: string[]): ChildProcess {
  const command = cluster.enter([...SIDEROUTE, 'controller', '--kubeconfig', cluster.kubeconfig]);
  const flags = ['--metrics', '127.0.0.1:15020', '--lease-namespace', 'default', '--log-level', 'debug'];
  const child = spawn(command[0]!, [...command.slice(1), ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
  createInterface(child.stderr).on('line', (line) => log.push(line));
  return child;
}

/** What the client gets, one answer after the other, until it is stopped. */
class Answers {
  readonly #process: ChildProcess;
  /** Text and time of arrival. */
  readonly all: { readonly text: string; readonly atMs: number }[] = [];

  constructor(cluster: NodeCluster) {
    const loop = 'while :; do curl -sS --max-time 10 http://my-server 2>&1; sleep 0.02; done';
    this.#process = spawn(
      `${cluster.bin}/kubectl`,
      ['-n', NAMESPACE, 'exec', 'deploy/curl-client', '-c', 'curl', '--', 'sh', '-c', loop],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    createInterface(this.#process.stdout!).on('line', (text) => this.all.push({ text, atMs: performance.now() }));
  }

  stop(): void {
    this.#process.kill('SIGKILL');
  }
}

t.test('an edit of a route is live in a moment', { timeout: TIMEOUT_MS }, async (t) => {
  const cluster = await startNode();
  t.teardown(() => cluster.stop());
  await cluster.load([...(await siderouteImages()), ...(await applicationImages())]);
  const log: string[] = [];
  const controller = startController(cluster, log);
  t.teardown(() => void controller.kill('SIGKILL'));
  for (const name of ['namespace', 'my-server', 'my-server-route']) {
    await cluster.mustKubectl(['apply', '-f', '-'], manifest(name));
  }
  for (const name of APPLICATIONS) {
    const injected = sideroute(['inject'], manifest(name));
    t.equal(injected.status, 0, injected.stderr);
    await cluster.mustKubectl(['apply', '-f', '-'], injected.stdout);
  }
  await available(cluster);
  const route = async (): Promise<{ metadata: { generation: number }; status: unknown }> =>
    JSON.parse(await cluster.mustKubectl(['-n', NAMESPACE, 'get', 'httproute', 'my-server-route', '-o', 'json'])) as {
      metadata: { generation: number };
      status: unknown;
    };
  await eventually(
    'the route is served',
    async () =>
      (await curl(cluster, '-H', 'Version: new')).includes('Version 2') && (await curl(cluster)).includes('Version 1'),
    120_000,
  );

  const answers = new Answers(cluster);
  t.teardown(() => answers.stop());
  await eventually('answers come', () => answers.all.length > 3, 60_000);
  const delays: number[] = [];
  for (let edit = 0; edit < EDITS; edit++) {
    const version = edit % 2 === 0 ? 'my-server-v2' : 'my-server-v1';
    const wanted = edit % 2 === 0 ? 'Version 2' : 'Version 1';
    const patch = [{ op: 'replace', path: '/spec/rules/1/backendRefs/0/name', value: version }];
    await cluster.mustKubectl([
      ...['-n', NAMESPACE, 'patch', 'httproute', 'my-server-route', '--type=json', '-p', JSON.stringify(patch)],
    ]);
    const editedMs = performance.now();
    const first = answers.all.length;
    const changed = await eventually(
      `edit ${edit} is served`,
      () => answers.all.slice(first).find(({ text }) => text.includes(wanted)),
      ARRIVES_MS,
    );
    delays.push(Math.max(0, changed.atMs - editedMs));
  }
  // As fast as they can be made, the last one to version 2.
  const quick = Array.from({ length: QUICK_EDITS }, (_, index) =>
    (QUICK_EDITS - index) % 2 === 1 ? 'my-server-v2' : 'my-server-v1',
  );
  for (const version of quick) {
    const patch = [{ op: 'replace', path: '/spec/rules/1/backendRefs/0/name', value: version }];
    await cluster.mustKubectl([
      ...['-n', NAMESPACE, 'patch', 'httproute', 'my-server-route', '--type=json', '-p', JSON.stringify(patch)],
    ]);
  }
  await eventually(
    'the last of many edits is served',
    () => answers.all.length > 10 && answers.all.slice(-10).every(({ text }) => text.includes('Version 2')),
    ARRIVES_MS,
  );
  answers.stop();
  delays.sort((a, b) => a - b);
  const seconds = (ms: number): string => (ms / 1_000).toFixed(2);
  t.comment(
    `from kubectl patch to the changed answer, ${EDITS} edits: median ${seconds(delays[Math.floor(EDITS / 2)]!)} s, ` +
      `worst ${seconds(delays.at(-1)!)} s, best ${seconds(delays[0]!)} s; ${answers.all.length} answers`,
  );
  const wrong = answers.all.filter(({ text }) => !/^Hello from Version [12]$/.test(text));
  t.same(wrong.slice(0, 5), [], 'every answer is from one of the two');

  await eventually(
    'the status is about the last edit',
    async () => {
      const { metadata, status } = await route();
      const conditions = (status as { parents: { conditions: { observedGeneration: number; status: string }[] }[] })
        .parents[0]!.conditions;
      return conditions.every(
        (condition) => condition.observedGeneration === metadata.generation && condition.status === 'True',
      );
    },
    60_000,
  );
  const faults = log.filter((line) => /"level":"(?:warn|error)"/.test(line) && !LEASE_WARNING.test(line));
  t.same(faults, []);
});

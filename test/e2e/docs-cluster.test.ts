/**
 * Command blocks of the documents that need a cluster are run as they are printed, and print what the document says: against the scenario in a
 * stand-in cluster (test/support/stand-in), or as the table below has it. Those about the repository are in docs-repository.test.ts.
 */
// Needs: jq.
import t, { type Test } from 'tap';
import { commandsOf, consoleSteps, inlineCommands, printed, type Block } from '../support/docs/blocks.ts';
import { ELSEWHERE } from '../support/docs/elsewhere.ts';
import { clusterPlace, scenarioPlace, type Place } from '../support/docs/places.ts';
import { injectionPlace } from '../support/docs/injection.ts';
import { blocks, isOfRepository, isScript, Places, skip, succeeded, type Runner } from '../support/docs/running.ts';
import { ROOT } from '../support/manifests.ts';
import type { ShellResult } from '../support/stand-in/cluster.ts';

const places = new Places();

/** What a real Kubernetes printed, which test/cluster/scenario.test.ts does again: nothing for the stand-in. */
const RECORDED = 'docs/scenario-run.md';

/** A command that goes on until it is interrupted leaves its terminal to nobody: here the next one follows at once. */
const inBackground = (script: string): string =>
  script.replaceAll(/^(kubectl .*(?: port-forward | logs (?:.* )?(?:-f|--follow)\b).*[^&\s])\s*$/gm, '$1 &');

/** The private endpoint as the documents reach it from elsewhere. */
const FORWARD =
  'kubectl port-forward deploy/client 15000 15020 > forwarded & until [ -s forwarded ]; do sleep 0.02; done\n';

/** An operator sees that port-forward listens before typing the next command; curl tries again instead. */
const CURL_RC = 'retry = 8\nretry-connrefused\nretry-delay = 1\n';

async function inScenario(script: string): Promise<ShellResult> {
  const { run, write, directory } = await places.get(scenarioPlace);
  write('.curlrc', CURL_RC);
  const forward = /^curl .*127\.0\.0\.1:150/m.test(script) && !script.includes('port-forward') ? FORWARD : '';
  return await run(forward + inBackground(script), { CURL_HOME: directory });
}

/** Against the scenario, whose namespace is the current one. */
function withScenario(...prints: string[]): Runner {
  return async (t, { text }) => succeeded(t, await inScenario(text), prints);
}

const HELLO = ['Hello from Version 1\n', 'Hello from Version 2\n'];

/** From the README's promise: a stranger's path from the clone to the scenario that runs. */
const MOST_COMMANDS = 6;

/** The six commands in a new cluster, then what the text says to try next. */
function install(env: Readonly<Record<string, string>>): Runner {
  return async (t, block) => {
    const commands = commandsOf(block.text);
    const untilItRuns = commands.filter((command) => !command.includes(' exec '));
    t.ok(untilItRuns.length <= MOST_COMMANDS, `${untilItRuns.length} commands until the scenario runs`);
    t.ok(block.text.trim().split('\n').length <= MOST_COMMANDS, 'and no more lines to copy with the requests');
    const place = await clusterPlace(ROOT);
    t.teardown(place.close);
    succeeded(t, await place.run(block.text, env), HELLO);
    if (block.document !== 'docs/install.md') return;
    const [edit, remove] = ['edit', 'delete'].map((verb) =>
      inlineCommands(block.document, ['kubectl']).find(
        (command) => command.includes(` ${verb} `) && command.includes('devopssong'),
      ),
    );
    const ask = block.text.split('\n').find((line) => line.includes(' exec '))!;
    const annotate = 'kubectl -n devopssong annotate pods --all example.com/look=now';
    const served = `until [ "$(${ask})" = 'Hello from Version 2' ]; do sleep 0.1; done; ${ask}`;
    const KUBE_EDITOR = "sed -i 's/name: my-server-v1$/name: my-server-v2/'";
    succeeded(t, await place.run(`${edit}\n${annotate}\n${served}`, { KUBE_EDITOR }), [HELLO[1]!]);
    succeeded(t, await place.run(`${remove}\nkubectl get deployments,services,configmaps -A -o name`), [
      'namespace "devopssong" deleted\n',
    ]);
    t.equal(
      (await place.run('kubectl get deployments,services,configmaps,pods -A -o name')).stdout,
      '',
      'nothing is left',
    );
  };
}

/** Blocks of docs/injection.md, one after the other in a cluster without sidecars. */
function injection(prints: readonly string[], after: (run: Place['run']) => Promise<ShellResult>): Runner {
  return async (t, { text }) => {
    const { run } = await places.get(injectionPlace);
    succeeded(t, await run(text), prints);
    succeeded(t, await after(run), []);
  };
}

const TWICE = [HELLO[0]!, HELLO[0]!];

/** Against the scenario, after a request that its sidecar has refused. */
function afterFailure(...prints: string[]): Runner {
  const failure = `kubectl exec deploy/client -- curl -sS -m 5 -H 'not a name: x' http://my-server
    until kubectl logs deploy/client -c sideroute | grep -q '"reason":"bad_request"'; do sleep 0.05; done`;
  return async (t, { text }) => {
    t.equal((await inScenario(failure)).status, 0, 'the log has a failure');
    succeeded(t, await inScenario(text), prints);
  };
}

const ASK = 'kubectl exec deploy/client -- curl -sS -m 5';
const RUN: Readonly<Record<string, Runner>> = {
  'docs/install.md > The scenario in six commands': install({ REGISTRY: 'registry.example' }),
  'docs/injection.md > Injection': injection(
    ['deployment.apps/client configured\n', 'deployment.apps/client ', 'deployment.apps/shop created\n'],
    (run) =>
      run(`kubectl wait --for=condition=Available --timeout=60s deployment --all
           test "$(${ASK} http://my-server)" = 'Hello from Version 1'
           test "$(${ASK} -H 'Version: new' http://my-server)" = 'Hello from Version 2'
           grep -q sideroute.dev/injected deployment.yaml`),
  ),
  'docs/injection.md > Route files for the pods': injection(
    ['configmap/sideroute-routes serverside-applied\n'],
    (run) =>
      run(`kubectl -n shop get configmap sideroute-routes -o jsonpath='{.data}' | jq -r 'to_entries[].value' > exported.yaml
           grep -q my-server-v2 exported.yaml
           mkdir exported && mv exported.yaml exported && sideroute check exported`),
  ),
  'docs/injection.md > Is it live?': withScenario('generation 1, hash ', ', valid\n'),
  'docs/configuration.md > Configuration and explanations': withScenario('my-server-v2'),
  'docs/runbook.md > Runbook': withScenario(
    'HTTP/1.1 200',
    'sideroute_requests_total{',
    '"message":"ready"',
    ', valid\n',
  ),
  'docs/runbook.md > Failures of the init container': withScenario('backend: ', 'IPv4: ', 'IPv6: ', 'connectivity: '),
  'docs/troubleshooting.md > Troubleshooting': withScenario('2/2', ', valid\n', 'HTTP/1.1 200', '"message":"ready"'),
  'docs/troubleshooting.md > My route has no effect': withScenario(
    'accepted_connections_total',
    'Accepted=True',
    'my-server-v2',
  ),
  'docs/troubleshooting.md > My route has no effect (2)': withScenario('my-server-v2'),
  "docs/troubleshooting.md > It works with the version's own Service, but not with the parent": withScenario(...TWICE),
  'docs/troubleshooting.md > The init container fails': withScenario('backend: ', 'IPv4: ', 'IPv6: ', 'connectivity: '),
  'docs/troubleshooting.md > A change of the ConfigMap does not arrive': withScenario(
    'HTTPRoute',
    ' annotated\n',
    ', valid\n',
  ),
  'docs/troubleshooting.md > Memory': withScenario(
    'process_resident_memory',
    'nodejs_heap',
    'sideroute_buffered_bytes',
  ),
  'docs/access-log.md > Access log': afterFailure('"kind":"request"', '"frontend":"devopssong/my-server:80"'),
  'docs/refusals.md > How to recognise a refusal': afterFailure('"reason":"bad_request","fault":"'),
  'docs/tracing.md > Turning it on (2)': withScenario('sideroute_spans_exported_total 0'),
  'docs/tap.md > Tap: requests as they happen': withScenario(),
  'docs/tap.md > The endpoint': withScenario('{"dropped":0}', '"end":"duration"'),
  'docs/access-log.md > Examples': afterFailure(' bad_request null\n'),
};

/**
 * Prompts with a name are in the container of that Deployment's application; others in a directory whose `routes` holds the routes shown
 * before the block.
 */
async function runConsole(t: Test, block: Block): Promise<void> {
  const before = blocks[blocks.indexOf(block) - 1];
  const { write } = await places.get(scenarioPlace);
  write('example/routes/example.yaml', before?.language === 'yaml' ? before.text : '');
  for (const { host, command, output } of consoleSteps(block.text)) {
    const quoted = `'${command.replaceAll("'", `'\\''`)}'`;
    const result = await inScenario(
      host === '' ? `cd example\n${command}` : `kubectl exec deploy/${host} -- sh -c ${quoted}`,
    );
    if (!t.equal(result.status, 0, command)) t.comment(result.stderr);
    if (!t.ok(printed(output, result.stdout), 'and it prints what the document shows')) t.comment(result.stdout);
  }
}

t.test('a block of commands says which shell it is for, and the table has no other blocks', async (t) => {
  for (const { document, title, text, language } of blocks)
    if (document !== RECORDED && /^(\$ |sudo |npm |npx |kubectl |docker |curl |sideroute |helm |node )/m.test(text))
      t.ok(['sh', 'console'].includes(language), title);
  for (const title of [...Object.keys(RUN), ...ELSEWHERE])
    t.ok(
      blocks.some((block) => block.title === title),
      `${title} is there`,
    );
});

t.test('every block for a cluster does what it says', { skip, timeout: 280_000 }, async (t) => {
  t.teardown(() => places.close());
  const here = blocks.filter((block) => isScript(block) && !isOfRepository(block) && !ELSEWHERE.has(block.title));
  for (const block of here)
    await t.test(`${block.title}, line ${block.line}`, (t) => (RUN[block.title] ?? withScenario())(t, block));
  for (const block of blocks.filter(({ language }) => language === 'console'))
    await t.test(`${block.title}, line ${block.line}`, (t) => runConsole(t, block));
});

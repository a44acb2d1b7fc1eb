/** `-o` of every command that prints a result: the same data in JSON and YAML, something to read as a table. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import t, { type Test } from 'tap';
import { parse, parseAllDocuments } from 'yaml';
import { buildProgram } from '../../src/program.ts';
import { FIXTURES, sideroute, siderouteMeanwhile } from '../support/cli.ts';

const scenario = join(FIXTURES, 'scenario');

/** What a sidecar answers, as far as these commands show it. */
const ANSWERS: Readonly<Record<string, unknown>> = {
  '/config': { generation: 1, hash: '0123456789abcdef', valid: true, routes: [], problems: [], frontends: [] },
  '/connections': { downstream: [], tunnels: [], upstream: [{ id: 1, state: 'idle', backend: 'shop/cart:80' }] },
  '/log-level': { level: { value: 'info', configured: 'info' } },
  '/quit': { message: 'draining: yes' },
};

async function standIn(): Promise<string> {
  const server = createServer((request, response) => response.end(JSON.stringify(ANSWERS[request.url!])));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Arguments for each command whose result is data, and what its table says. */
const RESULTS: readonly (readonly [string[], RegExp])[] = [
  [['version'], /^NAME +VERSION +COMMIT +NODE +PLATFORM +ADDON\nclient +\d+\.\d+\.\d+ /],
  [['check', scenario], /^1 routes, 3 Services/m],
  [['explain', '--routes', scenario, '--service', 'my-server.devopssong:80'], /^Winner/m],
  [['iptables', 'print', '--service-cidrs', '10.96.0.0/16'], /^# IPv4, for iptables-restore/],
];
const ASKED: readonly (readonly [string, RegExp])[] = [
  ['status', /^generation 1/],
  ['connections', /^ID +STATE/],
  ['log-level', /^level: info$/m],
  ['quit', /^draining: yes$/m],
];

function alike(t: Test, name: string, outputs: Readonly<Record<'table' | 'json' | 'yaml', string>>, says: RegExp) {
  t.match(outputs.table, says, `${name} as a table`);
  t.same(parse(outputs.yaml, { version: '1.1' }), JSON.parse(outputs.json), `${name} in YAML and JSON`);
}

t.test('JSON and YAML hold the same, and the default is the table', (t) => {
  for (const [args, says] of RESULTS) {
    const of = (...format: string[]): string => sideroute([...args, ...format]).stdout;
    alike(t, args[0]!, { table: of(), json: of('-o', 'json'), yaml: of('--output', 'yaml') }, says);
  }
  for (const name of ['table', 'human', 'text'])
    t.match(sideroute(['check', scenario, '-o', name]), { status: 0, stdout: RESULTS[1]![1] }, `-o ${name}`);
  t.end();
});

t.test('so do those that ask a sidecar', async (t) => {
  const admin = await standIn();
  for (const [name, says] of ASKED) {
    const of = async (format: string): Promise<string> =>
      (await siderouteMeanwhile(name, '--admin', admin, '-o', format)).stdout;
    alike(t, name, { table: await of('table'), json: await of('json'), yaml: await of('yaml') }, says);
  }
});

t.test('manifests are YAML by default, a list in JSON, and their names as a table', (t) => {
  for (const [args, text, row] of [
    [
      ['routes', 'export', '--namespace', 'web'],
      readFileSync(join(FIXTURES, 'export', 'cluster.yaml'), 'utf8'),
      /^KIND +NAMESPACE +NAME\nConfigMap +web +sideroute-routes\n/,
    ],
    [
      ['convert'],
      readFileSync(join(FIXTURES, 'convert', 'library.yaml'), 'utf8'),
      /^KIND +NAMESPACE +NAME\n[^]*HTTPRoute +shop +reviews\n/,
    ],
  ] as const) {
    const of = (...format: string[]): string => sideroute([...args, ...format], text).stdout;
    const documents = parseAllDocuments(of()).map((document) => document.toJS() as unknown);
    t.ok(documents.length > 0, `${documents.length} documents of ${args[0]}`);
    t.same((JSON.parse(of('-o', 'json')) as { items: unknown }).items, documents);
    t.match(of('-o', 'table'), row);
  }
  const pod = readFileSync(join(FIXTURES, 'inject', 'deployment.yaml'), 'utf8');
  const injected = (...format: string[]): string => sideroute(['inject', ...format], pod).stdout;
  const yaml = injected();
  t.match(yaml, /name: sideroute/);
  for (const name of ['yaml', 'human']) t.equal(injected('-o', name), yaml, `-o ${name}`);
  t.match(injected('-o', 'table'), /^FILE +WORKLOAD +ACTION +DETAIL\nstdin +Deployment \S+ +injected /);
  t.end();
});

t.test('whoever prints a result takes the same three formats', (t) => {
  const flags = (command: Command): string[] => [
    ...command.options
      // What bundle prints is a file, and this says where to.
      .filter(({ long }) => long === '--output' && command.name() !== 'bundle')
      .map(({ flags, argChoices }) => `${command.name()}: ${flags} ${argChoices!.join(' ')}`),
    ...command.commands.flatMap(flags),
  ];
  const found = flags(buildProgram());
  t.ok(found.length >= 14, `${found.length} commands with --output`);
  for (const each of found) t.match(each, /^[\w-]+: -o, --output <format> table json yaml$/);
  t.match(sideroute(['version', '-o', 'xml']), { status: 2, stderr: /-o, --output.*table, json, yaml/ });
  t.end();
});

/** `sideroute connections`: the state of the connections of a running sidecar. */
import type { Command } from 'commander';
import { askAdmin, objects, textOf, type Json } from './admin-client.ts';
import { adminOption, outputOption, type AdminAddress, type OutputFormat } from './options.ts';
import { table } from './output.ts';
import { askPods, podArgument, podNamespaceOption, podOptions } from './pod-admin.ts';

interface ConnectionsOptions {
  readonly admin: AdminAddress;
  readonly frontend?: string;
  readonly backend?: string;
  readonly state?: string;
  readonly limit?: string;
  readonly output: OutputFormat;
}

export function registerConnections(program: Command): void {
  const command = program
    .command('connections')
    .description('list the connections of a running sidecar: from the application, tunnelled, and to backends')
    .addArgument(podArgument())
    .option('--frontend <key>', 'only connections of this frontend, NAMESPACE/NAME:PORT')
    .option(
      '--backend <key>',
      'only connections to this backend, NAMESPACE/NAME:PORT, or original: tunnelled to their original destination',
    )
    .option('--state <state>', 'only connections in this state, such as request, idle or tunnel')
    .option('--limit <number>', 'at most this number of connections of each kind')
    .addOption(adminOption())
    .addOption(outputOption())
    .addOption(podNamespaceOption());
  for (const option of podOptions()) command.addOption(option);
  command.action(async (pod: string | undefined, options: ConnectionsOptions) => {
    const { frontend, backend, state, limit } = options;
    const given = Object.entries({ frontend, backend, state, limit }).filter(([, value]) => value !== undefined);
    const query = new URLSearchParams(given as [string, string][]).toString();
    const path = `/connections${query === '' ? '' : `?${query}`}`;
    await askPods(command, pod, options, { ask: (admin) => askAdmin(admin, path), text: humanText });
  });
}

/** One table for each kind of connection that occurs. */
function humanText(answer: Json): string {
  // One line for each request. The first one also shows the connection.
  const downstream = objects(answer['downstream']).flatMap((row) => {
    const [first = {}, ...others] = objects(row['requests']);
    return [
      [
        ...cells(row, ['id', 'state', 'protocol', 'frontend', 'original', 'peer']),
        ...[seconds(row['ageMs']), seconds(row['idleMs']), textOf(row['served']), textOf(row['open'])],
        ...requestCells(first),
      ],
      ...others.map((request) => [textOf(row['id']), ...Array<string>(9).fill(''), ...requestCells(request)]),
    ];
  });
  const tunnels = objects(answer['tunnels']).map((row) => [
    ...cells(row, ['id', 'state', 'reason', 'original', 'peer']),
    ...[seconds(row['ageMs']), textOf(row['bytesReceived']), textOf(row['bytesSent'])],
  ]);
  const upstream = objects(answer['upstream']).map((row) => [
    ...cells(row, ['id', 'state', 'protocol', 'backend', 'address']),
    ...[seconds(row['ageMs']), seconds(row['idleMs']), textOf(row['requests']), textOf(row['open'])],
  ]);
  const tables = [
    table(
      [
        'ID',
        'STATE',
        'PROTOCOL',
        'FRONTEND',
        'DESTINATION',
        'PEER',
        'AGE',
        'IDLE',
        'SERVED',
        'OPEN',
        'REQUEST',
        'BACKEND',
        'FOR',
        'RETRIES',
      ],
      downstream,
    ),
    table(['ID', 'STATE', 'REASON', 'DESTINATION', 'PEER', 'AGE', 'RECEIVED', 'SENT'], tunnels),
    table(['ID', 'STATE', 'PROTOCOL', 'BACKEND', 'ADDRESS', 'AGE', 'IDLE', 'REQUESTS', 'OPEN'], upstream),
  ].filter((text) => text !== '');
  const notes: string[] = [];
  const unlisted = Number(answer['unlisted'] ?? 0);
  if (unlisted > 0) notes.push(`${unlisted} connections of the uws engine are not listed\n`);
  for (const name of Array.isArray(answer['truncated']) ? answer['truncated'] : []) {
    notes.push(`there are more: ${textOf(name)}\n`);
  }
  if (tables.length + notes.length === 0) return 'no connections\n';
  return [...tables, ...(notes.length > 0 ? [notes.join('')] : [])].join('\n');
}

function requestCells(request: Json): string[] {
  const waiting = textOf(request['waiting']) === '' ? '' : ` (${textOf(request['waiting'])})`;
  return [
    `${textOf(request['method'])} ${textOf(request['path'])}${waiting}`.trim(),
    ...[textOf(request['backend']), seconds(request['durationMs']), textOf(request['retries'])],
  ];
}

function cells(row: Json, names: readonly string[]): string[] {
  return names.map((name) => textOf(row[name]));
}

function seconds(ms: unknown): string {
  return typeof ms === 'number' ? `${(ms / 1_000).toFixed(1)}s` : '';
}

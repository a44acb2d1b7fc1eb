/**
 * `sideroute status`: shows what a running sidecar serves, from its private admin endpoint.
 *
 * Exit status 0: the configuration is valid, and with `--wait` it is the expected one; 1: it is not, or the sidecar
 * does not answer. The answer may come from another version, so missing fields are simply not shown.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import { ProxyError, unexpected } from '../errors.ts';
import { askAdmin, objects, textOf, type AdminTarget, type Json } from './admin-client.ts';
import { condition, paintSeverity } from './colors.ts';
import { adminOption, argument, outputOption, timeoutOption, type AdminAddress, type OutputFormat } from './options.ts';
import { askPods, podArgument, podNamespaceOption, podOptions } from './pod-admin.ts';

interface StatusOptions {
  readonly admin: AdminAddress;
  readonly wait?: string;
  readonly timeout: number;
  readonly output: OutputFormat;
}

const POLL_MS = 250;

export function registerStatus(program: Command): void {
  const command = program
    .command('status')
    .description('show what a running sidecar serves: generation, hash, validity and the conditions of each route')
    .addArgument(podArgument())
    .addOption(adminOption())
    .addOption(
      new Option(
        '--wait <hash>',
        'wait until it serves the route files with this hash, which check -o json prints, or the route set',
      ).argParser(argument(hashText)),
    )
    .addOption(timeoutOption('2m'))
    .addOption(outputOption())
    .addOption(podNamespaceOption());
  for (const option of podOptions()) command.addOption(option);
  command.action(async (pod: string | undefined, options: StatusOptions) => {
    const { wait } = options;
    const configs = await askPods(command, pod, options, {
      ask: (admin) => (wait === undefined ? readConfig(admin) : waitFor(admin, options)),
      text: humanText,
    });
    for (const config of configs) {
      if (wait !== undefined && !serves(config, wait)) {
        const shown = textOf(config['hash']) || 'none';
        throw new ProxyError('not-reached', `the hash is ${shown}, not ${wait}, after waiting`);
      }
      if (config['valid'] !== true) process.exitCode = 1;
    }
  });
}

function hashText(text: string): string {
  if (!/^(?:[0-9a-f]{12}|[0-9a-f]{16}|[0-9a-f]{64})$/.test(text)) {
    const expected = 'a hash of 16 hexadecimal digits, or one of a route set of 64, or its first 12';
    throw unexpected(text, expected);
  }
  return text;
}

/** True when the files or the route set have the hash. */
function serves(config: Json, hash: string): boolean {
  const { routeSet } = config;
  const setHash = routeSet === null || typeof routeSet !== 'object' ? '' : textOf((routeSet as Json)['hash']);
  return config['hash'] === hash || setHash.startsWith(hash);
}

/** The expected configuration, or the last one seen. @throws ProxyError when there was none */
async function waitFor(admin: AdminTarget, { wait, timeout }: StatusOptions): Promise<Json> {
  const endMs = performance.now() + timeout;
  for (;;) {
    let config: Json | null = null;
    let failure: unknown = null;
    try {
      config = await readConfig(admin);
    } catch (error) {
      // A sidecar that is still starting will answer later.
      failure = error;
    }
    if (config !== null && wait !== undefined && serves(config, wait)) return config;
    if (performance.now() >= endMs) {
      if (config !== null) return config;
      throw failure;
    }
    await delay(POLL_MS);
  }
}

function readConfig(admin: AdminTarget): Promise<Json> {
  return askAdmin(admin, '/config');
}

function humanText(config: Json): string {
  const lines = [
    `generation ${textOf(config['generation']) || '?'}, hash ${textOf(config['hash']) || '?'}, ` +
      (config['valid'] === true ? 'valid' : 'not valid'),
  ];
  const [set] = objects([config['routeSet']]);
  if (set !== undefined) lines.push(`route set: generation ${textOf(set['generation'])}, hash ${textOf(set['hash'])}`);
  const [torn] = objects([config['tornSet']]);
  if (torn !== undefined) {
    const { shard, message, seconds } = torn;
    lines.push(
      `route set: the next one is not whole for ${textOf(seconds)} s: shard ${textOf(shard)} ${textOf(message)}`,
    );
  }
  for (const [name, what] of [
    ['heldFiles', 'served with its last good content'],
    ['heldRoutes', 'served in its last good version'],
  ] as const) {
    const held = config[name];
    if (Array.isArray(held)) lines.push(...held.map((each: unknown) => `${textOf(each)}: ${what}`));
  }
  for (const { kind, namespace, name, parents } of objects(config['routes'])) {
    for (const { parent, conditions } of objects(parents)) {
      const target = textOf(parent) === '' ? '' : ` -> ${textOf(parent)}`;
      for (const { type, status, reason, message } of objects(conditions)) {
        const why = textOf(message) === '' ? '' : `: ${textOf(message)}`;
        const route = `${textOf(kind)} ${textOf(namespace)}/${textOf(name)}${target}`;
        lines.push(`${route}: ${condition(textOf(type), textOf(status))} ${textOf(reason)}${why}`);
      }
    }
  }
  for (const { severity, file, line, resource, path, message, code } of objects(config['problems'])) {
    const place = [textOf(file), textOf(line)].filter((part) => part !== '').join(':');
    const parts = [place, textOf(severity), textOf(resource), textOf(path), textOf(message)];
    const text = parts.filter((part) => part !== '').join(': ');
    lines.push(`${paintSeverity(text)}${textOf(code) === '' ? '' : ` [${textOf(code)}]`}`);
  }
  if (Array.isArray(config['frontends'])) lines.push(`${config['frontends'].length} frontends`);
  return `${lines.join('\n')}\n`;
}

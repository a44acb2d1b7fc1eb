/** What the client that never rests (manifests/load) has been answered: read from the logs of its pods, so no outage of the API hides it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeCluster } from './node.ts';
import { NAMESPACE } from './scenario.ts';

export interface Answer {
  /** When it had been answered, in milliseconds of the wall clock. */
  readonly at: number;
  /** 0 where there was no answer. */
  readonly status: number;
  /** `1` or `2`, or null where none of the servers answered. */
  readonly version: string | null;
  /** Number of the route's configuration that answered, where it says one. */
  readonly configuration: number | null;
  /** Of a reply that the sidecar made itself. */
  readonly reason: string;
  readonly error: string;
  /** `kept` or `new`. */
  readonly connection: string;
}

const LINE = /^(\S+) std(?:out|err) [FP] (.*)$/;

/** Logs go with their pods: what has been read once is kept. */
const known = new Map<string, readonly Answer[]>();

/** All answers since `since`, in the order of time. */
export function answers(cluster: NodeCluster, since = 0): Answer[] {
  const pods = join(cluster.logs, 'pods');
  for (const pod of existsSync(pods) ? readdirSync(pods) : []) {
    if (!pod.startsWith(`${NAMESPACE}_load-`)) continue;
    for (const connection of ['kept', 'new']) {
      const directory = join(pods, pod, connection);
      for (const name of existsSync(directory) ? readdirSync(directory) : []) {
        const file = join(directory, name);
        try {
          known.set(file, [...parse(readFileSync(file, 'utf8'), connection)]);
        } catch {
          // It has just gone.
        }
      }
    }
  }
  return [...known.values()]
    .flat()
    .filter(({ at }) => at >= since)
    .sort((a, b) => a.at - b.at);
}

function* parse(text: string, connection: string): Generator<Answer> {
  let version: string | null = null;
  for (const line of text.split('\n')) {
    const [, time, said] = LINE.exec(line) ?? [];
    if (time === undefined || said === undefined) continue;
    const body = /^Hello from Version (\d)$/.exec(said)?.[1];
    if (body !== undefined) version = body;
    const [, status, configuration, reason, error] = /^= (\d+) <(\d*)> <(.*?)> ?(.*)$/.exec(said) ?? [];
    if (status === undefined) continue;
    yield {
      at: Date.parse(time),
      status: Number(status),
      version,
      configuration: configuration === undefined || configuration === '' ? null : Number(configuration),
      reason: reason ?? '',
      error: error ?? '',
      connection,
    };
    version = null;
  }
}

export function failed(of: readonly Answer[]): Answer[] {
  return of.filter(({ status, version }) => status !== 200 || version === null);
}

/** Answers of a server that the route in force does not name. */
export function misrouted(of: readonly Answer[], ...versions: readonly string[]): Answer[] {
  return of.filter(({ version }) => version !== null && !versions.includes(version));
}

/** The first answers, in words, for a message. */
export function told(of: readonly Answer[]): string {
  const shown = of.slice(0, 5).map((answer) => `${new Date(answer.at).toISOString()} ${JSON.stringify(answer)}`);
  return `${of.length} answers${of.length === 0 ? '' : `:\n${shown.join('\n')}`}`;
}

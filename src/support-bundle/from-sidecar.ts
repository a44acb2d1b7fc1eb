/**
 * What a sidecar says of itself, on both of its endpoints.
 *
 * Stage before: the command, which knows how to ask. Stage after: `collection.ts`. All questions are asked at once: a sidecar that answers nothing
 * costs one deadline, not one for each.
 */
import type { Collection } from './collection.ts';

export interface SidecarEndpoints {
  /** @throws what is wrong, in words */
  readonly private: (path: string) => Promise<string>;
  readonly public: (path: string) => Promise<string>;
}

interface Question {
  readonly endpoint: keyof SidecarEndpoints;
  readonly path: string;
  readonly file: string;
  readonly what: string;
}

const QUESTIONS: readonly Question[] = [
  {
    endpoint: 'private',
    path: '/config',
    file: 'config.json',
    what: 'the configuration in force and its status: files, problems, conditions, frontends',
  },
  { endpoint: 'private', path: '/connections', file: 'connections.json', what: 'connections and what goes on on them' },
  {
    endpoint: 'private',
    path: '/stats',
    file: 'stats.json',
    what: 'counters of every series, upstreams and the process',
  },
  { endpoint: 'private', path: '/log-level', file: 'log-level.json', what: 'the level of the log' },
  {
    endpoint: 'public',
    path: '/metrics',
    file: 'metrics.txt',
    what: 'metrics, with the version of the sidecar and of Node',
  },
  { endpoint: 'public', path: '/served', file: 'served.json', what: 'the route set that is served' },
  { endpoint: 'public', path: '/readyz', file: 'readyz.txt', what: 'whether it is ready, and what it waits for' },
  { endpoint: 'public', path: '/livez', file: 'livez.txt', what: 'whether it is alive' },
];

/** `directory`: of its files, with a slash. The configuration, for who needs to know what is in it. */
export async function fromSidecar(
  collection: Collection,
  {
    directory,
    title,
    endpoints,
  }: { readonly directory: string; readonly title: string; readonly endpoints: SidecarEndpoints },
): Promise<unknown> {
  let config: unknown = null;
  await Promise.all(
    QUESTIONS.map(async ({ endpoint, path, file, what }) => {
      let text: string;
      try {
        text = await endpoints[endpoint](path);
      } catch (error) {
        collection.miss(`${path} of ${title}`, (error as Error).message);
        return;
      }
      const name = `${directory}${file}`;
      if (!file.endsWith('.json')) {
        collection.addText(name, what, text);
        return;
      }
      let value: unknown;
      try {
        value = JSON.parse(text) as unknown;
      } catch {
        collection.miss(`${path} of ${title}`, 'what it answers is no JSON; it is in the bundle as text');
        collection.addText(`${name}.txt`, `${what}; no JSON`, text);
        return;
      }
      if (path === '/config') config = value;
      collection.addJson(name, what, value);
    }),
  );
  return config;
}

/** A controller in the test's process, against any API server, and sidecars that report what they serve. */
import { createServer, type Server } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Controller } from '../../../src/controller/controller.ts';
import type { ControllerSettings } from '../../../src/controller/settings.ts';
import { createLogger } from '../../../src/log.ts';
import type { Endpoint } from '../../../src/admin/endpoint.ts';
import type { Test } from 'tap';
import { ApiServer, type Obj } from '../api-server.ts';
import { eventually } from '../eventually.ts';

export interface StartedController {
  readonly controller: Controller;
  /** Lines of the log, parsed. */
  readonly log: Record<string, unknown>[];
  close(): Promise<void>;
}

/** Response body of a controller that was started with `METRICS`. */
export async function ask({ endpoints }: { readonly endpoints: readonly Endpoint[] }, path: string): Promise<string> {
  const { address, port } = endpoints[0]!;
  return await (await fetch(`http://${address}:${port}${path}`)).text();
}

/** Setting for a free port. */
export const METRICS = { metrics: [{ address: '127.0.0.1', port: 0 }] } as const;

/** A stand-in with these objects, by the plural of their kind; it ends with the test. */
export async function serverOf(test: Test, ...objects: [plural: string, object: object][]): Promise<ApiServer> {
  const api = new ApiServer();
  for (const [plural, object] of objects) api.apply(plural, object);
  await api.start();
  test.teardown(() => api.stop());
  return api;
}

/** The controller is not started. `server`: an http address, or the path of a kubeconfig file. */
export function makeController(server: string, settings: Partial<ControllerSettings> = {}): StartedController {
  const directory = mkdtempSync(join(tmpdir(), 'controller-'));
  let kubeconfig = server;
  if (server.startsWith('http:')) {
    kubeconfig = join(directory, 'config');
    const config = {
      'current-context': 'test',
      contexts: [{ name: 'test', context: { cluster: 'test' } }],
      clusters: [{ name: 'test', cluster: { server } }],
    };
    writeFileSync(kubeconfig, JSON.stringify(config));
  }
  const log: Record<string, unknown>[] = [];
  const logger = createLogger('debug', (line) => log.push(JSON.parse(line) as Record<string, unknown>));
  const controller = new Controller(
    {
      kubeconfig,
      controllerName: 'sideroute.dev/controller',
      metrics: [],
      nudge: false,
      nudgeRate: 1_000,
      servedPort: 15020,
      cleanupAfterMs: 600_000,
      leaderElection: false,
      leaseName: 'sideroute-controller',
      leaseNamespace: 'sideroute',
      identity: 'test',
      leaseDurationMs: 1_500,
      renewDeadlineMs: 1_000,
      retryPeriodMs: 100,
      webhook: null,
      logLevel: 'debug',
      ...settings,
    },
    logger,
  );
  return {
    ...{ controller, log },
    async close() {
      await controller.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export async function startController(
  server: string,
  settings: Partial<ControllerSettings> = {},
): Promise<StartedController & { readonly endpoints: readonly Endpoint[] }> {
  const started = makeController(server, settings);
  return { ...started, endpoints: await started.controller.start() };
}

/** Resolves when everything has been read and written. */
export async function settled({ controller }: StartedController): Promise<void> {
  let idleSince: number | null = null;
  await eventually(
    'the controller has nothing to do',
    () => {
      const idle = controller.synced && controller.leading && controller.idle;
      idleSince = idle ? (idleSince ?? performance.now()) : null;
      return idleSince !== null && performance.now() - idleSince > 150;
    },
    30_000,
  );
}

export interface ReadSet {
  readonly generation: number;
  readonly hash: string;
  /** `Kind namespace/name`, as they stand in it. */
  readonly names: readonly string[];
  readonly items: readonly Record<string, unknown>[];
  /** Names of the ConfigMaps that belong to it. */
  readonly shards: readonly string[];
}

/**
 * The content of a namespace's ConfigMaps; null if there is no shard 0. Shards that it does not name are not part of
 * the set.
 */
export function readSet(configMaps: readonly Obj[], namespace: string): ReadSet | null {
  const own = configMaps.filter(
    ({ metadata }) => metadata.namespace === namespace && metadata.name.startsWith('sideroute-set-'),
  );
  const documents = own
    .map(({ metadata: { name, annotations }, binaryData }) => {
      const data = (binaryData as Record<string, string>)[`${name}.gz`]!;
      const document = JSON.parse(gunzipSync(Buffer.from(data, 'base64')).toString()) as {
        generation: number;
        shards?: Record<string, string>;
        items: Record<string, unknown>[];
      };
      return { name, document, hash: (annotations as Record<string, string>)['sideroute.dev/text-hash']! };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const root = documents.find(({ name }) => name === 'sideroute-set-0');
  if (root === undefined) return null;
  const named = root.document.shards ?? {};
  const whole = documents.filter(({ name, hash }) => name === root.name || named[name.split('-').at(-1)!] === hash);
  const items = whole.flatMap(({ document }) => document.items);
  const names = items.map((item) => {
    const { namespace: of, name } = item['metadata'] as Record<string, string>;
    return `${String(item['kind'])} ${of}/${name}`;
  });
  const { hash, document } = root;
  return { hash, names, items, generation: document.generation, shards: whole.map(({ name }) => name) };
}

export function setOf(api: ApiServer, namespace: string): ReadSet | null {
  return readSet(api.all('configmaps'), namespace);
}

/** The public port of a sidecar, as far as the controller uses it. */
export class FakeSidecar {
  readonly #server: Server;
  readonly address: string;
  /** Null: no set. */
  hash: string | null = null;
  asked = 0;

  constructor(address: string) {
    this.address = address;
    this.#server = createServer((_request, response) => {
      this.asked++;
      const set = this.hash === null ? null : { generation: 1, hash: this.hash };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ hash: 'x', set, torn: null }));
    });
  }

  /** 0 picks a free one. */
  async listen(port = 0): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(port, this.address, resolve));
    return (this.#server.address() as { port: number }).port;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

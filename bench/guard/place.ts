/** A sidecar with the routes of the scenario in its own pod, and the program that talks through it. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Cluster, type Pod } from '../../test/support/cluster.ts';
import { ConfigMapMount } from '../../test/support/config-map-mount.ts';
import { PROXY_UID, Sidecar, temporaryDirectory } from '../../test/support/sidecar.ts';
import { stopProcess } from '../../test/support/processes.ts';
import { redirect } from '../proxy/redirect.ts';
import { root } from './root.ts';

const ROUTES = join(root, 'test', 'fixtures', 'scenario');

export class Place {
  readonly #cluster = new Cluster();
  readonly #directory = temporaryDirectory();
  /** As kubelet mounts them. */
  readonly #routes: ConfigMapMount;
  readonly pod: Pod;
  #load: { readonly process: ChildProcess; readonly lines: AsyncIterator<string> } | undefined;

  constructor() {
    const files = readdirSync(ROUTES).map((name) => [name, readFileSync(join(ROUTES, name))] as const);
    this.#routes = new ConfigMapMount(join(this.#directory.path, 'routes'), Object.fromEntries(files));
    this.pod = this.#cluster.addPod('guard');
    for (const last of ['10', '11', '12']) this.pod.must(['ip', 'addr', 'add', `10.96.0.${last}/32`, 'dev', 'lo']);
    // The init container's rules do not capture loopback traffic, and here the Services are on the loopback.
    redirect(this.pod, '-A', 15001);
  }

  /** Resolves when it serves. */
  async sidecar(): Promise<Sidecar> {
    return await Sidecar.startProxyAs(PROXY_UID, this.pod, this.#routes.path);
  }

  /** So many requests of a load, answered. */
  async load(name: string, count: number): Promise<void> {
    this.#load ??= this.#start();
    this.#load.process.stdin!.write(`${name} ${count}\n`);
    const line = await this.#load.lines.next();
    if (line.done === true || line.value !== 'done') throw new Error(`the load ${name} has failed`);
  }

  #start(): { process: ChildProcess; lines: AsyncIterator<string> } {
    const program = join(root, 'dist', 'bench', 'guard', 'load.js');
    const process_ = this.pod.spawn([process.execPath, program, 'run'], { stdio: ['pipe', 'pipe', 'inherit'] });
    return { process: process_, lines: createInterface({ input: process_.stdout! })[Symbol.asyncIterator]() };
  }

  /** Once it listens. */
  async ready(): Promise<void> {
    this.#load ??= this.#start();
    const line = await this.#load.lines.next();
    if (line.value !== 'listening') throw new Error('the load has not started');
  }

  async close(): Promise<void> {
    if (this.#load !== undefined) {
      this.#load.process.stdin!.end();
      if (this.#load.process.exitCode === null) await once(this.#load.process, 'exit');
    }
    this.#cluster.close();
    this.#directory.remove();
  }
}

export async function withSidecar<T>(body: (place: Place, sidecar: Sidecar, pid: number) => Promise<T>): Promise<T> {
  const place = new Place();
  try {
    const sidecar = await place.sidecar();
    try {
      return await body(place, sidecar, sidecar.process.pid!);
    } finally {
      await stopProcess(sidecar.process);
    }
  } finally {
    await place.close();
  }
}

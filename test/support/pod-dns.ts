/** Cluster DNS in a pod, with a zone that a test changes while it runs, and the resolv.conf for it. */
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pod } from './cluster.ts';
import type { Fault, ZoneEntry } from './dns-server.ts';
import { waitForLine } from './processes.ts';
import { fixture } from './sidecar.ts';

/** Services by `name.namespace`; null: does not exist. */
export type Services = Readonly<Record<string, ZoneEntry | null>>;

/** In seconds; the shortest that a sidecar obeys. */
const TTL = 1;

export class PodDns {
  /** For `--resolv-conf`. */
  readonly resolvConf: string;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, resolvConf: string) {
    this.#process = process;
    this.resolvConf = resolvConf;
  }

  /** `directory`: for resolv.conf. Stops with the pod's cluster. */
  static async start(pod: Pod, directory: string, services: Services = {}): Promise<PodDns> {
    const child = pod.spawn(fixture('dns-server', pod.v4), { stdio: ['pipe', 'pipe', 'pipe'] });
    await waitForLine(child, /^listening/);
    const resolvConf = join(directory, 'resolv.conf');
    writeFileSync(resolvConf, `search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver ${pod.v4}\n`);
    const dns = new PodDns(child, resolvConf);
    await dns.set(services);
    return dns;
  }

  /** From now on the names have these addresses. */
  async set(services: Services): Promise<void> {
    const zone = Object.entries(services).map(([name, entry]) => {
      return [`${name}.svc.cluster.local`, entry === null ? null : { ttl: TTL, ...entry }];
    });
    await this.add(Object.fromEntries(zone) as Readonly<Record<string, ZoneEntry | null>>);
  }

  /** The same for names of any kind. */
  async add(zone: Readonly<Record<string, ZoneEntry | null>>): Promise<void> {
    await this.#change({ zone });
  }

  /** From now on every query is answered like this; null: from the zone. */
  async fail(fault: Fault | null): Promise<void> {
    await this.#change({ fault });
  }

  async #change(change: object): Promise<void> {
    const done = waitForLine(this.#process, /^done/);
    this.#process.stdin!.write(`${JSON.stringify(change)}\n`);
    await done;
  }
}

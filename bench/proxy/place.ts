/** A network namespace with two backends and a load for it, in which connections to the ClusterIP are redirected to one port: for benchmarks of sideroute alone. */
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster, type Pod } from '../../test/support/cluster.ts';
import { eventually } from '../../test/support/eventually.ts';
import { PROXY_UID } from '../../test/support/sidecar.ts';
import { backendCommand } from '../peers/backends.ts';
import { sideroute } from '../peers/sideroute.ts';
import { layOut, placeOf } from './contenders.ts';
import { redirect } from './redirect.ts';

const START_DEADLINE_MS = 60_000;
const SERVICE_URL = 'http://10.96.0.10/';

export interface SidecarFlags {
  readonly accessLog?: string;
  /** Flags of the sidecar beside those of `bench/peers/sideroute.ts`. */
  readonly more?: readonly string[];
  /** Before the command: `taskset -c 0`. */
  readonly under?: readonly string[];
}

export class BenchPlace {
  readonly pod: Pod;
  readonly #cluster: Cluster;
  readonly #backends: ChildProcess;
  readonly #directory: string;
  readonly #script: string;

  /** `under`: before the command of the backends. */
  constructor(firstPort: number, under: readonly string[] = []) {
    this.#directory = mkdtempSync(join(tmpdir(), 'sideroute-bench-'));
    chmodSync(this.#directory, 0o777);
    this.#cluster = new Cluster();
    this.pod = this.#cluster.addPod('bench');
    for (const last of ['10', '11', '12']) this.pod.must(['ip', 'addr', 'add', `10.96.0.${last}/32`, 'dev', 'lo']);
    this.pod.must(['sysctl', '-qw', 'net.ipv4.ip_unprivileged_port_start=0']);
    redirect(this.pod, '-A', firstPort);
    this.#backends = this.pod.spawn([...under, ...backendCommand(this.#directory)], { stdio: 'ignore' });
    this.#script = join(this.#directory, 'alternate.lua');
    writeFileSync(
      this.#script,
      'local n = 0\nrequest = function() n = n + 1; wrk.headers["Version"] = n % 2 == 0 and "new" or "old"; return wrk.format("GET", "/") end\n',
    );
  }

  /** Resolves with a sidecar that serves at that port, to which connections go from now on. */
  async start(port: number, { accessLog, more = [], under = [] }: SidecarFlags = {}): Promise<ChildProcess> {
    const place = placeOf(this.#directory, port, { protocol: 'http1', rules: 1, accessLog: false });
    const peer = sideroute(place, { accessLog });
    layOut(peer, place.directory);
    const command = [...under, ...peer.command, ...more];
    const child = this.pod.spawn(command, { asUid: PROXY_UID, stdio: 'ignore' });
    redirect(this.pod, '-R', port);
    await eventually(
      'the sidecar serves',
      () => this.pod.run(['curl', '-s', '-m', '2', SERVICE_URL]).stdout.startsWith('Hello'),
      START_DEADLINE_MS,
    );
    return child;
  }

  /** Requests that were answered within a second; `under`: before the command of the load. */
  load(connections: string, under: readonly string[] = []): number {
    const report = this.pod.must([
      ...[...under, 'wrk', '-t', '1', '-c', connections, '-d', '1s'],
      ...['-s', this.#script, SERVICE_URL],
    ]);
    if (/Non-2xx|Socket errors/.test(report)) throw new Error(report);
    return Number(/(\d+) requests in/.exec(report)?.[1]);
  }

  close(): void {
    this.#backends.kill('SIGKILL');
    this.#cluster.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/**
 * Where proxies are measured: a network namespace with backends, in which connections to a ClusterIP are redirected to
 * the proxy under test.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, constants, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cluster, type Pod } from '../../test/support/cluster.ts';
import { stopProcess, waitForLine } from '../../test/support/processes.ts';
import { PROXY_UID } from '../../test/support/sidecar.ts';
import { backendCommand, http2BackendCommand } from '../peers/backends.ts';
import { backendOf, prefixOf, SERVICE, TCP_PORT, V1, V2 } from '../peers/peer.ts';
import { layOut, placeOf } from '../proxy/contenders.ts';
import { h2load, servesHttp2 } from '../proxy/h2load.ts';
import { cpuMicroseconds } from '../proxy/processor-time.ts';
import { redirect } from '../proxy/redirect.ts';
import { CELLS, SETTINGS, type Cell, type SettingKey } from './cells.ts';
import { tcpPortOf, type Entrant } from './entrants.ts';
import { writeMessages } from './messages.ts';

const LOAD = fileURLToPath(new URL('../../../bench/native/build/load', import.meta.url));
const FIRST_PORT = 15001;
/** Number of ports before the first one is used again; offsets from them are multiples of a hundred. */
const PORTS = 90;
/** Size of a response over HTTP/2. */
const HTTP2_BYTES = 6;

export interface Running {
  readonly entrant: Entrant;
  readonly port: number;
  readonly child: ChildProcess;
  readonly pid: number;
  /** From exec to the first response, by the clock and in processor time; of HTTP/2 not known. */
  readonly readyMs: number;
  readonly readyCpuMs: number;
}

export class Stage {
  readonly setting: SettingKey;
  readonly #cluster = new Cluster();
  readonly #pod: Pod;
  readonly #directory: string;
  readonly #messages = new Map<string, string>();
  readonly #helpers: ChildProcess[] = [];
  readonly #log: string;
  readonly #logHold: number;
  #starts = 0;
  #chosen = 'nobody';

  constructor(setting: SettingKey, parent: string) {
    this.setting = setting;
    this.#directory = join(parent, setting);
    mkdirSync(this.#directory);
    chmodSync(this.#directory, 0o777);
    this.#pod = this.#cluster.addPod(`bench-${setting}`);
    for (const address of [SERVICE, V1, V2]) this.#pod.must(['ip', 'addr', 'add', `${address}/32`, 'dev', 'lo']);
    this.#pod.must([
      ...['sysctl', '-qw', 'net.ipv4.ip_unprivileged_port_start=0', 'net.ipv4.ip_local_port_range=20000 65000'],
      // Closed connections must leave the conntrack table before it is full.
      ...['net.netfilter.nf_conntrack_tcp_timeout_time_wait=1', 'net.core.somaxconn=4096'],
    ]);
    redirect(this.#pod, '-A', FIRST_PORT);
    const command = this.#isHttp2
      ? http2BackendCommand(this.#directory, [HTTP2_BYTES])
      : backendCommand(
          this.#directory,
          CELLS.flatMap(({ down }) => (down === undefined ? [] : [down])),
        );
    this.#spawnHelper(command);
    this.#log = join(this.#directory, 'log');
    this.#logHold = this.#readLog();
  }

  get #isHttp2(): boolean {
    return SETTINGS[this.setting].setting.protocol === 'h2c';
  }

  /** Whatever the proxies print, their access logs, is read on the second core. */
  #readLog(): number {
    this.#pod.must(['mkfifo', this.#log]);
    chmodSync(this.#log, 0o666);
    // Opened for reading and writing, so that neither end waits for the other, and reading continues between two
    // proxies.
    const hold = openSync(this.#log, constants.O_RDWR);
    this.#spawnHelper(['dd', `if=${this.#log}`, 'of=/dev/null', 'bs=64k']);
    return hold;
  }

  #spawnHelper(command: readonly string[]): void {
    this.#helpers.push(this.#pod.spawn(['taskset', '-c', '1', ...command], { stdio: 'ignore' }));
  }

  /** From now on connections go there. */
  choose({ entrant, port }: Running, cell: Cell): void {
    this.#chosen = entrant.name;
    redirect(this.#pod, '-R', port + entrant.portOffset(cell));
  }

  /** Of the generator of load, for a proxy that has been chosen; `isDirect`: to the backend without one. */
  #loadCommand(mode: string, cell: Cell, flags: readonly string[], isDirect = false): string[] {
    let file = this.#messages.get(cell.key);
    if (file === undefined) {
      file = join(this.#directory, `messages-${cell.key}`);
      writeMessages(file, cell);
      this.#messages.set(cell.key, file);
    }
    const to = cell.isTunnelled ? `${SERVICE}:${TCP_PORT}` : `${isDirect ? V1 : SERVICE}:80`;
    const close = cell.isClosing ? ['--close'] : [];
    return ['taskset', '-c', '1', LOAD, mode, '--to', to, '--messages', file, ...close, ...flags];
  }

  /** What it has printed, which depends on the mode. */
  load(mode: string, cell: Cell, flags: readonly string[], isDirect = false): unknown {
    const command = this.#loadCommand(mode, cell, flags, isDirect);
    const { status, stdout, stderr } = this.#pod.run(command, isDirect ? { uid: PROXY_UID } : {});
    const through = isDirect ? 'no proxy' : this.#chosen;
    if (status !== 0) throw new Error(`${cell.title}, through ${through}: ${stderr}`);
    return JSON.parse(stdout) as unknown;
  }

  /** The same while this process goes on. */
  spawnLoad(mode: string, cell: Cell, flags: readonly string[]): ChildProcess {
    return this.#pod.spawn(this.#loadCommand(mode, cell, flags), { stdio: ['pipe', 'pipe', 'inherit'] });
  }

  /** Calls over HTTP/2; how long they took, in seconds. */
  http2Load({ title, connections, atOnce = 1 }: Cell, calls: number): number {
    const load = { connections, streams: atOnce, size: HTTP2_BYTES, calls };
    return h2load(this.#pod, `${title}, through ${this.#chosen}`, load);
  }

  /** Resolves when it serves. `isPinned`: alone on the first core, as it is for what is measured while it works. */
  async start(entrant: Entrant, isPinned: boolean): Promise<Running> {
    const number = this.#starts++;
    const port = FIRST_PORT + (number % PORTS);
    const parent = join(this.#directory, `start-${number}`);
    mkdirSync(parent);
    const place = placeOf(parent, port, SETTINGS[this.setting].setting, tcpPortOf(this.setting, port));
    const peer = entrant.peer(place);
    layOut(peer, place.directory);
    redirect(this.#pod, '-R', port);
    // A descriptor of its own for each proxy, because some make theirs non-blocking.
    const output = openSync(this.#log, 'w');
    const errors = openSync(join(parent, 'errors'), 'w');
    // It asks before anything can answer.
    const asking = this.#isHttp2 ? null : this.spawnLoad('ready', this.#probe, []);
    const startedNs = process.hrtime.bigint();
    const child = this.#pod.spawn([...(isPinned ? ['taskset', '-c', '0'] : []), ...peer.command], {
      asUid: PROXY_UID,
      stdio: ['ignore', output, errors],
    });
    closeSync(output);
    closeSync(errors);
    const over = once(child, 'exit').then(() => {
      throw new Error(`${entrant.name} has ended: ${readFileSync(join(parent, 'errors'), 'utf8').slice(0, 2000)}`);
    });
    try {
      const ready =
        asking === null ? servesHttp2(this.#pod, entrant.name, HTTP2_BYTES) : waitForLine(asking, /"readyNs"/);
      const said = await Promise.race([ready, over]);
      const readyCpuMs = cpuMicroseconds(child.pid!) / 1000;
      if (!this.#isHttp2 && !entrant.isFloor) this.#mustChoose(entrant.name);
      const readyNs = typeof said === 'string' ? BigInt(/"readyNs":(\d+)/.exec(said)![1]!) : startedNs;
      over.catch(() => undefined);
      return { entrant, port, child, pid: child.pid!, readyMs: Number(readyNs - startedNs) / 1e6, readyCpuMs };
    } catch (error) {
      asking?.kill('SIGKILL');
      await stopProcess(child, 'SIGKILL');
      throw error;
    }
  }

  /** Any cell with a small request over a connection that is not carried unread. */
  get #probe(): Cell {
    return CELLS.find(({ setting }) => setting === this.setting)!;
  }

  /** What is not routed is not measured. */
  #mustChoose(name: string): void {
    const { rules } = SETTINGS[this.setting].setting;
    const asked =
      rules === 1
        ? (['v1', 'v2'] as const).map((backend) => [backend, '/', backend === 'v2' ? 'new' : 'old'] as const)
        : [0, rules - 1].map((rule) => [backendOf(rule), `${prefixOf(rule)}/x`, 'old'] as const);
    for (const [backend, path, version] of asked) {
      const answer = this.#pod.must([
        'curl',
        '-sS',
        '-m',
        '5',
        '-H',
        `Version: ${version}`,
        `http://${SERVICE}${path}`,
      ]);
      if (answer !== `Hello from Version ${backend.slice(1)}\n`)
        throw new Error(`${name}: ${path} for ${backend} was answered with ${answer}`);
    }
  }

  close(): void {
    for (const helper of this.#helpers) helper.kill('SIGKILL');
    this.#cluster.close();
    closeSync(this.#logHold);
  }
}

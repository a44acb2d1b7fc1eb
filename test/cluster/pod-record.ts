/** Which pods have really run in a test cluster: watched as long as it lives, written down when it ends. */
import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import type { ControlPlane } from './control-plane.ts';
import { WITH_CALLER } from './processes.ts';

/** A file for the list of several clusters; without it, it goes to standard error. */
export const RECORD_VARIABLE = 'SIDEROUTE_CLUSTER_PODS';

export class PodRecord {
  readonly #ran = new Map<string, string>();
  readonly #control: ControlPlane;
  #watch: ChildProcess | undefined;
  #isClosed = false;

  constructor(control: ControlPlane) {
    this.#control = control;
    this.#start();
  }

  #start(): void {
    const columns =
      'NAMESPACE:.metadata.namespace,NAME:.metadata.name,PHASE:.status.phase,IP:.status.podIP,IMAGES:.status.containerStatuses[*].image,INIT:.status.initContainerStatuses[*].image';
    const [file, ...args] = [
      ...WITH_CALLER,
      ...this.#control.kubectlCommand([
        'get',
        'pods',
        '-A',
        '--watch',
        '--no-headers',
        '-o',
        `custom-columns=${columns}`,
      ]),
    ];
    const watch = spawn(file, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let rest = '';
    watch.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        const [namespace, name, phase, address, images, init] = line.trim().split(/ +/);
        if (phase !== 'Running' && phase !== 'Succeeded') continue;
        const all = [init, images].flatMap((list) => (list === '<none>' ? [] : list!.split(',')));
        this.#ran.set(`${namespace}/${name}`, `${namespace}/${name} ${address} ${all.join(' ')}`);
      }
    });
    // The API server may be restarted in a test.
    watch.once('exit', () => {
      if (!this.#isClosed) setTimeout(() => this.#isClosed || this.#start(), 2000).unref();
    });
    this.#watch = watch;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watch?.kill('SIGKILL');
    const list = [...this.#ran.values()].sort().map((line) => `ran: ${line}\n`);
    const file = process.env[RECORD_VARIABLE];
    if (file === undefined) process.stderr.write(list.join(''));
    else appendFileSync(file, list.join(''));
  }
}

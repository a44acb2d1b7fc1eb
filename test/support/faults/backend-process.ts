/**
 * A fault-backend process in a pod, which takes commands and can be killed and restarted; what it executes goes to a
 * ledger.
 */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Pod } from '../cluster.ts';
import { stopProcess, waitForLine } from '../processes.ts';
import { fixture } from '../sidecar.ts';
import type { Ledger } from './ledger.ts';

export class BackendProcess {
  readonly #pod: Pod;
  readonly #names: Readonly<Record<string, number>>;
  readonly #ledger: Pick<Ledger, 'executed'>;
  #process: ChildProcess | null = null;
  /** Commands that it has not said to be done. */
  readonly #told: (() => void)[] = [];

  /** `names`: a server each, by the port it listens on. */
  constructor(pod: Pod, names: Readonly<Record<string, number>>, ledger: Pick<Ledger, 'executed'>) {
    this.#pod = pod;
    this.#names = names;
    this.#ledger = ledger;
  }

  async start(): Promise<void> {
    const servers = Object.entries(this.#names).map(([name, port]) => `${name}=${port}`);
    const child = this.#pod.spawn(fixture('fault-backend', ...servers), { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#process = child;
    child.stdin!.on('error', () => undefined);
    const ready = waitForLine(child, /^listening/);
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const [mark, id = '', name = ''] = line.split(' ');
      if (mark === 'E') this.#ledger.executed(id, name);
      else if (mark === 'done') this.#told.shift()?.();
    });
    // A process that has ended will not confirm anything.
    child.once('exit', () => this.#told.splice(0).forEach((done) => done()));
    await ready;
  }

  /** A command of fault-backend; resolves when it has done what it says. */
  tell(line: string): Promise<void> {
    return new Promise((resolve) => {
      this.#told.push(resolve);
      this.#process!.stdin!.write(`${line}\n`);
    });
  }

  /** Stops listening, and begins again with a queue of `backlog` connections. */
  async listenAgain(backlog?: number): Promise<void> {
    await this.tell('refuse');
    await this.tell(`listen${backlog === undefined ? '' : ` ${backlog}`}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#process!.kill(signal);
  }

  async kill(): Promise<void> {
    await stopProcess(this.#process!, 'SIGKILL');
  }
}

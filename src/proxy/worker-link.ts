/**
 * One additional worker as the main thread sees it: a thread that receives messages and questions. It is never
 * restarted.
 *
 * Stage before: `worker-pool.ts`. Stage after: `proxy-worker.ts`, in the thread.
 */
import { Worker } from 'node:worker_threads';
import type { Answers, FromWorker, Question, Questions, ToWorker, WorkerOrder } from './worker-messages.ts';

/** Space for new objects. Few are created, and a larger space would cost memory in each worker. */
const YOUNG_GENERATION_MB = 3;

type Asked = Exclude<FromWorker, { kind: 'ready' | 'answer' | 'failed' }>;

export interface WorkerLinkOptions {
  /** Counted from 1, because the main thread is number 0. */
  readonly number: number;
  readonly order: WorkerOrder;
  /** Called for messages that are not answers. */
  readonly onMessage: (message: Asked) => void;
  /** Called when the thread has ended without being told to. */
  readonly onDeath: (error: Error) => void;
}

export class WorkerLink {
  readonly number: number;
  /** Resolves when the worker is loaded; rejects when it ends earlier. */
  readonly ready: Promise<void>;
  readonly #worker: Worker;
  readonly #onMessage: (message: Asked) => void;
  readonly #asked = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #asks = 0;
  #closing = false;
  #dead = false;

  constructor({ number, order, onMessage, onDeath }: WorkerLinkOptions) {
    this.number = number;
    this.#onMessage = onMessage;
    this.#worker = new Worker(new URL('./proxy-worker.js', import.meta.url), {
      name: `worker ${number}`,
      workerData: order,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    const end = (error: Error): void => {
      if (this.#dead) return;
      this.#dead = true;
      for (const { reject } of this.#asked.values()) reject(error);
      this.#asked.clear();
      if (!this.#closing) onDeath(error);
    };
    this.ready = new Promise((resolve, reject) => this.#asked.set(0, { resolve: () => resolve(), reject }));
    // The creator awaits `ready`. This handler prevents an unhandled rejection when it does not.
    this.ready.catch(() => undefined);
    this.#worker.on('message', (message: FromWorker) => this.#hear(message));
    this.#worker.on('error', (error: Error) => end(error));
    this.#worker.on('exit', (code) => end(new Error(`the thread has ended with ${code}`)));
  }

  say(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  /** Rejects when the worker fails to do it, or ends before it has answered. */
  ask<Kind extends Question>(kind: Kind, value: Questions[Kind]): Promise<Answers[Kind]> {
    if (this.#dead) return Promise.reject(new Error('the thread has ended'));
    const ask = ++this.#asks;
    return new Promise((resolve, reject) => {
      this.#asked.set(ask, { resolve: (answer) => resolve(answer as Answers[Kind]), reject });
      this.say({ kind, ask, value } as ToWorker);
    });
  }

  /** Closes everything in the worker and ends it. Never rejects. */
  async close(withinMs: number): Promise<void> {
    this.#closing = true;
    const late = new Promise<void>((resolve) => setTimeout(resolve, withinMs).unref());
    await Promise.race([this.ask('close', null).catch(() => undefined), late]);
    await this.#worker.terminate();
  }

  #hear(message: FromWorker): void {
    switch (message.kind) {
      case 'ready':
        this.#settle(0)?.resolve(undefined);
        break;
      case 'answer':
        this.#settle(message.ask)?.resolve(message.value);
        break;
      case 'failed':
        this.#settle(message.ask)?.reject(new Error(message.error));
        break;
      default:
        this.#onMessage(message);
    }
  }

  #settle(ask: number) {
    const asked = this.#asked.get(ask);
    this.#asked.delete(ask);
    return asked;
  }
}

/**
 * Parses a route file in a thread that exists only for this file: a permanent thread would use as much memory as the
 * rest of the process.
 *
 * Used by `route-parser.ts` for files that would block its own thread. The result comes back in small pieces, each on
 * request: receiving it all at once would take as long as parsing it.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ParsedFile, Problem, Resource } from '../gateway-api/types.ts';
import type { TextLayout } from '../gateway-api/yaml-tree.ts';

/** What the thread is started with. */
export interface ParseOrder {
  readonly file: string;
  readonly text: string;
  /** Namespace of the pod. */
  readonly namespace: string | null;
  readonly layout: TextLayout;
}

/** The answer to each request for more. */
export interface ParsePiece {
  readonly resources: readonly Resource[];
  readonly problems: readonly Problem[];
  /** Set with the last piece. */
  readonly end: Omit<ParsedFile, 'resources' | 'problems'> | null;
}

/**
 * Rejects when the thread ends early, for instance for lack of memory. When the signal aborts it, rejects with the
 * reason of the signal.
 */
export async function parseInThread(order: ParseOrder, signal: AbortSignal): Promise<ParsedFile> {
  const worker = new Worker(new URL('./parse-worker.js', import.meta.url), { workerData: order });
  const ended = new AbortController();
  worker.on('error', (error) => ended.abort(error));
  worker.on('exit', () => ended.abort(new Error('the thread that parses ended early')));
  const stop = { signal: AbortSignal.any([signal, ended.signal]) };
  const resources: Resource[] = [];
  const problems: Problem[] = [];
  try {
    for (;;) {
      worker.postMessage('more');
      const [piece] = (await once(worker, 'message', stop)) as [ParsePiece];
      resources.push(...piece.resources);
      problems.push(...piece.problems);
      if (piece.end !== null) return { ...piece.end, resources, problems };
    }
  } catch (error) {
    throw stop.signal.aborted ? stop.signal.reason : error;
  } finally {
    await worker.terminate();
  }
}

/**
 * The nudger's access to pods: sets their annotation, and asks their sidecars what they serve.
 *
 * Stage before: `nudger.ts`. Stage after: the API server; port 15020 of the pods, which answers every caller.
 */
import { request } from 'node:http';
import { isIPv6 } from 'node:net';
import { KubeError, type KubeClient } from '../kube/client.ts';
import { isObject, objectOf, textOf, type Json } from '../kube/json.ts';
import type { Look } from './nudger.ts';
import { FIELD_MANAGER, podEntry, ROUTES_ANNOTATION, type PodEntry } from './objects.ts';

const LOOK_TIMEOUT_MS = 2_000;
const MAX_ANSWER_BYTES = 64 * 1024;
const METADATA_ONLY = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';

export class PodAccess {
  readonly #client: KubeClient;
  readonly #port: number;
  readonly #isThere: (pod: PodEntry) => boolean;
  /** Addresses by uid, because a pod keeps its address. */
  readonly #addresses = new Map<string, string>();

  /** `isThere`: false when the pod has gone in the meantime. */
  constructor(client: KubeClient, port: number, isThere: (pod: PodEntry) => boolean) {
    this.#client = client;
    this.#port = port;
    this.#isThere = isThere;
  }

  async annotate(pod: PodEntry, value: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#client.send({
        ...{
          method: 'PATCH',
          path: pathOf(pod),
          signal,
          accept: METADATA_ONLY,
          query: { fieldManager: FIELD_MANAGER },
        },
        contentType: 'application/merge-patch+json',
        // The uid makes sure that another pod with the same name is not changed.
        body: { metadata: { uid: pod.uid, annotations: { [ROUTES_ANNOTATION]: value } } },
      });
      return true;
    } catch (error) {
      // A conflict means another pod with that name.
      if (error instanceof KubeError && (error.status === 404 || error.status === 409)) return false;
      throw error;
    }
  }

  /** `wanted`: hash of the set it should serve. */
  async look(pod: PodEntry, wanted: string, signal: AbortSignal): Promise<Look> {
    let address = this.#addresses.get(pod.uid);
    if (address === undefined) {
      const found = await this.#addressOf(pod, signal);
      if (typeof found !== 'string') return found;
      address = found;
      // If the pod went during the request, its address would never be removed again.
      if (this.#isThere(pod)) this.#addresses.set(pod.uid, address);
    }
    const answer = await ask(address, this.#port, signal);
    if (signal.aborted) throw signal.reason;
    if (answer === null) {
      // An address without answer may soon belong to another pod.
      this.#addresses.delete(pod.uid);
      return { found: 'unreachable' };
    }
    const hash = textOf(objectOf(answer, 'set'), 'hash');
    // The pod may have ended or changed its address, so this may be the answer of another pod.
    if (hash !== wanted) this.#addresses.delete(pod.uid);
    return hash === null ? { found: 'none' } : { found: 'served', hash };
  }

  forget(pod: PodEntry): void {
    this.#addresses.delete(pod.uid);
  }

  async #addressOf(pod: PodEntry, signal: AbortSignal): Promise<string | Look> {
    let object: Json;
    try {
      object = await this.#client.send({ method: 'GET', path: pathOf(pod), signal });
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return { found: 'gone' };
      throw error;
    }
    const status = objectOf(object, 'status');
    const ended = ['Succeeded', 'Failed'].includes(textOf(status, 'phase') ?? '');
    if (ended || podEntry(object)?.uid !== pod.uid) return { found: 'gone' };
    const address = textOf(status, 'podIP') ?? '';
    return address === '' ? { found: 'starting' } : address;
  }
}

function pathOf({ namespace, name }: PodEntry): string {
  return `/api/v1/namespaces/${namespace}/pods/${name}`;
}

/** Null without a readable answer. */
function ask(address: string, port: number, signal: AbortSignal): Promise<Json | null> {
  return new Promise((resolve) => {
    const sent = request({ host: address, port, path: '/served', agent: false, family: isIPv6(address) ? 6 : 4 });
    const end = (answer: Json | null): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
      resolve(answer);
      sent.destroy();
    };
    const giveUp = (): void => end(null);
    const timer = setTimeout(giveUp, LOOK_TIMEOUT_MS);
    signal.addEventListener('abort', giveUp, { once: true });
    sent.on('error', giveUp);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('error', giveUp);
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > MAX_ANSWER_BYTES) giveUp();
        else chunks.push(chunk);
      });
      response.on('end', () => end(response.statusCode === 200 ? parse(Buffer.concat(chunks).toString()) : null));
    });
    sent.end();
  });
}

function parse(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

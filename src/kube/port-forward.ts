/**
 * A connection to a port of a pod through the API server, like `kubectl port-forward` but within this process.
 *
 * Stage before: `client.ts` gives the address and the credentials. Stage after: an HTTP client that uses the stream as
 * a socket. The protocol is `v4.channel.k8s.io` over WebSocket, which kubelets and container runtimes of all supported
 * versions serve. A message consists of a channel byte and content: channel 0 carries the connection, channel 1 errors.
 * The first message of each channel begins with two bytes that contain the port.
 */
import type { IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { KubeError, refusal, type KubeClient } from './client.ts';

export interface PodPort {
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
}

const PROTOCOL = 'v4.channel.k8s.io';
const DATA = 0;
const ERROR = 1;
const PORT_BYTES = 2;
/** API server, kubelet and container runtime connect one after the other. */
const OPEN_TIMEOUT_MS = 15_000;
/** Maximum size of a message; servers send 32 KiB. */
const MAX_MESSAGE_BYTES = 1024 * 1024;
const MAX_REFUSAL_BYTES = 64 * 1024;
const MAX_ERROR_CHARS = 1_000;

/**
 * @throws KubeError when the API server or the kubelet refuses; a refusal by the pod ends the stream with a KubeError
 */
export async function forwardPort(client: KubeClient, target: PodPort): Promise<Duplex> {
  return client.asUser((issued) => {
    const { namespace, pod, port } = target;
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/portforward`;
    return open(client.socketOptions(`${path}?ports=${port}`, issued), target);
  });
}

async function open(
  { url, headers, tls }: ReturnType<KubeClient['socketOptions']>,
  { namespace, pod, port }: PodPort,
): Promise<Duplex> {
  const { WebSocket: Socket } = await import('ws');
  const title = `port ${port} of pod ${namespace}/${pod}`;
  return new Promise((resolve, reject) => {
    const socket = new Socket(url, [PROTOCOL], {
      ...tls,
      headers,
      handshakeTimeout: OPEN_TIMEOUT_MS,
      maxPayload: MAX_MESSAGE_BYTES,
      perMessageDeflate: false,
      followRedirects: false,
    });
    // Only the first of these events counts; the stream has its own listener.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      reject(new KubeError(0, error.code ?? '', `${title}: ${error.message}`));
    });
    socket.once('unexpected-response', (request, response) => {
      void shortText(response).then((text) => {
        reject(refusal(response, text));
        request.destroy();
      });
    });
    socket.once('open', () => resolve(new PodStream(socket, title)));
  });
}

/** The beginning of an answer that should be short. */
async function shortText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_REFUSAL_BYTES) break;
    }
  } catch {
    // The status is enough.
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * Buffers at most one message and the high-water marks of the stream: a slow reader pauses the socket, and a writer
 * waits for it.
 */
class PodStream extends Duplex {
  readonly #socket: WebSocket;
  readonly #title: string;
  /** By channel: how many of the two port bytes are still missing. */
  readonly #ahead = [PORT_BYTES, PORT_BYTES];

  constructor(socket: WebSocket, title: string) {
    super();
    this.#socket = socket;
    this.#title = title;
    // A refusal by the pod may arrive with the answer to the upgrade, before there is a listener; `errored` then
    // contains it.
    this.on('error', () => undefined);
    socket.on('message', (message: Buffer) => this.#take(message));
    socket.on('error', (error) => this.destroy(new KubeError(0, '', `${title}: ${error.message}`)));
    socket.on('close', () => this.push(null));
  }

  #take(message: Buffer): void {
    const channel = message[0] ?? DATA;
    const ahead = Math.min(this.#ahead[channel] ?? 0, message.length - 1);
    if (channel === DATA || channel === ERROR) this.#ahead[channel]! -= ahead;
    const content = message.subarray(1 + ahead);
    if (content.length === 0 || this.destroyed) return;
    if (channel === ERROR) {
      const text = content.toString('utf8').slice(0, MAX_ERROR_CHARS).trim();
      const refused = text.includes('connection refused') ? 'nothing listens there' : text;
      this.destroy(new KubeError(0, 'PortForward', `${this.#title}: ${refused}`));
    } else if (channel === DATA && !this.push(content)) {
      this.#socket.pause();
    }
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.send(Buffer.concat([Buffer.of(DATA), chunk]), done);
  }

  /** The protocol cannot close only one direction. */
  override _final(done: () => void): void {
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.terminate();
    done(error);
  }
}

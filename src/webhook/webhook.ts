/**
 * Injection for clusters without MutatingAdmissionPolicy: a server in the controller, its certificate in a Secret that
 * the replicas share, and its authority in the MutatingWebhookConfiguration. All replicas are equal: each checks both
 * objects periodically, does what is due, and serves the certificate in the Secret.
 *
 * Stage before: `cli/controller.ts`. Stage after: `server.ts`.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { InjectOptions } from '../inject/inject.ts';
import type { Logger } from '../log.ts';
import { textOf, type Json } from '../kube/json.ts';
import { validityOf } from './certificate.ts';
import { reviewPod } from './review.ts';
import {
  authoritiesOf,
  dueChange,
  LIFETIME_MS,
  OVERLAP_MS,
  servedBy,
  type Rotation,
  type SecretData,
} from './rotation.ts';
import { WebhookServer, type ReviewOutcome } from './server.ts';

/** The used part of the API server's client. */
export interface WebhookApi {
  send(request: {
    readonly method: 'GET' | 'PUT' | 'PATCH';
    readonly path: string;
    readonly body?: unknown;
    readonly contentType?: string;
    readonly signal?: AbortSignal;
  }): Promise<Json>;
}

export const SECRET_NAME = 'sideroute-webhook';
export const SERVICE_NAME = 'sideroute-webhook';
export const CONFIGURATION_NAME = 'sideroute-injection';

/** How often a replica checks whether something is due or another replica has done it. */
const PERIOD_MS = 30_000;
const RETRY_MS = 2_000;
/** Attempts to write the Secret when other replicas write at the same time. */
const MAX_ATTEMPTS = 5;

export interface WebhookOptions {
  readonly api: WebhookApi;
  readonly namespace: string;
  readonly port: number;
  readonly inject: InjectOptions;
  readonly log: Logger;
  /** For tests. */
  readonly now?: () => Date;
  readonly rotation?: Partial<Rotation>;
}

export class Webhook {
  readonly #options: WebhookOptions;
  readonly #server: WebhookServer;
  readonly #rotation: Rotation;
  #served = '';
  #trusted = '';
  #endsAtMs = 0;
  #port = 0;

  constructor(options: WebhookOptions) {
    this.#options = options;
    const { namespace, port, inject, log, rotation } = options;
    this.#server = new WebhookServer({ port, log, review: (text) => reviewPod(text, inject) });
    const service = `${SERVICE_NAME}.${namespace}.svc`;
    this.#rotation = {
      names: [service, `${service}.cluster.local`],
      lifetimeMs: LIFETIME_MS,
      overlapMs: OVERLAP_MS,
      ...rotation,
    };
  }

  /** True when it listens with a certificate that the API server has been told to trust. */
  get ready(): boolean {
    return this.#server.listening && this.#served !== '' && this.#trusted.includes(this.#served);
  }

  get outcomes(): Readonly<Record<ReviewOutcome, number>> {
    return this.#server.outcomes;
  }

  /** The listening port; 0 before it listens. */
  get port(): number {
    return this.#port;
  }

  /** When the served certificate expires, in milliseconds; 0 without one. */
  get certificateEndsAtMs(): number {
    return this.#endsAtMs;
  }

  /** Runs until the signal; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let pauseMs = PERIOD_MS;
      try {
        await this.look(signal);
      } catch (error) {
        // The end of the process is not a failure.
        if (isAborted(signal)) break;
        pauseMs = RETRY_MS;
        this.#options.log.warn('webhook: cannot look after the certificate', { reason: (error as Error).message });
      }
      await wait(pauseMs, undefined, { signal }).catch(() => undefined);
    }
    await this.#server.close();
  }

  /** Does what is due, and serves the current certificate. @throws errors of the API server */
  async look(signal?: AbortSignal): Promise<void> {
    const configuration = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${CONFIGURATION_NAME}`;
    const request = signal === undefined ? {} : { signal };
    const { api, now = () => new Date() } = this.#options;
    const webhooks = webhooksOf(await api.send({ method: 'GET', path: configuration, ...request }));
    this.#trusted = trustedBy(webhooks);
    const data = await this.#secret(request);
    const authorities = authoritiesOf(data, now());
    if (webhooks.some(({ authorities: told }) => told !== authorities)) {
      await api.send({
        ...{ method: 'PATCH', path: configuration, contentType: 'application/strategic-merge-patch+json' },
        body: {
          webhooks: webhooks.map(({ name }) => ({
            name,
            clientConfig: { caBundle: Buffer.from(authorities).toString('base64') },
          })),
        },
        ...request,
      });
      this.#trusted = webhooks.length === 0 ? '' : authorities;
    }
    await this.#serve(data);
  }

  /** The content of the Secret after all due changes. */
  async #secret(request: { readonly signal?: AbortSignal }): Promise<SecretData> {
    const { api, namespace, now = () => new Date(), log } = this.#options;
    const path = `/api/v1/namespaces/${namespace}/secrets/${SECRET_NAME}`;
    for (let attempt = 1; ; attempt++) {
      const secret = await api.send({ method: 'GET', path, ...request });
      const data = decoded(secret['data']);
      const due = dueChange(data, this.#trusted, now(), this.#rotation);
      if (due === null) return data;
      try {
        await api.send({ method: 'PUT', path, body: { ...secret, data: encoded(due) }, ...request });
        log.info('webhook: the certificate was changed', { changed: Object.keys(due) });
        return due;
      } catch (error) {
        // Another replica was faster.
        if ((error as { status?: unknown }).status !== 409 || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  async #serve(data: SecretData): Promise<void> {
    const pair = servedBy(data);
    if (pair === null || pair.authority.trim() === this.#served) return;
    this.#server.serve(pair);
    if (!this.#server.listening) this.#port = await this.#server.listen();
    this.#served = pair.authority.trim();
    this.#endsAtMs = validityOf(pair.certificate)?.to ?? 0;
  }
}

interface ConfiguredWebhook {
  readonly name: string;
  /** PEM; empty before any authority has been set. */
  readonly authorities: string;
}

function webhooksOf(configuration: Json): ConfiguredWebhook[] {
  const list = Array.isArray(configuration['webhooks']) ? (configuration['webhooks'] as Json[]) : [];
  return list.map(({ name, clientConfig }) => ({
    name: String(name),
    authorities: Buffer.from(textOf(clientConfig, 'caBundle') ?? '', 'base64').toString(),
  }));
}

/** The authorities that all of them trust. */
function trustedBy(webhooks: readonly ConfiguredWebhook[]): string {
  const [first, ...others] = webhooks.map(({ authorities }) => authorities);
  return first !== undefined && others.every((other) => other === first) ? first : '';
}

function decoded(data: unknown): SecretData {
  const entries = Object.entries((data ?? {}) as Record<string, string>);
  return Object.fromEntries(entries.map(([name, value]) => [name, Buffer.from(value, 'base64').toString()]));
}

function encoded(data: SecretData): SecretData {
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [name, Buffer.from(value).toString('base64')]));
}

function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

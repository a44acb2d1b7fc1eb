/**
 * The Services of the input with their ports. For subsets of their pods, Services are created where there are none.
 *
 * Stage before: `documents.ts`. Used by the readers of rules, and by `convert.ts`, which writes the created ones.
 */
import { isOpaqueProtocol } from '../config/support.ts';
import { valueOf } from '../gateway-api/values.ts';
import type { ConvertDocument } from './documents.ts';
import type { Json, ServiceName } from './model.ts';

export interface KnownPort {
  readonly port: number;
  readonly isHttp: boolean;
  /** As written, without the fields that belong to a single Service. */
  readonly written: Json;
}

export interface KnownService extends ServiceName {
  readonly ports: readonly KnownPort[];
  readonly selector: Readonly<Record<string, string>> | null;
  readonly headless: boolean;
}

/** Prefixes of port names that mean another protocol in Istio. */
const NOT_HTTP = /^(?:https|mongo|mysql|redis|tcp|tls|udp)(?:-|$)/;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function textsOf(value: unknown): Readonly<Record<string, string>> | null {
  if (!isObject(value)) return null;
  const entries = Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return entries.length === 0 ? null : Object.fromEntries(entries);
}

function readPort(value: unknown): KnownPort[] {
  if (!isObject(value) || typeof value['port'] !== 'number') return [];
  const { name, port, targetPort, protocol, appProtocol } = value;
  if (protocol !== undefined && protocol !== null && protocol !== 'TCP') return [];
  const isHttp =
    typeof appProtocol === 'string' ? !isOpaqueProtocol(appProtocol) : typeof name !== 'string' || !NOT_HTTP.test(name);
  const written = Object.entries({ name, port, targetPort, appProtocol }).filter(
    ([, field]) => field !== undefined && field !== null,
  );
  return [{ port, isHttp, written: Object.fromEntries(written) }];
}

function sameTexts(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

const MAX_NAME = 63;

export class Services {
  readonly #known = new Map<string, KnownService>();
  readonly #made = new Map<string, Json>();

  add({ namespace, name, object }: ConvertDocument): void {
    const spec = object.tree('spec');
    const value = spec === null ? null : valueOf(spec);
    const { ports, selector, clusterIP } = isObject(value) ? value : {};
    this.#known.set(`${namespace}/${name}`, {
      ...{ namespace, name, selector: textsOf(selector), headless: clusterIP === 'None' },
      ports: Array.isArray(ports) ? ports.flatMap(readPort) : [],
    });
  }

  find({ namespace, name }: ServiceName): KnownService | null {
    return this.#known.get(`${namespace}/${name}`) ?? null;
  }

  /** The created Services as documents, sorted by name. */
  get made(): readonly Json[] {
    return [...this.#made].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, document]) => document);
  }

  /**
   * The Service for the pods of `of` that also have `labels`: one of the input, or a new one. Null when the Service
   * `of` is unknown or has no selector.
   */
  forSubset(of: ServiceName, subset: string, labels: Readonly<Record<string, string>>): string | null {
    const whole = this.find(of);
    if (whole?.selector === null || whole === null) return null;
    const selector = { ...whole.selector, ...labels };
    for (const other of this.#known.values()) {
      const isThere = other.namespace === of.namespace && other.selector !== null && !other.headless;
      if (isThere && sameTexts(other.selector, selector) && samePorts(other, whole)) return other.name;
    }
    const name = this.#freeName(of, subset);
    this.#known.set(`${of.namespace}/${name}`, { ...whole, name, selector, headless: false });
    this.#made.set(`${of.namespace}/${name}`, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: of.namespace },
      spec: { selector, ports: whole.ports.map(({ written }) => written) },
    });
    return name;
  }

  #freeName({ namespace, name }: ServiceName, subset: string): string {
    const plain = subsetName(name, subset);
    for (let number = 1; ; number++) {
      const candidate = number === 1 ? plain : `${plain.slice(0, MAX_NAME - 4)}-${number}`;
      if (!this.#known.has(`${namespace}/${candidate}`)) return candidate;
    }
  }
}

/** The name of the Service for a subset, unless it is taken. */
export function subsetName(service: string, subset: string): string {
  const clean = `${service}-${subset}`.toLowerCase().replace(/[^-a-z0-9]/g, '-');
  return clean.slice(0, MAX_NAME).replace(/-+$/, '');
}

function samePorts(a: KnownService, b: KnownService): boolean {
  return b.ports.every(({ port }) => a.ports.some((other) => other.port === port));
}

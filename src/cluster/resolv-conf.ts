/**
 * Reads from resolv.conf what cluster DNS needs: the servers, and the cluster domain, which kubelet writes into
 * `search`.
 *
 * Stage before: kubelet. Stage after: `resolver.ts`.
 */
import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Logger } from '../log.ts';

export interface ResolvConf {
  /** Addresses in order, without port, for `dns.setServers`; never empty. */
  readonly servers: readonly string[];
  /**
   * `cluster.local` for `search ns.svc.cluster.local svc.cluster.local cluster.local`; null when it cannot be derived.
   */
  readonly clusterDomain: string | null;
}

/** c-ares uses three servers, like libc. */
const MAX_SERVERS = 3;

/**
 * resolv.conf(5): the last of several `search` or `domain` lines counts; without a server the local machine is asked.
 */
export function parseResolvConf(text: string): ResolvConf {
  const servers: string[] = [];
  let search: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword = '', ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && values[0] !== undefined && isIP(values[0]) !== 0) servers.push(values[0]);
    else if (keyword === 'search' || keyword === 'domain') search = values;
  }
  const service = search.find((domain) => /^svc\../i.test(domain));
  return {
    servers: servers.length === 0 ? ['127.0.0.1'] : servers.slice(0, MAX_SERVERS),
    clusterDomain: service === undefined ? null : normalizeDomain(service.slice('svc.'.length)),
  };
}

/** Lower case, without leading and trailing dots. */
export function normalizeDomain(domain: string): string {
  return domain.toLowerCase().replace(/^\.+|\.+$/g, '');
}

/** Watches the file, because kubelet and container runtimes rewrite it in place. */
export class ResolvConfFile {
  readonly #path: string;
  readonly #logger: Logger;
  readonly #checkIntervalMs: number;
  #checkedAtMs = Number.NEGATIVE_INFINITY;
  #version = '';

  constructor(path: string, logger: Logger, checkIntervalMs = 5_000) {
    this.#path = path;
    this.#logger = logger;
    this.#checkIntervalMs = checkIntervalMs;
  }

  /**
   * The content when it differs from the one returned last, otherwise null. Also null while the file cannot be read,
   * which is logged once. Synchronous, because the file is small and local and is read at most once in
   * `checkIntervalMs`.
   */
  readIfChanged(): ResolvConf | null {
    const now = performance.now();
    if (now - this.#checkedAtMs < this.#checkIntervalMs) return null;
    this.#checkedAtMs = now;
    try {
      const stats = statSync(this.#path, { bigint: true });
      const version = `${stats.ino}:${stats.size}:${stats.mtimeNs}`;
      if (version === this.#version) return null;
      const conf = parseResolvConf(readFileSync(this.#path, 'utf8'));
      this.#version = version;
      return conf;
    } catch (error) {
      if (this.#version !== 'unreadable') {
        this.#logger.warn('resolv.conf cannot be read', { path: this.#path, error: String(error) });
      }
      this.#version = 'unreadable';
      return null;
    }
  }
}

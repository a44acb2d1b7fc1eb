/**
 * The origins that a CORS filter allows.
 *
 * Stage before: `cors.ts`. An origin consists of scheme, host and port. A missing port means the default port of the
 * scheme.
 */

/** `*`: every origin, also `null` and origins of other schemes. */
const ANY = '*';
const ORIGIN = /^(https?):\/\/([^/:@?#\s,]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?$/;
/** A value that is safe to repeat in a response: visible ASCII characters without a comma. */
const REPEATABLE = /^[!-+\--~]+$/;

interface Origin {
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
}

/** Expects `text` in lower case; null when it is not an origin of http or https. */
function parseOrigin(text: string): Origin | null {
  const match = ORIGIN.exec(text);
  if (match === null) return null;
  const scheme = match[1]!;
  return { scheme, host: match[2]!, port: Number(match[3] ?? (scheme === 'http' ? 80 : 443)) };
}

function keyOf({ scheme, host, port }: Origin): string {
  return `${scheme}://${host}:${port}`;
}

export class OriginSet {
  readonly #any: boolean;
  readonly #exact = new Set<string>();
  /** Hosts that begin with `*`. */
  readonly #wildcards: Origin[] = [];

  /** `origins`: in lower case, as the reader of the route leaves them. Empty: no origin is allowed. */
  constructor(origins: readonly string[]) {
    this.#any = origins.includes(ANY);
    for (const text of origins) {
      const origin = parseOrigin(text);
      if (origin === null) continue;
      if (origin.host.startsWith('*')) this.#wildcards.push({ ...origin, host: origin.host.slice(1) });
      else this.#exact.add(keyOf(origin));
    }
  }

  /** `value`: of an Origin field. A value that is unsafe to repeat in a response is never allowed. */
  allows(value: string): boolean {
    if (!REPEATABLE.test(value)) return false;
    if (this.#any) return true;
    const origin = parseOrigin(value.toLowerCase());
    if (origin === null) return false;
    if (this.#exact.has(keyOf(origin))) return true;
    return this.#wildcards.some(
      ({ scheme, host, port }) =>
        scheme === origin.scheme &&
        port === origin.port &&
        origin.host.length > host.length &&
        origin.host.endsWith(host),
    );
  }
}

/**
 * The answers of the probes: alive, ready for traffic, started.
 *
 * Stage before: the composition root, asked when the probe arrives. Stage after: `public-admin.ts`.
 */
import type { ProbeState } from './public-admin.ts';

/**
 * Startup waits this long for the first answers of DNS. Otherwise an early request could bypass its route or be
 * answered 503.
 */
const RESOLUTION_GRACE_MS = 5_000;

export interface ProbeSources {
  /** Report not ready while the configuration has errors. */
  readonly strict: boolean;
  valid(): boolean;
  unresolved(): readonly { readonly key: string; readonly reason: string; readonly waiting: boolean }[];
  /** Keys of backends whose state is still unknown. */
  waitingBackends(): readonly string[];
  draining(): boolean;
}

export interface Probes {
  live(): ProbeState;
  ready(): ProbeState;
  started(): ProbeState;
}

/** The call counts as the begin of startup. `now`: monotonic, in milliseconds. */
export function createProbes(sources: ProbeSources, now: () => number = () => performance.now()): Probes {
  const startedAtMs = now();
  return {
    live: () => ({ ready: true, lines: [] }),
    ready: () => {
      const lines = sources.unresolved().map(({ key, reason }) => `frontend ${key} is not routed: ${reason}`);
      const valid = sources.valid();
      const draining = sources.draining();
      if (!valid) lines.push('the configuration has errors: see the log, or run sideroute check');
      if (draining) lines.push('draining');
      return { ready: !draining && (valid || !sources.strict), lines };
    },
    started: () => {
      const frontends = sources.unresolved().filter(({ waiting }) => waiting);
      const lines = [
        ...frontends.map(({ key }) => `frontend ${key} waits for DNS`),
        ...sources.waitingBackends().map((key) => `backend ${key} waits for DNS`),
      ];
      return { ready: lines.length === 0 || now() - startedAtMs > RESOLUTION_GRACE_MS, lines };
    },
  };
}

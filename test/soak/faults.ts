/** Faults of the surroundings, one after the other: what each does, whom it may cost what, and when its effects are over. */
import { setTimeout as delay } from 'node:timers/promises';
import type { BackendProcess } from '../support/faults/backend-process.ts';
import type { FaultCost } from '../support/faults/ledger.ts';
import { eventually } from '../support/eventually.ts';
import { metricValue } from '../support/faults/witnesses.ts';
import { MIRROR, MOVING, PINNED, ROUGH, WEB } from './mix.ts';
import { DESCRIPTORS, type SoakStage } from './stage.ts';

export interface SoakFault {
  readonly name: string;
  /** Whose requests it may cost; null: those of all. */
  readonly backends: readonly string[] | null;
  /** The one of them that it happens to. */
  readonly only?: string;
  readonly allows: FaultCost;
  readonly forMs: number;
  /** How long after its end a request that begins may still meet it. */
  readonly graceMs: number;
  begin(): void | Promise<void>;
  end(): void | Promise<void>;
}

/** A document that DNS agrees with is compared with it again within this time. */
const FIRST_CHECK_MS = 35_000;
/** More than the sidecar has descriptors for. */
const CROWD = DESCRIPTORS + 100;
/** So few left that wait for their first byte do not fill the descriptors. */
const CROWD_GONE = 100;
const CROWD_GONE_WITHIN_MS = 60_000;
/** Its descriptors say nothing of a leak. */
export const CROWDED = 'descriptors used up';

const NOTHING: FaultCost = () => false;
/** The backend is gone, or was in the middle of a response. A call is told of it with status 200. */
const GONE: FaultCost = (outcome) =>
  /^(refused (200|50[234]) (upstream_reset|connect_failure|connect_timeout|retries_exhausted|timeout)|truncated 200)$/.test(
    outcome,
  );
/**
 * A connection that ends just as a request goes out on it: one that may not be repeated fails, others never, and none by HTTP/2, whose
 * GOAWAY says what it has not begun.
 */
const STALE: FaultCost = (outcome, { once, http2 }) => once && !http2 && outcome === 'refused 502 upstream_reset';
/** Who has no deadline waits. */
const SILENT: FaultCost = (outcome, { long }) =>
  !long && /^(refused (200|50[34]) (timeout|connect_timeout|overflow|retries_exhausted)|truncated 200)$/.test(outcome);
const REFUSED: FaultCost = (outcome, rule, executed) =>
  /^refused (200|50[34]) (connect_failure|connect_timeout|retries_exhausted)$/.test(outcome) ||
  STALE(outcome, rule, executed);
/**
 * A listener that closes resets the connections in its queue, which stand for whoever dialled them. Nobody can tell that their
 * requests were not begun, so they are not sent again.
 */
const CLOSED: FaultCost = (outcome, rule, executed) =>
  REFUSED(outcome, rule, executed) || (!executed && /^refused (200|502) upstream_reset$/.test(outcome));
/** Connections that wait for a request give way to those that wait to be accepted; a tunnel may be dropped. */
const OVERLOADED: FaultCost = (outcome, { plain }) =>
  /^(refused (200|503) (overflow|overload|connect_failure|unresolved)|untaken)$/.test(outcome) ||
  (plain && outcome === 'none');

function detecting(stage: SoakStage): number {
  return metricValue(stage.get('/metrics'), 'sideroute_detecting_connections');
}

/** `rough`: the endpoint that it is the turn of. */
export function soakFaults(stage: SoakStage): ((turn: number) => SoakFault)[] {
  const { client, sidecar, log, errors, backends, dns } = stage;
  const quiet = { backends: [] as readonly string[], allows: NOTHING, graceMs: 0 };
  const named = (name: string): BackendProcess => backends.get(name)!;
  const onRough = (
    name: string,
    allows: FaultCost,
    forMs: number,
    graceMs: number,
    begin: (backend: BackendProcess) => void | Promise<void>,
    end: (backend: BackendProcess) => void | Promise<void>,
  ): ((turn: number) => SoakFault) => {
    return (turn) => {
      const which = ROUGH[turn % ROUGH.length]!;
      const backend = named(which);
      const fields = { name, backends: ROUGH, only: which, allows, forMs, graceMs };
      return { ...fields, begin: () => begin(backend), end: () => end(backend) };
    };
  };
  const normal = (backend: BackendProcess): Promise<void> => backend.tell('mode normal');
  const revive = (backend: BackendProcess): Promise<void> => backend.start();
  const mirror = named(MIRROR);
  let moves = 0;

  return [
    onRough('backend killed', GONE, 1_000, 500, (backend) => backend.kill(), revive),
    onRough(
      'backend refuses',
      CLOSED,
      1_500,
      500,
      (backend) => backend.tell('refuse'),
      (backend) => backend.tell('listen'),
    ),
    onRough('backend hangs', SILENT, 2_000, 300, (backend) => backend.tell('mode hang'), normal),
    onRough('backend resets', GONE, 1_000, 300, (backend) => backend.tell('mode reset'), normal),
    onRough('backend closes idle connections', STALE, 2_000, 300, (backend) => backend.tell('mode close-idle'), normal),
    onRough(
      'backend stopped',
      SILENT,
      2_500,
      300,
      (backend) => backend.signal('SIGSTOP'),
      (backend) => backend.signal('SIGCONT'),
    ),
    () => ({ name: 'mirror killed', ...quiet, forMs: 1_500, begin: () => mirror.kill(), end: () => mirror.start() }),
    () => ({
      ...{ name: 'mirror hangs', ...quiet, forMs: 2_500 },
      begin: () => mirror.tell('mode hang'),
      end: () => mirror.tell('mode normal'),
    }),
    () => ({
      name: 'DNS silent',
      ...quiet,
      forMs: 3_000,
      begin: () => dns('fault drop'),
      end: () => dns('fault none'),
    }),
    () => ({
      name: 'DNS fails',
      ...quiet,
      forMs: 2_000,
      begin: () => dns('fault servfail'),
      end: () => dns('fault none'),
    }),
    () => ({
      ...{ name: 'Services made anew with other addresses', backends: [...MOVING, ...PINNED] },
      // Only after the first time DNS is known to differ from the document of the one.
      ...{ allows: REFUSED, forMs: 0, graceMs: moves++ === 0 ? FIRST_CHECK_MS : 3_500 },
      begin: () => stage.move(),
      end: () => undefined,
    }),
    () => ({ name: 'log reader gone', ...quiet, forMs: 1_500, begin: () => log.leave(), end: () => log.open() }),
    () => ({ name: 'log reader stalls', ...quiet, forMs: 2_500, begin: () => log.pause(), end: () => log.resume() }),
    () => ({
      ...{ name: 'reader of standard error gone', ...quiet, forMs: 1_500 },
      begin: () => errors.leave(),
      end: () => errors.open(),
    }),
    () => ({
      ...{ name: 'reader of standard error stalls', ...quiet, forMs: 2_500 },
      begin: () => errors.pause(),
      end: () => errors.resume(),
    }),
    () => ({
      ...{ name: CROWDED, backends: null, allows: OVERLOADED, forMs: 1_000, graceMs: 1_000 },
      begin: () => client.crowd(WEB, CROWD),
      // On a busy machine the sidecar has still to accept and to close some of them by then.
      end: async () => {
        await client.crowd(WEB, 0);
        await eventually('the sidecar has room again', () => detecting(stage) < CROWD_GONE, CROWD_GONE_WITHIN_MS);
      },
    }),
    () => ({
      ...{ name: 'sidecar stopped for a moment', ...quiet, forMs: 300 },
      begin: () => void sidecar.kill('SIGSTOP'),
      end: () => void sidecar.kill('SIGCONT'),
    }),
  ];
}

/** What no fault may do: a soak with it is good for nothing but to show that losses are found. */
export function plantedLoss(stage: SoakStage): () => SoakFault {
  return () => ({
    ...{ name: 'planted: connections to the sidecar are reset', backends: [], allows: NOTHING, forMs: 100, graceMs: 0 },
    begin: () => stage.cut(true),
    end: () => stage.cut(false),
  });
}

/** Runs faults until `ended`, one at a time; resolves when the last one is over. Returns how often each ran in `counts`. */
export async function playFaults(
  faults: readonly ((turn: number) => SoakFault)[],
  everyMs: number,
  open: (fault: SoakFault) => (graceMs: number) => void,
  ended: () => boolean,
  counts: Map<string, number>,
): Promise<void> {
  for (let turn = 0; !ended(); turn += 1) {
    const startedMs = performance.now();
    // Each in its turn, and which endpoint it meets changes from round to round.
    const fault = faults[turn % faults.length]!(Math.floor(turn / faults.length) + turn);
    const close = open(fault);
    counts.set(fault.name, (counts.get(fault.name) ?? 0) + 1);
    await fault.begin();
    await delay(fault.forMs);
    await fault.end();
    close(fault.graceMs);
    await delay(Math.max(0, everyMs - (performance.now() - startedMs)));
  }
}

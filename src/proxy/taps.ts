/**
 * Taps of the sidecar in all workers. Loaded with the first tap.
 *
 * Stage before: the private endpoint, with the query of a caller. Stage after: `tap-collector.ts`, here and in the
 * other workers, and `admin/tap-streams.ts` for the lines.
 */
import type { NativeAccessLog, NativeTapFilter, TapLines } from '../addon/access-log.ts';
import type { Answer } from '../admin/endpoint.ts';
import { tapQuery } from '../admin/tap-query.ts';
import { TapStreams, type TapFigures } from '../admin/tap-streams.ts';
import { TapCollector } from './tap-collector.ts';

/** The other workers. A null filter ends a tap. */
interface Others {
  setTap(id: number, filter: NativeTapFilter | null): void;
}

export class Taps {
  readonly #streams: TapStreams;

  constructor(accessLog: NativeAccessLog, others: Others | null) {
    const collector = new TapCollector(accessLog, (id, lines) => this.give(id, lines));
    this.#streams = new TapStreams({
      add: (id, filter) => {
        collector.add(id, filter);
        others?.setTap(id, filter);
      },
      remove: (id) => {
        collector.remove(id);
        others?.setTap(id, null);
      },
    });
  }

  /** @throws ProxyError `invalid-setting` naming the parameter */
  answer(query: string): Answer {
    return this.#streams.answer(tapQuery(query));
  }

  /** Lines from one of the workers. */
  give(id: number, lines: TapLines): void {
    this.#streams.give(id, lines);
  }

  figures(): TapFigures {
    return this.#streams.figures();
  }

  /** Resolves when the callers have been told that the tap ends. */
  close(): Promise<void> {
    return this.#streams.close();
  }
}

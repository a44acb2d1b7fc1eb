/**
 * What the native engine is doing right now, read out of the flat records in which it crosses from the addon.
 *
 * Stage before: `engine/native.ts`. Stage after: the private endpoint. The records are written by native/src/engine_state.cc.
 */

/** Numbers in the order of the fields below, and text fields each ended by a line feed. */
export interface StateRecords {
  readonly numbers: Float64Array;
  readonly text: string;
}

/** One address of a backend. Totals are since start, of the address, even when it was none of the backend for a while. */
export interface UpstreamState {
  /** `Backend.id`; -1: an original destination, for requests that no route decides. */
  readonly backend: number;
  readonly address: string;
  readonly port: number;
  /** Connections that carry a request now. */
  readonly active: number;
  readonly idle: number;
  readonly connecting: number;
  /** Requests that wait for a connection to the backend, whichever its address: given with its first one, 0 with others. */
  readonly queued: number;
  readonly connects: number;
  /** Refused or timed out. */
  readonly connectFailures: number;
  /** Further attempts and mirrored copies included. */
  readonly requests: number;
}

const UPSTREAM_NUMBERS = 9;

export function readUpstreams({ numbers, text }: StateRecords): UpstreamState[] {
  const addresses = text.split('\n');
  const states: UpstreamState[] = [];
  for (let at = 0; at < numbers.length; at += UPSTREAM_NUMBERS) {
    states.push({
      backend: numbers[at]!,
      address: addresses[states.length]!,
      port: numbers[at + 1]!,
      active: numbers[at + 2]!,
      idle: numbers[at + 3]!,
      connecting: numbers[at + 4]!,
      queued: numbers[at + 5]!,
      connects: numbers[at + 6]!,
      connectFailures: numbers[at + 7]!,
      requests: numbers[at + 8]!,
    });
  }
  return states;
}

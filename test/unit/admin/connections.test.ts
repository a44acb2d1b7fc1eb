/** The list of connections takes its time, which the clock of the test says. */
import t from 'tap';
import type { DownstreamState } from '../../../src/addon/engine-state.ts';
import { connectionDump, connectionFilter, type ConnectionView } from '../../../src/admin/connections.ts';

function downstream(id: number, ageMs: number): DownstreamState {
  return {
    ...{ id, state: 'idle', frontend: 0, ageMs, idleMs: ageMs, served: 1, open: 0, requests: [] },
    ...{ bytesReceived: 1, bytesSent: 1, protocol: 'http1' },
    ...{ peer: { address: '10.0.0.1', port: id }, original: { address: '10.96.0.1', port: 80 } },
  };
}

t.test(
  'connections of other workers are listed however long the list takes, and those that open meanwhile are not',
  async (t) => {
    let nowMs = 100_000;
    t.intercept(performance, 'now', { value: () => nowMs });
    const view: ConnectionView = {
      detections: () => [],
      downstream: (after) => {
        if (after > 0) return [];
        // Whoever reads it has stalled: the second one has been opened since then.
        nowMs += 10_000;
        return [downstream(1, 12_000), downstream(2, 9_000)];
      },
      tunnels: () => [],
      upstream: () => [],
      workers: () =>
        Promise.resolve([
          [1, { detections: [], downstream: [downstream(1, 3), downstream(2, 2)], tunnels: [], upstream: [] }],
          [2, { detections: [], downstream: [downstream(1, 1)], tunnels: [], upstream: [] }],
        ]),
      ...{ unlisted: 0, frontends: ['shop/cart:80'], backends: [] },
    };
    const pieces: string[] = [];
    for await (const piece of connectionDump(view, connectionFilter('', view))) pieces.push(piece);
    const { downstream: listed } = JSON.parse(pieces.join('')) as { downstream: { id: string }[] };
    t.strictSame(
      listed.map(({ id }) => id),
      ['downstream-1', 'downstream-1.1', 'downstream-1.2', 'downstream-2.1'],
    );
  },
);

/** The metrics of the controller are those of its document. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { createControllerMetrics } from '../../../src/controller/metrics.ts';
import { packageRoot } from '../../../src/package-root.ts';

async function exposed(): Promise<string> {
  const metrics = createControllerMetrics({
    version: '1.2.3',
    leading: () => true,
    terms: () => 2,
    synced: () => true,
    queues: () => ({ sets: { depth: 1, done: 2, failed: 3 } }),
    writes: () => ({ configmap: 4 }),
    repairs: () => 5,
    conflicts: () => 6,
    tooLarge: () => 7,
    statusLeftOut: () => 8,
    objects: () => ({ route: 9 }),
    watches: () => [{ kind: 'Service', current: true, rejected: 10, lists: 11 }],
    traffic: () => ({ requests: new Map([['GET 200', 12]]), bytesSent: 13, bytesReceived: 14 }),
    nudges: () => ({ sent: 15 }),
    webhook: () => ({ outcomes: { injected: 17 }, certificateEndsAtMs: 18_000 }),
    unconfirmed: () => ({ pods: 16, oldestMs: 1_700 }),
  });
  metrics.delivered(700);
  const pieces: string[] = [];
  for await (const piece of metrics.render()) pieces.push(piece.toString());
  return pieces.join('');
}

t.test('every metric is what its sources say', async (t) => {
  const text = await exposed();
  for (const line of [
    'sideroute_controller_leader 1',
    'sideroute_controller_terms_total 2',
    'sideroute_controller_queue_depth{queue="sets"} 1',
    'sideroute_controller_errors_total{queue="sets"} 3',
    'sideroute_controller_writes_total{object="configmap"} 4',
    'sideroute_controller_rejected_objects_total{kind="Service"} 10',
    'sideroute_controller_api_requests_total{method="GET",status="200"} 12',
    'sideroute_controller_api_bytes_total{direction="received"} 14',
    'sideroute_controller_oldest_unconfirmed_seconds 1.7',
    'sideroute_controller_delivery_seconds_bucket{le="1"} 1',
  ]) {
    t.ok(text.split('\n').includes(line), line);
  }
});

t.test('docs/controller.md lists every metric with its type and labels', async (t) => {
  const text = await exposed();
  const families = [...text.matchAll(/^# TYPE (sideroute_\w+) (\w+)$/gm)].map(([, name, type]) => {
    const sample = new RegExp(`^${name}(?:_bucket)?\\{([^}]*)\\}`, 'm').exec(text)?.[1] ?? '';
    const labels = [...sample.matchAll(/(\w+)="/g)].map(([, label]) => label!).filter((label) => label !== 'le');
    return `${name} ${type} ${labels.join(' ')}`.trim();
  });
  const document = readFileSync(new URL('docs/controller.md', packageRoot()), 'utf8');
  const documented = [...document.matchAll(/^\| `(sideroute_\w+)` \| (\w+) \|([^|]*)\|/gm)].map(
    ([, name, type, labels]) => `${name} ${type} ${labels!.replaceAll(/[`,]/g, '').trim()}`.trim(),
  );
  t.same(documented.toSorted(), families.toSorted());
});

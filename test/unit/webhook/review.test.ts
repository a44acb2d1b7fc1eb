import t from 'tap';
import { defaultSettings } from '../../../src/inject/annotations.ts';
import { reviewPod } from '../../../src/webhook/review.ts';
import { injected, manifests, onlyTemplate, VERSION, type KubernetesObject } from '../inject/fixtures.ts';
import { podsOf } from '../../support/inject-pods.ts';

const OPTIONS = { version: VERSION, settings: defaultSettings(VERSION) };

interface Response {
  readonly uid: string;
  readonly allowed: boolean;
  readonly patch?: string;
  readonly patchType?: string;
  readonly status?: { readonly message: string };
}

function review(object: object, more: object = {}): Response {
  const request = { uid: 'u-1', kind: { group: '', version: 'v1', kind: 'Pod' }, operation: 'CREATE', object, ...more };
  const { body } = reviewPod(
    JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request }),
    OPTIONS,
  );
  return (body as { response: Response }).response;
}

function patched(object: object): KubernetesObject {
  const { patch = '', ...response } = review(object);
  t.match(response, { uid: 'u-1', allowed: true, patchType: 'JSONPatch' });
  const copy = structuredClone(object) as Record<string, Record<string, unknown>>;
  for (const { op, path, value } of JSON.parse(Buffer.from(patch, 'base64').toString()) as {
    op: string;
    path: string;
    value: unknown;
  }[]) {
    const [, holder = '', field = ''] = path.split('/');
    if (op !== 'add') throw new Error(op);
    (copy[holder] ??= {})[field] = value;
  }
  return copy;
}

t.test('a pod becomes what inject makes of its manifest', async (t) => {
  let compared = 0;
  for (const { name, text } of manifests('inject')) {
    for (const pod of podsOf(text)) {
      const expected = onlyTemplate(injected(JSON.stringify(pod)));
      if (expected.metadata?.annotations?.['sideroute.dev/injected'] === undefined) {
        t.same(review(pod), { uid: 'u-1', allowed: true }, `${name} is left alone`);
      } else {
        const result = patched(pod);
        t.same(
          { metadata: result.metadata, spec: result.spec },
          { metadata: expected.metadata, spec: expected.spec },
          name,
        );
        compared++;
      }
    }
  }
  t.ok(compared > 30, `${compared} pods`);
});

/** Processor time of a review, which is the answer's time on the event loop. */
function cost(object: object): number {
  const before = process.cpuUsage();
  const { allowed } = review(object);
  const { user, system } = process.cpuUsage(before);
  t.equal(allowed, true);
  return (user + system) / 1_000;
}

t.test('what a pod has beyond what injection looks at costs next to nothing', async (t) => {
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`a${index}`, 'v']));
  const env = Array.from({ length: 15_000 }, (_, index) => ({ name: `E${index}`, value: 'of the application' }));
  const container = { name: 'app', image: 'a:1', ports: [{ containerPort: 80 }] };
  const small = { metadata: { annotations: many(1) }, spec: { containers: [container] } };
  const large = [
    { metadata: { annotations: many(60_000) }, spec: { containers: [container] } },
    { metadata: { labels: many(60_000) }, spec: { containers: [container] } },
    { metadata: {}, spec: { containers: [{ ...container, env }], nodeSelector: many(10_000) } },
  ];
  for (let warm = 0; warm < 20; warm++) cost(small);
  for (const pod of large) {
    const times = Array.from({ length: 3 }, () => cost(pod));
    // Seconds when all of it goes through YAML.
    t.ok(Math.min(...times) < 500, `${times.map(Math.round).join(', ')} ms`);
  }
});

t.test('what is not looked at comes back as it was', async (t) => {
  const spec = {
    initContainers: [{ name: 'first', image: 'i:1', command: ['sh', '-c', 'true'] }],
    containers: [
      { name: 'app', image: 'a:1', env: [{ name: 'A', value: '#: [' }], resources: { limits: { cpu: '1' } } },
    ],
    volumes: [{ name: 'data', emptyDir: { sizeLimit: '1Gi' } }],
  };
  for (const mode of ['native', 'classic']) {
    const annotations = {
      'sideroute.dev/mode': mode,
      '<<': 'merge',
      'prometheus.io/path': '/m',
      'prometheus.io/port': '1',
    };
    const pod = { metadata: { name: 'p', annotations }, spec };
    const result = patched(pod);
    const expected = onlyTemplate(
      injected(
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'Pod',
          ...pod,
          metadata: { name: 'p', annotations: { ...annotations, '<<': undefined } },
        }),
      ),
    );
    t.same(result.spec, expected.spec, mode);
    t.same(
      result.metadata,
      { ...expected.metadata, annotations: { ...expected.metadata?.annotations, '<<': 'merge' } },
      mode,
    );
  }
});

t.test('a hundred containers with ten ports each are not too many', async (t) => {
  const ports = Array.from({ length: 10 }, (_, port) => ({ name: `port-${port}`, containerPort: 20_000 + port }));
  const containers = Array.from({ length: 100 }, (_, index) => ({ name: `container-${index}`, image: 'a:1', ports }));
  t.ok(review({ metadata: {}, spec: { containers } }).allowed);
});

t.test(
  'a pod with more to look at than a turn of the event loop is for is refused, unless it wants no sidecar',
  async (t) => {
    const containers = Array.from({ length: 4_000 }, (_, index) => ({ name: `container-${index}`, image: 'a:1' }));
    const { allowed, status } = review({ metadata: {}, spec: { containers } });
    t.equal(allowed, false);
    t.match(status?.message, /more containers, ports, volumes .* than can be looked at: .* 128 KiB\. Mend it, or/);
    const labels = { 'sideroute.dev/inject': 'disabled' };
    t.same(review({ metadata: { labels }, spec: { containers } }), { uid: 'u-1', allowed: true });
  },
);

t.test('what inject refuses is refused with its reason and what to do', async (t) => {
  const spec = { containers: [{ name: 'app', image: 'a:1' }] };
  const { allowed, status } = review({ metadata: { name: 'p' }, spec: { ...spec, hostNetwork: true } });
  t.equal(allowed, false);
  t.equal(
    status?.message,
    'sideroute cannot be added to this pod: spec.hostNetwork is true: the rules would capture traffic of the node. ' +
      'Mend it, or have the pod without a sidecar: label it sideroute.dev/inject=disabled',
  );
});

t.test('what is no new pod of the application is let through as it is', async (t) => {
  const spec = { hostNetwork: true, containers: [{ name: 'app', image: 'a:1' }] };
  const untouched = { uid: 'u-1', allowed: true };
  t.same(review({ metadata: { annotations: { 'sideroute.dev/injected': 'x' } }, spec }), untouched);
  t.same(review({ metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } }, spec }), untouched);
  t.same(review({ metadata: { labels: { 'sideroute.dev/inject': 'disabled' } }, spec }), untouched);
  t.same(review({ metadata: {}, spec }, { operation: 'UPDATE' }), untouched);
  t.same(review({ metadata: {}, spec }, { kind: { kind: 'Node' } }), untouched);
});

t.test('what is no review is refused', async (t) => {
  for (const text of [
    '',
    '[]',
    '{}',
    '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1","request":{"uid":"x"}}',
    '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{}}',
  ]) {
    t.throws(() => reviewPod(text, OPTIONS), { name: 'BadReview' }, text);
  }
});

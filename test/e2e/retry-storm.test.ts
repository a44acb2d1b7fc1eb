/** A backend that fails every request: retries must not multiply what it has to bear. */
import t from 'tap';
import { Mesh } from './conformance/mesh.ts';

const REQUESTS = 2_000;
const CONNECTIONS = 8;
/** What the backend receives at most, as a multiple of what the clients send; settings are the defaults. */
const AMPLIFICATION = 1.25;

const ROUTES = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: storm, namespace: mesh }
spec:
  parentRefs: [{ group: "", kind: Service, name: echo, port: 80 }]
  rules:
    - matches: [{ path: { value: /busy } }]
      retry: { codes: [503], attempts: 3 }
      backendRefs: [{ name: echo-v1, port: 80 }]
    - matches: [{ path: { value: /resets } }]
      retry: { codes: [502], attempts: 3 }
      backendRefs: [{ name: echo-v2, port: 80 }]
`;

t.setTimeout(180_000);
const mesh = await Mesh.start(t);
await mesh.apply(ROUTES);

for (const [title, target, pod, status] of [
  ['SPEC R2, R5: a backend that answers everything with 503', '/busy?status=503', 'echo-v1', 503],
  ['SPEC R3, R5: a backend that resets every connection', '/resets?failure=reset', 'echo-v2', 503],
] as const) {
  t.test(`${title} receives at most ${AMPLIFICATION} times the requests`, async (t) => {
    const backend = mesh.echoes[pod];
    backend.forget();
    const requests = [{ method: 'GET', target, headers: [['Host', 'echo']] }] as const;
    const answers = await mesh.batch('echo:80', { requests, times: REQUESTS, connections: CONNECTIONS, brief: true });
    t.equal(answers.length, REQUESTS);
    t.equal(answers.filter((answer) => answer.status === status).length, REQUESTS, `every answer is ${status}`);
    const { count } = backend.seen();
    t.comment(`${count} requests at the backend, ${(count / REQUESTS).toFixed(3)} times those of the client`);
    t.ok(count > REQUESTS, `some were retried: ${count}`);
    t.ok(count <= REQUESTS * AMPLIFICATION, `${count} of ${REQUESTS * AMPLIFICATION}`);
  });
}

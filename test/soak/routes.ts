/** The configuration of the soak; each generation is another one. */

export const PINNED_NETWORK = '10.96.2.';
export const ADDRESSES: Readonly<Record<string, readonly string[]>> = {
  web: ['10.96.0.10', 'fd00:96::10'],
  calm: ['10.96.0.11'],
  calm2: ['10.96.0.12'],
  rough: ['10.96.0.13'],
  planted: ['10.96.0.14'],
  mirror: ['10.96.0.15'],
  closing: ['10.96.0.16'],
  calls: ['10.96.0.17'],
  'calm-h1': ['10.96.0.21'],
  'calm-h2': ['10.96.0.22'],
  'rough-h1': ['10.96.0.23'],
  'rough-h2': ['10.96.0.24'],
  cut: ['10.96.0.25'],
  /** Another one soon; the document keeps this. */
  pinned: [`${PINNED_NETWORK}1`],
};

/** What the backends of a Service are spoken to in, whatever the caller speaks. */
function appProtocol(name: string): string {
  if (name.endsWith('-h1')) return ', appProtocol: kubernetes.io/ws';
  return name.endsWith('-h2') ? ', appProtocol: kubernetes.io/h2c' : '';
}

function service(name: string): string {
  const addresses = ADDRESSES[name]!;
  return `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {clusterIP: "${addresses[0]}", clusterIPs: [${addresses.map((address) => `"${address}"`).join(', ')}], ports: [{port: 80${appProtocol(name)}}]}
`;
}

/** Of which a request says by its answer which generation decided it; the backend alternates with it. */
export function backendOfGeneration(generation: number): string {
  return generation % 2 === 0 ? 'calm' : 'calm2';
}

/** Files of the ConfigMap. Values of filters and the order of rules differ from one generation to the next. */
export function configuration(generation: number): Record<string, string> {
  const mark = (part: string): string =>
    `{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-${part}, value: "${generation}"}]}}`;
  const padding = 'v'.repeat(200 + (generation % 50));
  const rules = [
    `matches: [{path: {value: /calm}}]
      filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-padding, value: "${padding}"}]}}]
      backendRefs: [{name: calm, port: 80}]`,
    `matches: [{path: {value: /generation}}]
      filters: [${mark('generation')}]
      backendRefs: [{name: ${backendOfGeneration(generation)}, port: 80}]`,
    `matches: [{path: {value: /mirrored}}]
      filters:
        - ${mark('mirrored')}
        - {type: RequestMirror, requestMirror: {backendRef: {name: mirror, port: 80}}}
      backendRefs: [{name: calm, port: 80}]`,
    `matches: [{path: {value: /retried}}]
      retry: {codes: [503], attempts: 2, backoff: 5ms}
      backendRefs: [{name: calm, port: 80}]`,
    `matches: [{path: {value: /redirected}}]
      filters: [{type: RequestRedirect, requestRedirect: {hostname: g${generation}.example}}]`,
    `matches: [{path: {value: /rough-retried}}]
      timeouts: {request: 9s, backendRequest: 4s}
      retry: {codes: [503], attempts: 3, backoff: 10ms}
      backendRefs: [{name: rough, port: 80}]`,
    `matches: [{path: {value: /rough}}]
      timeouts: {request: 5s}
      backendRefs: [{name: rough, port: 80}]`,
    `matches: [{path: {value: /moving}}]
      timeouts: {request: 6s}
      backendRefs: [{name: moving, port: 80}]`,
    `matches: [{path: {value: /pinned}}]
      timeouts: {request: 6s}
      backendRefs: [{name: pinned, port: 80}]`,
    `matches: [{path: {value: /planted}}]
      backendRefs: [{name: planted, port: 80}]`,
    `matches: [{path: {value: /closing}}]
      backendRefs: [{name: closing, port: 80}]`,
    `matches: [{path: {value: /timed}}]
      timeouts: {request: 1s}
      backendRefs: [{name: planted, port: 80}]`,
    `matches: [{method: CONNECT}]
      backendRefs: [{name: calm, port: 80}]`,
  ];
  // The API allows sixteen rules in a route.
  const others = [
    `matches: [{path: {value: /cut}}]
      backendRefs: [{name: cut, port: 80}]`,
    ...['calm-h1', 'calm-h2'].map(
      (name) => `matches: [{path: {value: /${name}}}]
      filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-padding, value: "${padding}"}]}}]
      backendRefs: [{name: ${name}, port: 80}]`,
    ),
    ...['rough-h1', 'rough-h2'].map(
      (name) => `matches: [{path: {value: /${name}}}]
      timeouts: {request: 5s}
      backendRefs: [{name: ${name}, port: 80}]`,
    ),
  ];
  const shift = generation % rules.length;
  const ordered = [...rules.slice(shift), ...rules.slice(0, shift)];
  const route = (name: string, of: readonly string[]): string => `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ${name}, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules:
    - ${of.join('\n    - ')}
`;
  const methods = [
    `matches: [{method: {service: soak.Calm}}]
      filters: [${mark('calls')}]
      backendRefs: [{name: calm, port: 80}]`,
    `matches: [{method: {service: soak.Generation}}]
      filters: [${mark('generation')}]
      backendRefs: [{name: ${backendOfGeneration(generation)}, port: 80}]`,
    `matches: [{method: {service: soak.Rough}}]
      backendRefs: [{name: rough, port: 80}]`,
  ];
  const calls = `apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: calls, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: calls, port: 80}]
  rules:
    - ${(generation % 2 === 0 ? methods : methods.reverse()).join('\n    - ')}
`;
  return {
    'services.yaml': Object.keys(ADDRESSES).map(service).join('---\n'),
    'route.yaml': route('web', ordered),
    'others.yaml': route('others', generation % 2 === 0 ? others : others.reverse()),
    'calls.yaml': calls,
  };
}

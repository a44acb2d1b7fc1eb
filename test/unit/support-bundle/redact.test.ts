/** What is left out of a bundle: by where a value stands, by what it looks like, and wherever else it stands. */
import t from 'tap';
import { KnownSecrets } from '../../../src/support-bundle/known-secrets.ts';
import { redactText } from '../../../src/support-bundle/redact-text.ts';
import { redactObject } from '../../../src/support-bundle/redact-object.ts';
import { redactLog, redactValue, type Redaction } from '../../../src/support-bundle/redact-value.ts';

function redaction(): Redaction {
  return { tally: new Map(), known: new KnownSecrets() };
}

t.test('texts: credentials of every known form go, the rest stays', (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['dial http://me:hunter2@db:80/x failed', 'dial http://[left out]@db:80/x failed'],
    ['GET /cart?token=abc&x=1 404', 'GET /cart?[left out] 404'],
    ['Get "http://10.0.0.1/ready?key=abc": EOF', 'Get "http://10.0.0.1/ready?[left out]": EOF'],
    ['is it there? no', 'is it there? no'],
    ['authorization: Bearer abc.def', 'authorization: [left out]'],
    ['sent Bearer abcdefgh to it', 'sent Bearer [left out] to it'],
    ['Set-Cookie: id=1; Path=/', 'Set-Cookie: [left out]'],
    ['DB_PASSWORD=abc next', 'DB_PASSWORD=[left out] next'],
    ['{"apiKey": "abc", "n": 1', '{"apiKey": "[left out]", "n": 1'],
    [String.raw`{\"client_secret\":\"abc\"}`, String.raw`{\"client_secret\":\"[left out]\"}`],
    ['got eyJhbGciOi.eyJzdWIi.c2ln back', 'got [left out] back'],
    ['-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nrest', '[left out]\nrest'],
    ['AKIAABCDEFGHIJKLMNOP', '[left out]'],
    [
      'sideroute_passthrough_connections_total{reason="tls"} 3',
      'sideroute_passthrough_connections_total{reason="tls"} 3',
    ],
    ['sessionAffinity: ClientIP', 'sessionAffinity: ClientIP'],
  ];
  for (const [text, expected] of cases) {
    const tally = new Map<string, number>();
    t.equal(redactText(text, tally), expected);
    t.equal(tally.size > 0, text !== expected, text);
    t.equal(redactText(expected, new Map()), expected, 'once more changes nothing');
  }
  t.end();
});

t.test('texts: nothing of a credential stays behind, however it is quoted and nested', (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['dial http://me:p@k1@db:80/x', 'dial http://[left out]@db:80/x'],
    ['dial redis://me:ab/k1@db', 'dial redis://[left out]@db'],
    ['dial http://cart:80/mail/me@x', 'dial http://cart:80/mail/me@x'],
    ['authorization: Digest username="me", response="k1"', 'authorization: [left out]'],
    ['sent Digest username="me", response="k1"', 'sent Digest [left out]'],
    ['cookie: a="x k1"; b=k2', 'cookie: [left out]'],
    ["{ 'cookie': 'a=1; b=k1' }", "{ 'cookie': '[left out]' }"],
    ["'set-cookie': [ 'a=k1; Path=/', 'b=k2' ],", "'set-cookie': [left out],"],
    ['{"set-cookie":["a=k1"]} x', '{"set-cookie":[left out]} x'],
    ['x {"tokens":["k1","k2"],"n":1', 'x {"tokens":[left out],"n":1'],
    [String.raw`{\"cookie\":\"a=1; b=k1\",\"n\":1}`, String.raw`{\"cookie\":\"[left out]\",\"n\":1}`],
    [String.raw`{\\\"token\\\":\\\"k1\\\"}`, String.raw`{\\\"token\\\":\\\"[left out]\\\"}`],
    ['password="two words k1" next', 'password="[left out]" next'],
    ["password: 'two k1', n: 1", "password: '[left out]', n: 1"],
    [String.raw`{"password": "a\"k1", "n": 1`, '{"password": "[left out]", "n": 1'],
    ['password="" next', 'password="" next'],
    ['passwd=a,k1 next', 'passwd=[left out] next'],
    ['passwd=a&k1&user=me', 'passwd=[left out]&user=me'],
    ['JSESSIONID=k1, session_id: k2', 'JSESSIONID=[left out], session_id: [left out]'],
    [String.raw`GET /a?b=c\u0026d=k1 404`, 'GET /a?[left out] 404'],
    ['GET /a?b=(c)k1 404', 'GET /a?[left out] 404'],
    [`GET /a?b="c"k1 404`, 'GET /a?[left out] 404'],
    ['sent bearer abcdefgh-12345678 to it', 'sent bearer [left out] to it'],
    ['a bearer of news', 'a bearer of news'],
    ['-----BEGIN PGP PRIVATE KEY BLOCK-----\nk1\n-----END PGP PRIVATE KEY BLOCK-----\nrest', '[left out]\nrest'],
  ];
  for (const [text, expected] of cases) {
    t.equal(redactText(text, new Map()), expected);
    t.equal(redactText(expected, new Map()), expected, 'once more changes nothing');
  }
  t.end();
});

t.test('a megabyte of anything is gone through in no time', (t) => {
  for (const piece of [
    'a',
    '?',
    'a://',
    'a://b:c',
    'token',
    'token="',
    'token="\\\\',
    'token=abcd,',
    'cookie: [',
    'cookie: a="',
    'bearer 1',
    '/?a\\\\u0026',
    'authorization:',
    '-----BEGIN PRIVATE KEY-----',
    'eyJa.',
    'x=',
    '"\\',
    '-----END PRIVATE KEY-----',
    'password is ',
    'password        ',
    '--token ',
    ' -u a:',
    'a:b@',
    'Aa1+',
    'token %3d',
    '<token>',
    'Basic A',
    '{"a":',
    'a_key: ',
  ]) {
    const text = piece.repeat(Math.ceil(1_000_000 / piece.length));
    t.ok(redactText(text, new Map()).length <= text.length * 2);
  }
  t.end();
});

t.test('100 kB of brackets are gone through in no time', (t) => {
  for (const piece of [
    '[',
    '{',
    '[]',
    '["',
    '["",["',
    '[",",',
    '{"a":',
    '{"a":[',
    '{"a":"',
    '[1,"[1,',
    '["\\\\","[\\"',
    '{"":1}',
    '[[x]',
    '{"token":"a"} ',
    'token: ["a"] ',
    'token: [',
  ]) {
    const text = piece.repeat(Math.ceil(100_000 / piece.length));
    t.ok(redactLog(text, redaction()).length <= text.length * 3, piece);
  }
  const closed = `${'['.repeat(40_000)}"a"${']'.repeat(40_000)}`;
  t.match(redactLog(`[x] ${closed} x${closed}`, redaction()), /^\[x\] \[/);
  t.end();
});

t.test('routes and dumps: what filters set never, what matches compare by the name of the field', (t) => {
  const told = redaction();
  const route = {
    rules: [
      {
        matches: [
          {
            path: { type: 'PathPrefix', value: '/cart' },
            headers: [
              { name: 'x-canary', value: 'yes' },
              { name: 'x-api-key', value: 'k1' },
            ],
            queryParams: [{ name: 'token', value: 'k2' }],
          },
        ],
        filters: [
          {
            type: 'RequestHeaderModifier',
            requestHeaderModifier: {
              set: [{ name: 'x-partner', value: 'k3' }],
              add: [{ name: 'x-v', value: 'k4' }],
              remove: ['x-r'],
            },
          },
        ],
        backendRefs: [{ name: 'cart', filters: [{ responseHeaderModifier: { add: [{ name: 'x-b', value: 'k5' }] } }] }],
      },
    ],
  };
  const text = JSON.stringify(redactValue(route, told));
  for (const secret of ['k1', 'k2', 'k3', 'k4', 'k5']) t.notOk(text.includes(`"${secret}"`), secret);
  for (const kept of ['/cart', '"x-canary","value":"yes"', 'x-api-key', 'x-partner', '"x-r"', '"cart"'])
    t.ok(text.includes(kept), kept);
  t.same(
    [...told.tally.keys()],
    [
      'rules[0].matches[0].headers[1].value (x-api-key)',
      'rules[0].matches[0].queryParams[0].value (token)',
      'rules[0].filters[0].requestHeaderModifier.set[0].value (x-partner)',
      'rules[0].filters[0].requestHeaderModifier.add[0].value (x-v)',
      'rules[0].backendRefs[0].filters[0].responseHeaderModifier.add[0].value (x-b)',
    ],
  );
  t.end();
});

t.test(
  'by the name of a field everything below it, and what stands beside a name that says so, in whatever list',
  (t) => {
    const told = redaction();
    const value = {
      cookies: { sid: 'secret-k1', more: [['secret-k2'], { x: 3141592653 }] },
      entries: [
        { name: 'authorization', value: 'secret-k4' },
        { key: 'password', value: 'secret-k5', note: 'kept' },
        { name: 'x-canary', value: 'yes' },
      ],
      one: { name: 'token', value: 'secret-k6' },
      rows: [
        ['cookie', 'secret-k7'],
        ['accept', 'text/html'],
      ],
      requestHeaderModifier: { set: { 'x-partner': 'secret-k8' } },
      'http://me:secret-k9@db/': { token: 'secret-k10' },
      projected: { serviceAccountToken: { path: 'token', audience: 'api' } },
      secret: { secretName: 'db', items: [{ key: 'password', path: 'db/password' }] },
      imagePullSecrets: [{ name: 'registry' }],
    };
    const text = JSON.stringify(redactValue(value, told));
    t.notMatch(text, /secret-k\d|3141592653/);
    t.notMatch([...told.tally.keys()].join(' '), /secret-k\d/, 'nor do the places say it');
    for (const kept of [
      '"note":"kept"',
      '{"name":"x-canary","value":"yes"}',
      '["accept","text/html"]',
      '{"path":"token","audience":"api"}',
      '{"secretName":"db","items":[{"key":"password","path":"db/password"}]}',
      '[{"name":"registry"}]',
    ])
      t.ok(text.includes(kept), kept);
    t.end();
  },
);

t.test('strings that hold JSON are gone through, in values and in lines of a log, under their time', (t) => {
  const inner = JSON.stringify({ password: 'k1', note: JSON.stringify({ token: ['k2'], fine: 1 }) });
  t.notMatch(JSON.stringify(redactValue({ message: inner }, redaction())), /k1|k2/);
  const log = `2026-03-02T09:14:07.1Z {"level":"info","message":"asked /a?b=k3","error":${JSON.stringify(inner)}}\nplain Bearer k4k4k4\n`;
  const shown = redactLog(log, redaction());
  t.notMatch(shown, /k[1-4]/);
  t.match(shown, /^2026-03-02T09:14:07\.1Z \{"level":"info","message":"asked \/a\?\[left out\]"/);
  t.equal(shown.split('\n').length, 3);
  t.end();
});

t.test('a Secret in whatever it stands in has its keys alone', (t) => {
  const value = {
    items: [{ data: { db: 'c2VjcmV0' }, kind: 'Secret', metadata: { name: 'x' }, stringData: { a: 'k1' } }],
  };
  t.same(redactValue(value, redaction()), {
    items: [{ data: { db: '[left out]' }, kind: 'Secret', metadata: { name: 'x' }, stringData: { a: '[left out]' } }],
  });
  const list = { kind: 'List', data: { kept: 'yes' } };
  t.same(redactValue(list, redaction()), list);
  t.end();
});

t.test('nesting that nobody writes ends, and no field is lost to a prototype', (t) => {
  let deep: unknown = 'end';
  for (let level = 0; level < 5_000; level++) deep = { deep };
  t.match(JSON.stringify(redactValue(deep, redaction())), /\[left out\]/);
  const odd = JSON.parse('{"__proto__":{"password":"k1"},"constructor":1}') as unknown;
  t.equal(JSON.stringify(redactValue(odd, redaction())), '{"__proto__":{"password":"[left out]"},"constructor":1}');
  t.end();
});

t.test('what was left out is looked for everywhere, in the forms in which it may stand', (t) => {
  const known = new KnownSecrets();
  known.add('p@ss "word"/1', 'VALUE');
  known.add('Bearer abc123xyz', 'authorization');
  for (const common of [
    'production',
    '8080',
    'cart.shop.svc:80',
    'http://cart.shop:80',
    '/var/lib/x',
    'application/json',
    '30s',
    'short',
  ])
    known.add(common, 'VALUE');
  const scrub = known.scrubber();
  for (const form of [
    'p@ss "word"/1',
    String.raw`p@ss \"word\"/1`,
    encodeURIComponent('p@ss "word"/1'),
    Buffer.from('p@ss "word"/1').toString('base64'),
    'abc123xyz',
  ])
    t.match(scrub(`<${form}>`, new Map()), /^<\[left out\]=*>$/, form);
  const common = 'production 8080 cart.shop.svc:80 http://cart.shop:80 /var/lib/x application/json 30s short';
  t.equal(scrub(common, new Map()), common);
  t.end();
});

t.test('names of Secrets stay, and a word that stands in every bundle is looked for nowhere', (t) => {
  const told = redaction();
  const pod = {
    metadata: { annotations: { 'sideroute.dev/traces-headers-secret': 'headers-1a' } },
    spec: {
      containers: [
        {
          name: 'sideroute',
          args: ['--inject-traces-headers-secret=headers-2a', '--traces-headers-secret', 'headers-3a'],
          env: [{ name: 'SIDEROUTE_INJECT_TRACES_HEADERS_SECRET', value: 'headers-4a' }],
        },
        {
          name: 'app',
          env: [
            { name: 'SIDEROUTE_INJECT_TRACES_HEADERS_SECRET', value: 'headers' },
            { name: 'DB_PASSWORD', value: 'password' },
            { name: 'A_TOKEN', value: 'Bearer default' },
            { name: 'B_TOKEN', value: 'correcthorse' },
          ],
        },
      ],
    },
  };
  const shown = JSON.stringify(redactObject(pod, told));
  for (const kept of ['headers-1a', '=headers-2a', 'headers-3a', 'headers-4a']) t.match(shown, kept);
  t.notMatch(shown, /"headers"|"password"/);
  const scrub = told.known.scrubber();
  const common = '{"headers":[],"password":1,"namespace":"default"} headers-1a headers-2a headers-3a headers-4a';
  t.equal(scrub(common, new Map()), common);
  t.equal(scrub('a correcthorse', new Map()), 'a [left out]');
  t.end();
});

t.test('a known value is found however it was written down, and as often as it was left out', (t) => {
  const known = new KnownSecrets();
  // What every pod of a namespace has counts once.
  for (let time = 0; time < 2_000; time++) known.add('value-of-every-pod-1A', 'VALUE');
  for (const value of [
    'first line 1A\nsecond line 2B',
    'two "words" 3C',
    'deadbeef0123456789abcdef',
    '3f0c2b1e-1111-4222-8333-abcdefabcdef',
  ])
    known.add(value, 'VALUE');
  known.add('apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nspec:\n  x: words 4D', 'VALUE');
  const scrub = known.scrubber();
  const twice = (text: string): string => JSON.stringify(JSON.stringify(text));
  for (const text of [
    '    first line 1A\n    second line 2B\n',
    '2026-03-02T09:14:07.1Z first line 1A\n2026-03-02T09:14:07.1Z second line 2B\n',
    twice('first line 1A\nsecond line 2B'),
    twice('two "words" 3C'),
    new URLSearchParams({ a: 'two "words" 3C' }).toString(),
    'deadbeef0123456789abcdef',
    '3f0c2b1e-1111-4222-8333-abcdefabcdef',
    Buffer.from('deadbeef0123456789abcdef').toString('base64'),
  ])
    t.notMatch(scrub(text, new Map()), /line|words|deadbeef|3f0c2b1e|ZGVhZGJl/, text);
  t.equal(scrub('y: words 4D', new Map()), 'y: [left out]');
  const everywhere =
    'apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: cart-7d9c5b6f4-x2x9z }';
  t.equal(scrub(everywhere, new Map()), everywhere);
  t.end();
});

t.test('pods: variables, arguments and annotations by their names; those of the sidecar as they are', (t) => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'cart-1',
      labels: { app: 'cart' },
      managedFields: ['x'],
      annotations: {
        'kubectl.kubernetes.io/last-applied-configuration': '{"k1":1}',
        'sideroute.dev/log-level': 'debug',
        mine: 'k2',
      },
    },
    spec: {
      initContainers: [
        {
          name: 'sideroute',
          image: 'x/sideroute:1',
          command: ['sideroute', 'proxy'],
          env: [
            { name: 'SIDEROUTE_LOG_LEVEL', value: 'debug' },
            { name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'http://u:k3@collector:4318' },
            { name: 'OTEL_EXPORTER_OTLP_HEADERS', value: 'x=k4' },
          ],
        },
      ],
      containers: [
        {
          name: 'app',
          command: ['/app', '--password=k5', '--token', 'k6', '-pk7', '-v', 'k8'],
          env: [
            { name: 'PLAIN', value: 'k9' },
            { name: 'REF', valueFrom: { secretKeyRef: { name: 'db', key: 'password' } } },
          ],
          livenessProbe: {
            httpGet: { path: '/x?t=k10', port: 1, httpHeaders: [{ name: 'x-a', value: 'k11' }] },
            periodSeconds: 5,
          },
          lifecycle: { preStop: { exec: { command: ['sh', '-c', 'curl k12'] } } },
          somethingNew: 'k13',
        },
      ],
      volumes: [
        { name: 'a', secret: { secretName: 'db' } },
        { name: 'b', csi: { volumeAttributes: { key: 'k14' } } },
      ],
      somethingNew: { x: 'k15' },
    },
    status: {
      phase: 'Running',
      containerStatuses: [{ name: 'app', lastState: { terminated: { exitCode: 1, message: 'k16' } } }],
    },
  };
  const told = redaction();
  const text = JSON.stringify(redactObject(pod, told));
  for (let index = 1; index <= 16; index++) t.notMatch(text, new RegExp(`k${index}\\b`), `k${index}`);
  for (const kept of [
    '"app":"cart"',
    '"sideroute.dev/log-level":"debug"',
    '"command":["sideroute","proxy"]',
    '"SIDEROUTE_LOG_LEVEL","value":"debug"',
    'http://[left out]@collector:4318',
    '"--password=[left out]","--token","[left out]"',
    '"secretKeyRef":{"name":"db","key":"password"}',
    '"secretName":"db"',
    '"periodSeconds":5',
    '"exitCode":1',
    '"somethingNew":"[left out]"',
  ])
    t.ok(text.includes(kept), kept);
  t.notMatch(text, /managedFields/);
  t.end();
});

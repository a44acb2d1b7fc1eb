/**
 * Secrets in lines of a log as programs write them, through everything that a bundle does with a log: none of them is in it. Beside them what people and
 * programs write about secrets that is none, and has to stay for who reads the bundle.
 */
import { createHash } from 'node:crypto';
import t from 'tap';
import { Collection } from '../../../src/support-bundle/collection.ts';

const SECRET = 'Zx9PLANTEDq7';
const STAMP = '2026-03-02T09:14:07.1Z ';
const base64 = (text: string | Buffer): string => Buffer.from(text).toString('base64');
const BASIC = base64(`bob:${SECRET}`);
/** As the lines of a key are: nobody knows one from the other. */
const KEY_LINES = ['a', 'b', 'c']
  .map((seed) => base64(createHash('sha512').update(seed).digest().subarray(0, 48)))
  .concat('QkJCQkI9');
const JWT = ['{"alg":"HS256","typ":"JWT"}', '{"sub":"1234567890"}'].map((part) => base64(part).replace(/=+$/, ''));

function bundled(log: string): { readonly log: string; readonly index: string } {
  const collection = new Collection();
  collection.addLog('x.log', 'a log', log);
  const files = collection.files({ madeAt: '', of: '', client: { version: '1', commit: null } });
  const textOf = (name: string): string => files.find((each) => each.name === name)!.text;
  return { log: textOf('x.log'), index: textOf('INDEX.txt') };
}

/** What it is, the text, and what must not be left of it where that is more than SECRET. */
const PLANTED: readonly (readonly [string, string, (readonly string[])?])[] = [
  ['a sentence', `log in failed: password is ${SECRET}`],
  ['a sentence, quoted', `the password "${SECRET}" is wrong`],
  ['a word in quotes', 'the password "PLANTED" is wrong', ['PLANTED']],
  ['a sentence about a token', `refused with token ${SECRET}.`],
  ['for whom', `password for user bob: ${SECRET}`],
  ['of netrc', `machine x login bob password ${SECRET}`],
  ['of SQL', `CREATE USER bob IDENTIFIED BY '${SECRET}'`],
  ['a colon', `token: ${SECRET}`],
  ['Ruby', `{ :secret => "${SECRET}" }`],
  ['Go', `{User:bob Password:${SECRET} Host:x}`],
  ['a map of Go', `map[Authorization:[Bearer ${SECRET}] Accept:[*/*]]`],
  ['Rust', `Config { password: Some("${SECRET}"), n: 1 }`],
  ['Python', `{'password': b'${SECRET}'}`],
  ['XML', `<password>${SECRET}</password>`],
  ['of a form', `body password%3D${SECRET}%26x`],
  ['JSON that escapes everything', String.raw`password\u003d${SECRET}`],
  ['in colours', `\u001b[33mpassword\u001b[0m=${SECRET}`],
  ['it begins as an error does', 'password: not.so.secret1', ['so.secret1']],
  ['a word and a mark', 'password: true!x9k2', ['x9k2']],
  ['a word and a path', 'password: none/9xk', ['9xk']],
  ['a word and a dot', 'token: null.abcdef12345', ['abcdef12345']],
  ['flag', `running: mysql --password ${SECRET} -h db`],
  ['curl', `running: curl -u bob:${SECRET} http://x`],
  ['a variable', `DB_PASS=${SECRET} ENCRYPTION_KEY=${SECRET} DATABASE_DSN=${SECRET}`],
  ['a key with a name', `signing key: ${SECRET}`],
  ['Basic, and the same elsewhere', `Authorization: Basic ${BASIC}\nhandshake ${BASIC} failed`, [BASIC]],
  ['Basic, and the password elsewhere', `Authorization: Basic ${BASIC}\nlogin of bob with ${SECRET} failed`],
  ['a password, and elsewhere encoded with a user', `DB_PASSWORD=${SECRET}\nsent ${BASIC} to it`, [BASIC.slice(8)]],
  ['a text, and another one', `DB_PASSWORD=${SECRET}\ncould not log in with ${SECRET}`],
  ['a URL, and a text', `dial postgres://bob:${SECRET}%2F@db:5432/x\nnow ${SECRET}/`],
  ['a DSN', `connect bob:${SECRET}@tcp(db:3306)/x`],
  ['a token of JSON', `got x_${JWT.join('.')}.${SECRET}`, [SECRET, JWT[1]!]],
  ['AWS', 'AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', ['AKIAIO', 'wJalr']],
  ['Azure', `AccountName=x;AccountKey=${base64(SECRET + SECRET)};EndpointSuffix=y`, ['Wng5']],
  ['Google', `ya29.a0AfH6SM${SECRET}`],
  ['Stripe', `rk_live_abcd${SECRET}`],
  ['Vault', `hvs.abcdefgh${SECRET}`],
  ['Docker', `dckr_pat_abcdefgh${SECRET}`],
  ['Slack', `https://hooks.slack.com/services/team/bot/${SECRET}`],
  ['SendGrid', `SG.abcdefghijklmnop.abcdefgh${SECRET}`],
  ['a key', `-----BEGIN RSA PRIVATE KEY-----\n${KEY_LINES.join('\n')}\n-----END RSA PRIVATE KEY-----`, KEY_LINES],
  [
    'a key under times',
    ['-----BEGIN PRIVATE KEY-----', ...KEY_LINES, '-----END PRIVATE KEY-----'].map((each) => STAMP + each).join('\n'),
    KEY_LINES,
  ],
  ['a key whose head is cut off', [...KEY_LINES, '-----END EC PRIVATE KEY-----'].join('\n'), KEY_LINES],
  ['its head is cut off, in one line', `${KEY_LINES.join(String.raw`\n`)}-----END PRIVATE KEY-----`, KEY_LINES],
  [
    'the middle of a key',
    KEY_LINES.slice(0, 3)
      .map((each) => STAMP + each)
      .join('\n'),
    KEY_LINES.slice(0, 3),
  ],
  ['a block of YAML', `${STAMP}password: |\n${STAMP}  ${SECRET}\n${STAMP}  PLANTED`, ['PLANTED']],
  [
    'a block of YAML under times with an offset',
    `2026-03-02T09:14:07.123456789+02:00 password: |\n2026-03-02T09:14:07.123456790+02:00   PLANTED`,
    ['PLANTED'],
  ],
  ['a folded block', `  token: >-\n    PLANTED\n    PLANTED\n  kept: 1`, ['PLANTED']],
  ['the next line', 'password:\n  PLANTED\n', ['PLANTED']],
  ['a list of JSON in lines', '"tokens": [\n  "PLANTED",\n  "PLANTED"\n]', ['PLANTED']],
  ['a line that goes on', `password=abc\\\n${SECRET} kept`],
  ['a line that goes on and ends as in Windows', `password=abc\\\r\n${SECRET} kept\r\n`],
  ['a Secret', `kind: Secret\ndata:\n  db: ${base64(SECRET)}\n`, [base64(SECRET)]],
  ['a Secret in a sentence', `applied {"kind":"Secret","data":{"db":"${base64(SECRET)}"}} to it`, [base64(SECRET)]],
  ['a release of Helm', `{"release":"${base64(base64(createHash('sha512').update('x').digest()))}"}`, ['release":"Y']],
  ['JSON behind a level', `[info] {"headers":[{"name":"authorization","value":"${SECRET}"}]}`],
  ['JSON before a mark', `{"headers":[{"name":"authorization","value":"${SECRET}"}]} [done]`],
  ['an object behind a thread', `[main] env {"name":"DB_PASSWORD","value":"${SECRET}"}`],
  ['two objects', `{"a":1} and {"name":"DB_PASSWORD","value":"${SECRET}"}`],
  ['an object in brackets that are not JSON', `[see {"name":"DB_PASSWORD","value":"${SECRET}"}] {x}`],
  ['JSON behind a bracket that stays open', `[[ "it is {"name":"DB_PASSWORD","value":"${SECRET}"}`],
  ['JSON whose end is cut off', `[1] {"env":[{"name":"DB_PASSWORD","value":"${SECRET}"},{"name":"x`],
  ['a list of a sensitive name', `got tokens: ["PLANTED", {"a": ["PLANTED"]}] [done]`, ['PLANTED']],
  ['a list, and the end is cut off', `x {"set-cookie":["a=PLANTED"],"n":1`, ['PLANTED']],
  ['what Docker knows', `{"auths":{"reg":{"auth":"${BASIC}"}}}`, [BASIC]],
];

t.test(
  'no secret of a log is in a bundle, in whatever way a program writes it; the index says that there was one',
  (t) => {
    for (const [what, text, secrets = [SECRET]] of PLANTED) {
      const { log, index } = bundled(text);
      t.notOk(
        secrets.some((each) => log.includes(each)),
        `${what}: ${log}`,
      );
      t.match(log, /\[left out\]/, what);
      t.match(index, /^ {2}x\.log\n {4}\w/m, what);
    }
    t.end();
  },
);

t.test('what is beside a secret of several lines stays', (t) => {
  const shown = (text: string): string => bundled(text).log;
  t.equal(shown('a: 1\npassword: |\n  x\n\n  y\nkept: 1'), 'a: 1\npassword: |\n  [left out]\n\n  [left out]\nkept: 1');
  t.equal(shown('"tokens": [\n  "x"\n],\n"n": 1'), '"tokens": [\n  [left out]\n],\n"n": 1');
  t.equal(
    shown(`before it\n${KEY_LINES[3]}\n-----END PRIVATE KEY-----\nkept`),
    'before it\n[left out]\n[left out]\nkept',
  );
  t.equal(shown('expected "-----BEGIN PRIVATE KEY-----" here\nnext line\n'), 'expected "[left out]" here\nnext line\n');
  t.equal(shown('Error: no token:\n    at main (x.js:1)'), 'Error: no token:\n    at main (x.js:1)');
  t.end();
});

t.test('what is beside JSON in a line stays', (t) => {
  const shown = (text: string): string => bundled(text).log;
  t.equal(
    shown('[info] {"token":"x1","n":1} [12:30] {"m":[2]} {odd} [done]'),
    '[info] {"token":"[left out]","n":1} [12:30] {"m":[2]} {odd} [done]',
  );
  t.equal(shown('GET /a?b[0]=k1&c={1} 404'), 'GET /a?[left out] 404');
  t.equal(shown('secret: {"secretName":"db"} [x]'), 'secret: {"secretName":"db"} [x]');
  t.equal(shown('password=abc\\\r\nmore kept\r\n'), 'password=[left out]\\\r\n[left out] kept\r\n');
  t.end();
});

t.test('what is said about secrets stays', (t) => {
  for (const text of [
    'password is wrong',
    'the password has been changed; it must not be empty',
    'password authentication failed for user "bob"',
    'password: required',
    'token: invalid',
    'token: no such file',
    'error="token: invalid" code=1',
    '(token: expired), password: missing; secret: null.',
    'running --inject-traces-headers-secret otel-headers --traces-headers-secret=otel-headers-1a',
    'SIDEROUTE_INJECT_TRACES_HEADERS_SECRET=otel-headers-1a, sideroute.dev/traces-headers-secret: Otel1',
    'invalid token: unexpected end of input at 12:30',
    'Unexpected token u00e9a1 at 5',
    'with token expired at noon',
    'token bucket full, tokens are refreshed every hour',
    'the secret was not found',
    'secret: not found',
    'secretName: db',
    'MountVolume.SetUp failed for volume "cert" : secret "sideroute-webhook-cert" not found',
    'failed to get secret default/tls-cert-2',
    'open /var/run/secrets/kubernetes.io/serviceaccount/token: no such file or directory',
    'open /etc/secret: permission denied',
    'Basic authentication failed, Bearer token missing',
    'keys: 12, key: cart, primary key: id, monkey: banana',
    'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    'commit 36a8ba7f0e1d2c3b4a5968778695a4b3c2d1e0f0 of GitHub/blob/36a8ba7f0e1d2c3b4a5968778695a4b3c2d1e0f0',
    'traceparent 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    '/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/My-Route-Of-2026/status/And/More',
    'dial http://cart.shop:80/a@b by user@example.com',
    'the flag --token needs a value',
  ])
    t.equal(bundled(text).log, text);
  t.end();
});

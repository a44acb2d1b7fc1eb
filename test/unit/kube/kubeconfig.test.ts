/** A kubeconfig as kubectl reads it: which files, which entries, and what is told where one does not fit. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { kubeTarget } from '../../../src/kube/kubeconfig.ts';

function directory(t: Test, files: Readonly<Record<string, unknown>>): string {
  const path = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(path, name, '..'), { recursive: true });
    writeFileSync(join(path, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return path;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** One context of the same name for all. */
function config(name: string, more: { cluster?: object; user?: object; context?: object } = {}) {
  return {
    'current-context': name,
    contexts: [{ name, context: { cluster: name, user: name, ...more.context } }],
    clusters: [{ name, cluster: { server: `https://${name}:6443`, ...more.cluster } }],
    users: [{ name, user: more.user ?? {} }],
  };
}

t.test(
  'several files of KUBECONFIG are one: each name is of the first that has it, paths are relative to its file',
  async (t) => {
    const path = directory(t, {
      'a/config': { ...config('one', { user: { 'client-certificate': 'me.crt', 'client-key': 'me.key' } }), users: [] },
      'b/config': {
        ...config('one', { cluster: { server: 'https://other:1' }, user: { tokenFile: 'token' } }),
        'current-context': 'two',
      },
      'b/token': 'abc\n',
      'c/config': config('two', { context: { namespace: 'shop' }, cluster: { 'certificate-authority': 'ca.crt' } }),
      'c/ca.crt': 'CA',
      empty: '',
    });
    const KUBECONFIG = ['a/config', 'gone', 'b/config', 'empty', 'c/config'].map((name) => join(path, name)).join(':');
    const one = kubeTarget({}, { KUBECONFIG });
    t.equal(one.context, 'one', 'current-context of the first that has one');
    t.equal(one.access.server, 'https://one:6443');
    t.equal(one.access.authorization(), 'Bearer abc');
    t.equal(one.namespace, 'default');
    const two = kubeTarget({ context: 'two' }, { KUBECONFIG });
    t.match(two, { context: 'two', namespace: 'shop', access: { server: 'https://two:6443', ca: 'CA', verify: true } });
    t.equal(kubeTarget({ context: 'two', namespace: 'other' }, { KUBECONFIG }).namespace, 'other');
  },
);

t.test('the flag names the only file, before KUBECONFIG, before ~/.kube/config, before the pod', async (t) => {
  const path = directory(t, {
    '.kube/config': config('home'),
    env: config('env'),
    flag: config('flag'),
  });
  const [HOME, KUBECONFIG] = [path, join(path, 'env')];
  t.equal(kubeTarget({ kubeconfig: join(path, 'flag') }, { HOME, KUBECONFIG }).context, 'flag');
  t.equal(kubeTarget({}, { HOME, KUBECONFIG }).context, 'env');
  t.equal(kubeTarget({}, { HOME, KUBERNETES_SERVICE_HOST: '10.0.0.1' }).context, 'home');
  t.throws(() => kubeTarget({}, { HOME: join(path, 'nowhere') }), {
    code: 'no-cluster',
    message: /looked for .*nowhere\/\.kube\/config.*--kubeconfig FILE/,
  });
  t.throws(() => kubeTarget({ kubeconfig: join(path, 'gone') }, { HOME }), {
    message: /--kubeconfig .*gone: there is no/,
  });
});

t.test('certificates in the file come before those beside it', async (t) => {
  const path = directory(t, {
    config: config('c', {
      cluster: {
        ...{ 'certificate-authority': 'gone', 'certificate-authority-data': base64('CA') },
        ...{ 'tls-server-name': 'kubernetes', 'insecure-skip-tls-verify': true },
      },
      user: { 'client-certificate-data': base64('CERT'), 'client-key': 'key' },
    }),
    key: 'KEY',
  });
  const { access } = kubeTarget({ kubeconfig: join(path, 'config') }, {});
  t.match(access, { ca: 'CA', cert: 'CERT', key: 'KEY', servername: 'kubernetes', verify: false, issuer: null });
});

t.test('who acts as somebody else does so in every request', async (t) => {
  const user = {
    as: 'jane',
    'as-uid': '7',
    'as-groups': ['dev', 'ops'],
    'as-user-extra': { 'a/B': ['x'] },
    token: ' t\n',
  };
  const path = directory(t, { config: config('c', { user }) });
  const { access } = kubeTarget({ kubeconfig: join(path, 'config') }, {});
  t.same(access.headers, {
    'Impersonate-User': 'jane',
    'Impersonate-Uid': '7',
    'Impersonate-Group': ['dev', 'ops'],
    'Impersonate-Extra-a%2Fb': ['x'],
  });
  t.equal(access.authorization(), 'Bearer t');
});

t.test('who has a token needs no program that issues one', async (t) => {
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'never' };
  const path = directory(t, {
    config: config('c', { user: { exec, token: 't' } }),
    plugin: config('c', { user: { exec } }),
  });
  t.equal(kubeTarget({ kubeconfig: join(path, 'config') }, {}).access.issuer, null);
  t.not(kubeTarget({ kubeconfig: join(path, 'plugin') }, {}).access.issuer, null);
});

const FAULTS: readonly (readonly [string, unknown, RegExp])[] = [
  ['no current-context', { ...config('c'), 'current-context': '' }, /has no current-context; .*--context NAME \(c\)/],
  ['a context that is not there', { ...config('c'), 'current-context': 'd' }, /current-context: .*"d"; there are: c/],
  [
    'a cluster that is not there',
    { ...config('c'), clusters: [] },
    /context "c": clusters has no entry "c"; there are: none/,
  ],
  ['a user that is not there', { ...config('c'), users: [] }, /context "c": users has no entry "c"/],
  ['no server', config('c', { cluster: { server: '' } }), /context "c": server: got "", expected an http/],
  ['a server without scheme', config('c', { cluster: { server: 'localhost:6443' } }), /server: got "localhost:6443"/],
  ['a proxy', config('c', { cluster: { 'proxy-url': 'socks5://x' } }), /context "c": proxy-url: .*kubectl proxy/],
  ['auth-provider', config('c', { user: { 'auth-provider': {} } }), /auth-provider: .*exec plugin/],
  [
    'no file of a certificate',
    config('c', { cluster: { 'certificate-authority': 'x' } }),
    /certificate-authority: there is no file .*\/x$/,
  ],
  ['no file of a token', config('c', { user: { tokenFile: 'x' } }), /tokenFile: there is no file .*\/x$/],
  [
    'no base64',
    config('c', { cluster: { 'certificate-authority-data': '{}' } }),
    /certificate-authority-data: is not base64/,
  ],
  [
    'half a pair',
    config('c', { user: { 'client-key-data': base64('K') } }),
    /context "c": client-certificate: is missing/,
  ],
  [
    'another version of exec',
    config('c', { user: { exec: { apiVersion: 'v1alpha1', command: 'x' } } }),
    /exec: apiVersion: got "v1alpha1"/,
  ],
  [
    'no program',
    config('c', { user: { exec: { apiVersion: 'client.authentication.k8s.io/v1' } } }),
    /exec: command: is missing/,
  ],
  ['no kubeconfig', '[]', /is no kubeconfig; kubectl config view/],
  ['no YAML', 'a: [', /kubectl config view/],
];

for (const [title, content, message] of FAULTS) {
  t.test(`told with its file: ${title}`, async (t) => {
    const file = join(directory(t, { config: content }), 'config');
    t.throws(() => kubeTarget({ kubeconfig: file }, {}), { code: 'bad-kubeconfig', message });
    t.throws(() => kubeTarget({ kubeconfig: file }, {}), { message: new RegExp(`^${file}: `) });
  });
}

t.test('a context of the flag that is not there is told as the flag', async (t) => {
  const kubeconfig = join(directory(t, { config: config('c') }), 'config');
  t.throws(() => kubeTarget({ kubeconfig, context: 'x' }, {}), {
    message: /--context: there is no context "x"; there are: c/,
  });
});

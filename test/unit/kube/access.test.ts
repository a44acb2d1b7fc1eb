/** Where the API server is, and who asks. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { inClusterAccess } from '../../../src/kube/access.ts';
import { kubeconfigAccess } from '../../../src/kube/kubeconfig.ts';

function directory(t: Test, files: Readonly<Record<string, string>>): string {
  const path = mkdtempSync(join(tmpdir(), 'access-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(path, name, '..'), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

t.test('within a pod: address, certificate and token of its service account', async (t) => {
  const path = directory(t, { token: 'abc\n', 'ca.crt': 'CA' });
  const environment = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' };
  const access = inClusterAccess(environment, path);
  t.match(access, { server: 'https://10.96.0.1:443', ca: 'CA', cert: null, verify: true });
  t.equal(access.authorization(), 'Bearer abc');
  t.equal(
    inClusterAccess({ ...environment, KUBERNETES_SERVICE_HOST: 'fd00::1' }, path).server,
    'https://[fd00::1]:443',
  );
  t.throws(() => inClusterAccess({}, path), { code: 'no-cluster', message: /--kubeconfig/ });
  t.throws(() => inClusterAccess(environment, join(path, 'nowhere')), { code: 'no-credentials' });
});

const KUBECONFIG = `
apiVersion: v1
kind: Config
current-context: b
contexts:
  - { name: a, context: { cluster: one, user: nobody } }
  - name: b
    context:
      cluster: two
      user: me
clusters:
  - { name: one, cluster: { server: 'https://one' } }
  - name: two
    cluster:
      server: https://two:6443/
      certificate-authority: keys/ca.crt
      tls-server-name: kubernetes
users:
  - name: me
    user:
      client-certificate-data: ${Buffer.from('CERT').toString('base64')}
      client-key: keys/me.key
`;

t.test('a kubeconfig in YAML, with keys in it or beside it', async (t) => {
  const path = directory(t, { config: KUBECONFIG, 'keys/ca.crt': 'CA', 'keys/me.key': 'KEY' });
  const access = kubeconfigAccess(join(path, 'config'));
  t.match(access, {
    server: 'https://two:6443',
    ca: 'CA',
    cert: 'CERT',
    key: 'KEY',
    servername: 'kubernetes',
    verify: true,
  });
  t.equal(access.authorization(), null);
});

t.test('users with a token, a file of it, or a password', async (t) => {
  const path = directory(t, { token: 'from a file\n' });
  for (const [user, expected] of [
    [{ token: 'abc' }, 'Bearer abc'],
    [{ tokenFile: 'token' }, 'Bearer from a file'],
    [{ username: 'a', password: 'b' }, `Basic ${Buffer.from('a:b').toString('base64')}`],
    [{}, null],
  ] as const) {
    const config = {
      'current-context': 'c',
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      clusters: [{ name: 'c', cluster: { server: 'https://x', 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'u', user }],
    };
    writeFileSync(join(path, 'config'), JSON.stringify(config));
    const access = kubeconfigAccess(join(path, 'config'));
    t.equal(access.authorization(), expected);
    t.equal(access.verify, false);
  }
});

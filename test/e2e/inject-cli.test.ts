/** `sideroute inject` and `uninject` as processes: standard input and files, standard output, exit statuses. */
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { FIXTURES, sideroute } from '../support/cli.ts';
import { runCommand } from '../support/cluster.ts';
import { SIDEROUTE, temporaryDirectory } from '../support/sidecar.ts';
import { matches } from '../support/match.ts';

const manifest = (name: string) => join(FIXTURES, 'inject', name);
const read = (name: string) => readFileSync(manifest(name), 'utf8');
const refused = join(FIXTURES, 'inject-refused', 'second-document.yaml');

t.test('from standard input to standard output and back, to the byte', async (t) => {
  for (const name of ['deployment.yaml', 'crlf.yaml', 'byte-order-mark.yaml', 'no-final-newline.yaml', 'pretty.json']) {
    const injected = sideroute(['inject'], read(name));
    t.equal(injected.status, 0, name);
    t.match(injected.stdout, /sideroute-init/);
    t.match(injected.stderr, /^stdin \(document 1\): \w+ .*: injected \(native\)$/m);
    t.equal(sideroute(['inject', '-'], injected.stdout).stdout, injected.stdout, `${name}: twice`);
    const restored = sideroute(['uninject'], injected.stdout);
    t.equal(restored.stdout, read(name), `${name}: restored`);
    t.match(restored.stderr, /: uninjected$/m);
  }
});

t.test('flags and variables apply to every pod, annotations win', async (t) => {
  const flags = ['--mode', 'classic', '--image', 'registry.example/sideroute:9', '--service-cidrs', '10.96.0.0/12'];
  const { status, stdout } = sideroute(['inject', ...flags, '--config-map', 'a,b', manifest('deployment.yaml')]);
  t.equal(status, 0);
  t.match(stdout, /postStart/);
  t.match(stdout, /image: registry\.example\/sideroute:9/);
  t.match(stdout, /value: '10\.96\.0\.0\/12'/);
  t.match(stdout, /name: a\n +optional: true\n +- configMap:\n +name: b/);
  const settings = sideroute(['inject', '--log-level', 'debug', manifest('settings.yaml')]).stdout;
  t.match(settings, /name: SIDEROUTE_LOG_LEVEL\n +value: warn/);
});

t.test('a refusal: status 1, the place and the reason on standard error, nothing on standard output', async (t) => {
  const { status, stdout, stderr } = sideroute(['inject', manifest('deployment.yaml'), refused]);
  t.equal(status, 1);
  t.equal(stdout, '');
  t.match(stderr, /second-document\.yaml:16: error: Pod p: spec\.hostNetwork: is true: .* \[host-network\]/);
  t.match(stderr, /nothing was changed/);
  t.notMatch(stderr, /injected \(native\)/);
  const syntax = sideroute(['uninject'], 'kind: [\n');
  t.equal(syntax.status, 1);
  t.match(syntax.stderr, /^stdin:\d: error: .* \[syntax-error\]$/m);
});

t.test('--skip-refused: what is refused passes through, the rest is injected, and both is said', async (t) => {
  const host = `${readFileSync(refused, 'utf8').trimEnd()}\n---\n`;
  const { status, stdout, stderr } = sideroute(['inject', '--skip-refused'], host + read('deployment.yaml'));
  t.equal(status, 0);
  t.ok(stdout.startsWith(host) || stdout.includes('hostNetwork: true'));
  t.match(stdout, /sideroute-init/);
  t.match(stderr, /^stdin:16: warning: Pod p: spec\.hostNetwork: is true: .* \[host-network\]$/m);
  t.match(stderr, /Pod p: skipped \(refused, left as it is\)\n/);
  t.match(stderr, /Deployment devopssong\/client: injected \(native\)/);
  const json = sideroute(['inject', '--skip-refused', '-o', 'json'], host + read('deployment.yaml'));
  matches(t, JSON.parse(json.stdout), { problems: [], skipped: [{ code: 'host-network', severity: 'warning' }] });
  t.match(sideroute(['uninject', '--skip-refused'], stdout), { status: 0, stdout: /hostNetwork: true/ });
});

t.test('--output json: workloads, problems and manifests', async (t) => {
  const good = JSON.parse(sideroute(['inject', '-o', 'json', manifest('multi-document.yaml')]).stdout) as unknown;
  matches(t, good, {
    problems: [],
    workloads: [
      { document: 2, resource: 'Deployment shop/cart', action: 'injected' },
      { document: 5, resource: 'Pod shop/shell', action: 'injected' },
    ],
    manifests: [{ text: /sideroute-init/ }],
  });
  const bad = sideroute(['inject', '-o', 'json', refused]);
  t.equal(bad.status, 1);
  matches(t, JSON.parse(bad.stdout), {
    problems: [{ code: 'host-network', document: 2, path: 'spec.hostNetwork', file: refused }],
    manifests: [],
  });
});

t.test('several files become one stream of documents', async (t) => {
  const { stdout } = sideroute([
    'inject',
    manifest('no-final-newline.yaml'),
    manifest('pod.yaml'),
    manifest('pretty.json'),
  ]);
  t.equal(stdout.match(/^---$/gm)?.length, 2);
  t.equal(stdout.match(/"?name"?: "?sideroute-init"?/g)?.length, 3);
});

t.test('--in-place changes the files, all of them or none', async (t) => {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  const [one, two] = [join(path, 'one.yaml'), join(path, 'two.yaml')];
  copyFileSync(manifest('crlf.yaml'), one);
  copyFileSync(refused, two);
  t.equal(sideroute(['inject', '--in-place', one, two]).status, 1);
  t.equal(readFileSync(one, 'utf8'), read('crlf.yaml'), 'untouched');
  const { status, stdout } = sideroute(['inject', '--in-place', one]);
  t.equal(status, 0);
  t.equal(stdout, '');
  t.match(readFileSync(one, 'utf8'), /sideroute-init/);
  t.equal(sideroute(['uninject', '--in-place', one]).status, 0);
  t.equal(readFileSync(one, 'utf8'), read('crlf.yaml'));
});

t.test('a file that cannot be written is named', async (t) => {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  const file = join(path, 'link.yaml');
  copyFileSync(manifest('pod.yaml'), file);
  t.equal(sideroute(['inject', '--in-place', file]).status, 0);
  chmodSync(path, 0o755);
  chmodSync(file, 0o444);
  const command = ['setpriv', '--reuid', '1337', '--clear-groups', ...SIDEROUTE, 'uninject', '--in-place', file];
  if (process.getuid!() !== 0) return;
  const { status, stderr } = runCommand(command[0]!, command.slice(1));
  t.equal(status, 1);
  t.match(stderr, /link\.yaml: cannot be written: EACCES/);
  t.notMatch(stderr, /at .*\.js/);
});

t.test('what is left alone, and input without workloads, is said', async (t) => {
  const disabled = sideroute(['inject', manifest('disabled.yaml')]);
  t.equal(disabled.stdout, read('disabled.yaml'));
  t.match(disabled.stderr, /Deployment shop\/cart: untouched \(left alone: .*sideroute\.dev\/inject/);
  const other = sideroute(['inject', manifest('other-kinds.yaml')]);
  t.equal(other.stdout, read('other-kinds.yaml'));
  t.match(other.stderr, /no workload/);
});

t.test('usage errors end with status 2 and name the flag', async (t) => {
  for (const [args, message] of [
    [['--mode', 'sidecar'], /--mode.*"sidecar".*native, classic/s],
    [['--memory-limit', '128m'], /--memory-limit.*128m/s],
    [['--memory-request', '512Mi'], /memory-limit of at least the memory-request/],
    [['--exclude-outbound-ports', '0'], /--exclude-outbound-ports.*"0"/s],
    [['-o', 'xml'], /--output/],
  ] as const) {
    const { status, stderr } = sideroute(['inject', ...args, manifest('pod.yaml')]);
    t.equal(status, 2, args.join(' '));
    t.match(stderr, message);
  }
});

t.test('input that cannot be read ends with status 1 and names the file', async (t) => {
  const { path, remove } = temporaryDirectory();
  t.teardown(remove);
  t.match(sideroute(['inject', join(path, 'nowhere.yaml')]), { status: 1, stderr: /nowhere\.yaml: cannot be read/ });
  const latin = join(path, 'latin-1.yaml');
  writeFileSync(latin, Buffer.from([0x61, 0x3a, 0x20, 0xe9, 0x0a]));
  t.match(sideroute(['inject', latin]), { status: 1, stderr: /latin-1\.yaml: is not UTF-8/ });
});

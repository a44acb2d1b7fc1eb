/** The quick way to the settings of a sidecar is commander's, or none. */
import { Command } from 'commander';
import t from 'tap';
import { plainSettings } from '../../../src/cli/plain-settings.ts';
import { registerProxy } from '../../../src/cli/proxy.ts';
import { PROXY_SETTINGS } from '../../../src/config/settings.ts';

/** What commander makes of it; null where it complains, to `complain`. */
async function commanders(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  complain: (text: string) => void = () => undefined,
): Promise<unknown> {
  const program = registerProxy(new Command('sideroute').exitOverride());
  let found: unknown = null;
  program.commands[0]!.exitOverride()
    .configureOutput({ writeErr: complain, writeOut: () => undefined })
    .action((settings: object) => {
      found = { ...settings };
    });
  const before = { ...process.env };
  const clear = (): void => {
    for (const { env: name, particular } of PROXY_SETTINGS)
      for (const each of [name, particular?.env ?? '']) Reflect.deleteProperty(process.env, each);
  };
  clear();
  Object.assign(process.env, env);
  try {
    await program.parseAsync(['proxy', ...args], { from: 'user' });
  } catch {
    return null;
  } finally {
    clear();
    Object.assign(process.env, before);
  }
  return found;
}

/** One that is not the default of each. */
const VALUES: Readonly<Record<string, string>> = {
  routes: '/routes',
  namespace: 'shop',
  engine: 'uws',
  workers: '2',
  capture: '127.0.0.1:1,[::1]:1',
  metrics: '127.0.0.1:2',
  admin: 'none',
  clusterDomain: 'example.org.',
  resolvConf: '/resolv.conf',
  serviceNetworks: '10.96.0.0/12',
  memoryLimit: '256Mi',
  maxHeaderFields: '9',
  retryBudgetPercent: '9',
  strict: 'true',
  accessLog: 'all',
  tracesEndpoint: 'http://collector.observability:4318/base',
  tracesSample: '0.5',
  logLevel: 'debug',
};

t.test('each flag and each variable means the same', async (t) => {
  t.strictSame(plainSettings([], {}), await commanders([], {}), 'neither');
  for (const { key, flag, env } of PROXY_SETTINGS) {
    const name = flag.replace(/ .*/, '');
    const value = VALUES[key] ?? (key.endsWith('Ms') ? '1m2s' : '9000');
    const expected = await commanders([name, value], {});
    t.not(expected, null, `${name} ${value}`);
    t.strictSame(plainSettings([name, value], {}), expected, `${name} ${value}`);
    t.strictSame(plainSettings([`${name}=${value}`], {}), expected, `${name}=${value}`);
    t.strictSame(plainSettings([], { [env]: value }), expected, `${env}=${value}`);
  }
  const twice = ['--routes', '/a', '--routes=/b'];
  t.strictSame(plainSettings(twice, { SIDEROUTE_ROUTES: '/c' }), await commanders(twice, { SIDEROUTE_ROUTES: '/c' }));
});

t.test('the endpoint of traces: the flag, then the variable that is as it stands, then that of the base', async (t) => {
  const [particular, base] = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'];
  for (const [args, env, url] of [
    [[], { [base]: 'http://a:4318' }, 'http://a:4318/v1/traces'],
    [[], { [base]: 'http://a:4318/x/' }, 'http://a:4318/x/v1/traces'],
    [[], { [base]: 'http://a:4318', [particular]: 'https://b/spans' }, 'https://b/spans'],
    [[], { [particular]: 'http://b:4318' }, 'http://b:4318/'],
    [[], { [base]: 'http://a:4318', [particular]: '' }, 'http://a:4318/v1/traces'],
    [['--traces-endpoint', 'http://c:1'], { [base]: 'x', [particular]: 'y' }, 'http://c:1/v1/traces'],
  ] as const) {
    const settings = plainSettings(args, env);
    t.equal(settings?.tracesEndpoint, url);
    t.strictSame(await commanders(args, env), settings, url);
  }
  for (const wrong of ['b:4318', 'http://me:secret@b/spans', 'http://b/spans?key=secret']) {
    t.equal(plainSettings([], { [particular]: wrong }), null, wrong);
    t.equal(await commanders([], { [particular]: wrong }), null, wrong);
  }
});

t.test('a refused endpoint of traces is reported by where it comes from, without its value', async (t) => {
  const [particular, base] = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'];
  for (const value of [
    ...['http://me:SECRET@b', 'http://b?token=SECRET', 'http://b#SECRET', 'SECRET', 'http://b/SECRET%20'],
    ...['https//b/SECRET', '-SECRET', 'http://b:99999/SECRET', ' http://b/SECRET'],
  ]) {
    for (const [args, env, source] of [
      [['--traces-endpoint', value], {}, "option '--traces-endpoint <url>'"],
      [[`--traces-endpoint=${value}`], {}, "option '--traces-endpoint <url>'"],
      [[], { [base]: value }, `environment variable ${base} is`],
      [[], { [base]: 'http://a', [particular]: value }, `environment variable ${particular} is`],
    ] as const) {
      let complaint = '';
      t.equal(plainSettings(args, env), null);
      t.equal(await commanders(args, env, (text) => (complaint += text)), null);
      t.ok(complaint.includes(source), complaint);
      t.match(complaint, 'expected a URL such as');
      t.notMatch(complaint, /SECRET/);
    }
  }
});

t.test('a variable for the endpoint of traces that another source overrides is not looked at', async (t) => {
  const [particular, base] = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'];
  for (const [args, env, url] of [
    [[], { [base]: 'http://me:secret@b', [particular]: 'http://b/spans' }, 'http://b/spans'],
    [['--traces-endpoint', 'http://c'], { [base]: 'x', [particular]: 'y' }, 'http://c/v1/traces'],
    [['--traces-endpoint', 'x', '--traces-endpoint', 'http://c'], {}, 'http://c/v1/traces'],
  ] as const) {
    t.equal(plainSettings(args, env)?.tracesEndpoint, url);
    t.match(await commanders(args, env), { tracesEndpoint: url, strict: false });
    t.match(await commanders(['--strict', ...args], env), { tracesEndpoint: url, strict: true }, 'only commander');
  }
});

t.test('what is out of the ordinary is left to commander', (t) => {
  const lines: readonly (readonly string[])[] = [
    ...[['--help'], ['-h'], ['--rotes', 'x'], ['--routes'], ['--routes='], ['--routes', '--namespace']],
    ...[['more'], ['--', '--routes', '/a'], ['--strict'], ['--strict', '--routes', '/a'], ['--engine', 'envoy']],
    // Each is read, although the last one counts.
    ['--engine', 'envoy', '--engine', 'native'],
  ];
  for (const line of lines) t.equal(plainSettings(line, {}), null, line.join(' '));
  const besides = ['--engine', 'native'];
  const wrong = { SIDEROUTE_ENGINE: 'envoy' };
  t.strictSame(plainSettings(besides, wrong), plainSettings(besides, {}), 'a variable beside a flag is not read');
  t.equal(plainSettings([], { SIDEROUTE_ENGINE: 'envoy' }), null, 'a variable that is wrong');
  t.equal(plainSettings([], { SIDEROUTE_ROUTES: '' }), null, 'a variable that is empty');
  t.end();
});

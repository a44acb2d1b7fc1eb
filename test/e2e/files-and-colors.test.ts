/** What is alike of all commands: naming files with and without `-f`, and colours for people alone. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runCommand } from '../support/cluster.ts';
import { FIXTURES, sideroute } from '../support/cli.ts';
import { SIDEROUTE } from '../support/sidecar.ts';

const route = join(FIXTURES, 'scenario', 'my-server-route.yaml');
const services = join(FIXTURES, 'scenario', 'services.yaml');
const deployment = join(FIXTURES, 'inject', 'deployment.yaml');
const library = join(FIXTURES, 'convert', 'library.yaml');
const cluster = join(FIXTURES, 'export', 'cluster.yaml');

t.test('a file is named with -f or without it, - is standard input', (t) => {
  for (const [args, file] of [
    [['check'], route],
    [['inject'], deployment],
    [['routes', 'export', '--namespace', 'web'], cluster],
    [['convert'], library],
  ] as const) {
    const named = sideroute([...args, file]);
    t.equal(named.status, 0, named.stderr);
    t.equal(sideroute([...args, '-f', file]).stdout, named.stdout, `${args[0]} -f`);
    const given = sideroute([...args, '-f', '-'], readFileSync(file, 'utf8'));
    t.match(given, { status: 0, stdout: named.stdout }, `${args[0]} -f -`);
  }
  t.match(sideroute(['check', '-f', route, services]), { status: 0, stdout: /1 routes, 3 Services/ }, 'both together');
  t.match(sideroute(['check', '-f', '-', '-'], ''), { status: 2, stderr: /- stands twice/ });
  t.end();
});

t.test('explain takes the routes from --routes, -f or what is mounted into the pod', (t) => {
  const service = ['--service', 'my-server.devopssong:80'];
  const named = sideroute(['explain', '--routes', route, ...service]).stdout;
  t.match(named, /^Winner/m);
  t.equal(sideroute(['explain', '-f', route, ...service]).stdout, named);
  const variable = runCommand('env', ['SIDEROUTE_ROUTES=/nowhere', ...SIDEROUTE, 'explain', '-f', route, ...service]);
  t.equal(variable.stdout, named, 'a flag counts before the variable');
  t.match(sideroute(['explain', ...service]), {
    status: 2,
    stderr: /no routes in \/etc\/sideroute\/routes.*-f PATH/,
  });
  t.end();
});

/** env(1) takes away what the test has set for itself. */
function check(env: readonly string[], ...args: string[]): string {
  const unset = ['NO_COLOR', 'FORCE_COLOR'].flatMap((name) => ['--unset', name]);
  const broken = join(FIXTURES, 'broken-routes');
  return runCommand('env', [...unset, ...env, ...SIDEROUTE, 'check', broken, ...args]).stdout;
}

const RED_ERROR = '\u001b[31merror\u001b[39m';

t.test('colours: on a terminal, or where they are asked for', (t) => {
  t.notMatch(check([]), '\u001b', 'none in a pipe');
  t.match(check([], '--color', 'always'), RED_ERROR, 'behind the command');
  const inFront = sideroute(['--color', 'always', 'check', join(FIXTURES, 'broken-routes')]);
  t.match(inFront.stdout, RED_ERROR, 'in front of it');
  t.match(check(['FORCE_COLOR=1']), RED_ERROR);
  t.notMatch(check(['FORCE_COLOR=1'], '--color', 'never'), '\u001b', 'a flag counts before a variable');
  t.notMatch(check(['FORCE_COLOR=1'], '-o', 'json'), '\u001b', 'data has none');
  const terminal = (env: string): string => {
    const command = [
      'env',
      '--unset=NO_COLOR',
      '--unset=FORCE_COLOR',
      env,
      ...SIDEROUTE,
      'check',
      join(FIXTURES, 'broken-routes'),
    ];
    return runCommand('script', ['--quiet', '--return', '--command', command.join(' '), '/dev/null']).stdout;
  };
  t.match(terminal('TERM=xterm'), RED_ERROR);
  t.notMatch(terminal('NO_COLOR=1'), '\u001b');
  t.notMatch(terminal('TERM=dumb'), '\u001b');
  t.end();
});

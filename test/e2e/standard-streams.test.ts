/** Standard input and output of the commands, whatever they are: real pipes, slow and fast, files, sockets, terminals. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { FIXTURES, sideroute } from '../support/cli.ts';
import { runCommand } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { SIDEROUTE, temporaryDirectory } from '../support/sidecar.ts';

const DEPLOYMENT = join(FIXTURES, 'inject', 'deployment.yaml');
const CLUSTER = join(FIXTURES, 'export', 'cluster.yaml');
const COMMAND = SIDEROUTE.join(' ');

const { path: directory, remove } = temporaryDirectory();
t.teardown(remove);

/** In a shell, where `sideroute` is the program; PIPESTATUS is printed last, on a line of its own. */
function shell(script: string) {
  const function_ = `sideroute() { ${COMMAND} "$@"; }\n`;
  return runCommand('bash', ['-c', function_ + script], '');
}

/** Runs the program below Python, which can make of a descriptor what a shell cannot. */
function python(script: string, ...args: string[]) {
  const prelude = `import fcntl, os, pty, socket, subprocess, sys, termios, time\nsideroute = ${JSON.stringify(SIDEROUTE)}\n`;
  return runCommand('python3', ['-c', prelude + script, ...args]);
}

const injected = sideroute(['inject', DEPLOYMENT]).stdout;
const exported = sideroute(['routes', 'export', '--all-namespaces', CLUSTER]).stdout;
const INJECTED = join(directory, 'injected.yaml');
writeFileSync(INJECTED, injected);

/** Each command that reads standard input, what it is given, and what it then prints. */
const READERS = [
  { command: 'inject', input: DEPLOYMENT, expected: injected },
  { command: 'uninject', input: INJECTED, expected: readFileSync(DEPLOYMENT, 'utf8') },
  { command: 'routes export --all-namespaces', input: CLUSTER, expected: exported },
] as const;

function printed(t: Test, result: { status: number; stdout: string; stderr: string }, expected: string): void {
  t.equal(result.status, 0, result.stderr);
  t.ok(result.stdout === expected, `${result.stdout.length} characters, as expected`);
}

t.test('a pipe whose writer is slower than the program', async (t) => {
  for (const { command, input, expected } of READERS)
    await t.test(command, async (t) => printed(t, shell(`(sleep 1; cat ${input}) | sideroute ${command}`), expected));
});

t.test(
  'a pipe that is fast, one that gives a byte at a time, a file, and one read halfway by another program',
  async (t) => {
    for (const { command, input, expected } of READERS) {
      printed(t, shell(`cat ${input} | sideroute ${command}`), expected);
      printed(t, shell(`dd if=${input} bs=1 status=none | sideroute ${command} -`), expected);
      printed(t, shell(`sideroute ${command} < ${input}`), expected);
      const half = join(directory, 'half');
      writeFileSync(half, `not yaml: [\n${readFileSync(input, 'utf8')}`);
      printed(t, shell(`{ head -c 12 > /dev/null; sideroute ${command}; } < ${half}`), expected);
    }
  },
);

t.test('nothing on standard input: /dev/null, a closed descriptor', async (t) => {
  for (const [command, said] of [
    ['inject', /no workload/],
    ['uninject', /no workload/],
    ['routes export --all-namespaces', /no route or Service/],
  ] as const)
    for (const input of ['< /dev/null', '0<&-'])
      t.match(shell(`sideroute ${command} ${input}`), { status: 0, stdout: '', stderr: said }, `${command} ${input}`);
  t.match(shell('sideroute inject < /'), { status: 1, stderr: /stdin: cannot be read: EISDIR/ });
  t.match(shell(`sideroute inject - ${DEPLOYMENT} - < /dev/null`), { status: 2, stderr: /- stands twice/ });
});

t.test('a socket, and a pipe that somebody else has made non-blocking', async (t) => {
  for (const { command, input, expected } of READERS) {
    const args = [input, ...command.split(' ')];
    // The writer waits until the program has read a first piece, so that it finds the descriptor empty at least once.
    const feed = `
def feed(reader, write):
    data = open(sys.argv[1], 'rb').read()
    write(data[:10])
    while int.from_bytes(fcntl.ioctl(reader, termios.FIONREAD, bytes(4)), sys.byteorder) > 0: time.sleep(0.005)
    for at in range(10, len(data), 1000): write(data[at:at+1000])
`;
    const socket = `${feed}
reader, writer = socket.socketpair()
child = subprocess.Popen(sideroute + sys.argv[2:], stdin=reader)
feed(reader, writer.sendall)
writer.close()
sys.exit(child.wait())`;
    printed(t, python(socket, ...args), expected);
    const pipe = `${feed}
reader, writer = os.pipe()
fcntl.fcntl(reader, fcntl.F_SETFL, os.O_NONBLOCK)
child = subprocess.Popen(sideroute + sys.argv[2:], stdin=reader)
feed(reader, lambda data: os.write(writer, data))
os.close(writer)
sys.exit(child.wait())`;
    printed(t, python(pipe, ...args), expected);
  }
});

t.test('a terminal: asks for files, or reads what is typed when told to', async (t) => {
  const terminal = `
pid, master = pty.fork()
if pid == 0: os.execvp(sideroute[0], sideroute + sys.argv[1:])
if sys.argv[-1] == '-': os.write(master, b'kind: Foo\\napiVersion: v1\\n\\x04')
out = b''
try:
    while True:
        piece = os.read(master, 4096)
        if not piece: break
        out += piece
except OSError: pass
sys.stdout.write(out.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`;
  t.match(python(terminal, 'inject'), { status: 2, stdout: /name files/ });
  t.match(python(terminal, 'inject', '-'), { status: 0, stdout: /kind: Foo[^]*no workload/ });
});

/** Flags of a descriptor of another process, as the kernel shows them. */
function isNonBlocking(pid: number, descriptor: number): boolean {
  const [, flags] = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8'))!;
  return (parseInt(flags!, 8) & 0o4000) !== 0;
}

t.test('what others have of the same descriptors stays as it is while the program waits', async (t) => {
  const fifo = join(directory, 'fifo');
  runCommand('mkfifo', [fifo]);
  // Both ends, so that opening waits for nobody.
  const descriptor = openSync(fifo, 'r+');
  const child = spawn(SIDEROUTE[0], [...SIDEROUTE.slice(1), 'inject'], { stdio: [descriptor, 'ignore', 'ignore'] });
  t.teardown(() => child.kill('SIGKILL'));
  // A thread of it stands in the system call that reads.
  await eventually('it reads', () => {
    const waits = runCommand('bash', ['-c', `cat /proc/${child.pid}/task/*/syscall | grep -c '^0 0x0 '`]).stdout;
    return Number(waits) > 0;
  });
  t.notOk(isNonBlocking(child.pid!, 0));
  t.notOk(isNonBlocking(process.pid, descriptor));
  closeSync(descriptor);
});

const LARGE = join(directory, 'large.yaml');
/** More than any pipe holds. */
const documents = Array.from({ length: 400 }, (_, index) =>
  readFileSync(DEPLOYMENT, 'utf8').replace('name: client', `name: client-${index}`),
);
writeFileSync(LARGE, documents.join('---\n'));

t.test('large output to a reader that is slow is complete', async (t) => {
  const whole = shell(`sideroute inject ${LARGE} > ${directory}/whole`);
  t.equal(whole.status, 0);
  const expected = readFileSync(join(directory, 'whole'), 'utf8');
  t.ok(expected.length > 1_000_000);
  printed(t, shell(`sideroute inject ${LARGE} 2> /dev/null | (sleep 1; cat); exit \${PIPESTATUS[0]}`), expected);
  const nonBlocking = `
reader, writer = os.pipe()
fcntl.fcntl(writer, fcntl.F_SETFL, os.O_NONBLOCK)
child = subprocess.Popen(sideroute + sys.argv[1:], stdout=writer, stderr=subprocess.DEVNULL)
os.close(writer)
while True:
    piece = os.read(reader, 10000)
    if not piece: break
    sys.stdout.buffer.write(piece)
sys.exit(child.wait())`;
  printed(t, python(nonBlocking, 'inject', LARGE), expected);
});

t.test('a reader that leaves ends the program quietly, as SIGPIPE would', async (t) => {
  const small = [
    ['check', join(FIXTURES, 'scenario')],
    ['check', join(FIXTURES, 'scenario'), '-o', 'json'],
    ['explain', '--routes', join(FIXTURES, 'scenario'), '--service', 'my-server.devopssong:80'],
    ['inject', DEPLOYMENT],
    ['inject', '-o', 'json', DEPLOYMENT],
    ['uninject', INJECTED],
    ['routes', 'export', '--all-namespaces', CLUSTER],
    ['iptables', 'print', '--service-cidrs', '10.96.0.0/12'],
    ['--help'],
    ['inject', '--help'],
    ['--version'],
  ];
  for (const args of small) {
    // The reader has gone before the program begins.
    const script = `
reader, writer = os.pipe()
os.close(reader)
sys.exit(subprocess.call(sideroute + sys.argv[1:], stdout=writer))`;
    const { status, stderr } = python(script, ...args);
    t.equal(status, 141, args.join(' '));
    t.notMatch(stderr, /EPIPE|Error|at .*\.js/, 'and says nothing of it');
  }
  const large = shell(`sideroute inject ${LARGE} | head -1; exit \${PIPESTATUS[0]}`);
  t.equal(large.status, 141);
  t.equal(large.stdout, `${readFileSync(LARGE, 'utf8').split('\n')[0]}\n`);
});

t.test('a disk that is full is an error; standard error that takes nothing is none', async (t) => {
  t.match(shell(`sideroute inject ${DEPLOYMENT} > /dev/full`), {
    status: 1,
    stderr: /standard output: cannot be written: ENOSPC/,
  });
  // Also where the command itself has failed, or only its help was asked for.
  for (const command of ['--help', 'check --help', `check ${DEPLOYMENT}`, 'status --admin 127.0.0.1:1']) {
    const { status, stderr } = shell(`sideroute ${command} > /dev/full`);
    t.equal(status, 1, command);
    t.match(stderr, /^sideroute: [^\n]*\n$/, `${command}: one line`);
  }
  printed(t, shell(`sideroute inject ${DEPLOYMENT} 2> /dev/full`), injected);
  printed(t, shell(`sideroute inject ${DEPLOYMENT} 2>&-`), injected);
});

/** 20 MB of what a cluster may hold: ConfigMaps with files in them, and between them what the command is about. */
function large(name: string, objects: readonly string[]): string {
  const lines = `    ${'some text of a file, as ConfigMaps hold it, '.repeat(20)}\n`.repeat(115);
  const parts = Array.from({ length: 200 }, (_, index) => [
    `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: files-${index}, namespace: shop }\ndata:\n  file: |\n${lines}`,
    ...(index % 10 === 0 ? objects.map((text) => text.replaceAll('NUMBER', String(index))) : []),
  ]);
  const path = join(directory, name);
  writeFileSync(path, parts.flat().join('---\n'));
  return path;
}

t.test('20 MB from a pipe whose writer is slow, and out to a reader that is slow', async (t) => {
  const workload = readFileSync(DEPLOYMENT, 'utf8').replaceAll('name: client', 'name: client-NUMBER');
  const workloads = large('workloads.yaml', [workload]);
  t.ok(statSync(workloads).size > 20_000_000);
  const out = join(directory, 'out');
  // A heap that a text of that size would not fit into as a tree.
  const limited = `export NODE_OPTIONS=--max-old-space-size=400`;
  const roundTrip = `(sleep 1; cat ${workloads}) | sideroute inject | (sleep 1; tee ${out}) | sideroute uninject | cmp - ${workloads}
    echo "\${PIPESTATUS[@]}"; grep -c 'name: sideroute-init' ${out}`;
  const result = shell(`${limited}\n${roundTrip}`);
  t.equal(result.stdout, '0 0 0 0 0\n20\n', result.stderr.slice(-500));
});

t.test('20 MB of routes and Services, as kubectl prints them, from a pipe whose writer is slow', async (t) => {
  const entry = (kind: string, apiVersion: string, name: string, spec: string) =>
    `- apiVersion: ${apiVersion}\n  kind: ${kind}\n  metadata:\n    annotations:\n      note: |\n        ${'x'.repeat(400)}\n` +
    `    name: ${name}\n    namespace: shop\n  spec:\n${spec.replaceAll(/^/gm, '    ')}\n`;
  const entries: string[] = [];
  let bytes = 0;
  for (let index = 0; bytes < 20_500_000; index++) {
    const service = `clusterIP: 10.${96 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}\nports:\n- port: 80\n  protocol: TCP`;
    const route = `parentRefs:\n- group: ""\n  kind: Service\n  name: s${index}\nrules:\n- backendRefs:\n  - name: s${index}\n    port: 80`;
    entries.push(entry('Service', 'v1', `s${index}`, service));
    entries.push(entry('HTTPRoute', 'gateway.networking.k8s.io/v1', `r${index}`, route));
    bytes += entries.at(-1)!.length + entries.at(-2)!.length;
  }
  const input = join(directory, 'cluster.yaml');
  writeFileSync(input, `apiVersion: v1\nitems:\n${entries.join('')}kind: List\nmetadata:\n  resourceVersion: ""\n`);
  const routes = entries.length / 2;
  const checked = shell(`(sleep 1; cat ${input}) | sideroute check -`);
  t.equal(checked.status, 0, checked.stdout.slice(-500));
  t.match(checked.stdout, `${routes} routes, ${routes} Services, ${routes} frontends; 0 errors, 0 warnings\n`);
  const out = join(directory, 'exported');
  const exported = shell(`(sleep 1; cat ${input}) | sideroute routes export --namespace shop | (sleep 1; cat) > ${out}
    echo "\${PIPESTATUS[@]}"; grep -c 'kind: HTTPRoute' ${out}; sideroute check ${out} | tail -1`);
  const [statuses, count, summary] = exported.stdout.split('\n');
  t.equal(statuses, '0 0 0');
  t.equal(Number(count), routes);
  t.match(summary, `${routes} routes, ${routes} Services, ${routes} frontends; 0 errors, 0 warnings`);
  t.match(exported.stderr, /the routes for namespace shop take \d+ ConfigMaps/);
});

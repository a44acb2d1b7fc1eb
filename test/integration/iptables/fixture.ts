/**
 * Pods whose outbound connections can be watched: a helper in the pod listens on the capture port, dials on request,
 * and tells whether the dialled connection was captured, with which original destination.
 */
import type { ChildProcess } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import type { Family } from '../../../src/iptables/cidr.ts';
import { localSystem, type System } from '../../../src/iptables/system.ts';
import { runCommand, type Cluster, type Pod } from '../../support/cluster.ts';

/**
 * One process a pod. The listener answers every connection with its original destination and then echoes; `dial`
 * opens a connection as a user, and with `id` leaves it open for `echo`.
 */
const HELPER = `
import json, os, socket, struct, sys, threading
port = int(sys.argv[1])

def serve(connection):
    try:
        if connection.family == socket.AF_INET:
            raw = connection.getsockopt(socket.SOL_IP, 80, 16)
            address, to = socket.inet_ntop(socket.AF_INET, raw[4:8]), struct.unpack('!H', raw[2:4])[0]
        else:
            raw = connection.getsockopt(41, 80, 28)
            address, to = socket.inet_ntop(socket.AF_INET6, raw[8:24]), struct.unpack('!H', raw[2:4])[0]
        connection.sendall(f'captured {address} {to}\\n'.encode())
        while data := connection.recv(4096):
            connection.sendall(data)
    except OSError:
        pass
    connection.close()

def accept(listener):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()

for family, address in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')):
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError:
        continue
    listener.listen(64)
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
print('ready', flush=True)

kept = {}
for line in sys.stdin:
    request = json.loads(line)
    if request['op'] == 'echo':
        connection = kept[request['id']]
        try:
            connection.sendall(request['text'].encode())
            answer = connection.recv(4096).decode() or 'closed'
        except OSError as error:
            answer = 'error ' + str(error)
        print(answer, flush=True)
        continue
    os.seteuid(request['uid'])
    connection = socket.socket(socket.AF_INET6 if ':' in request['address'] else socket.AF_INET, socket.SOCK_STREAM)
    os.seteuid(0)
    connection.settimeout(request['timeoutMs'] / 1000)
    try:
        connection.connect(socket.getaddrinfo(request['address'], request['port'], type=socket.SOCK_STREAM)[0][4])
        answer = connection.recv(4096).decode().strip()
    except OSError as error:
        answer = 'direct ' + (error.strerror or str(error))
    if 'id' in request:
        kept[request['id']] = connection
    else:
        connection.close()
    print(answer, flush=True)
`;

export const APP_UID = 1000;

export class WatchedPod {
  readonly pod: Pod;
  readonly system: System;
  readonly #helper: ChildProcess;
  readonly #lines: Interface;
  readonly #answers: AsyncIterator<string>;

  private constructor(pod: Pod, helper: ChildProcess, lines: Interface) {
    this.pod = pod;
    this.system = podSystem(pod);
    this.#helper = helper;
    this.#lines = lines;
    this.#answers = lines[Symbol.asyncIterator]();
  }

  static async start(cluster: Cluster, name: string, capturePort: number): Promise<WatchedPod> {
    const pod = cluster.addPod(name);
    const helper = pod.spawn(['python3', '-c', HELPER, String(capturePort)], { stdio: ['pipe', 'pipe', 'inherit'] });
    const watched = new WatchedPod(pod, helper, createInterface({ input: helper.stdout! }));
    const first = await watched.#answers.next();
    if (first.value !== 'ready') throw new Error(`${name}: the helper did not start`);
    return watched;
  }

  /** `captured ADDRESS PORT` with the original destination, or `direct REASON`; `id` keeps the connection for `echo`. */
  dial(
    address: string,
    port: number,
    options: { uid?: number; id?: string; timeoutMs?: number } = {},
  ): Promise<string> {
    return this.#ask({ op: 'dial', address, port, uid: APP_UID, timeoutMs: 2000, ...options });
  }

  echo(id: string, text: string): Promise<string> {
    return this.#ask({ op: 'echo', id, text });
  }

  close(): void {
    this.#lines.close();
    this.#helper.kill('SIGKILL');
  }

  async #ask(request: object): Promise<string> {
    this.#helper.stdin!.write(`${JSON.stringify(request)}\n`);
    const answer = await this.#answers.next();
    if (answer.done === true) throw new Error(`${this.pod.name}: the helper ended`);
    return answer.value;
  }
}

/**
 * The commands of the rules, run in a pod, with a `PATH` of their own when given. Enters the network namespace alone:
 * `ip netns exec` also mounts a /sys each time, which costs more than the command.
 */
export function podSystem(pod: Pod, path?: string): System {
  const local = localSystem();
  const enter = [`--net=/run/netns/${pod.netns}`, ...(path === undefined ? [] : ['env', `PATH=${path}`])];
  return {
    run: (program, args, input) => local.run('nsenter', [...enter, program, ...args], input),
    readFile: async (file) => {
      const result = runCommand('nsenter', [...enter, 'cat', file]);
      return result.status === 0 ? result.stdout : null;
    },
    // Tests that change one pod at the same time do it with processes of their own, which lock.
    lock: async () => () => undefined,
  };
}

/** The nat table as text without its comments, which hold the time. */
export function savedNat(pod: Pod, backend: string, family: Family): string {
  const program = `${family === 'v4' ? 'iptables' : 'ip6tables'}-${backend}-save`;
  const result = runCommand('nsenter', [`--net=/run/netns/${pod.netns}`, program, '-t', 'nat']);
  if (result.status !== 0) throw new Error(`${program}: ${result.stderr}`);
  return result.stdout.replaceAll(/^#.*\n/gm, '');
}

const CLI = new URL('../../../src/cli/iptables.js', import.meta.url).href;

/** `sideroute iptables ...` as a process of its own; what the machine's own environment says of a pod is left out. */
export function cliCommand(args: readonly string[], env: Readonly<Record<string, string>> = {}): string[] {
  const script = `
    import { Command } from 'commander';
    import { registerIptables } from ${JSON.stringify(CLI)};
    const program = new Command('sideroute');
    registerIptables(program);
    await program.parseAsync(['iptables', ...process.argv.slice(1)], { from: 'user' });`;
  const assignments = Object.entries({ PATH: process.env['PATH']!, ...env }).map(([name, value]) => `${name}=${value}`);
  return ['env', '-i', ...assignments, process.execPath, '--input-type=module', '-e', script, '--', ...args];
}

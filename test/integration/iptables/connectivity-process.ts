/**
 * Run in a pod: `sideroute iptables apply` with a stand-in for the native addon, which only tells the original
 * destination of the first connection. A python3 process, started beforehand, asks the kernel for it.
 *
 * Arguments: those of `apply`.
 */
import { Command } from 'commander';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { registerIptables } from '../../../src/cli/iptables.ts';
import { CONNECTION_REASONS, type ConnectionReason } from '../../../src/errors.ts';
import type { AcceptorOptions, NativeBinding } from '../../../src/addon/binding.ts';

const LISTENER = `
import socket, struct
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try:
    listener.bind(('127.0.0.1', 15001))
except OSError:
    print('in use', flush=True)
    raise SystemExit
listener.listen()
print('ready', flush=True)
connection, _ = listener.accept()
connection.recv(4096)
raw = connection.getsockopt(socket.SOL_IP, 80, 16)
print(socket.inet_ntop(socket.AF_INET, raw[4:8]), struct.unpack('!H', raw[2:4])[0], flush=True)
listener.accept()
`;

const listener = spawn('python3', ['-c', LISTENER], { stdio: ['ignore', 'pipe', 'inherit'] });
let accepted = 0;
let options: AcceptorOptions | null = null;
const lines = createInterface({ input: listener.stdout });
const bound = await new Promise<boolean>((resolve) => {
  lines.on('line', (line) => {
    if (line === 'ready' || line === 'in use') {
      resolve(line === 'ready');
      return;
    }
    const [address = '', port] = line.split(' ');
    accepted += 1;
    options?.onHttp!({ frontend: 1, address, port: Number(port), verdict: 'admit', reason: null, http2: false });
  });
});

const none = Object.fromEntries(CONNECTION_REASONS.map((reason) => [reason, 0])) as Record<ConnectionReason, number>;
const binding: NativeBinding = {
  createAcceptor: (given) => {
    if (!bound) throw Object.assign(new Error('bind'), { code: 'EADDRINUSE', syscall: 'bind' });
    options = given;
    return {
      listening: given.listen,
      take: () => -1,
      setElsewhere: () => undefined,
      setFrontends: () => undefined,
      counters: () => ({
        accepted,
        connections: none,
        handedOver: accepted,
        tunnelsOpen: 0,
        detectingOpen: 0,
        bytesUpstream: 0,
        bytesDownstream: 0,
        maxConnections: 0,
        acceptPauses: { connections: 0, descriptors: 0, memory: 0 },
      }),
      detections: () => ({ numbers: new Float64Array(), text: '' }),
      tunnels: () => ({ numbers: new Float64Array(), text: '' }),
      closeSomeIdle: () => undefined,
      stopAccepting: () => undefined,
      close: () => listener.kill('SIGKILL'),
    };
  },
  replyAndClose: () => undefined,
  shareLimits: () => undefined,
  connectionsElsewhere: () => 0,
  guardMemory: () => undefined,
  memory: () => ({ limitBytes: 0, usageBytes: 0, overloads: 0, closed: 0, level: 'calm' }),
  returnMemory: () => undefined,
};

const program = new Command('sideroute');
registerIptables(program, { loadBinding: () => binding });
await program.parseAsync(['iptables', 'apply', ...process.argv.slice(2)], { from: 'user' });
listener.kill('SIGKILL');

/**
 * Proves that interception works, beyond installed rules: a connection to a Service address must arrive at the capture
 * port with exactly that address as its original destination.
 *
 * Fails where the address is translated before the rules apply, for instance by Cilium's socket-level load balancing.
 */
import { connect } from 'node:net';
import type { Acceptor, NativeBinding } from '../addon/binding.ts';
import { ProxyError } from '../errors.ts';
import type { Destination } from './settings.ts';

const DEADLINE_MS = 5_000;
const MAX_HEAD_BYTES = 16 * 1024;
/** Limits a loop: a connection captured with a wrong destination is tunnelled back into the rules. */
const MAX_CONNECTIONS = 8;

const REMEDY =
  "something translates Service addresses before the pod's rules see them; with Cilium, set socketLB.hostNamespaceOnly=true";

export interface ConnectivityProbe {
  /** Dials, and resolves when the connection has been seen. Rejects when it was not. */
  run(): Promise<void>;
  close(): void;
}

/**
 * Binds the capture port on the loopback address of the destination's family. Null when the port is in use, because the
 * proxy of this pod already runs.
 *
 * @throws ProxyError `iptables-connectivity` when it cannot be bound for another reason.
 */
export function openConnectivityProbe(
  binding: NativeBinding,
  capturePort: number,
  destination: Destination,
): ConnectivityProbe | null {
  const { address, port } = destination;
  const verdict: { seen: boolean; wake: () => void } = { seen: false, wake: () => undefined };
  let acceptor: Acceptor;
  try {
    acceptor = binding.createAcceptor({
      listen: [{ address: address.includes(':') ? '::1' : '127.0.0.1', port: capturePort }],
      detectTimeoutMs: DEADLINE_MS,
      maxHeadBytes: MAX_HEAD_BYTES,
      maxHeaderFields: 100,
      maxConnections: MAX_CONNECTIONS,
      connectTimeoutMs: DEADLINE_MS,
      onHttp: (connection) => {
        verdict.seen = connection.address === address && connection.port === port;
        binding.replyAndClose(acceptor.take(), Buffer.from('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n'));
        verdict.wake();
      },
      onDropped: () => {
        verdict.wake();
      },
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return null;
    throw new ProxyError(
      'iptables-connectivity',
      `Cannot listen on the capture port ${capturePort} to check connectivity: ${(error as Error).message}`,
      { cause: error },
    );
  }
  acceptor.setFrontends([{ address, port, id: 1, mode: 'http' }]);
  return {
    run: async () => {
      const ended = await dial(destination, (wake) => (verdict.wake = wake));
      if (verdict.seen) return;
      const what = `A connection to the Service address ${address} port ${port}`;
      throw new ProxyError(
        'iptables-connectivity',
        acceptor.counters().accepted > 0
          ? `${what} was captured, but with another original destination: ${REMEDY}.`
          : `${what} was not captured (${ended}): ${REMEDY}.`,
      );
    },
    close: () => {
      acceptor.close();
    },
  };
}

/** Resolves when the acceptor reports (`setWake`), when the connection answers, fails or closes, or at the deadline. */
function dial(destination: Destination, setWake: (wake: () => void) => void): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: destination.address, port: destination.port });
    const end = (how: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(how);
    };
    const timer = setTimeout(() => {
      end(`nothing happened within ${DEADLINE_MS / 1000} s`);
    }, DEADLINE_MS);
    setWake(() => {
      end('the acceptor dropped it');
    });
    socket.on('connect', () => socket.write(`GET / HTTP/1.1\r\nHost: ${destination.address}\r\n\r\n`));
    socket.on('data', () => {
      end('it reached another listener');
    });
    socket.on('error', (error) => {
      end(error.message);
    });
    socket.on('close', () => {
      end('it was closed');
    });
  });
}

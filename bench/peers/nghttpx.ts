/** nghttpx, for HTTP/2, with its defaults except for the windows: 64 KiB for a stream, the maximum for a connection. */
import { V1, type Peer, type Place } from './peer.ts';

export function nghttpx({ port }: Place): Peer {
  return {
    name: 'nghttpx',
    files: {},
    command: [
      ...['nghttpx', '--conf=/dev/null', '--workers=1', '--single-process', '--log-level=ERROR'],
      ...[`--frontend=127.0.0.1,${port};no-tls`, `--backend=${V1},80;;proto=h2`],
      ...['--frontend-http2-max-concurrent-streams=250', '--backend-http2-max-concurrent-streams=250'],
    ],
  };
}

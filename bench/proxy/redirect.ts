/** What leads connections to the proxy under test. */
import type { Pod } from '../../test/support/cluster.ts';
import { PROXY_UID } from '../../test/support/sidecar.ts';

/** Makes the rule, `-A`, or puts another one in its place, `-R`: what dials a ClusterIP arrives at that port, but for what the proxy itself dials. */
export function redirect(pod: Pod, action: '-A' | '-R', port: number): void {
  const rule = ['-p', 'tcp', '-d', '10.96.0.0/16', '-m', 'owner', '!', '--uid-owner', String(PROXY_UID)];
  const at = action === '-A' ? ['-A', 'OUTPUT'] : ['-R', 'OUTPUT', '1'];
  pod.must(['iptables', '-w', '-t', 'nat', ...at, ...rule, '-j', 'REDIRECT', '--to-ports', String(port)]);
}

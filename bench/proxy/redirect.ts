/** Redirects connections to the proxy under test. */
import type { Pod } from '../../test/support/cluster.ts';
import { PROXY_UID } from '../../test/support/sidecar.ts';

/**
 * Adds the rule (`-A`) or replaces it (`-R`): connections to a ClusterIP arrive at `port`, except those the proxy
 * dials.
 */
export function redirect(pod: Pod, action: '-A' | '-R', port: number): void {
  const rule = ['-p', 'tcp', '-d', '10.96.0.0/16', '-m', 'owner', '!', '--uid-owner', String(PROXY_UID)];
  const at = action === '-A' ? ['-A', 'OUTPUT'] : ['-R', 'OUTPUT', '1'];
  pod.must(['iptables', '-w', '-t', 'nat', ...at, ...rule, '-j', 'REDIRECT', '--to-ports', String(port)]);
}

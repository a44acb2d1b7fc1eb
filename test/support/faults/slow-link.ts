/** A pod behind a slow, lossy link: two TUN devices with a relay between them (tun_relay.py). */
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Cluster, Pod } from '../cluster.ts';
import { stopProcess, waitForLine } from '../processes.ts';

const RELAY = fileURLToPath(new URL('../../../../test/support/faults/tun_relay.py', import.meta.url));
/** Addresses of the node's side and the pod's side of the link. */
const NEAR = '10.245.0.1';
export const FAR = '10.245.0.2';

export interface LinkFaults {
  /** One way. */
  readonly delayMs: number;
  readonly lossPercent: number;
  readonly reorderPercent: number;
}

export class SlowLink {
  readonly #relay: ChildProcess;

  private constructor(relay: ChildProcess) {
    this.#relay = relay;
  }

  /** Makes `FAR` the address by which `pod` is reached, and the link its default route. */
  static async start(cluster: Cluster, pod: Pod, faults: LinkFaults): Promise<SlowLink> {
    const { node } = cluster;
    const { delayMs, lossPercent, reorderPercent } = faults;
    const numbers = [delayMs, lossPercent, reorderPercent].map(String);
    const relay = node.spawn(['python3', RELAY, 'near', 'far', ...numbers], { stdio: ['pipe', 'pipe', 'inherit'] });
    await waitForLine(relay, /^relaying/);
    // The device moves to the pod; the relay keeps its descriptor.
    node.must(['ip', 'link', 'set', 'far', 'netns', pod.netns]);
    node.must(['ip', 'addr', 'add', `${NEAR}/30`, 'dev', 'near']);
    node.must(['ip', 'link', 'set', 'near', 'up']);
    pod.must(['ip', 'addr', 'add', `${FAR}/30`, 'dev', 'far']);
    pod.must(['ip', 'link', 'set', 'far', 'up']);
    pod.must(['ip', 'route', 'replace', 'default', 'via', NEAR]);
    return new SlowLink(relay);
  }

  /** Ends it, and says how many packets it has carried, lost and overtaken. */
  async end(): Promise<string> {
    const counts = waitForLine(this.#relay, /^relayed/);
    this.#relay.stdin!.end();
    const line = await counts;
    await stopProcess(this.#relay);
    return line;
  }
}

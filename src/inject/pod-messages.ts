/**
 * Messages about a pod that cannot be injected; they follow the path of the field. Used for manifests (`pod-checks.ts`)
 * and for pods that the API server creates (`policy/pod-problems.ts`).
 */
import { INJECT_ANNOTATION } from './annotations.ts';
import { METRICS_PORT, METRICS_PORT_NAME } from './containers.ts';

export const POD_MESSAGES = {
  hostNetwork: 'is true: the rules would capture traffic of the node',
  windows: 'is windows: sideroute needs iptables of Linux',
  user: (uid: string) =>
    `is ${uid}, the user of the sidecar, whose connections are never captured: run as another user, or give the ` +
    `sidecar another one (sideroute.dev/proxy-uid)`,
  containerName: (name: string) =>
    `is "${name}", which is the name of a container that inject adds; a copy of an injected pod has to keep its annotations ` +
    `(kubectl debug --keep-annotations)`,
  volumeName: (name: string) => `is "${name}", which is the name of a volume that inject adds`,
  port: (port: number) =>
    `is ${port}, which sideroute needs for ${port === METRICS_PORT ? 'metrics and probes' : 'itself'}`,
  portName: `is "${METRICS_PORT_NAME}", which is the name of the port that inject adds`,
  meshContainer: (name: string, mesh: string) =>
    `is "${name}" of ${mesh}, whose rules and those of sideroute undo each other: one mesh in a pod`,
  meshMark: (value: string, mesh: string) =>
    `is "${value}", by which ${mesh} adds its own rules, and those of sideroute undo each other: one mesh in a pod`,
  record: 'is not what inject writes: take the annotation, and what it stands for, out by hand',
} as const;

/** Text around the reasons when a pod is refused, not its manifest. */
export const REFUSED_POD = 'sideroute cannot be added to this pod: ';
export const MEND_POD = `. Mend it, or have the pod without a sidecar: label it ${INJECT_ANNOTATION}=disabled`;

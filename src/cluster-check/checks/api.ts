/** Checks of the API server: whether it answers, its version, what the user may read, and its clock. */
import { objectOf, textOf } from '../../kube/json.ts';
import { KINDS, resourceName, type KindName } from '../kinds.ts';
import { byHand, counted, findingAt, findingOf, inShell, type Check, type Finding } from '../model.ts';
import { at, isBefore, nameOf, type ClusterView } from '../view.ts';

/** The oldest version with native sidecars. Older versions work with classic sidecars, but are not tested. */
const OLDEST = [1, 29] as const;
/** Tolerance of certificates and tokens, and of the ages of Leases. */
const MOST_AHEAD_MS = 30_000;
/** A kubelet renews every 10 s, and counts as lost after 40 s. */
const MOST_BEHIND_MS = 60_000;
const SECOND_MS = 1_000;

const reachable: Check = {
  id: 'api-reachable',
  group: 'api',
  title: 'the API server answers',
  why: 'Without it nothing else can be looked at.',
  mend: 'See whether `kubectl version` answers with the same `--kubeconfig` and `--context`.',
  before: true,
  needs: [],
  judge({ snapshot: { serverError, serverVersion } }) {
    if (serverError === null) return { looked: `it is ${serverVersion ?? ''}`, findings: [] };
    const mend = inShell('kubectl version --request-timeout=10s');
    return {
      looked: '/version',
      findings: [findingOf('error', `the API server does not answer: ${serverError}`, mend)],
    };
  },
};

const version: Check = {
  id: 'api-version',
  group: 'api',
  title: 'Kubernetes is 1.29 or later',
  why: 'Native sidecars are there since 1.29.',
  mend: 'Upgrade the cluster.',
  before: true,
  needs: [],
  judge(view) {
    const { serverVersion: found, snapshot } = view;
    const said = snapshot.serverVersion ?? '';
    const findings: Finding[] = [];
    if (found === null) {
      findings.push(findingOf('unknown', `the version "${said}" is not understood`, inShell('kubectl version')));
    } else if (isBefore(found, OLDEST)) {
      const mend = byHand('upgrade the cluster to Kubernetes 1.29 or later');
      findings.push(findingOf('error', `Kubernetes is ${said}, and 1.29 is the oldest that sideroute runs in`, mend));
    }
    return { looked: said, findings };
  },
};

/** Permission to read, checked even when no such object exists. */
const permissions: Check = {
  id: 'api-permissions',
  group: 'api',
  title: 'the user may read what the checks look at',
  why: 'A check that may not look says `unknown`, never `ok`.',
  mend: 'An administrator makes a ClusterRole of the kinds that are named, and binds it to the user.',
  before: true,
  needs: [],
  judge(view) {
    const kinds = Object.keys(KINDS) as KindName[];
    const refused = kinds.filter((kind) => view.listing(kind).state === 'forbidden');
    const failed = kinds.filter((kind) => view.listing(kind).state === 'failed');
    const findings: Finding[] = [];
    if (refused.length > 0) {
      const names = [...new Set(refused.map(resourceName))];
      const message = `${view.snapshot.user ?? 'the user'} may not list ${names.join(', ')}`;
      findings.push(findingOf('unknown', message, inShell(grant(names, view.snapshot.user))));
    }
    for (const kind of failed) {
      const listing = view.listing(kind);
      const message = `${resourceName(kind)} cannot be read: ${listing.state === 'failed' ? listing.message : ''}`;
      findings.push(findingOf('unknown', message, inShell(`kubectl get ${resourceName(kind)} -A`)));
    }
    for (const kind of kinds) {
      const listing = view.listing(kind);
      if (listing.state !== 'read' || !listing.cut) continue;
      const message = `there are more ${resourceName(kind)} than are looked at, which are ${listing.items.length}`;
      findings.push(findingOf('unknown', message, byHand('look at one namespace at a time: -n NAMESPACE')));
    }
    return { looked: counted(new Set(kinds.map(resourceName)).size, 'kind'), findings };
  },
};

/** Two commands on one line: a role and its binding. */
function grant(resources: readonly string[], user: string | null): string {
  const [, namespace, account] = /^system:serviceaccount:([^:]+):(.+)$/.exec(user ?? '') ?? [];
  const subject =
    account === undefined ? `--user=${quoted(user ?? 'USER')}` : `--serviceaccount=${namespace}:${account}`;
  return (
    `kubectl create clusterrole sideroute-check --verb=get,list --resource=${resources.join(',')} && ` +
    `kubectl create clusterrolebinding sideroute-check --clusterrole=sideroute-check ${subject}`
  );
}

function quoted(text: string): string {
  return /^[\w.:@/-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

const clock: Check = {
  id: 'clock',
  group: 'api',
  title: 'the clocks of this machine and of the API server agree',
  why: 'With a wrong clock certificates and tokens seem to have ended or not to have begun, and ages are told wrongly.',
  mend: 'Set the clock that is wrong: `timedatectl set-ntp true`.',
  before: true,
  needs: [],
  judge({ snapshot: { clockAheadMs } }) {
    if (clockAheadMs === null) {
      const mend = byHand('ask the API server itself, not a proxy that leaves out the field Date');
      return { looked: 'no time', findings: [findingOf('unknown', 'the API server does not say its time', mend)] };
    }
    const looked = 'the field Date of its answers';
    if (Math.abs(clockAheadMs) <= MOST_AHEAD_MS) return { looked, findings: [] };
    const which = clockAheadMs > 0 ? 'ahead of' : 'behind';
    const message = `this machine is ${Math.round(Math.abs(clockAheadMs) / SECOND_MS)} s ${which} the API server`;
    return { looked, findings: [findingOf('warning', message, inShell('timedatectl set-ntp true'))] };
  },
};

const nodeClocks: Check = {
  id: 'node-clocks',
  group: 'api',
  title: 'the clocks of the nodes agree with the one of the API server',
  why:
    'Kubelets write the time into their Leases. Pods of a node with another clock take the certificate of the webhook for ' +
    'ended, and write logs of which the order means nothing.',
  mend: 'Set the clock of the node: `timedatectl set-ntp true` on it. Where the kubelet does not run, start it.',
  before: true,
  needs: ['nodes', 'nodeLeases'],
  judge(view) {
    const leases = view.items('nodeLeases').filter((lease) => view.find('nodes', null, nameOf(lease)) !== null);
    const findings = leases.flatMap((lease): Finding[] => {
      const renewed = Date.parse(textOf(objectOf(lease, 'spec'), 'renewTime') ?? '');
      if (Number.isNaN(renewed)) return [];
      const aheadMs = renewed - view.snapshot.nowMs;
      const node = at('Node', view.find('nodes', null, nameOf(lease))!);
      const mend = byHand(`on node ${node.name}: timedatectl set-ntp true; and see that its kubelet runs`);
      if (aheadMs > MOST_AHEAD_MS) {
        const message = `its clock is ${Math.round(aheadMs / SECOND_MS)} s ahead of the API server's`;
        return [findingAt('warning', node, message, mend)];
      }
      if (aheadMs < -MOST_BEHIND_MS && isReady(view, nameOf(lease))) {
        const message = `it is Ready, and its Lease is of ${Math.round(-aheadMs / SECOND_MS)} s ago: its clock is behind`;
        return [findingAt('warning', node, message, mend)];
      }
      return [];
    });
    return { looked: counted(leases.length, 'node'), findings };
  },
};

function isReady(view: ClusterView, node: string): boolean {
  const { conditions } = objectOf(view.find('nodes', null, node), 'status');
  return (
    Array.isArray(conditions) &&
    conditions.some((each: unknown) => textOf(each, 'type') === 'Ready' && textOf(each, 'status') === 'True')
  );
}

export const API_CHECKS: readonly Check[] = [reachable, version, permissions, clock, nodeClocks];

/**
 * Checks of the controller: it exists, runs, has the version of this command, holds the Lease, and has its permissions.
 */
import { listOf, numberOf, objectOf, textOf, type Json } from '../../kube/json.ts';
import type { Permission } from '../snapshot.ts';
import { byHand, counted, findingAt, findingOf, inShell, type Check, type Finding } from '../model.ts';
import { at, isBefore, nameOf, namespaceOf, type ClusterView } from '../view.ts';

const INSTALL_POLICY = 'kubectl apply -k deploy/kustomize/controller/policy';
const INSTALL_WEBHOOK = 'kubectl apply -k deploy/kustomize/controller/webhook';
const LEASE = 'sideroute-controller';
const POD_WRITES = 'sideroute-controller-pods';
const SECOND_MS = 1_000;
/** First version with ValidatingAdmissionPolicy v1. */
const VALIDATING_SINCE = [1, 30] as const;
/** First version with MutatingAdmissionPolicy v1. */
const MUTATING_SINCE = [1, 36] as const;

/** To be run in a clone of the repository. */
export function installCommand(view: ClusterView): string {
  const version = view.serverVersion;
  return version !== null && isBefore(version, MUTATING_SINCE) ? INSTALL_WEBHOOK : INSTALL_POLICY;
}

const present: Check = {
  id: 'controller-present',
  group: 'controller',
  title: 'there is one controller',
  why: 'It brings the routes of the cluster to the sidecars. Two that write the same ConfigMaps undo each other’s work.',
  mend: 'Install it (docs/install.md), or remove the one that is too many.',
  before: false,
  needs: ['deployments'],
  judge(view) {
    const { controllers } = view;
    const looked = counted(controllers.length, 'Deployment of a controller', 'Deployments of controllers');
    if (controllers.length === 0) {
      const message =
        'there is no Deployment with the labels of the controller: routes of the cluster reach no sidecar';
      return { looked, findings: [findingOf('error', message, inShell(installCommand(view)))] };
    }
    const [first, ...others] = controllers;
    const findings = others.map((item) => {
      const other = `kubectl -n ${namespaceOf(item)} delete deployment ${nameOf(item)}`;
      const message = `is a second controller, beside the older one in ${namespaceOf(first!)}`;
      return findingAt('error', at('Deployment', item), message, byHand(`remove one of the two, such as: ${other}`));
    });
    return { looked, findings };
  },
};

const ready: Check = {
  id: 'controller-ready',
  group: 'controller',
  title: 'the replicas of the controller are ready',
  why: 'Without a ready one routes stay as they are, and a webhook lets no pod start.',
  mend: 'See why its pods do not start: `kubectl -n sideroute-system describe pods`. With none wanted: scale it.',
  before: false,
  needs: ['deployments'],
  judge({ controllers }) {
    const findings = controllers.flatMap((item): Finding[] => {
      const wanted = numberOf(objectOf(item, 'spec'), 'replicas') ?? 1;
      const available = numberOf(objectOf(item, 'status'), 'availableReplicas') ?? 0;
      const place = at('Deployment', item);
      if (wanted === 0) {
        const mend = inShell(`kubectl -n ${namespaceOf(item)} scale deployment ${nameOf(item)} --replicas=2`);
        return [findingAt('error', place, 'is scaled to 0', mend)];
      }
      if (available >= wanted) return [];
      const mend = inShell(`kubectl -n ${namespaceOf(item)} describe pods -l app.kubernetes.io/component=controller`);
      const result = available === 0 ? 'error' : 'warning';
      return [findingAt(result, place, `${available} of ${wanted} replicas are available${why(item)}`, mend)];
    });
    return { looked: counted(controllers.length, 'Deployment'), findings };
  },
};

function why(deployment: Json): string {
  const bad = listOf(objectOf(deployment, 'status'), 'conditions').find(
    (each) => textOf(each, 'type') === 'ReplicaFailure' && textOf(each, 'status') === 'True',
  );
  const message = textOf(bad, 'message');
  return message === null ? '' : `: ${message}`;
}

const version: Check = {
  id: 'controller-version',
  group: 'controller',
  title: 'the controller is of the version of this command',
  why: 'This command knows what its own version does. Of another one it may report what is none, or miss what is one.',
  mend: 'Take the command of the version that is installed, or upgrade the controller.',
  before: false,
  needs: ['deployments'],
  judge({ controllers, snapshot: { clientVersion } }) {
    const findings = controllers.flatMap((item): Finding[] => {
      const image = controllerImage(item);
      const tag = tagOf(image);
      if (tag === null || tag === clientVersion) return [];
      const message = `its image is ${image}, and this command is of ${clientVersion}`;
      const mend = byHand(`take the command sideroute ${tag}, or upgrade the controller to ${clientVersion}`);
      return [findingAt('warning', at('Deployment', item), message, mend)];
    });
    return { looked: controllers.map(controllerImage).join(', ') || 'no controller', findings };
  },
};

function controllerImage(deployment: Json): string {
  const [container] = listOf(objectOf(objectOf(objectOf(deployment, 'spec'), 'template'), 'spec'), 'containers');
  return textOf(container, 'image') ?? '';
}

/** Null for a digest, and for a tag that is not a version. */
function tagOf(image: string): string | null {
  return /:v?(\d+\.\d+\.\d+[^:/@]*)$/.exec(image)?.[1] ?? null;
}

const lease: Check = {
  id: 'controller-lease',
  group: 'controller',
  title: 'a replica of the controller leads',
  why: 'Only the one that holds the Lease writes. When nobody renews it no route changes in any sidecar.',
  mend: 'Restart the controller; see its log and its permissions when that does not help.',
  before: false,
  needs: ['deployments', 'leases'],
  judge(view) {
    const { controller, systemNamespace } = view;
    if (controller === null) return { looked: 'no controller', findings: [] };
    const looked = `Lease ${systemNamespace}/${LEASE}`;
    const found = view.find('leases', systemNamespace, LEASE);
    const restart = inShell(`kubectl -n ${systemNamespace} rollout restart deployment ${nameOf(controller)}`);
    const place = { kind: 'Lease', namespace: systemNamespace, name: LEASE };
    if (found === null) {
      const message = 'is not there: no replica has ever led';
      return { looked, findings: [findingAt('error', place, message, restart)] };
    }
    const spec = objectOf(found, 'spec');
    const holder = textOf(spec, 'holderIdentity') ?? '';
    const ageMs = view.snapshot.nowMs - (Date.parse(textOf(spec, 'renewTime') ?? '') || 0);
    const bearsMs = (numberOf(spec, 'leaseDurationSeconds') ?? 15) * SECOND_MS;
    const findings: Finding[] = [];
    if (holder === '') findings.push(findingAt('error', place, 'nobody holds it', restart));
    // The clocks of nodes may differ by some seconds.
    else if (ageMs > 2 * bearsMs + 10 * SECOND_MS) {
      const message = `${holder} holds it, and has not renewed it for ${Math.round(ageMs / SECOND_MS)} s`;
      findings.push(findingAt('error', place, message, restart));
    }
    return { looked, findings };
  },
};

const permissions: Check = {
  id: 'controller-permissions',
  group: 'controller',
  title: 'the controller may do what it has to',
  why: 'What it may not read it takes for not there; what it may not write stays as it is.',
  mend: 'Apply the roles of the install again.',
  before: false,
  needs: ['deployments'],
  judge(view) {
    const { controllerPermissions: all } = view.snapshot;
    const looked = counted(all.length, 'permission');
    const [unasked] = all.filter(({ allowed }) => allowed === null);
    if (unasked !== undefined) {
      const message = 'the user may not ask what the controller may do (create subjectaccessreviews)';
      const mend = byHand('ask an administrator, who may: sideroute check --cluster');
      return { looked, findings: [findingOf('unknown', message, mend)] };
    }
    const missing = all.filter(({ allowed }) => allowed === false).map(permissionText);
    if (missing.length === 0) return { looked, findings: [] };
    const message = `the controller may not ${[...new Set(missing)].join(', ')}`;
    return { looked, findings: [findingOf('error', message, inShell(installCommand(view)))] };
  },
};

function permissionText({ verb, resource, subresource, name }: Permission): string {
  return `${verb} ${resource}${subresource === '' ? '' : `/${subresource}`}${name === '' ? '' : ` ${name}`}`;
}

const podWrites: Check = {
  id: 'controller-pod-writes',
  group: 'controller',
  title: 'the controller can change nothing of pods but its annotation',
  why: 'It may patch pods, which RBAC cannot narrow down. An admission policy refuses whatever else it would change.',
  mend: 'Apply the install again.',
  before: false,
  needs: ['deployments', 'validatingPolicies', 'validatingPolicyBindings'],
  judge(view) {
    const looked = `ValidatingAdmissionPolicy ${POD_WRITES}`;
    const tooOld = view.serverVersion !== null && isBefore(view.serverVersion, VALIDATING_SINCE);
    if (view.controller === null || tooOld) return { looked: 'nothing to look at', findings: [] };
    const policy = view.find('validatingPolicies', null, POD_WRITES);
    const isBound = view
      .items('validatingPolicyBindings')
      .some((item) => textOf(objectOf(item, 'spec'), 'policyName') === POD_WRITES);
    if (policy !== null && isBound) return { looked, findings: [] };
    const message = policy === null ? 'is not there' : 'has no binding, so that it is about nobody';
    const place = { kind: 'ValidatingAdmissionPolicy', namespace: null, name: POD_WRITES };
    return { looked, findings: [findingAt('warning', place, message, inShell(installCommand(view)))] };
  },
};

export const CONTROLLER_CHECKS: readonly Check[] = [present, ready, version, lease, permissions, podWrites];

/**
 * Checks of labelled namespaces and their pods: what prevents sidecars, which pods have none, and which have an old
 * one.
 */
import { INJECTION_LABEL, ROUTES_ANNOTATION, TEXT_HASH_ANNOTATION } from '../../controller/objects.ts';
import { HASH_CHARS, isTold } from '../../controller/told.ts';
import { INIT_NAME, SIDECAR_NAME } from '../../inject/containers.ts';
import { MESHES } from '../../inject/other-meshes.ts';
import { listOf, numberOf, objectOf, textOf, type Json } from '../../kube/json.ts';
import { shardName } from '../../route-set/format.ts';
import { byHand, counted, findingAt, inShell, type Check, type Finding } from '../model.ts';
import * as views from '../view.ts';
import type { ClusterView } from '../view.ts';
import { injectionDefaults } from '../injection-defaults.ts';

const { at, nameOf, namespaceOf, labelsOf, annotationsOf, containersOf, workloadOf } = views;
const PSA = 'pod-security.kubernetes.io/enforce';

function labelledNamespaces(view: ClusterView): Json[] {
  return view.items('namespaces').filter((item) => view.labelled.has(nameOf(item)));
}

const label: Check = {
  id: 'injection-label',
  group: 'pods',
  title: 'labels of namespaces that ask for injection are understood',
  why: 'Only the value `enabled` asks for sidecars, and never in kube-system, kube-node-lease and the namespace of the controller.',
  mend: 'Write `enabled`, or take the label away.',
  before: true,
  needs: ['namespaces'],
  judge(view) {
    const marked = view.items('namespaces').filter((item) => labelsOf(item)[INJECTION_LABEL] !== undefined);
    const findings = marked.flatMap((item): Finding[] => {
      const value = textOf(labelsOf(item), INJECTION_LABEL) ?? '';
      const name = nameOf(item);
      if (value === 'enabled' && !view.labelled.has(name)) {
        const mend = inShell(`kubectl label namespace ${name} ${INJECTION_LABEL}-`);
        return [findingAt('warning', at('Namespace', item), 'asks for injection, and is never injected', mend)];
      }
      if (value === 'enabled' || value === 'disabled') return [];
      const mend = inShell(`kubectl label namespace ${name} ${INJECTION_LABEL}=enabled --overwrite`);
      const message = `says ${INJECTION_LABEL}=${value}, which asks for nothing`;
      return [findingAt('warning', at('Namespace', item), message, mend)];
    });
    return { looked: counted(marked.length, 'namespace'), findings };
  },
};

const podSecurity: Check = {
  id: 'pod-security',
  group: 'pods',
  title: 'Pod Security lets the init container into labelled namespaces',
  why: 'The init container needs NET_ADMIN, which the levels `baseline` and `restricted` forbid: pods of the namespace do not start.',
  mend: 'Give the namespace the level `privileged`.',
  before: true,
  needs: ['namespaces'],
  judge(view) {
    const namespaces = labelledNamespaces(view);
    const findings = namespaces.flatMap((item): Finding[] => {
      const level = textOf(labelsOf(item), PSA);
      if (level !== 'baseline' && level !== 'restricted') return [];
      const mend = inShell(`kubectl label namespace ${nameOf(item)} ${PSA}=privileged --overwrite`);
      const message = `enforces ${level}, which forbids NET_ADMIN: its pods with a sidecar are refused`;
      return [findingAt('error', at('Namespace', item), message, mend)];
    });
    return { looked: counted(namespaces.length, 'labelled namespace'), findings };
  },
};

/** Labels and annotations of a namespace that request another mesh, with the values that do; null: any value. */
const NAMESPACE_MARKS: Readonly<Record<string, readonly (readonly [string, readonly string[] | null])[]>> = {
  Istio: [
    ['istio-injection', ['enabled']],
    ['istio.io/rev', null],
    ['istio.io/dataplane-mode', ['ambient']],
  ],
  Linkerd: [['linkerd.io/inject', ['enabled', 'ingress']]],
  Kuma: [['kuma.io/sidecar-injection', ['enabled', 'true']]],
  Consul: [['consul.hashicorp.com/connect-inject', ['true']]],
};

const otherMeshes: Check = {
  id: 'other-meshes',
  group: 'pods',
  title: 'no other mesh injects the same namespaces or pods',
  why: 'Two sets of rules in one pod undo each other. Pods that carry the mark of another mesh are refused; those of a marked namespace get both.',
  mend: 'Choose one of the two for the namespace.',
  before: true,
  needs: ['namespaces', 'pods'],
  judge(view) {
    const namespaces = labelledNamespaces(view);
    const findings = namespaces.flatMap((item): Finding[] =>
      Object.entries(NAMESPACE_MARKS).flatMap(([mesh, marks]) =>
        marks.flatMap(([mark, values]): Finding[] => {
          for (const [what, holder] of [
            ['label', labelsOf(item)] as const,
            ['annotate', annotationsOf(item)] as const,
          ]) {
            const value = textOf(holder, mark);
            if (value === null || (values !== null && !values.includes(value))) continue;
            const mend = inShell(`kubectl ${what} namespace ${nameOf(item)} ${mark}-`);
            const message = `is injected by ${mesh} as well (${mark}=${value})`;
            return [findingAt('error', at('Namespace', item), message, mend)];
          }
          return [];
        }),
      ),
    );
    for (const pod of view.meshed) {
      const names = containersOf(pod).map((container) => textOf(container, 'name') ?? '');
      const mesh = MESHES.find(({ containers }) => names.some((name) => containers.includes(name)));
      if (mesh === undefined) continue;
      const mend = byHand(`take ${mesh.name} or sideroute out of its pod template, and make the pod anew`);
      findings.push(findingAt('error', at('Pod', pod), `has a sidecar of ${mesh.name} as well`, mend));
    }
    return { looked: counted(namespaces.length, 'labelled namespace'), findings };
  },
};

/** One finding for all pods of a workload. */
function byWorkload(pods: readonly Json[], say: (pod: Json, workload: string | null) => Finding): Finding[] {
  const first = new Map<string, { pod: Json; count: number }>();
  for (const pod of pods) {
    const key = `${namespaceOf(pod)} ${workloadOf(pod) ?? `pod/${nameOf(pod)}`}`;
    const found = first.get(key);
    if (found === undefined) first.set(key, { pod, count: 1 });
    else found.count++;
  }
  return [...first.values()].map(({ pod, count }) => {
    const finding = say(pod, workloadOf(pod));
    return count === 1
      ? finding
      : { ...finding, message: `${finding.message} (and ${count - 1} more of its workload)` };
  });
}

function anew(pod: Json, workload: string | null): ReturnType<typeof inShell> {
  const namespace = namespaceOf(pod);
  if (workload !== null) return inShell(`kubectl -n ${namespace} rollout restart ${workload}`);
  return byHand(
    `make it anew: it belongs to no workload, and kubectl -n ${namespace} delete pod ${nameOf(pod)} ends it for good`,
  );
}

function isHostNetwork(pod: Json): boolean {
  return objectOf(pod, 'spec')['hostNetwork'] === true;
}

const withoutSidecar: Check = {
  id: 'pods-without-sidecar',
  group: 'pods',
  title: 'the pods of labelled namespaces have a sidecar',
  why: 'A pod gets its sidecar when it is made: one from before the label, or before the install, has none, and its requests follow no route.',
  mend: 'Make the pods anew.',
  before: false,
  needs: ['namespaces', 'pods'],
  judge(view) {
    const pods = view.podsToMesh.filter((pod) => !isHostNetwork(pod));
    const without = pods.filter((pod) => !views.hasSidecar(pod));
    const findings = byWorkload(without, (pod, workload) =>
      findingAt('warning', at('Pod', pod), 'has no sidecar: no route applies to its requests', anew(pod, workload)),
    );
    return { looked: counted(pods.length, 'pod'), findings };
  },
};

const hostNetwork: Check = {
  id: 'host-network',
  group: 'pods',
  title: 'no pod of a labelled namespace is in the network of its node',
  why: 'Rules in the network of the node would be about the whole node, so injection refuses such pods: they cannot be made anew.',
  mend: 'Label its pod template `sideroute.dev/inject: "false"`.',
  before: true,
  needs: ['namespaces', 'pods'],
  judge(view) {
    const pods = view.podsToMesh.filter(isHostNetwork);
    const findings = byWorkload(pods, (pod, workload) => {
      const patch = '{"spec":{"template":{"metadata":{"labels":{"sideroute.dev/inject":"false"}}}}}';
      const mend =
        workload === null
          ? inShell(`kubectl -n ${namespaceOf(pod)} label pod ${nameOf(pod)} sideroute.dev/inject=false`)
          : inShell(`kubectl -n ${namespaceOf(pod)} patch ${workload} --type=merge -p '${patch}'`);
      return findingAt('warning', at('Pod', pod), 'has hostNetwork: the next one like it will be refused', mend);
    });
    return { looked: counted(view.podsToMesh.length, 'pod'), findings };
  },
};

const refused: Check = {
  id: 'workloads-refused',
  group: 'pods',
  title: 'no workload of a labelled namespace is refused its pods',
  why: 'What admission refuses is told to the ReplicaSet alone, and whoever deployed it sees nothing but that no pod comes.',
  mend: 'Do what the message says: it names the field or the annotation.',
  before: false,
  needs: ['namespaces', 'replicaSets', 'deployments'],
  judge(view) {
    const all = [...view.items('deployments'), ...view.items('replicaSets')].filter(
      (item) => view.labelled.has(namespaceOf(item)) && (numberOf(objectOf(item, 'spec'), 'replicas') ?? 1) > 0,
    );
    const told = new Set<string>();
    const findings = all.flatMap((item): Finding[] => {
      const failure = listOf(objectOf(item, 'status'), 'conditions').find(
        (each) => textOf(each, 'type') === 'ReplicaFailure' && textOf(each, 'status') === 'True',
      );
      const message = textOf(failure, 'message');
      if (message === null || told.has(message)) return [];
      told.add(message);
      const isDeployment = view.find('deployments', namespaceOf(item), nameOf(item)) === item;
      const place = at(isDeployment ? 'Deployment' : 'ReplicaSet', item);
      return [findingAt('error', place, `its pods are refused: ${message}`, byHand(adviceOf(message)))];
    });
    return { looked: counted(all.length, 'Deployment or ReplicaSet', 'Deployments and ReplicaSets'), findings };
  },
};

function adviceOf(message: string): string {
  if (message.includes('PodSecurity')) return 'see the check pod-security';
  if (message.includes('webhook')) return 'see the checks webhook-ca and webhook-service';
  return 'change what the message names in its pod template, or label that sideroute.dev/inject: "false"';
}

const notReady: Check = {
  id: 'sidecars-ready',
  group: 'pods',
  title: 'sidecars are ready, and their init containers have done their work',
  why: 'An init container that fails keeps the pod from starting, and says why; a sidecar that is not ready keeps it from getting requests.',
  mend: 'Read its log: it says what is wrong and what to do.',
  before: false,
  needs: ['pods'],
  judge(view) {
    const findings = byWorkload(
      view.meshed.filter((pod) => faultIn(pod) !== null),
      (pod) => {
        const { container, message } = faultIn(pod)!;
        const mend = inShell(`kubectl -n ${namespaceOf(pod)} logs ${nameOf(pod)} -c ${container} --tail=20`);
        return findingAt('error', at('Pod', pod), message, mend);
      },
    );
    return { looked: counted(view.meshed.length, 'pod with a sidecar', 'pods with a sidecar'), findings };
  },
};

function faultIn(pod: Json): { container: string; message: string } | null {
  const status = objectOf(pod, 'status');
  const statuses = [...listOf(status, 'initContainerStatuses'), ...listOf(status, 'containerStatuses')];
  const of = (name: string): Json | undefined => statuses.find((each) => textOf(each, 'name') === name);
  const init = of(INIT_NAME);
  for (const field of ['state', 'lastState']) {
    const ended = objectOf(objectOf(init, field), 'terminated');
    if ((numberOf(ended, 'exitCode') ?? 0) === 0 || init?.['ready'] === true) continue;
    const said = (textOf(ended, 'message') ?? '').trim().split('\n').at(-1) ?? '';
    return { container: INIT_NAME, message: `its init container fails${said === '' ? '' : `: ${said}`}` };
  }
  const sidecar = of(SIDECAR_NAME);
  const reason = textOf(objectOf(objectOf(sidecar, 'state'), 'waiting'), 'reason');
  if (reason !== null && reason !== 'PodInitializing') {
    return { container: SIDECAR_NAME, message: `its sidecar does not start: ${reason}` };
  }
  const isRunning = sidecar !== undefined && Object.keys(objectOf(objectOf(sidecar, 'state'), 'running')).length > 0;
  if (isRunning && sidecar['ready'] === false) return { container: SIDECAR_NAME, message: 'its sidecar is not ready' };
  return null;
}

const stale: Check = {
  id: 'sidecars-current',
  group: 'pods',
  title: 'sidecars have the image that pods get now',
  why: 'A pod keeps the sidecar that it was made with: after an upgrade the old one goes on until the pod is made anew.',
  mend: 'Make the pods anew.',
  before: false,
  needs: ['pods', 'mutatingPolicies', 'deployments'],
  judge(view) {
    const image = injectionDefaults(view).get('image') ?? null;
    const looked = counted(view.meshed.length, 'pod with a sidecar', 'pods with a sidecar');
    if (image === null) return { looked: `${looked}; the image of injection is not said`, findings: [] };
    const old = view.meshed.filter((pod) => {
      const own = textOf(annotationsOf(pod), 'sideroute.dev/image');
      return views.recordOf(pod) !== null && sidecarImage(pod) !== (own ?? image);
    });
    const findings = byWorkload(old, (pod, workload) => {
      const message = `its sidecar is ${sidecarImage(pod)}, and pods get ${image} now`;
      return findingAt('warning', at('Pod', pod), message, anew(pod, workload));
    });
    return { looked, findings };
  },
};

function sidecarImage(pod: Json): string {
  const sidecar = containersOf(pod).find((container) => textOf(container, 'name') === SIDECAR_NAME);
  return textOf(sidecar, 'image') ?? '';
}

const told: Check = {
  id: 'sidecars-told',
  group: 'pods',
  title: 'pods have been told of the route set that is there',
  why:
    `The controller writes the beginning of the set's hash into the annotation ${ROUTES_ANNOTATION} of each pod, so that its kubelet looks. ` +
    'Where it says another one the pod serves old routes for up to 90 seconds longer, or since the controller stopped.',
  mend: 'Write the annotation by hand, and see whether the controller runs and may patch pods.',
  before: false,
  needs: ['pods', 'routeSets'],
  judge(view) {
    const pods = view.meshed.filter((pod) => textOf(annotationsOf(pod), ROUTES_ANNOTATION) !== null);
    const findings = pods.flatMap((pod): Finding[] => {
      const namespace = namespaceOf(pod);
      const root = view.find('routeSets', namespace, shardName(0));
      const hash = textOf(annotationsOf(root ?? {}), TEXT_HASH_ANNOTATION);
      const value = textOf(annotationsOf(pod), ROUTES_ANNOTATION) ?? '';
      if (hash === null || isTold(value, hash)) return [];
      const short = hash.slice(0, HASH_CHARS);
      const mend = inShell(
        `kubectl -n ${namespace} annotate pod ${nameOf(pod)} ${ROUTES_ANNOTATION}=${short} --overwrite`,
      );
      return [findingAt('warning', at('Pod', pod), `was told of the set ${value}, and the set is ${short}`, mend)];
    });
    return { looked: counted(pods.length, 'pod'), findings };
  },
};

export const POD_CHECKS: readonly Check[] = [
  ...[label, podSecurity, otherMeshes, hostNetwork, refused],
  ...[withoutSidecar, notReady, stale, told],
];

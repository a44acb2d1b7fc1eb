/**
 * Checks of the injection: a policy or a webhook, whether it is in force, and what happens when it cannot be reached.
 */
import { X509Certificate } from 'node:crypto';
import { listOf, numberOf, objectOf, textOf, type Json } from '../../kube/json.ts';
import { SERVICE_NAME } from '../../webhook/webhook.ts';
import { INJECTION_NAME, injectionDefaults } from '../injection-defaults.ts';
import { byHand, counted, findingAt, findingOf, inShell, type Check, type Finding, type Outcome } from '../model.ts';
import { at, isBefore, nameOf, versionOf, type ClusterView } from '../view.ts';
import { installCommand } from './controller.ts';

const NATIVE_SINCE = [1, 29] as const;
const DAY_MS = 86_400_000;
/** The controller renews it long before. */
const SOON_MS = 3 * DAY_MS;

function policyOf(view: ClusterView): Json | null {
  return view.find('mutatingPolicies', null, INJECTION_NAME);
}

function webhookOf(view: ClusterView): Json | null {
  return view.find('mutatingWebhooks', null, INJECTION_NAME);
}

const installed: Check = {
  id: 'injection-installed',
  group: 'injection',
  title: 'there is one thing that injects: a policy or a webhook',
  why: 'Without either no pod gets a sidecar by the label of its namespace. With both a pod is injected once, by whichever comes first, and what the two give pods may differ.',
  mend: 'Install one of the two, or remove the one that is too many.',
  before: false,
  needs: ['mutatingPolicies', 'mutatingWebhooks', 'namespaces'],
  judge(view) {
    const [policy, webhook] = [policyOf(view), webhookOf(view)];
    const looked = [policy === null ? null : 'policy', webhook === null ? null : 'webhook'].filter(Boolean).join(', ');
    if (policy !== null && webhook !== null) {
      const mend = inShell(`kubectl delete mutatingwebhookconfiguration ${INJECTION_NAME}`);
      const message = 'injects as well as the policy of that name';
      return { looked, findings: [findingAt('warning', at('MutatingWebhookConfiguration', webhook), message, mend)] };
    }
    if (policy === null && webhook === null) {
      const few = view.labelled.size === 0;
      const message = few
        ? 'nothing injects, and no namespace asks for it'
        : `nothing injects, and ${counted(view.labelled.size, 'namespace')} ask for it`;
      const finding = findingOf(few ? 'warning' : 'error', message, inShell(installCommand(view)));
      return { looked: 'neither', findings: [finding] };
    }
    return { looked, findings: [] };
  },
};

const bound: Check = {
  id: 'injection-policy-bound',
  group: 'injection',
  title: 'the policy that injects is bound',
  why: 'A MutatingAdmissionPolicy does nothing without a MutatingAdmissionPolicyBinding that names it.',
  mend: 'Apply the install again.',
  before: false,
  needs: ['mutatingPolicies', 'mutatingPolicyBindings'],
  judge(view) {
    const policy = policyOf(view);
    if (policy === null) return { looked: 'no policy', findings: [] };
    const bindings = view
      .items('mutatingPolicyBindings')
      .filter((item) => textOf(objectOf(item, 'spec'), 'policyName') === INJECTION_NAME);
    const looked = counted(bindings.length, 'binding');
    if (bindings.length > 0) return { looked, findings: [] };
    const message = 'has no binding: it injects nothing';
    const mend = inShell(installCommand(view));
    return { looked, findings: [findingAt('error', at('MutatingAdmissionPolicy', policy), message, mend)] };
  },
};

const failurePolicy: Check = {
  id: 'injection-failure-policy',
  group: 'injection',
  title: 'a pod that cannot be injected does not start',
  why: 'With failurePolicy Ignore pods start without a sidecar whenever the policy fails or the webhook does not answer, and nobody is told.',
  mend: 'Set failurePolicy to Fail.',
  before: false,
  needs: ['mutatingPolicies', 'mutatingWebhooks'],
  judge(view) {
    const findings: Finding[] = [];
    const policy = policyOf(view);
    const message = 'has failurePolicy Ignore: pods start without a sidecar, and nobody is told';
    if (policy !== null && textOf(objectOf(policy, 'spec'), 'failurePolicy') === 'Ignore') {
      const mend = inShell(
        `kubectl patch mutatingadmissionpolicy ${INJECTION_NAME} --type=merge -p '{"spec":{"failurePolicy":"Fail"}}'`,
      );
      findings.push(findingAt('warning', at('MutatingAdmissionPolicy', policy), message, mend));
    }
    const webhook = webhookOf(view);
    for (const [index, each] of listOf(webhook, 'webhooks').entries()) {
      if (webhook === null || textOf(each, 'failurePolicy') !== 'Ignore') continue;
      const patch = `[{"op":"replace","path":"/webhooks/${index}/failurePolicy","value":"Fail"}]`;
      const mend = inShell(`kubectl patch mutatingwebhookconfiguration ${INJECTION_NAME} --type=json -p '${patch}'`);
      findings.push(findingAt('warning', at('MutatingWebhookConfiguration', webhook), message, mend));
    }
    return { looked: policy === null && webhook === null ? 'nothing injects' : INJECTION_NAME, findings };
  },
};

const authority: Check = {
  id: 'webhook-ca',
  group: 'injection',
  title: 'the API server trusts the certificate of the webhook',
  why: 'The controller writes its authority into the webhook (caBundle). Without it, or when it has ended, no pod of a labelled namespace starts.',
  mend: 'Restart the controller, which writes it again; see its log when that does not help.',
  before: false,
  needs: ['mutatingWebhooks', 'deployments'],
  judge(view) {
    const webhook = webhookOf(view);
    if (webhook === null) return { looked: 'no webhook', findings: [] };
    const { systemNamespace, controller } = view;
    const name = controller === null ? 'sideroute-controller' : nameOf(controller);
    const mend = inShell(`kubectl -n ${systemNamespace} rollout restart deployment ${name}`);
    const findings = listOf(webhook, 'webhooks').flatMap((each): Finding[] => {
      const fault = bundleFault(textOf(objectOf(each, 'clientConfig'), 'caBundle') ?? '', view.snapshot.nowMs);
      if (fault === null) return [];
      return [findingAt(fault.result, at('MutatingWebhookConfiguration', webhook), fault.message, mend)];
    });
    return { looked: 'caBundle', findings };
  },
};

/** Checks that one of the authorities is valid now and for some more days. */
function bundleFault(caBundle: string, nowMs: number): { result: 'error' | 'warning'; message: string } | null {
  const text = Buffer.from(caBundle, 'base64').toString();
  const parts = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (parts.length === 0) return { result: 'error', message: 'has no caBundle: the API server trusts no certificate' };
  const until: number[] = [];
  for (const part of parts) {
    try {
      const { validFrom, validTo } = new X509Certificate(part);
      if (Date.parse(validFrom) <= nowMs) until.push(Date.parse(validTo));
    } catch {
      return { result: 'error', message: 'has a caBundle in which a certificate cannot be read' };
    }
  }
  const last = Math.max(0, ...until);
  if (last === 0) return { result: 'error', message: 'has a caBundle that is not valid yet' };
  const day = new Date(last).toISOString().slice(0, 16);
  if (last <= nowMs) return { result: 'error', message: `has a caBundle that ended at ${day}` };
  return last - nowMs < SOON_MS ? { result: 'warning', message: `has a caBundle that ends at ${day}` } : null;
}

const service: Check = {
  id: 'webhook-service',
  group: 'injection',
  title: 'the Service of the webhook has ready endpoints',
  why: 'The API server asks the webhook through it. Without an endpoint no pod of a labelled namespace starts.',
  mend: 'Apply the install again where the Service is gone; else see why the controller is not ready.',
  before: false,
  needs: ['mutatingWebhooks', 'services', 'endpointSlices', 'deployments'],
  judge(view): Outcome {
    const webhook = webhookOf(view);
    if (webhook === null) return { looked: 'no webhook', findings: [] };
    const reference = objectOf(objectOf(listOf(webhook, 'webhooks')[0], 'clientConfig'), 'service');
    const namespace = textOf(reference, 'namespace') ?? view.systemNamespace;
    const name = textOf(reference, 'name') ?? SERVICE_NAME;
    const looked = `Service ${namespace}/${name}`;
    const place = { kind: 'Service', namespace, name };
    if (view.find('services', namespace, name) === null) {
      return { looked, findings: [findingAt('error', place, 'is not there', inShell(installCommand(view)))] };
    }
    if (readyEndpoints(view, namespace, name) > 0) return { looked, findings: [] };
    const mend = inShell(`kubectl -n ${namespace} describe pods -l app.kubernetes.io/component=controller`);
    return { looked, findings: [findingAt('error', place, 'has no ready endpoint', mend)] };
  },
};

export function readyEndpoints(view: ClusterView, namespace: string, service: string): number {
  const byService = view.once('ready endpoints', () => {
    const counts = new Map<string, number>();
    for (const slice of view.items('endpointSlices')) {
      const metadata = objectOf(slice, 'metadata');
      const owner = textOf(objectOf(metadata, 'labels'), 'kubernetes.io/service-name') ?? '';
      const key = `${textOf(metadata, 'namespace') ?? ''}/${owner}`;
      const ready = listOf(slice, 'endpoints').filter((each) => objectOf(each, 'conditions')['ready'] !== false);
      counts.set(key, (counts.get(key) ?? 0) + ready.length);
    }
    return counts;
  });
  return byService.get(`${namespace}/${service}`) ?? 0;
}

const nativeSidecars: Check = {
  id: 'native-sidecars',
  group: 'injection',
  title: 'the nodes know native sidecars, where injection is native',
  why: 'A kubelet before 1.29 takes a native sidecar for an init container that never ends: the pod does not start.',
  mend: 'Upgrade the nodes, or inject with mode classic.',
  before: true,
  needs: ['nodes', 'mutatingPolicies', 'deployments'],
  judge(view) {
    const mode = injectionDefaults(view).get('mode') ?? 'native';
    const nodes = view.items('nodes');
    const findings = nodes.flatMap((node): Finding[] => {
      const version = textOf(objectOf(objectOf(node, 'status'), 'nodeInfo'), 'kubeletVersion') ?? '';
      const parsed = versionOf(version);
      if (mode !== 'native' || parsed === null || !isBefore(parsed, NATIVE_SINCE)) return [];
      const mend = byHand('upgrade its kubelet to 1.29 or later, or inject with mode classic (--inject-mode classic)');
      return [findingAt('error', at('Node', node), `its kubelet is ${version}, and injection is native`, mend)];
    });
    return { looked: `${counted(nodes.length, 'node')}, mode ${mode}`, findings };
  },
};

/** How long the API server may wait for each pod. */
const SLOW_SECONDS = 15;

const slowWebhooks: Check = {
  id: 'webhook-timeout',
  group: 'injection',
  title: 'the API server does not wait long for the webhook',
  why: 'Each pod that is made waits for it, and a controller of workloads with it.',
  mend: 'Set timeoutSeconds to 10.',
  before: false,
  needs: ['mutatingWebhooks'],
  judge(view) {
    const webhook = webhookOf(view);
    if (webhook === null) return { looked: 'no webhook', findings: [] };
    const findings = listOf(webhook, 'webhooks').flatMap((each, index): Finding[] => {
      const seconds = numberOf(each, 'timeoutSeconds') ?? 10;
      if (seconds <= SLOW_SECONDS) return [];
      const patch = `[{"op":"replace","path":"/webhooks/${index}/timeoutSeconds","value":10}]`;
      const mend = inShell(`kubectl patch mutatingwebhookconfiguration ${INJECTION_NAME} --type=json -p '${patch}'`);
      const message = `the API server waits up to ${seconds} s for each pod`;
      return [findingAt('warning', at('MutatingWebhookConfiguration', webhook), message, mend)];
    });
    return { looked: 'timeoutSeconds', findings };
  },
};

export const INJECTION_CHECKS: readonly Check[] = [
  ...[installed, bound, failurePolicy, authority, service],
  ...[slowWebhooks, nativeSidecars],
];

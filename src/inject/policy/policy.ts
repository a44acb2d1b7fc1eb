/**
 * Admission policies that turn a pod into what `sideroute inject` would make of its manifest, inside the API server: no
 * additional server has to run, be reachable or fail.
 *
 *     MutatingAdmissionPolicy    adds the containers, unless there is a reason against it
 *     ValidatingAdmissionPolicy  refuses a pod that was not injected, with all reasons
 *
 * Stage before: the variables of `settings.ts` and `pod-problems.ts`, and the containers of `containers.ts` with
 * expressions for values. Stage after: `cli/policy.ts` prints them; the kustomize base and the Helm chart have them as
 * files.
 */
import {
  INJECT_ANNOTATION,
  INJECT_SETTINGS,
  LEFT_ALONE,
  MIRROR_ANNOTATION,
  SETTING_KEYS,
  type InjectSettings,
} from '../annotations.ts';
import { additionsOf, PROMETHEUS_ANNOTATIONS } from '../containers.ts';
import { MEND_POD, POD_MESSAGES, REFUSED_POD } from '../pod-messages.ts';
import { INJECTED_ANNOTATION, recordText } from '../record.ts';
import { SIDECAR_NAME } from '../containers.ts';
import type { WrittenFields } from '../written-yaml.ts';
import { celText, celValue } from './cel.ts';
import { meshProblems, podProblems } from './pod-problems.ts';
import { containerExpressions, settingVariables, type Variable } from './settings.ts';

export const POLICY_NAME = 'sideroute-injection';
export const INJECTION_LABEL = 'sideroute.dev/injection';
/** The API versions with MutatingAdmissionPolicy: beta since 1.34, stable since 1.36. */
export const POLICY_VERSIONS = ['v1', 'v1beta1'] as const;
export type PolicyVersion = (typeof POLICY_VERSIONS)[number];

const GROUP = 'admissionregistration.k8s.io';
const LABELS = { 'app.kubernetes.io/name': 'sideroute', 'app.kubernetes.io/component': 'injection' };

export interface PolicyOptions {
  /** Version of this sideroute, for the record. */
  readonly version: string;
  /** The settings of a pod without annotations. */
  readonly settings: InjectSettings;
  readonly apiVersion: PolicyVersion;
  /** Namespace of the controller, which is never injected. */
  readonly namespace: string;
}

/** In the order in which they must be applied: a policy that refuses comes after the one that injects. */
export function policyObjects(options: PolicyOptions): WrittenFields[] {
  const variables = variablesOf(options);
  const match = matchConstraints(options.namespace);
  return [
    {
      apiVersion: `${GROUP}/${options.apiVersion}`,
      kind: 'MutatingAdmissionPolicy',
      metadata: { name: POLICY_NAME, labels: LABELS },
      spec: {
        matchConstraints: match,
        matchConditions: [NOT_INJECTED, NOT_MIRRORED],
        failurePolicy: 'Fail',
        reinvocationPolicy: 'Never',
        variables: [...variables, ...additionVariables(options.version)].map(({ name, expression }) => ({
          name,
          expression,
        })),
        mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: PATCH } }],
      },
    },
    {
      apiVersion: `${GROUP}/${options.apiVersion}`,
      kind: 'MutatingAdmissionPolicyBinding',
      metadata: { name: POLICY_NAME, labels: LABELS },
      spec: { policyName: POLICY_NAME },
    },
    {
      apiVersion: `${GROUP}/v1`,
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name: POLICY_NAME, labels: LABELS },
      spec: {
        matchConstraints: match,
        matchConditions: [NOT_MIRRORED],
        failurePolicy: 'Fail',
        variables: [...variables, ...verdictVariables()].map(({ name, expression }) => ({ name, expression })),
        validations: [
          {
            expression: 'variables.verdict.size() == 0',
            messageExpression: `${celText(REFUSED_POD)} + variables.verdict.join('; ') + ${celText(MEND_POD)}`,
          },
        ],
      },
    },
    {
      apiVersion: `${GROUP}/v1`,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name: POLICY_NAME, labels: LABELS },
      spec: { policyName: POLICY_NAME, validationActions: ['Deny'] },
    },
  ];
}

const NOT_THERE =
  'nothing has added it: the MutatingAdmissionPolicy is not there or has just been made; try again in a few seconds';

const NOT_INJECTED = {
  name: 'not-injected',
  expression: `!(${celText(INJECTED_ANNOTATION)} in object.metadata.?annotations.orValue({}))`,
};
const NOT_MIRRORED = {
  name: 'not-a-static-pod',
  expression: `!(${celText(MIRROR_ANNOTATION)} in object.metadata.?annotations.orValue({}))`,
};

function matchConstraints(namespace: string): WrittenFields {
  return {
    namespaceSelector: {
      matchLabels: { [INJECTION_LABEL]: 'enabled' },
      matchExpressions: [
        {
          key: 'kubernetes.io/metadata.name',
          operator: 'NotIn',
          values: ['kube-system', 'kube-node-lease', namespace],
        },
      ],
    },
    objectSelector: { matchExpressions: [{ key: INJECT_ANNOTATION, operator: 'NotIn', values: LEFT_ALONE }] },
    resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
  };
}

function variablesOf({ settings }: PolicyOptions): Variable[] {
  const defaults = SETTING_KEYS.map((key) => [INJECT_SETTINGS[key].name, settings[key]] as const);
  const given = defaults.filter((entry): entry is [(typeof entry)[0], string] => entry[1] !== null);
  return [
    ...settingVariables(Object.fromEntries(given)),
    { name: 'meshProblems', expression: meshProblems() },
    { name: 'podProblems', expression: podProblems() },
    {
      name: 'problems',
      expression:
        'variables.annotationProblems + (variables.leftAlone ? [] : variables.meshProblems + variables.podProblems)',
    },
  ];
}

/** The variables for the additions to a pod. */
function additionVariables(version: string): Variable[] {
  const { initContainer, sidecar, volumes } = additionsOf(containerExpressions());
  const created = (
    [
      ['initContainers', 'has(object.spec.initContainers)'],
      ['volumes', 'has(object.spec.volumes)'],
      ['annotations', 'has(object.metadata.annotations)'],
    ] as const
  ).map(([holder, there]) => `(${there} ? [] : ['"${holder}"'])`);
  const names = (items: readonly { readonly name: string }[]) => items.map(({ name }) => name);
  // The record, with holes for values that depend on the pod.
  const [start = '', middle = '', end = ''] = recordText({
    version,
    mode: 'native',
    initContainers: names([initContainer, sidecar]),
    containers: [],
    volumes: names(volumes),
    annotations: [HOLE],
    created: [HOLE],
    nulls: {},
  }).split(`"${HOLE}"`);
  return [
    { name: 'initContainer', expression: celValue(initContainer) },
    { name: 'sidecar', expression: celValue(sidecar) },
    { name: 'volumes', expression: celValue(volumes) },
    {
      name: 'prometheus',
      expression: `variables.annotations.exists(name, name.startsWith('prometheus.io/')) ? {} : ${celTextMap(PROMETHEUS_ANNOTATIONS)}`,
    },
    {
      name: 'record',
      expression: [
        celText(start),
        Object.keys(PROMETHEUS_ANNOTATIONS)
          .map((name) => `(${celText(name)} in variables.prometheus ? ['"${name}"'] : [])`)
          .join(' + '),
        celText(middle),
        created.join(' + '),
        celText(end),
      ]
        .map((part, index) => (index % 2 === 1 ? `(${part}).join(',')` : part))
        .join(' +\n'),
    },
  ];
}

const HOLE = 'HOLE';

function celTextMap(map: Readonly<Record<string, string>>): string {
  return `{${Object.entries(map)
    .map(([name, value]) => `${celText(name)}: ${celText(value)}`)
    .join(', ')}}`;
}

const ADD = (path: string, value: string) => `JSONPatch{op: 'add', path: ${path}, value: ${value}}`;
const MADE = (has: string, path: string, value: string) => `(${has} ? [] : [${ADD(celText(path), value)}])`;

/**
 * Placed before the pod's own containers, as in a manifest: rules, then sidecar, then containers that may already use
 * both.
 */
const PATCH = `variables.leftAlone || variables.problems.size() > 0 ? [] :
${[
  MADE('has(object.spec.initContainers)', '/spec/initContainers', '[]'),
  `[${ADD("'/spec/initContainers/0'", 'variables.initContainer')}, ${ADD("'/spec/initContainers/1'", 'variables.sidecar')}]`,
  MADE('has(object.spec.volumes)', '/spec/volumes', '[]'),
  `[${ADD("'/spec/volumes/0'", 'variables.volumes[0]')}, ${ADD("'/spec/volumes/1'", 'variables.volumes[1]')}]`,
  MADE('has(object.metadata.annotations)', '/metadata/annotations', '{}'),
  `variables.prometheus.map(name, ${ADD("'/metadata/annotations/' + jsonpatch.escapeKey(name)", 'variables.prometheus[name]')})`,
  `[${ADD(celText(`/metadata/annotations/${INJECTED_ANNOTATION.replaceAll('/', '~1')}`), 'variables.record')}]`,
].join(' +\n')}`;

/** Variables with the reasons against the pod in its final state. */
function verdictVariables(): Variable[] {
  const record = celText(`metadata.annotations["${INJECTED_ANNOTATION}"] ${POD_MESSAGES.record}`);
  const lists = ['initContainers', 'containers'].map(
    (list) => `object.spec.?${list}.orValue([]).exists(c, c.name == ${celText(SIDECAR_NAME)})`,
  );
  return [
    { name: 'injected', expression: `${celText(INJECTED_ANNOTATION)} in variables.annotations` },
    {
      name: 'verdict',
      expression: `variables.injected ? (${lists.join(' || ')} ? [] : [${record}]) + variables.meshProblems :
variables.problems.size() > 0 ? variables.problems :
variables.leftAlone ? [] : [${celText(NOT_THERE)}]`,
    },
  ];
}

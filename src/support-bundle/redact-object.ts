/**
 * Redacts objects of a cluster. Pods and their templates keep only the fields that are named here. Values of environment variables and arguments are
 * kept only for sideroute's own containers.
 *
 * Stage before: `from-cluster.ts`. Stage after: `redact-value.ts`, for what is kept.
 */
import { INIT_NAME, SIDECAR_NAME } from '../inject/containers.ts';
import { isObject, listOf, objectOf, textOf, type Json } from '../kube/json.ts';
import { count, isSensitiveName, LEFT_OUT } from './sensitive.ts';
import { hide, redactValue, type Redaction } from './redact-value.ts';

const METADATA: readonly string[] = [
  ...[
    'name',
    'generateName',
    'namespace',
    'uid',
    'resourceVersion',
    'generation',
    'creationTimestamp',
    'deletionTimestamp',
  ],
  ...['deletionGracePeriodSeconds', 'labels', 'ownerReferences', 'finalizers'],
];
const KNOWN_ANNOTATIONS =
  /^(?:(?:[\w-]+\.)*sideroute\.dev\/|kubectl\.kubernetes\.io\/(?:default-container|restartedAt)$|deployment\.kubernetes\.io\/|kubernetes\.io\/(?:config\.source|service-name)$|endpoints\.kubernetes\.io\/)/;
const POD_SPEC: readonly string[] = [
  ...[
    'restartPolicy',
    'nodeName',
    'serviceAccountName',
    'automountServiceAccountToken',
    'hostNetwork',
    'hostPID',
    'shareProcessNamespace',
  ],
  ...[
    'dnsPolicy',
    'dnsConfig',
    'hostAliases',
    'securityContext',
    'terminationGracePeriodSeconds',
    'priorityClassName',
    'runtimeClassName',
  ],
  ...['nodeSelector', 'tolerations', 'readinessGates', 'enableServiceLinks', 'schedulerName', 'os'],
];
const CONTAINER: readonly string[] = [
  ...[
    'name',
    'image',
    'imagePullPolicy',
    'restartPolicy',
    'workingDir',
    'ports',
    'resources',
    'volumeMounts',
    'securityContext',
  ],
  ...['terminationMessagePath', 'terminationMessagePolicy', 'stdin', 'tty', 'envFrom'],
];
const VOLUMES: readonly string[] = [
  'configMap',
  'secret',
  'emptyDir',
  'projected',
  'downwardAPI',
  'persistentVolumeClaim',
];
const PROBES = ['startupProbe', 'readinessProbe', 'livenessProbe'];
/** Variables whose values only configure a sidecar. A URL in them is redacted like any text. */
const HARMLESS_ENV =
  /^(?:SIDEROUTE_\w+|POD_(?:NAMESPACE|NAME|IP)|OTEL_EXPORTER_OTLP_ENDPOINT|OTEL_TRACES_SAMPLER_ARG|NODE_OPTIONS)$/;
const OWN: readonly string[] = [SIDECAR_NAME, INIT_NAME];

/** `own`: these are sideroute's containers, whatever their names. */
export function redactObject(object: Json, redaction: Redaction, own = false): unknown {
  const { metadata: _, spec, status, ...rest } = object;
  const shown: Record<string, unknown> = {
    ...pick(rest, ['apiVersion', 'kind']),
    metadata: redactMetadata(objectOf(object, 'metadata'), redaction, 'metadata'),
  };
  // Recognised by its fields, because items of a list may have no kind.
  if (Array.isArray(objectOf(object, 'spec')['containers'])) {
    return {
      ...shown,
      spec: redactPodSpec(objectOf(object, 'spec'), redaction, 'spec', own),
      status: redactPodStatus(objectOf(object, 'status'), redaction, own),
    };
  }
  const template = objectOf(spec, 'template');
  const fields = Object.entries({
    ...rest,
    ...(isObject(spec) ? { spec } : {}),
    ...(isObject(status) ? { status } : {}),
  });
  for (const [name, value] of fields) {
    if (name === 'apiVersion' || name === 'kind') continue;
    if (name !== 'spec' || Object.keys(template).length === 0) {
      shown[name] = redactValue(value, redaction, name);
      continue;
    }
    const { template: __, ...others } = spec as Json;
    shown['spec'] = {
      ...(redactValue(others, redaction, 'spec') as object),
      template: {
        metadata: redactMetadata(objectOf(template, 'metadata'), redaction, 'spec.template.metadata'),
        spec: redactPodSpec(objectOf(template, 'spec'), redaction, 'spec.template.spec', own),
      },
    };
  }
  return shown;
}

function pick(of: Json, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.filter((name) => of[name] !== undefined).map((name) => [name, of[name]]));
}

/** Of the other fields, only the names are kept. */
function allowed(of: Json, names: readonly string[], redaction: Redaction, place: string): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(of)) {
    if (names.includes(name)) shown[name] = redactValue(value, redaction, `${place}.${name}`);
    else shown[name] = cut(redaction, `${place}.${name}`);
  }
  return shown;
}

function cut({ tally }: Redaction, place: string): string {
  count(tally, place);
  return LEFT_OUT;
}

function redactMetadata(metadata: Json, redaction: Redaction, place: string): unknown {
  const { annotations, managedFields: _, ...rest } = metadata;
  const shown = allowed(rest, METADATA, redaction, place);
  if (!isObject(annotations)) return shown;
  const kept = Object.entries(annotations).map(([name, value]) => {
    const at = `${place}.annotations[${name}]`;
    const known = KNOWN_ANNOTATIONS.test(name) && !isSensitiveName(name);
    return [name, known ? redactValue(value, redaction, at) : hide(value, '', redaction, at)];
  });
  return { ...shown, annotations: Object.fromEntries(kept) as Json };
}

function redactPodSpec(spec: Json, redaction: Redaction, place: string, own: boolean): unknown {
  const { initContainers, containers, ephemeralContainers, volumes, ...rest } = spec;
  const shown = allowed(rest, POD_SPEC, redaction, place);
  for (const [name, list] of Object.entries({ initContainers, containers, ephemeralContainers })) {
    if (list === undefined) continue;
    shown[name] = listOf(spec, name).map((each, index) =>
      redactContainer(each, redaction, `${place}.${name}[${index}]`, own),
    );
  }
  if (volumes !== undefined) {
    shown['volumes'] = listOf(spec, 'volumes').map((volume, index) =>
      allowed(volume, ['name', ...VOLUMES], redaction, `${place}.volumes[${index}]`),
    );
  }
  return shown;
}

function redactContainer(container: Json, redaction: Redaction, place: string, ownPod: boolean): unknown {
  const own = ownPod || OWN.includes(textOf(container, 'name') ?? '');
  const { env, command, args, lifecycle, ...rest } = container;
  const probes = pick(rest, PROBES);
  const others = Object.fromEntries(Object.entries(rest).filter(([name]) => !(name in probes)));
  const shown = allowed(others, CONTAINER, redaction, place);
  if (env !== undefined) {
    shown['env'] = listOf(container, 'env').map((each, index) =>
      redactEnv(each, own, redaction, `${place}.env[${index}]`),
    );
  }
  for (const [name, value] of Object.entries({ command, args })) {
    if (Array.isArray(value)) shown[name] = redactArguments(value, own, redaction, `${place}.${name}`);
  }
  for (const [name, probe] of Object.entries(probes))
    shown[name] = redactHandler(probe, own, redaction, `${place}.${name}`);
  if (isObject(lifecycle)) {
    shown['lifecycle'] = Object.fromEntries(
      Object.entries(lifecycle).map(([name, hook]) => [
        name,
        redactHandler(hook, own, redaction, `${place}.lifecycle.${name}`),
      ]),
    );
  }
  return shown;
}

/** References to Secrets and ConfigMaps are kept, because they are only names. */
function redactEnv(variable: Json, own: boolean, redaction: Redaction, place: string): unknown {
  const { value, ...rest } = variable;
  const name = textOf(variable, 'name') ?? '';
  const shown = redactValue(rest, redaction, place) as object;
  if (value === undefined) return shown;
  const harmless = own && HARMLESS_ENV.test(name) && !isSensitiveName(name);
  return {
    ...shown,
    value: harmless
      ? redactValue(value, redaction, `${place}.value`)
      : hide(value, name, redaction, `${place}.value (${name})`),
  };
}

/** For other programs, only the names of flags are kept, because any of their values may be a secret. */
function redactArguments(list: readonly unknown[], own: boolean, redaction: Redaction, place: string): unknown[] {
  let before = '';
  return list.map((item, index) => {
    const text = typeof item === 'string' ? item : JSON.stringify(item);
    const at = `${place}[${index}]`;
    // `-psecret` is a flag together with its value, so it does not match.
    const [, flag = '', value] = /^(--[\w.-]+|-\w(?=$|=))(?:=([^]*))?$/.exec(text) ?? [];
    const name = flag === '' ? before : flag;
    before = value === undefined ? flag : '';
    if (flag !== '' && value === undefined) return text;
    // For sideroute, values of flags and names of commands are kept.
    const ours = own && !isSensitiveName(name) && (name !== '' || /^[a-z-]+$/.test(text));
    if (ours) return redactValue(text, redaction, at);
    return flag === '' ? hide(text, name, redaction, at) : `${flag}=${hide(value, flag, redaction, at)}`;
  });
}

function redactHandler(handler: unknown, own: boolean, redaction: Redaction, place: string): unknown {
  const { exec, httpGet, ...rest } = isObject(handler) ? handler : {};
  const command = isObject(exec) && Array.isArray(exec['command']) ? (exec['command'] as unknown[]) : null;
  const fields = objectOf({ httpGet }, 'httpGet');
  const headers = listOf(fields, 'httpHeaders').map((each, index) => {
    const name = textOf(each, 'name') ?? '';
    return { name, value: hide(each['value'], name, redaction, `${place}.httpGet.httpHeaders[${index}] (${name})`) };
  });
  return {
    ...(command === null
      ? {}
      : { exec: { command: redactArguments(command, own, redaction, `${place}.exec.command`) } }),
    ...(httpGet === undefined
      ? {}
      : {
          httpGet: {
            ...(redactValue({ ...fields, httpHeaders: undefined }, redaction, `${place}.httpGet`) as object),
            ...(headers.length === 0 ? {} : { httpHeaders: headers }),
          },
        }),
    ...(redactValue(rest, redaction, place) as object),
  };
}

/** The termination message of other containers is left out. */
function redactPodStatus(status: Json, redaction: Redaction, own: boolean): unknown {
  const shown = redactValue(status, redaction, 'status') as Record<string, unknown>;
  for (const name of ['initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses']) {
    for (const [index, each] of listOf(shown, name).entries()) {
      if (own || OWN.includes(textOf(each, 'name') ?? '')) continue;
      for (const state of ['state', 'lastState']) {
        const terminated = objectOf(objectOf(each, state), 'terminated') as Record<string, unknown>;
        if (terminated['message'] === undefined) continue;
        terminated['message'] = hide(
          terminated['message'],
          '',
          redaction,
          `status.${name}[${index}].${state}.terminated.message`,
        );
      }
    }
  }
  return shown;
}

/**
 * The `sideroute.dev/` annotations of a pod template. One table defines name, default, check and description of each.
 * `cli/inject.ts` makes options of the same table; they apply where a pod has no annotation.
 *
 * Stage before: `workloads.ts` found the template. Stage after: `containers.ts` builds the additions from the settings.
 */
import { ProxyError, unexpected } from '../errors.ts';
import { suggest } from '../gateway-api/suggest.ts';
import { Refusal, type ManifestDocument, type MapNode, type Node } from './manifest.ts';
import { cpuMillis, memoryBytes } from './quantities.ts';
import { INJECTED_ANNOTATION } from './record.ts';
import {
  configMapNames,
  imageReference,
  interception,
  objectName,
  oneOf,
  proxySetting,
  userId,
} from './setting-checks.ts';

export const ANNOTATION_PREFIX = 'sideroute.dev/';
export const INJECT_ANNOTATION = 'sideroute.dev/inject';
/**
 * Marks the API server's copy of a pod that a kubelet has started from a file. Containers added to this copy would
 * never start.
 */
export const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';

export const MODES = ['native', 'classic'] as const;
export type Mode = (typeof MODES)[number];

export const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'] as const;
export const SWITCHES = ['true', 'false'] as const;

interface SettingDefinition {
  /** Part of the annotation after the prefix, and of the flag after `--`. */
  readonly name: string;
  /** Placeholder for the argument of the flag. */
  readonly argument: string;
  /** Null: no value; the program in the container or Kubernetes then uses its own default. */
  readonly fallback: string | null;
  readonly description: string;
  /** Throws a ProxyError that describes the fault of the value. */
  readonly check: (text: string) => void;
}

export const INJECT_SETTINGS = {
  mode: {
    name: 'mode',
    argument: 'mode',
    fallback: 'native',
    description:
      'native: sidecar as init container with restartPolicy Always (Kubernetes 1.29 or later); classic: as first container',
    check: oneOf(MODES),
  },
  image: {
    name: 'image',
    argument: 'reference',
    fallback: null,
    description: 'image of the sidecar; sideroute must be on its PATH (default: sideroute:VERSION)',
    check: imageReference,
  },
  initImage: {
    name: 'init-image',
    argument: 'reference',
    fallback: null,
    description: 'image of the init container, with its entry point (default: sideroute-init:VERSION)',
    check: imageReference,
  },
  imagePullPolicy: {
    name: 'image-pull-policy',
    argument: 'policy',
    fallback: null,
    description: 'imagePullPolicy of both containers',
    check: oneOf(PULL_POLICIES),
  },
  configMaps: {
    name: 'config-map',
    argument: 'names',
    fallback: 'sideroute-routes',
    description:
      "ConfigMap with route files in the pod's namespace, and its parts NAME-2 and NAME-3; or several, separated by commas; none has to exist",
    check: configMapNames,
  },
  serviceCidrs: {
    name: 'service-cidrs',
    argument: 'cidrs',
    fallback: null,
    description: 'Service networks to capture (default: everything, with a warning of the init container)',
    check: interception('serviceCidrs'),
  },
  excludeOutboundCidrs: {
    name: 'exclude-outbound-cidrs',
    argument: 'cidrs',
    fallback: null,
    description: 'networks never to capture',
    check: interception('excludeOutboundCidrs'),
  },
  excludeOutboundPorts: {
    name: 'exclude-outbound-ports',
    argument: 'ports',
    fallback: null,
    description: 'destination ports never to capture, such as 5432,9000-9010',
    check: interception('excludeOutboundPorts'),
  },
  metadataAddresses: {
    name: 'metadata-addresses',
    argument: 'cidrs',
    fallback: null,
    description: 'metadata services outside the link-local range, such as 168.63.129.16',
    check: interception('metadataAddresses'),
  },
  logLevel: {
    name: 'log-level',
    argument: 'level',
    fallback: null,
    description: 'log level of the sidecar',
    check: proxySetting('logLevel'),
  },
  accessLog: {
    name: 'access-log',
    argument: 'mode',
    fallback: null,
    description: 'which requests the access log of the sidecar has: off, errors or all',
    check: proxySetting('accessLog'),
  },
  tracesEndpoint: {
    name: 'traces-endpoint',
    argument: 'url',
    fallback: null,
    description:
      'collector that gets spans of the sidecar by OTLP/HTTP, such as http://collector.observability:4318 (default: no traces)',
    check: proxySetting('tracesEndpoint'),
  },
  tracesSample: {
    name: 'traces-sample',
    argument: 'rate',
    fallback: null,
    description: 'part of the requests without a valid traceparent that is traced, from 0 to 1',
    check: proxySetting('tracesSample'),
  },
  tracesHeadersSecret: {
    name: 'traces-headers-secret',
    argument: 'name',
    fallback: null,
    description: "Secret in the pod's namespace whose key headers has headers for the collector: name=value,name=value",
    check: objectName('a Secret'),
  },
  tracesCaConfigMap: {
    name: 'traces-ca-config-map',
    argument: 'name',
    fallback: null,
    description: "ConfigMap in the pod's namespace whose key ca.crt has the authorities of a collector behind https",
    check: objectName('a ConfigMap'),
  },
  workers: {
    name: 'workers',
    argument: 'n',
    fallback: null,
    description: 'threads of the sidecar that carry connections; auto: as many as its CPU limit allows',
    check: proxySetting('workers'),
  },
  drainTimeout: {
    name: 'drain-timeout',
    argument: 'duration',
    fallback: null,
    description:
      'how long the sidecar may take to end after SIGTERM (classic default: 5s less than terminationGracePeriodSeconds)',
    check: proxySetting('drainTimeoutMs'),
  },
  strict: {
    name: 'strict',
    argument: 'true|false',
    fallback: null,
    description: 'whether the pod is not ready while the route files have errors',
    check: oneOf(SWITCHES),
  },
  proxyUid: {
    name: 'proxy-uid',
    argument: 'uid',
    fallback: '1337',
    description: 'user the sidecar runs as; nothing else in the pod may run as that',
    check: userId,
  },
  cpuRequest: {
    name: 'cpu-request',
    argument: 'quantity',
    fallback: '50m',
    description: 'CPU the sidecar requests',
    check: (text) => void cpuMillis(text),
  },
  cpuLimit: {
    name: 'cpu-limit',
    argument: 'quantity',
    fallback: null,
    description: 'CPU limit of the sidecar (default: none, because throttling shows as latency)',
    check: (text) => void cpuMillis(text),
  },
  memoryRequest: {
    name: 'memory-request',
    argument: 'quantity',
    fallback: '80Mi',
    description: 'memory the sidecar requests',
    check: (text) => void memoryBytes(text),
  },
  memoryLimit: {
    name: 'memory-limit',
    argument: 'quantity',
    fallback: '256Mi',
    description: 'memory limit of the sidecar; half of it is for the JavaScript heap',
    check: (text) => void memoryBytes(text),
  },
} as const satisfies Readonly<Record<string, SettingDefinition>>;

export type SettingKey = keyof typeof INJECT_SETTINGS;

/** Checked texts; null: not given. */
export type InjectSettings = Readonly<Record<SettingKey, string | null>>;

export const SETTING_KEYS = Object.keys(INJECT_SETTINGS) as SettingKey[];

export function defaultSettings(version: string): InjectSettings {
  const defaults = Object.fromEntries(SETTING_KEYS.map((key) => [key, INJECT_SETTINGS[key].fallback]));
  return {
    ...(defaults as Record<SettingKey, string | null>),
    image: `sideroute:${version}`,
    initImage: `sideroute-init:${version}`,
  };
}

export interface PodAnnotations {
  readonly settings: InjectSettings;
  /** True when `sideroute.dev/inject` excludes the pod. */
  readonly disabled: boolean;
  readonly refusals: readonly Refusal[];
}

/** Settings of one pod: its annotations, then `defaults`. `path`: path of the annotations. */
export function readAnnotations(
  document: ManifestDocument,
  annotations: Node | null,
  path: string,
  defaults: InjectSettings,
): PodAnnotations {
  const settings: Record<SettingKey, string | null> = { ...defaults };
  const refusals: Refusal[] = [];
  let disabled = false;
  for (const [annotation, { offset, value }] of document.members(annotations)) {
    if (!annotation.startsWith(ANNOTATION_PREFIX) || annotation === INJECTED_ANNOTATION) continue;
    const refuse = (code: string, message: string) =>
      refusals.push(new Refusal(code, annotationPath(path, annotation), offset, message));
    const name = annotation.slice(ANNOTATION_PREFIX.length);
    const key = SETTING_KEYS.find((candidate) => INJECT_SETTINGS[candidate].name === name);
    if (key === undefined && name !== 'inject') {
      refuse('unknown-annotation', unknownAnnotation(name));
      continue;
    }
    const text = document.text(value);
    if (text === null) {
      refuse('bad-annotation', 'must be text: put the value in quotes');
      continue;
    }
    try {
      if (key === undefined) disabled = isDisabled(trimmed(text));
      else settings[key] = settingValue(key, text);
    } catch (error) {
      if (!(error instanceof ProxyError)) throw error;
      refuse('bad-annotation', error.message);
    }
  }
  return { settings, disabled, refusals };
}

/** The value of a setting in the form it is used. @throws ProxyError that describes the fault */
export function settingValue(key: SettingKey, text: string): string {
  const value = trimmed(text);
  INJECT_SETTINGS[key].check(value);
  return value;
}

/**
 * Other white space is not allowed, because JavaScript, Go and regular expressions in policies define it differently.
 */
export const PLAIN_TEXT = /^[\t\n\r -~]*$/;
export const PLAIN_TEXT_EXPECTED = 'printable ASCII characters';

function trimmed(text: string): string {
  if (!PLAIN_TEXT.test(text)) throw unexpected(text, PLAIN_TEXT_EXPECTED);
  return text.trim();
}

/** Reads the label with the same name as the annotation. Selectors of the API server can only use labels. */
export function readLabel(
  document: ManifestDocument,
  labels: Node | null,
  path: string,
): Pick<PodAnnotations, 'disabled' | 'refusals'> {
  const label = document.members(labels).get(INJECT_ANNOTATION);
  if (label === undefined) return { disabled: false, refusals: [] };
  try {
    return { disabled: isDisabled(document.text(label.value) ?? ''), refusals: [] };
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    const refusal = new Refusal('bad-annotation', annotationPath(path, INJECT_ANNOTATION), label.offset, error.message);
    return { disabled: false, refusals: [refusal] };
  }
}

/** Our annotations on an object that contains a pod template. They would have no effect there. */
export function misplacedAnnotations(
  document: ManifestDocument,
  holder: MapNode | Node | null,
  path: string,
  templatePath: string,
): Refusal[] {
  const annotations = document.get(holder, 'metadata', 'annotations');
  return [...document.members(annotations)]
    .filter(([name]) => name.startsWith(ANNOTATION_PREFIX))
    .map(([name, { offset }]) => {
      const place = annotationPath(`${path}metadata.annotations`, name);
      const message = `has no effect here: it belongs to ${templatePath}metadata.annotations`;
      return new Refusal('misplaced-annotation', place, offset, message);
    });
}

/** Annotation keys contain dots, so they need brackets. */
export function annotationPath(path: string, name: string): string {
  return `${path}["${name}"]`;
}

/** @throws ProxyError when settings that are valid by themselves contradict each other */
export function checkTogether(settings: InjectSettings): void {
  const pairs = [
    ['cpuRequest', 'cpuLimit', cpuMillis],
    ['memoryRequest', 'memoryLimit', memoryBytes],
  ] as const;
  for (const [request, limit, amount] of pairs) {
    const [low, high] = [settings[request], settings[limit]];
    if (low === null || high === null || amount(low) <= amount(high)) continue;
    const [requestName, limitName] = [INJECT_SETTINGS[request].name, INJECT_SETTINGS[limit].name];
    throw unexpected(high, `a ${limitName} of at least the ${requestName}, ${low}`);
  }
}

function unknownAnnotation(name: string): string {
  const names = ['inject', ...SETTING_KEYS.map((key) => INJECT_SETTINGS[key].name as string)];
  const near = suggest(name, names);
  const advice = near === null ? `there are: ${names.join(', ')}` : `did you mean "${ANNOTATION_PREFIX}${near}"?`;
  return `no such annotation; ${advice}`;
}

export const LEFT_ALONE: readonly string[] = ['false', 'disabled'];
export const NOT_LEFT_ALONE: readonly string[] = ['true', 'enabled'];

function isDisabled(text: string): boolean {
  if (LEFT_ALONE.includes(text)) return true;
  if (NOT_LEFT_ALONE.includes(text)) return false;
  throw unexpected(text, 'one of true, enabled, false, disabled');
}

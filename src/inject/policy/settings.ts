/**
 * The `sideroute.dev/` annotations of a pod in CEL: their values, and their faults.
 *
 * Stage before: `annotations.ts` has the table of settings. Stage after: `policy.ts` puts the variables into policies.
 * The types require an entry for every setting in the tables here.
 */
import { ACCESS_LOG_MODES } from '../../addon/access-log.ts';
import { partName, VOLUME_PARTS } from '../../config/route-volume.ts';
import { COLLECTOR, COLLECTOR_EXPECTED, RATE, RATE_EXPECTED } from '../../config/setting-values.ts';
import { WORKERS, WORKERS_EXPECTED } from '../../config/settings.ts';
import { DURATION } from '../../gateway-api/durations.ts';
import { LOG_LEVELS } from '../../log.ts';
import {
  ANNOTATION_PREFIX,
  annotationPath,
  INJECT_ANNOTATION,
  INJECT_SETTINGS,
  LEFT_ALONE,
  NOT_LEFT_ALONE,
  PLAIN_TEXT,
  PLAIN_TEXT_EXPECTED,
  PULL_POLICIES,
  SETTING_KEYS,
  SWITCHES,
  type SettingKey,
} from '../annotations.ts';
import { BYTES_PER_HEAP_MIB, COLLECTOR_CA_PATH, nodeOptionsOf, type ContainerValues } from '../containers.ts';
import { QUANTITY } from '../quantities.ts';
import { INJECTED_ANNOTATION } from '../record.ts';
import { CONFIG_MAP_NAME, IMAGE_REFERENCE, USER_ID } from '../setting-checks.ts';
import { celList, celRegex, celTemplate, celText, Expression } from './cel.ts';

/** A variable that a policy uses as `variables.NAME`. Each may use the previous ones. */
export interface Variable {
  readonly name: string;
  readonly expression: string;
}

interface Check {
  /** A condition that holds when the text `v` is valid. */
  readonly valid: string;
  readonly expected: string;
}

const SWITCH = 'one of true, enabled, false, disabled';
const WORDS = String.raw`v.findAll(r'[^\s,]+')`;
const PORTS = String.raw`^[0-9]{1,5}([-:][0-9]{1,5})?$`;
const isPort = (text: string) => `int(${text}) >= 1 && int(${text}) <= 65535`;

const CPU: Check = {
  valid: `v.matches(${celRegex(QUANTITY)}) && quantity(v).isGreaterThan(quantity('0')) && !quantity(v).isGreaterThan(quantity('1024'))`,
  expected: 'a number of CPUs such as 100m or 0.5',
};
const MEMORY: Check = {
  valid: `v.matches(${celRegex(QUANTITY)}) && !quantity(v).isLessThan(quantity('32Mi'))`,
  expected: 'an amount of memory from 32Mi, such as 128Mi',
};
const IMAGE: Check = {
  valid: `v.matches(${celRegex(IMAGE_REFERENCE)})`,
  expected: 'an image reference such as registry.example/sideroute:1.0',
};

function oneOf(words: readonly string[]): Check {
  return { valid: `v in ${celList(words)}`, expected: `one of ${words.join(', ')}` };
}

function objectName(kind: string): Check {
  return { valid: `v.matches(${celRegex(CONFIG_MAP_NAME)})`, expected: `the name of ${kind}` };
}

function networks(atLeast: 'v' | 'an entry'): Check {
  const some = atLeast === 'v' ? "v != ''" : `${WORDS}.size() > 0`;
  return {
    valid: `${some} && ${WORDS}.all(n, n.contains('/') ? isCIDR(n) : isIP(n))`,
    expected: 'networks such as 10.96.0.0/12 or fd00:96::/112, separated by commas',
  };
}

/** The mode is always native: clusters with these policies support native sidecars. */
const CHECKS: Readonly<Record<SettingKey, Check>> = {
  mode: {
    valid: "v == 'native'",
    expected: 'native, the only mode in which a policy injects; sideroute inject and the webhook know classic',
  },
  image: IMAGE,
  initImage: IMAGE,
  imagePullPolicy: oneOf(PULL_POLICIES),
  configMaps: {
    valid: `${WORDS}.size() > 0 && ${WORDS}.all(n, n.matches(${celRegex(CONFIG_MAP_NAME)}) && ${WORDS}.filter(m, m == n).size() == 1)`,
    expected: 'one or more names of ConfigMaps, each once',
  },
  serviceCidrs: networks('an entry'),
  excludeOutboundCidrs: networks('v'),
  excludeOutboundPorts: {
    valid:
      `v != '' && ${WORDS}.all(p, p.matches(r'${PORTS}') && p.replace(':', '-').split('-').all(n, ${isPort('n')})` +
      " && int(p.replace(':', '-').split('-')[0]) <= int(p.replace(':', '-').split('-')[p.matches('[-:]') ? 1 : 0]))",
    expected: 'ports from 1 to 65535 and ranges of ports such as 5432,9000-9010',
  },
  metadataAddresses: networks('v'),
  logLevel: oneOf(LOG_LEVELS),
  accessLog: oneOf(ACCESS_LOG_MODES),
  tracesEndpoint: { valid: `v.matches(${celRegex(COLLECTOR)})`, expected: COLLECTOR_EXPECTED },
  tracesSample: { valid: `v.matches(${celRegex(RATE)})`, expected: RATE_EXPECTED },
  tracesHeadersSecret: objectName('a Secret'),
  tracesCaConfigMap: objectName('a ConfigMap'),
  drainTimeout: { valid: `v.matches(${celRegex(DURATION)})`, expected: 'a duration such as 10s, 500ms or 1m30s' },
  workers: { valid: `v.matches(${celRegex(WORKERS)})`, expected: WORKERS_EXPECTED },
  strict: oneOf(SWITCHES),
  proxyUid: {
    valid: `v.matches(${celRegex(USER_ID)}) && int(v) <= 4294967294`,
    expected: 'a numeric user id (a whole number from 1 to 4294967294, without leading zeros)',
  },
  cpuRequest: CPU,
  cpuLimit: CPU,
  memoryRequest: MEMORY,
  memoryLimit: MEMORY,
};

export const DEFAULTS_VARIABLE = 'defaults';

/** `defaults`: by name of the setting, for pods without the annotation. */
export function settingVariables(defaults: Readonly<Record<string, string>>): Variable[] {
  return [
    { name: DEFAULTS_VARIABLE, expression: defaultsExpression(defaults) },
    { name: 'annotations', expression: 'object.metadata.?annotations.orValue({})' },
    ...SETTING_KEYS.map((key) => ({ name: key, expression: settingExpression(INJECT_SETTINGS[key].name) })),
    { name: 'configMapNames', expression: `variables.configMaps.optMap(v, ${WORDS}).orValue([])` },
    { name: 'leftAlone', expression: inAnnotation(INJECT_ANNOTATION, `v.trim() in ${celList(LEFT_ALONE)}`, 'false') },
    { name: 'annotationProblems', expression: annotationProblems() },
  ];
}

/** JSON is also valid CEL, so a person who changes it needs no other notation. */
export function defaultsExpression(defaults: Readonly<Record<string, string>>): string {
  return JSON.stringify(defaults, null, 1).replaceAll(/\n */g, ' ');
}

function settingExpression(name: string): string {
  const key = celText(ANNOTATION_PREFIX + name);
  return `variables.annotations[?${key}].or(variables.${DEFAULTS_VARIABLE}[?${celText(name)}]).optMap(v, string(v).trim())`;
}

function inAnnotation(name: string, expression: string, otherwise: string): string {
  return `variables.annotations[?${celText(name)}].optMap(v, ${expression}).orValue(${otherwise})`;
}

/** Lists of messages, concatenated. */
function annotationProblems(): string {
  const place = (name: string) => annotationPath('metadata.annotations', ANNOTATION_PREFIX + name);
  const known = [
    INJECT_ANNOTATION,
    INJECTED_ANNOTATION,
    ...SETTING_KEYS.map((key) => ANNOTATION_PREFIX + INJECT_SETTINGS[key].name),
  ];
  const names = known
    .filter((name) => name !== INJECTED_ANNOTATION)
    .map((name) => name.slice(ANNOTATION_PREFIX.length));
  const unknown = celTemplate(
    (name) => `${annotationPath('metadata.annotations', name)} no such annotation; there are: ${names.join(', ')}`,
    'name',
  );
  const wrong = (name: string, expected: string, where = place(name)) =>
    celTemplate((value) => `${where} got "${value}", expected ${expected}`, 'v');
  const notPlain = celTemplate(
    (name, value) => `${annotationPath('metadata.annotations', name)} got "${value}", expected ${PLAIN_TEXT_EXPECTED}`,
    'name',
    'variables.annotations[name]',
  );
  const switches = [...NOT_LEFT_ALONE, ...LEFT_ALONE];
  return [
    `variables.annotations.filter(name, name.startsWith(${celText(ANNOTATION_PREFIX)}) && !(name in ${celList(known)})).map(name, ${unknown})`,
    `variables.annotations.filter(name, name in ${celList(known.filter((name) => name !== INJECTED_ANNOTATION))} && ` +
      `!variables.annotations[name].matches(${celRegex(PLAIN_TEXT)})).map(name, ${notPlain})`,
    inAnnotation(INJECT_ANNOTATION, `v.trim() in ${celList(switches)} ? [] : [${wrong('inject', SWITCH)}]`, '[]'),
    `object.metadata.?labels[?${celText(INJECT_ANNOTATION)}].optMap(v, v in ${celList(switches)} ? [] : ` +
      `[${wrong('inject', SWITCH, annotationPath('metadata.labels', INJECT_ANNOTATION))}]).orValue([])`,
    ...SETTING_KEYS.map((key) => {
      const { valid, expected } = CHECKS[key];
      return `variables.${key}.optMap(v, ${valid} ? [] : [${wrong(INJECT_SETTINGS[key].name, expected)}]).orValue([])`;
    }),
    together('cpuRequest', 'cpuLimit'),
    together('memoryRequest', 'memoryLimit'),
  ].join(' +\n');
}

function together(request: SettingKey, limit: SettingKey): string {
  const [low, high] = [`variables.${request}.orValue('')`, `variables.${limit}.orValue('')`];
  const name = INJECT_SETTINGS[limit].name;
  const message = celTemplate(
    (value, least) =>
      `${annotationPath('metadata.annotations', ANNOTATION_PREFIX + name)} got "${value}", expected a ${name} of at least ` +
      `the ${INJECT_SETTINGS[request].name}, ${least}`,
    high,
    low,
  );
  const both = [low, high].map((text) => `${text}.matches(${celRegex(QUANTITY)})`).join(' && ');
  return `(${both} && quantity(${low}).isGreaterThan(quantity(${high})) ? [${message}] : [])`;
}

/** The arguments of `additionsOf` as expressions instead of values. */
export function containerExpressions(): ContainerValues {
  const value = (text: string) => new Expression(text);
  const optional = (key: SettingKey) => new Expression(`variables.${key}`, 'optional');
  const names = 'variables.configMapNames';
  const parts = Array.from({ length: VOLUME_PARTS }, (_, index) =>
    celTemplate((name) => partName(name, index + 1), `${names}[0]`),
  );
  const heap = `string(int(quantity(limit).asApproximateFloat() / ${BYTES_PER_HEAP_MIB}.0))`;
  const authorities = '(variables.tracesEndpoint.hasValue() ? variables.tracesCaConfigMap : optional.none())';
  const expressions = {
    native: true,
    image: value("variables.image.orValue('')"),
    initImage: value("variables.initImage.orValue('')"),
    imagePullPolicy: optional('imagePullPolicy'),
    // A single name includes its parts.
    configMaps: [new Expression(`(${names}.size() > 1 ? ${names} : [${parts.join(', ')}])`, 'each')],
    serviceCidrs: optional('serviceCidrs'),
    excludeOutboundCidrs: optional('excludeOutboundCidrs'),
    excludeOutboundPorts: optional('excludeOutboundPorts'),
    metadataAddresses: optional('metadataAddresses'),
    proxyUid: optional('proxyUid'),
    uid: value("int(variables.proxyUid.orValue(''))"),
    drainTimeout: optional('drainTimeout'),
    logLevel: optional('logLevel'),
    accessLog: optional('accessLog'),
    tracesEndpoint: optional('tracesEndpoint'),
    tracesSample: optional('tracesSample'),
    tracesHeadersSecret: optional('tracesHeadersSecret'),
    tracesCaConfigMap: new Expression(authorities, 'optional'),
    tracesCaPath: new Expression(`${authorities}.optMap(v, ${celText(COLLECTOR_CA_PATH)})`, 'optional'),
    workers: optional('workers'),
    strict: optional('strict'),
    cpuRequest: optional('cpuRequest'),
    cpuLimit: optional('cpuLimit'),
    memoryRequest: optional('memoryRequest'),
    memoryLimit: optional('memoryLimit'),
    nodeOptions: new Expression(`variables.memoryLimit.optMap(limit, ${celTemplate(nodeOptionsOf, heap)})`, 'optional'),
  };
  return expressions as unknown as ContainerValues;
}

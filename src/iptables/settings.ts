/**
 * What to intercept: turns texts from flags, environment or annotations into checked settings for `document.ts`.
 *
 * All problems are reported together, each with its flag and environment variable.
 */
import { ProxyError } from '../errors.ts';
import { canonicalAddress, cidrContains, cidrText, familyOf, parseCidr, type Cidr } from './cidr.ts';

export interface PortRange {
  readonly first: number;
  /** Equal to `first` for a single port. */
  readonly last: number;
}

export interface Destination {
  /** Canonical address text. */
  readonly address: string;
  readonly port: number;
}

export interface InterceptionSettings {
  /** Connections of this user are never captured; this prevents loops. */
  readonly proxyUid: number;
  /** Port on the loopback address of each family to which connections are redirected. */
  readonly capturePort: number;
  /** Destinations to capture; sorted, none contained in another. Here and below, one list holds both families. */
  readonly serviceCidrs: readonly Cidr[];
  readonly excludeCidrs: readonly Cidr[];
  /** Cloud metadata addresses that are never captured, in addition to link-local ones. */
  readonly metadataAddresses: readonly Cidr[];
  /** Sorted, without overlaps. Port 53 is always excluded. */
  readonly excludePorts: readonly PortRange[];
  readonly apiServer: Destination | null;
}

/** Unparsed texts; undefined, empty and blank all mean "not given". */
export interface InterceptionTexts {
  readonly proxyUid?: string | undefined;
  readonly capturePort?: string | undefined;
  readonly serviceCidrs?: string | undefined;
  readonly excludeOutboundCidrs?: string | undefined;
  readonly excludeOutboundPorts?: string | undefined;
  readonly metadataAddresses?: string | undefined;
  /** `ADDRESS:PORT`, `[ADDRESS]:PORT`, or `none`. Default: `kubernetesServiceHost` and `-Port`. */
  readonly apiServer?: string | undefined;
  readonly kubernetesServiceHost?: string | undefined;
  readonly kubernetesServicePort?: string | undefined;
}

/** The flag and environment variable of each text. */
export const SETTING_NAMES = {
  proxyUid: { flag: '--proxy-uid', env: 'SIDEROUTE_PROXY_UID' },
  capturePort: { flag: '--capture-port', env: 'SIDEROUTE_CAPTURE_PORT' },
  serviceCidrs: { flag: '--service-cidrs', env: 'SIDEROUTE_SERVICE_CIDRS' },
  excludeOutboundCidrs: { flag: '--exclude-outbound-cidrs', env: 'SIDEROUTE_EXCLUDE_OUTBOUND_CIDRS' },
  excludeOutboundPorts: { flag: '--exclude-outbound-ports', env: 'SIDEROUTE_EXCLUDE_OUTBOUND_PORTS' },
  metadataAddresses: { flag: '--metadata-addresses', env: 'SIDEROUTE_METADATA_ADDRESSES' },
  apiServer: { flag: '--api-server', env: 'SIDEROUTE_API_SERVER' },
} as const;

type SettingKey = keyof typeof SETTING_NAMES;

export const DEFAULT_PROXY_UID = 1337;
export const DEFAULT_CAPTURE_PORT = 15001;
export const DEFAULT_SERVICE_CIDRS = '0.0.0.0/0,::/0';

/** The highest uid of a process; the kernel reads the next number as "unchanged". */
const MAX_UID = 0xffff_fffe;

/**
 * Warnings are complete sentences for the log; the settings are safe in spite of them.
 *
 * @throws ProxyError `iptables-settings`, one line for each problem.
 */
export function parseInterceptionSettings(texts: InterceptionTexts): {
  readonly settings: InterceptionSettings;
  readonly warnings: readonly string[];
} {
  const problems: string[] = [];
  const warnings: string[] = [];
  const problem = (key: SettingKey, text: string) => {
    problems.push(`${settingName(key)}: ${text}`);
  };

  const integer = (key: SettingKey, text: string | undefined, what: string, range: [number, number], unset: number) => {
    const value = given(text);
    if (value === undefined) return unset;
    const number = parseInteger(value, ...range);
    if (number === null) problem(key, `"${value}" is not ${what} (a whole number from ${range[0]} to ${range[1]}).`);
    return number ?? unset;
  };
  const cidrs = (key: SettingKey, text: string | undefined): Cidr[] => {
    const list: Cidr[] = [];
    for (const item of items(text)) {
      const parsed = parseCidr(item);
      if (parsed === null) {
        problem(key, `"${item}" is not an IPv4 or IPv6 network such as 10.96.0.0/12 or fd00:96::/112.`);
        continue;
      }
      if (parsed.hostBits) {
        warnings.push(
          `${settingName(key)}: "${item}" has bits set beyond its prefix; ${cidrText(parsed.cidr)} is used.`,
        );
      }
      list.push(parsed.cidr);
    }
    return withoutContained(list);
  };

  // uid 0 would exempt every container that runs as root, and this would go unnoticed.
  const proxyUid = integer('proxyUid', texts.proxyUid, 'a numeric user id', [1, MAX_UID], DEFAULT_PROXY_UID);
  const capturePort = integer('capturePort', texts.capturePort, 'a port', [1, 65535], DEFAULT_CAPTURE_PORT);
  if (given(texts.serviceCidrs) === undefined) {
    warnings.push(
      `${settingName('serviceCidrs')} is not set: every outbound TCP connection is captured (${DEFAULT_SERVICE_CIDRS}). ` +
        'Set it to the Service networks of the cluster, so that other traffic never depends on the proxy.',
    );
  }
  const serviceCidrs = cidrs('serviceCidrs', given(texts.serviceCidrs) ?? DEFAULT_SERVICE_CIDRS);
  const excludeCidrs = cidrs('excludeOutboundCidrs', texts.excludeOutboundCidrs);
  const metadataAddresses = cidrs('metadataAddresses', texts.metadataAddresses);
  const excludePorts = parsePorts(texts.excludeOutboundPorts, (text) => {
    problem('excludeOutboundPorts', text);
  });
  const apiServer = parseApiServer(texts, problem, warnings);
  if (given(texts.serviceCidrs) !== undefined && serviceCidrs.length === 0 && problems.length === 0) {
    problem('serviceCidrs', 'the list has no entry.');
  }
  if (problems.length > 0) throw new ProxyError('iptables-settings', problems.join('\n'));
  const settings = {
    proxyUid,
    capturePort,
    serviceCidrs,
    excludeCidrs,
    metadataAddresses,
    excludePorts,
    apiServer,
  };
  return { settings, warnings };
}

export function settingName(key: SettingKey): string {
  return `${SETTING_NAMES[key].flag} (${SETTING_NAMES[key].env})`;
}

function given(text: string | undefined): string | undefined {
  const trimmed = text?.trim();
  return trimmed === '' ? undefined : trimmed;
}

function items(text: string | undefined): string[] {
  return (text ?? '').split(/[\s,]+/).filter((item) => item !== '');
}

function parseInteger(text: string, min: number, max: number): number | null {
  if (!/^\d{1,10}$/.test(text)) return null;
  const value = Number(text);
  return value >= min && value <= max ? value : null;
}

/** Sorted by network with IPv4 first, so that the order of the input does not change the document. */
function withoutContained(list: readonly Cidr[]): Cidr[] {
  const sorted = list.toSorted((a, b) =>
    a.family !== b.family
      ? a.family < b.family
        ? -1
        : 1
      : a.bits !== b.bits
        ? a.bits < b.bits
          ? -1
          : 1
        : a.prefixLength - b.prefixLength,
  );
  const kept: Cidr[] = [];
  for (const cidr of sorted) {
    const previous = kept.at(-1);
    if (previous === undefined || !cidrContains(previous, cidr)) kept.push(cidr);
  }
  return kept;
}

/** `80`, `9000-9010` or `9000:9010`, separated by commas or white space. */
function parsePorts(text: string | undefined, problem: (text: string) => void): PortRange[] {
  const ranges: { first: number; last: number }[] = [];
  for (const item of items(text)) {
    const [from = '', to, ...rest] = item.split(/[-:]/);
    const first = parseInteger(from, 1, 65535);
    const last = to === undefined ? first : parseInteger(to, 1, 65535);
    if (first === null || last === null || rest.length > 0) {
      problem(`"${item}" is neither a port from 1 to 65535 nor a range of ports such as 9000-9010.`);
    } else if (last < first) {
      problem(`the range "${item}" ends before it begins.`);
    } else {
      ranges.push({ first, last });
    }
  }
  ranges.sort((a, b) => a.first - b.first);
  const merged: { first: number; last: number }[] = [];
  for (const range of ranges) {
    const previous = merged.at(-1);
    if (previous !== undefined && range.first <= previous.last) previous.last = Math.max(previous.last, range.last);
    else merged.push({ ...range });
  }
  return merged;
}

function parseApiServer(
  texts: InterceptionTexts,
  problem: (key: SettingKey, text: string) => void,
  warnings: string[],
): Destination | null {
  const explicit = given(texts.apiServer);
  if (explicit === 'none') return null;
  if (explicit !== undefined) {
    const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(explicit);
    const address = canonicalAddress(match?.[1] ?? match?.[2] ?? '');
    const port = parseInteger(match?.[3] ?? '', 1, 65535);
    const bracketed = match?.[1] !== undefined;
    if (address === null || port === null || bracketed !== (familyOf(address) === 'v6')) {
      problem('apiServer', `"${explicit}" is not ADDRESS:PORT (an IPv6 address in brackets) or "none".`);
      return null;
    }
    return { address, port };
  }
  const host = given(texts.kubernetesServiceHost);
  if (host === undefined) return null;
  const address = canonicalAddress(host);
  const portText = given(texts.kubernetesServicePort) ?? '443';
  const port = parseInteger(portText, 1, 65535);
  if (address === null || port === null) {
    const wrong =
      address === null
        ? `KUBERNETES_SERVICE_HOST "${host}" is not an address`
        : `KUBERNETES_SERVICE_PORT "${portText}" is not a port`;
    warnings.push(
      `${wrong}: connections to the API server are captured like any other. ${settingName('apiServer')} names it.`,
    );
    return null;
  }
  return { address, port };
}

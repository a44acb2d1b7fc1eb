/**
 * The rules: turns settings into one nat-table document for each family. Pure.
 *
 * Every rule has the form that `iptables-save` prints (`/32`, `-m tcp`, canonical addresses), so that `state.ts` can
 * compare installed and wanted rules. Only OUTPUT is changed: inbound traffic, probes and scrapes are not affected.
 */
import { cidrText, familyOf, parseCidr, type Cidr, type Family } from './cidr.ts';
import type { InterceptionSettings, PortRange } from './settings.ts';

export const CHAIN_PREFIX = 'SIDEROUTE_';
export const OUTPUT_CHAIN = 'SIDEROUTE_OUTPUT';
export const REDIRECT_CHAIN = 'SIDEROUTE_REDIRECT';
export const PROBE_CHAIN = 'SIDEROUTE_PROBE';

/** DNS over TCP. UDP is never captured. */
export const DNS_PORT = 53;

/** Capacity of a multiport match; a range takes two places. */
const MULTIPORT_PLACES = 15;

export type RuleKind =
  | 'jump'
  | 'proxy-uid'
  | 'loopback-interface'
  | 'loopback'
  | 'link-local'
  | 'metadata'
  | 'exclude-cidr'
  | 'dns'
  | 'exclude-ports'
  | 'api-server'
  | 'service-cidr'
  | 'redirect';

export interface Rule {
  readonly kind: RuleKind;
  /** A whole line, `-A CHAIN ...`, in the form of `iptables-save`. */
  readonly line: string;
}

export interface RuleDocument {
  readonly family: Family;
  /** In the order of `iptables-save`: the jump from OUTPUT, then each chain from top to bottom. */
  readonly rules: readonly Rule[];
}

export const JUMP_LINE = `-A OUTPUT -p tcp -j ${OUTPUT_CHAIN}`;

/** One explanation for each kind, printed with the document. */
const WHY: Readonly<Record<RuleKind, string>> = {
  jump: 'TCP only: UDP, and DNS over it, never comes here',
  'proxy-uid': 'what the proxy itself sends is never captured again',
  'loopback-interface': 'localhost, and the addresses of the pod itself',
  loopback: 'loopback addresses, on whatever interface',
  'link-local': 'link-local: metadata services, node-local DNS',
  metadata: 'metadata services outside the link-local range',
  'exclude-cidr': 'excluded networks',
  dns: 'DNS over TCP',
  'exclude-ports': 'excluded ports',
  'api-server': 'the API server: long watches gain nothing from the proxy',
  'service-cidr': 'Service addresses: these connections are captured',
  redirect: 'to the capture port on loopback; the original destination stays readable there',
};

const ALWAYS_LEFT_ALONE: Readonly<Record<Family, readonly { kind: RuleKind; cidr: string }[]>> = {
  v4: [
    { kind: 'loopback', cidr: '127.0.0.0/8' },
    { kind: 'link-local', cidr: '169.254.0.0/16' },
  ],
  v6: [
    { kind: 'loopback', cidr: '::1/128' },
    { kind: 'link-local', cidr: 'fe80::/10' },
    // Amazon's metadata, identity and DNS services over IPv6.
    { kind: 'metadata', cidr: 'fd00:ec2::/32' },
  ],
};

/** Null when `settings` capture nothing in this family: it must then contain none of our rules. */
export function buildDocument(settings: InterceptionSettings, family: Family): RuleDocument | null {
  const ofFamily = (list: readonly Cidr[]) => list.filter((cidr) => cidr.family === family);
  const services = ofFamily(settings.serviceCidrs);
  if (services.length === 0) return null;
  const rules: Rule[] = [{ kind: 'jump', line: JUMP_LINE }];
  const output = (kind: RuleKind, matches: string, target: string) => {
    rules.push({ kind, line: ['-A', OUTPUT_CHAIN, ...(matches === '' ? [] : [matches]), '-j', target].join(' ') });
  };

  output('proxy-uid', `-m owner --uid-owner ${settings.proxyUid}`, 'RETURN');
  output('loopback-interface', '-o lo', 'RETURN');
  for (const { kind, cidr } of ALWAYS_LEFT_ALONE[family]) output(kind, `-d ${cidr}`, 'RETURN');
  for (const cidr of ofFamily(settings.metadataAddresses)) output('metadata', destination(cidr), 'RETURN');
  for (const cidr of ofFamily(settings.excludeCidrs)) output('exclude-cidr', destination(cidr), 'RETURN');
  output('dns', `-p tcp -m tcp --dport ${DNS_PORT}`, 'RETURN');
  for (const ports of multiports(settings.excludePorts)) {
    output('exclude-ports', `-p tcp -m multiport --dports ${ports}`, 'RETURN');
  }
  const api = settings.apiServer;
  if (api !== null && familyOf(api.address) === family) {
    const { cidr } = parseCidr(api.address)!;
    output('api-server', `${destination(cidr)} -p tcp -m tcp --dport ${api.port}`, 'RETURN');
  }
  for (const cidr of services) output('service-cidr', destination(cidr), REDIRECT_CHAIN);
  rules.push({
    kind: 'redirect',
    line: `-A ${REDIRECT_CHAIN} -p tcp -j REDIRECT --to-ports ${settings.capturePort}`,
  });
  return { family, rules };
}

/**
 * The document as `iptables-restore --noflush` takes it in a namespace without our rules; each kind is explained once.
 */
export function documentText(document: RuleDocument): string {
  const lines = ['*nat', `:${OUTPUT_CHAIN} - [0:0]`, `:${REDIRECT_CHAIN} - [0:0]`];
  let previous: RuleKind | null = null;
  for (const rule of document.rules) {
    if (rule.kind !== previous) lines.push(`# ${WHY[rule.kind]}`);
    lines.push(rule.line);
    previous = rule.kind;
  }
  return `${lines.join('\n')}\nCOMMIT\n`;
}

/** `iptables-save` omits a match of all addresses. */
function destination(cidr: Cidr): string {
  return cidr.prefixLength === 0 ? '' : `-d ${cidrText(cidr)}`;
}

function multiports(ranges: readonly PortRange[]): string[] {
  const groups: string[][] = [];
  let places = MULTIPORT_PLACES;
  for (const { first, last } of ranges) {
    const needed = first === last ? 1 : 2;
    if (places + needed > MULTIPORT_PLACES) {
      groups.push([]);
      places = 0;
    }
    groups.at(-1)!.push(first === last ? String(first) : `${first}:${last}`);
    places += needed;
  }
  return groups.map((group) => group.join(','));
}

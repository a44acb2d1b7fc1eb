/**
 * Converts what a rule of a VirtualService does with requests and responses to filters: header changes, mirrors, CORS,
 * redirects.
 *
 * Used by `http-rule.ts`.
 */
import type { Fields } from '../gateway-api/fields.ts';
import { readDestination, type Surroundings } from './destinations.ts';
import type { Findings } from './findings.ts';
import type { Json } from './model.ts';
import { decimal, duration, textMap } from './scalars.ts';

const EDITS = ['set', 'add', 'remove'] as const;

/** `headers` of a rule or of a destination. */
export function headerFilters(holder: Fields, findings: Findings): Json[] {
  const headers = holder.fields('headers');
  if (headers === null) return [];
  headers.only(['request', 'response']);
  const parts = [
    ['request', 'RequestHeaderModifier', 'requestHeaderModifier'],
    ['response', 'ResponseHeaderModifier', 'responseHeaderModifier'],
  ] as const;
  return parts.flatMap(([side, type, field]) => {
    const item = headers.fields(side);
    const modifier = item === null ? {} : headerModifier(item, side, findings);
    return Object.keys(modifier).length === 0 ? [] : [{ type, [field]: modifier }];
  });
}

function headerModifier(item: Fields, side: 'request' | 'response', findings: Findings): Json {
  item.only(EDITS);
  const seen = new Set<string>();
  const isNew = (field: string, name: string): boolean => {
    const known = name.toLowerCase();
    if (!seen.has(known)) {
      seen.add(known);
      return true;
    }
    findings.differs(
      'header-edit',
      item,
      field,
      `${name} is set, added or removed already: this change of it is left out`,
    );
    return false;
  };
  const lines = (field: 'set' | 'add'): Json[] =>
    textMap(item, field).flatMap(([written, value]) => {
      const name = side === 'request' && written === ':authority' ? 'Host' : written;
      if (/%[A-Z_]+(?:\(.*\))?%/.test(value)) {
        findings.differs(
          'header-edit',
          item,
          field,
          `${name}: a value that is made of the request, ${value}, is left out`,
        );
        return [];
      }
      if (field === 'add' && /^host$/i.test(name)) {
        findings.differs('header-edit', item, field, 'the host can be set, not added: it is left out');
        return [];
      }
      return isNew(field, name) ? [{ name, value: value.replaceAll('%%', '%') }] : [];
    });
  const set = lines('set');
  const add = lines('add');
  const remove = item.textList('remove', 1000).flatMap(({ value }) => (isNew('remove', value) ? [value] : []));
  return {
    ...(set.length > 0 ? { set } : {}),
    ...(add.length > 0 ? { add } : {}),
    ...(remove.length > 0 ? { remove } : {}),
  };
}

/** `mirror` and `mirrors`. */
export function mirrorFilters(rule: Fields, dialled: number | null, around: Surroundings): Json[] {
  const single = rule.fields('mirror');
  const mirrors = rule.list('mirrors', 1000).flatMap((item) => {
    item.only(['destination', 'percentage']);
    const destination = item.requiredFields('destination');
    return destination === null ? [] : [mirrorFilter(destination, percentOf(item, 'percentage'), dialled, around)];
  });
  if (single === null) return mirrors.flat();
  const percent =
    percentOf(rule, 'mirrorPercentage') ?? percentOf(rule, 'mirrorPercent') ?? percentOf(rule, 'mirror_percent');
  return [...mirrorFilter(single, percent, dialled, around), ...mirrors.flat()];
}

/** A mapping in the new form, a number in the old one. */
function percentOf(holder: Fields, name: string): number | null {
  if (!holder.has(name)) return null;
  if (holder.tree(name)?.type !== 'map') return decimal(holder, name);
  const item = holder.fields(name);
  item?.only(['value']);
  return item === null ? null : (decimal(item, 'value') ?? 0);
}

function mirrorFilter(item: Fields, percent: number | null, dialled: number | null, around: Surroundings): Json[] {
  const backendRef = readDestination(item, dialled, around);
  if (backendRef === null || percent === 0) return [];
  return [{ type: 'RequestMirror', requestMirror: { backendRef, ...shareOf(percent ?? 100) } }];
}

/** Envoy counts in millionths. */
function shareOf(percent: number): Json {
  if (percent >= 100) return {};
  if (Number.isInteger(percent)) return { percent };
  let [numerator, denominator] = [Math.round(percent * 10_000), 1_000_000];
  for (const factor of [2, 5]) {
    while (numerator % factor === 0 && denominator % factor === 0)
      [numerator, denominator] = [numerator / factor, denominator / factor];
  }
  return { fraction: { numerator, denominator } };
}

const CORS_FIELDS = [
  ...['allowOrigin', 'allowOrigins', 'allowMethods', 'allowHeaders', 'exposeHeaders', 'maxAge', 'allowCredentials'],
  'unmatchedPreflights',
];

export function corsFilters(rule: Fields, findings: Findings): Json[] {
  const item = rule.fields('corsPolicy');
  if (item === null) return [];
  item.only(CORS_FIELDS);
  const texts = (name: string): string[] => item.textList(name, 1000).map(({ value }) => value);
  const origins = item.list('allowOrigins', 1000).flatMap((origin) => {
    const name = originOf(origin);
    if (name !== null) return [name];
    findings.differs(
      'cors-origin',
      origin,
      '',
      'origins by prefix or expression are left out: name each, with *. for the first label',
    );
    return [];
  });
  if (item.has('unmatchedPreflights')) {
    const why = 'a preflight of another origin is answered here, without permission; it does not reach the backend';
    findings.differs('cors-preflight', item, 'unmatchedPreflights', why);
  } else {
    findings.note(
      'cors-preflight',
      item,
      '',
      'preflights of other origins, which Istio passes on, are answered here, without permission',
    );
  }
  const allowOrigins = [...texts('allowOrigin'), ...origins];
  if (allowOrigins.length === 0) return [];
  const maxAgeMs = duration(item, 'maxAge', findings);
  const listOf = (name: string): Json => {
    const values = texts(name);
    return values.length === 0 ? {} : { [name]: values };
  };
  const lists = { allowOrigins, ...listOf('allowMethods'), ...listOf('allowHeaders'), ...listOf('exposeHeaders') };
  const credentials = item.boolean('allowCredentials');
  return [
    {
      type: 'CORS',
      cors: {
        ...lists,
        ...(credentials === null ? {} : { allowCredentials: credentials }),
        ...(maxAgeMs === null ? {} : { maxAge: Math.max(1, Math.floor(maxAgeMs / 1000)) }),
      },
    },
  ];
}

/** `*` or a name; null when the Gateway API cannot express it. */
function originOf(origin: Fields): string | null {
  origin.only(['exact', 'prefix', 'regex']);
  if (origin.has('exact')) return origin.string('exact');
  return origin.has('regex') && origin.string('regex') === '.*' ? '*' : null;
}

const REDIRECT_FIELDS = ['uri', 'authority', 'port', 'derivePort', 'scheme', 'redirectCode', 'prefixRewrite'];

/** `routes.ts` adds the path modifier of the match. */
export function redirectFilter(rule: Fields, dialled: number | null, findings: Findings): Json | null {
  const item = rule.fields('redirect');
  if (item === null) return null;
  item.only(REDIRECT_FIELDS);
  const code = item.integer('redirectCode', 0, 999) ?? 301;
  const authority = item.string('authority');
  const [, hostname, written] = /^(.*?)(?::(\d+))?$/.exec(authority ?? '')!;
  const scheme = item.oneOf('scheme', ['http', 'https']);
  const derived = item.oneOf('derivePort', ['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT']);
  const usual = scheme === 'https' ? 443 : 80;
  let port = item.has('port') ? item.port('port') : written === undefined ? null : Number(written);
  // Without a port, the Gateway API redirects to the dialled port; Istio redirects to the port of the scheme, or of the
  // original host.
  if (port === null && derived === 'FROM_REQUEST_PORT') port = dialled;
  else if (port === null && (authority !== null || derived === 'FROM_PROTOCOL_DEFAULT')) port = usual;
  else if (port === null && scheme !== null) port = dialled === 80 ? usual : dialled;
  if (item.has('uri') && (item.string('uri') ?? '').includes('?')) {
    findings.differs('redirect', item, 'uri', 'a query cannot be set: write the path alone');
  }
  return {
    ...(scheme === null ? {} : { scheme }),
    ...(hostname === undefined || hostname === '' ? {} : { hostname }),
    ...(port === null ? {} : { port }),
    statusCode: code === 0 ? 301 : code,
  };
}

/**
 * One entry of `http` of a VirtualService: its matches, and what happens to their requests.
 *
 * Stage before: `virtual-service.ts`. Stage after: `negations.ts`.
 */
import type { Fields } from '../gateway-api/fields.ts';
import { readDestination, type Surroundings } from './destinations.ts';
import { EVERY_REQUEST } from './guards.ts';
import { corsFilters, headerFilters, mirrorFilters, redirectFilter } from './http-filters.ts';
import { readHttpMatch, type HttpMatch } from './http-match.ts';
import type { Action, Entry, Json, Origin, Rewrite } from './model.ts';
import { readResilience } from './retries.ts';

const RULE_FIELDS = [
  ...['name', 'match', 'route', 'redirect', 'directResponse', 'delegate', 'rewrite', 'timeout', 'retries', 'fault'],
  ...['mirror', 'mirrors', 'mirrorPercent', 'mirror_percent', 'mirrorPercentage', 'corsPolicy', 'headers'],
];
const MAX_MATCHES = 1000;
const MAX_DESTINATIONS = 1000;

export function readHttpRule(item: Fields, around: Surroundings): Entry[] {
  const { findings } = around;
  item.only(RULE_FIELDS);
  reportUnsaid(item, around);
  const rewrite = readRewrite(item, around);
  const origin: Origin = { fields: item, name: item.string('name'), action: (port) => readAction(item, port, around) };
  const common = { origin, redirects: item.has('redirect') };
  const everything = (): HttpMatch => ({
    ...{ guards: [EVERY_REQUEST], excludes: [], port: null, namespace: null },
    rewrite: rewrite === null ? null : pathOfEverything(item, rewrite, around),
  });
  const all = item.has('match')
    ? item
        .list('match', MAX_MATCHES)
        .map((match) => ({ place: match.path, read: readHttpMatch(match, rewrite, findings) }))
    : [];
  if (all.length === 0 && !isFilled(item)) all.push({ place: item.path, read: everything() });
  // A redirect to another path replaces the whole path, whatever was matched.
  const full = fullPathOf(item);
  return all.flatMap(({ place, read }) => {
    if (read === null) return [];
    const { guards, ...rest } = read;
    const modified = full === null ? rest : { ...rest, rewrite: full };
    return guards.map((guard) => ({ ...common, ...modified, guard, place }));
  });
}

function reportUnsaid(item: Fields, { findings }: Surroundings): void {
  if (item.has('fault'))
    findings.differs('fault', item, 'fault', 'faults are not injected: requests go on as without it');
  if (item.has('delegate')) {
    const why =
      'the rules of another VirtualService are not looked up: write them here; until then its requests are answered 500';
    findings.differs('delegate', item, 'delegate', why);
  }
  if (item.has('directResponse')) {
    const status = item.fields('directResponse')?.integer('status', 100, 599);
    const why = `a reply without a backend, ${status ?? '?'}, cannot be said: its requests are answered 500, so that no later rule gets them; let a Service answer them`;
    findings.differs('direct-response', item, 'directResponse', why);
  }
}

/** The replacement of a matched path; null: no rewrite. */
function readRewrite(item: Fields, { findings }: Surroundings): string | null {
  const redirect = item.fields('redirect');
  if (redirect !== null) return pathText(redirect, 'prefixRewrite');
  const rewrite = item.fields('rewrite');
  if (rewrite === null) return null;
  rewrite.only(['uri', 'authority', 'uriRegexRewrite']);
  if (rewrite.has('uriRegexRewrite')) {
    findings.differs(
      'rewrite-differs',
      rewrite,
      'uriRegexRewrite',
      'a path rewritten by an expression: it stays as it is',
    );
    return null;
  }
  return pathText(rewrite, 'uri');
}

function pathText(holder: Fields, name: string): string | null {
  const text = holder.string(name);
  return text === null || text === '' ? null : text.startsWith('/') ? text : `/${text}`;
}

/** For a rule without matches, which is equivalent to the prefix `/`. */
function pathOfEverything(item: Fields, to: string, { findings }: Surroundings): Rewrite {
  if (!to.endsWith('/')) {
    const why = `/x becomes ${to}x in Istio, and ${to}/x here: whole elements are replaced`;
    findings.differs('rewrite-differs', item, 'rewrite', why);
  }
  return { kind: 'prefix', from: '', to: to.replace(/\/$/, '') };
}

function fullPathOf(item: Fields): Rewrite | null {
  const redirect = item.fields('redirect');
  const uri = redirect === null || redirect.has('prefixRewrite') ? null : pathText(redirect, 'uri');
  return uri === null ? null : { kind: 'full', to: uri.replace(/\?.*$/, '') };
}

function readAction(item: Fields, port: number | null, around: Surroundings): Action {
  const { findings } = around;
  const { timeouts, retry } = readResilience(item, findings);
  const redirect = redirectFilter(item, port, findings);
  if (redirect !== null) {
    const filters = [...corsFilters(item, findings), { type: 'RequestRedirect', requestRedirect: redirect }];
    for (const name of ['headers', 'mirror', 'mirrors', 'timeout', 'retries'] as const) {
      if (item.has(name)) findings.note('left-out', item, name, 'has no effect on a redirect');
    }
    return { filters, backendRefs: [], timeouts: null, retry: null };
  }
  const authority = item.fields('rewrite')?.string('authority') ?? null;
  const filters = [
    ...corsFilters(item, findings),
    ...headerFilters(item, findings),
    ...hostFilter(item, authority, around),
    ...mirrorFilters(item, port, around),
  ];
  return { filters, backendRefs: readBackends(item, port, around), timeouts, retry };
}

function hostFilter(item: Fields, authority: string | null, { findings }: Surroundings): Json[] {
  if (authority === null || authority === '') return [];
  if (!authority.includes(':')) return [{ type: 'URLRewrite', urlRewrite: { hostname: authority } }];
  findings.differs(
    'authority-port',
    item.fields('rewrite')!,
    'authority',
    `the host name is left as it is: ${authority} has a port`,
  );
  return [];
}

function readBackends(item: Fields, port: number | null, around: Surroundings): Json[] {
  const { findings } = around;
  const destinations = item.list('route', MAX_DESTINATIONS);
  const weights = destinations.map((destination) => destination.integer('weight', 0, 2_147_483_647) ?? 0);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (destinations.length > 1 && total === 0) {
    findings.error(
      'weight',
      item,
      'route',
      'every destination has weight 0, which Istio refuses as well: requests are answered 500',
    );
  }
  if (destinations.length === 0 && !['redirect', 'delegate', 'directResponse'].some((name) => item.has(name))) {
    findings.error('no-rule', item, '', 'has no route, redirect or directResponse: its requests are answered 500');
  }
  return destinations.flatMap((destination, index) => {
    destination.only(['destination', 'weight', 'headers']);
    const target = destination.requiredFields('destination');
    const ref = target === null ? null : readDestination(target, port, around);
    if (ref === null) return [];
    const filters = headerFilters(destination, findings);
    const share = destinations.length > 1 ? { weight: weights[index] } : {};
    return [{ ...ref, ...share, ...(filters.length > 0 ? { filters } : {}) }];
  });
}

/** An empty list of matches counts as absent. */
function isFilled(item: Fields): boolean {
  const match = item.tree('match');
  return match !== null && !(match.type === 'list' && match.items.length === 0);
}

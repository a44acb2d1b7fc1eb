/**
 * Converts the conditions of a Linkerd ServiceProfile, which are combined by all, any and not, to guards with
 * exclusions.
 *
 * Used by `service-profile.ts`.
 */
import type { Fields } from '../gateway-api/fields.ts';
import { METHODS } from '../gateway-api/matches.ts';
import { validateRegex } from '../regex/regex.ts';
import { pathCondition } from './conditions.ts';
import type { Findings } from './findings.ts';
import { EVERY_REQUEST, intersect, type Guard } from './guards.ts';

/** Requests that match `guard` and none of `excludes`. */
export interface Term {
  readonly guard: Guard;
  readonly excludes: readonly Guard[];
}

const FIELDS = ['pathRegex', 'method', 'all', 'any', 'not'];
/** Limits, because a product of lists grows quickly. */
const MAX_TERMS = 64;
const MAX_LIST = 64;

/**
 * One of the terms must hold; null when this cannot be expressed, which is reported. All fields of a condition must
 * hold.
 */
export function readCondition(item: Fields, findings: Findings): readonly Term[] | null {
  item.only(FIELDS);
  const parts: (readonly Term[] | null)[] = [];
  if (item.has('pathRegex')) parts.push(readPath(item, findings));
  if (item.has('method')) parts.push(readMethod(item, findings));
  if (item.has('all')) parts.push(...item.list('all', MAX_LIST).map((part) => readCondition(part, findings)));
  if (item.has('any')) {
    const any = item.list('any', MAX_LIST).map((part) => readCondition(part, findings));
    parts.push(any.some((terms) => terms === null) ? null : any.flatMap((terms) => terms ?? []));
  }
  const inner = item.fields('not');
  if (inner !== null) parts.push(negated(inner, readCondition(inner, findings), findings));
  if (parts.length === 0) {
    findings.error('bad-condition', item, '', 'must have one of pathRegex, method, all, any and not');
    return null;
  }
  return parts.reduce<readonly Term[] | null>(
    (all, part) => (all === null || part === null ? null : product(item, all, part, findings)),
    [{ guard: EVERY_REQUEST, excludes: [] }],
  );
}

function readPath(item: Fields, findings: Findings): readonly Term[] | null {
  const written = item.string('pathRegex');
  if (written === null) return null;
  const regex = anchored(written.trim());
  const { fault } = validateRegex(regex);
  if (fault !== null) {
    findings.error('bad-condition', item, 'pathRegex', `is no regular expression here: ${fault}`);
    return null;
  }
  if (regex !== written) {
    findings.note(
      'bad-condition',
      item,
      'pathRegex',
      `an expression of Linkerd is bound at its very ends alone: here it is ${regex}`,
    );
  }
  return [{ guard: { ...EVERY_REQUEST, path: pathCondition({ kind: 'regex', value: regex }, false) }, excludes: [] }];
}

/**
 * Linkerd adds a missing `^` at the start and `$` at the end: in `a|b` they apply to the start of a and the end of b.
 */
function anchored(regex: string): string {
  const branches = topLevelBranches(regex.replace(/^\^/, '').replace(/\$$/, ''));
  if (branches.length === 1) return branches[0]!;
  const last = branches.length - 1;
  return branches.map((branch, index) => `${index === 0 ? '' : '.*'}${branch}${index === last ? '' : '.*'}`).join('|');
}

function topLevelBranches(regex: string): string[] {
  const branches: string[] = [];
  let branch = '';
  let depth = 0;
  let inClass = false;
  for (const piece of regex.match(/\\.|[^\\]|\\$/gsu) ?? []) {
    if (inClass) inClass = piece !== ']';
    else if (piece === '[') inClass = true;
    else if (piece === '(') depth++;
    else if (piece === ')') depth--;
    else if (piece === '|' && depth === 0) {
      branches.push(branch);
      branch = '';
      continue;
    }
    branch += piece;
  }
  return [...branches, branch];
}

function readMethod(item: Fields, findings: Findings): readonly Term[] | null {
  const written = item.string('method')?.toUpperCase() ?? null;
  const method = METHODS.find((known) => known === written);
  if (method !== undefined) return [{ guard: { ...EVERY_REQUEST, method }, excludes: [] }];
  findings.differs('match-left-out', item, 'method', `Gateway API has ${METHODS.join(', ')}; the route is left out`);
  return null;
}

function negated(item: Fields, terms: readonly Term[] | null, findings: Findings): readonly Term[] | null {
  if (terms === null) return null;
  if (terms.every(({ excludes }) => excludes.length === 0)) {
    return [{ guard: EVERY_REQUEST, excludes: terms.map(({ guard }) => guard) }];
  }
  const [only, ...more] = terms;
  if (more.length === 0 && JSON.stringify(only!.guard) === JSON.stringify(EVERY_REQUEST)) {
    return only!.excludes.map((guard) => ({ guard, excludes: [] }));
  }
  findings.differs(
    'match-left-out',
    item,
    '',
    'a negation within a negation: the route is left out, and its requests go where later ones send them',
  );
  return null;
}

function product(
  item: Fields,
  terms: readonly Term[],
  others: readonly Term[],
  findings: Findings,
): readonly Term[] | null {
  const found: Term[] = [];
  for (const a of terms) {
    for (const b of others) {
      const guard = intersect(a.guard, b.guard);
      if (guard === null) continue;
      if (guard === undefined || found.length >= MAX_TERMS) {
        const why = guard === undefined ? 'two expressions for one path' : 'too many combinations';
        findings.differs(
          'match-left-out',
          item,
          '',
          `${why}: the route is left out, and its requests go where later ones send them`,
        );
        return null;
      }
      found.push({ guard, excludes: [...a.excludes, ...b.excludes] });
    }
  }
  return found;
}

/**
 * The current conditions of routes: those from the route files, updated by what is known about the addresses they need.
 *
 *                          parent (Accepted)                      backends (ResolvedRefs)
 *   missing, forgotten     False NoMatchingParent                 False BackendNotFound
 *   asked, unknown         Unknown Pending                        Unknown Pending
 *   known                  unchanged, message added               unchanged, message added
 *
 * Stage before: `config/attach.ts`, `frontends.ts` and `backends.ts`. Stage after: the log, the metrics, the private
 * endpoint. Pure.
 */
import type { Attachment, ConditionReference, ConditionSubject, RouteCondition } from '../config/attachment.ts';
import { EVERY_REFERENCE_USABLE } from '../config/route-references.ts';
import { SharedTexts } from '../gateway-api/shared-texts.ts';
import type { Steps } from '../slices.ts';
import type { Knowledge } from './knowledge.ts';

export interface KnowledgeSources {
  /** State of a parent by `namespace/name`; null when it is not looked up. */
  parent(key: string): Knowledge | null;
  /** State of a backend by `namespace/name:port`; null when it receives no requests. */
  backend(key: string): Knowledge | null;
}

/** In the order of the attachment. Conditions without a change are the same objects. */
export function* liveConditions(
  { conditions, subjects }: Attachment,
  sources: KnowledgeSources,
): Steps<RouteCondition[]> {
  const live: RouteCondition[] = [];
  // Of routes that refer to the same Services they are the same.
  const messages = new SharedTexts(MOST_CHARS);
  for (const [index, condition] of conditions.entries()) {
    yield;
    const subject = subjects[index] ?? null;
    live.push(subject === null ? condition : turned(condition, subject, sources, messages));
  }
  return live;
}

/** Worst first. At most MAX_TOLD references are listed. */
const ORDER: readonly Knowledge['state'][] = ['missing', 'forgotten', 'unknown', 'asked', 'known'];
const MAX_TOLD = 4;
/** Longest message that is shared between routes. */
const MOST_CHARS = 512;

function turned(
  condition: RouteCondition,
  subject: ConditionSubject,
  sources: KnowledgeSources,
  messages: SharedTexts,
): RouteCondition {
  const sentence = (parts: readonly string[]): string => messages.of(parts.join(' | '));
  const references = subject.kind === 'parent' ? [subject.reference] : subject.references;
  const of = (key: string): Knowledge | null =>
    subject.kind === 'parent' ? sources.parent(key) : sources.backend(key);
  const known = withEveryReferenceKnown(condition, subject, of);
  const found = references.flatMap((reference) => {
    const knowledge = of(reference.key);
    const message = knowledge?.message ?? null;
    return knowledge === null || message === null ? [] : [{ reference, knowledge, message }];
  });
  if (found.length === 0) return known;
  const states = new Set(found.map(({ knowledge }) => knowledge.state));
  found.sort((a, b) => ORDER.indexOf(a.knowledge.state) - ORDER.indexOf(b.knowledge.state));
  const told = found
    .slice(0, MAX_TOLD)
    .map(({ reference, knowledge, message }) => tell(subject.kind, reference, knowledge.state, message));
  if (found.length > MAX_TOLD) told.push(`and ${found.length - MAX_TOLD} more`);
  if (states.has('missing') || states.has('forgotten')) {
    const reason = subject.kind === 'parent' ? 'NoMatchingParent' : 'BackendNotFound';
    return condition.status === 'False'
      ? { ...condition, message: sentence([condition.message, ...told]) }
      : { ...condition, status: 'False', reason, message: sentence(told) };
  }
  if ((states.has('unknown') || states.has('asked')) && condition.status !== 'False') {
    return { ...condition, status: 'Unknown', reason: 'Pending', message: sentence(told) };
  }
  return { ...condition, message: sentence([known.message, ...told]) };
}

/** Removes what the message says about unknown references. */
function withEveryReferenceKnown(
  condition: RouteCondition,
  subject: ConditionSubject,
  of: (key: string) => Knowledge | null,
): RouteCondition {
  if (subject.kind === 'parent' || condition.status !== 'True' || condition.message === EVERY_REFERENCE_USABLE) {
    return condition;
  }
  const known = subject.references.every(({ key }) => of(key)?.state === 'known');
  return known ? { ...condition, message: EVERY_REFERENCE_USABLE } : condition;
}

function tell(
  kind: ConditionSubject['kind'],
  { key, path, consequences }: ConditionReference,
  state: Knowledge['state'],
  message: string,
): string {
  const service = key.replace(/:\d+$/, '');
  const consequence = {
    known: null,
    forgotten: null,
    missing: consequences.missing,
    asked: consequences.pending,
    unknown: consequences.pending,
  }[state];
  return [`${kind === 'parent' ? '' : `${path}: `}Service ${service}: ${message}`, consequence]
    .filter((part) => part !== null)
    .join('; ');
}

/**
 * Formats an explanation for people: plain aligned text without colour.
 *
 * Stage before: `routing/explain.ts`. Stage after: standard output.
 */
import { formatDuration } from '../gateway-api/durations.ts';
import { GRPC_CODES } from '../grpc-status.ts';
import type { ForwardPolicy } from './decision.ts';
import { PROTOCOL_NAMES, type ExplainedLocal, type ExplainedMirror, type ExplainedRequest } from './explain-answer.ts';
import type {
  ExplainedAnswer,
  ExplainedCandidate,
  ExplainedMatch,
  ExplainedOutcome,
  ExplainedShare,
  Explanation,
} from './explain.ts';

/** Several lines; the last one ends with a newline. */
export function formatExplanation(explanation: Explanation): string {
  const { request, frontend, candidates, elsewhere, elsewhereCount, winner } = explanation;
  const target = request.query === '' ? request.path : `${request.path}?${request.query}`;
  const lines = [`request   ${request.method} ${target}`];
  if (frontend === null) {
    lines.push(`frontend  ${describeUnrouted(explanation.outcome)}`, '');
  } else {
    lines.push(`frontend  ${frontend}${describeRoutes(explanation)}`, '');
    lines.push(candidates.length === 0 ? 'No rule has a path for this request.' : 'Rules in the order they are tried:');
    for (const [index, candidate] of candidates.entries()) {
      const left = candidate.position - (candidates[index - 1]?.position ?? 0) - 1;
      if (left > 0) lines.push(describeLeft(left));
      lines.push(...formatMatch(candidate, index === winner));
    }
    const left = explanation.candidateCount - (candidates.at(-1)?.position ?? 0);
    if (left > 0) lines.push(describeLeft(left));
    if (elsewhereCount > 0) {
      lines.push('', `Rules for other paths (${elsewhereCount}):`);
      for (const match of elsewhere) lines.push(`     ${describeRule(match)}  ${match.predicates[0]!.expected}`);
      if (elsewhereCount > elsewhere.length) lines.push(`     and ${elsewhereCount - elsewhere.length} more`);
    }
    lines.push('', ...formatWinner(explanation));
  }
  lines.push(...formatOutcome(explanation.outcome, request.call));
  return `${lines.join('\n')}\n`;
}

/** Empty for the most frequent case, producer HTTPRoutes. */
function describeRoutes({ consumer, routeKind }: Explanation): string {
  const words = [...(consumer ? ['consumer routes'] : []), ...(routeKind === 'GRPCRoute' ? [routeKind] : [])];
  return words.length === 0 ? '' : ` (${words.join(', ')})`;
}

function describeRule(match: ExplainedMatch): string {
  const name = match.ruleName === null ? '' : ` (${match.ruleName})`;
  return `${match.route} rules[${match.ruleIndex}]${name} matches[${match.matchIndex}]`;
}

function describeLeft(count: number): string {
  return `     ${count} more ${count === 1 ? 'is' : 'are'} tried here, not shown`;
}

function formatMatch(match: ExplainedCandidate, wins: boolean): string[] {
  const verdict = wins ? 'wins' : match.matched ? 'matches too' : 'does not match';
  const width = Math.max(...match.predicates.map((predicate) => predicate.expected.length));
  return [
    `${String(match.position).padStart(3)}. ${describeRule(match)}: ${verdict}`,
    ...match.predicates.map(({ expected, actual, matched }) => {
      const has = actual === null ? 'absent' : `is ${JSON.stringify(actual)}`;
      return `       ${matched ? 'yes' : 'no '}  ${expected.padEnd(width)}  ${has}`;
    }),
  ];
}

function formatWinner({ candidates, winner, runnerUp }: Explanation): string[] {
  if (winner === null) return ['Winner    none'];
  const lines = [`Winner    ${describeRule(candidates[winner]!)}`];
  if (runnerUp === null) lines.push('          no other rule matches');
  else {
    const second = describeRule(candidates[runnerUp.candidate]!);
    lines.push(`          comes before ${second} by: ${runnerUp.criterion}`);
  }
  return lines;
}

function describeUnrouted(outcome: ExplainedOutcome): string {
  if (outcome.kind !== 'original' || outcome.opaque === null) {
    return 'none: no route is attached to this Service and port';
  }
  return `${outcome.opaque} (opaque: its connections are tunnelled unread)`;
}

/** `call`: the request is a gRPC call. */
function formatOutcome(outcome: ExplainedOutcome, call: boolean): string[] {
  switch (outcome.kind) {
    case 'original':
      return ['Outcome   forwarded to the original destination, as without sideroute'];
    case 'local':
      return [`Outcome   ${describeLocal(outcome, call)}`, ...outcome.fields.map(indent)];
    case 'shares':
      return [
        ...outcome.shares.map((share, index, shares) => formatShare(share, index, shares, call)),
        ...formatAnswers(outcome.shares),
      ];
  }
}

function describeLocal({ status, grpc, reason, message }: ExplainedLocal, call: boolean): string {
  const answer = call && grpc !== null ? `${grpc} (grpc-status ${GRPC_CODES[grpc]})` : status;
  return `answered here: ${answer} ${reason}: ${message}`;
}

function formatShare(share: ExplainedShare, index: number, shares: readonly ExplainedShare[], call: boolean): string {
  const width = Math.max(...shares.map(({ backend }) => backend.length));
  const title = index === 0 ? 'Backends' : '        ';
  return `${title}  ${formatPercent(share.percent)}  ${share.backend.padEnd(width)}  ${formatVerdict(share, call)}`;
}

function formatPercent(percent: number): string {
  const digits = percent === 0 || (percent >= 1 && Number.isInteger(percent)) ? 0 : percent < 1 ? 4 : 1;
  return `${percent.toFixed(digits)}%`.padStart(8);
}

function formatVerdict({ answer, weight }: ExplainedShare, call: boolean): string {
  switch (answer.kind) {
    case 'never':
      return 'weight 0, never picked';
    case 'forward': {
      const spoken = answer.protocol === null ? '' : `, in ${PROTOCOL_NAMES[answer.protocol]}`;
      return `weight ${weight}, at ${answer.addresses.join(', ')}${spoken}`;
    }
    case 'local':
      return `weight ${weight}, ${describeLocal(answer, call)}`;
  }
}

/** What each share gets. Shares with the same answer are listed once. */
function formatAnswers(shares: readonly ExplainedShare[]): string[] {
  const backendsOf = new Map<string, string[]>();
  for (const { answer, backend } of shares) {
    const lines = formatAnswer(answer);
    if (lines.length === 0) continue;
    const text = lines.join('\n');
    backendsOf.set(text, [...(backendsOf.get(text) ?? []), backend]);
  }
  const heading = (backends: readonly string[]) => (backendsOf.size > 1 ? [`${backends.join(', ')}:`] : []);
  return [...backendsOf].flatMap(([text, backends]) => ['', ...heading(backends), text]);
}

function formatAnswer(answer: ExplainedAnswer): string[] {
  if (answer.kind === 'never') return [];
  if (answer.kind === 'local') return titled('Reply', answer.fields);
  const { request, response, policy, callTimeoutMs, mirrors } = answer;
  return [
    ...titled('Request', [request.line, ...request.fields]),
    ...titled('Response', [
      ...response.remove.map((name) => `without ${name}`),
      ...response.append.map((line) => `with ${line}`),
    ]),
    ...formatLimits(policy, callTimeoutMs),
    ...titled(
      'Mirrors',
      mirrors.flatMap((mirror) => formatMirror(mirror, request)),
    ),
  ];
}

const NO_POLICY: ForwardPolicy = { requestTimeoutMs: 0, attemptTimeoutMs: 0, retry: null };

function formatLimits(policy: ForwardPolicy | null, callTimeoutMs: number | null): string[] {
  const { requestTimeoutMs, attemptTimeoutMs, retry } = policy ?? NO_POLICY;
  const limits = [
    ...(requestTimeoutMs === 0 ? [] : [`${formatDuration(requestTimeoutMs)} for the request with its retries`]),
    ...(attemptTimeoutMs === 0 ? [] : [`${formatDuration(attemptTimeoutMs)} for each attempt`]),
    ...(callTimeoutMs === null ? [] : [`${formatDuration(callTimeoutMs)} by grpc-timeout`]),
  ];
  const timeouts = limits.length === 0 ? [] : titled('Timeouts', [limits.join(', ')]);
  if (retry === null) return timeouts;
  const tries = `${retry.attempts} more ${retry.attempts === 1 ? 'try' : 'tries'}`;
  const causes = [
    'when no connection can be made',
    ...retry.codes.map(String),
    ...(retry.codes.includes(502) ? ['a reset of an idempotent request'] : []),
    ...(attemptTimeoutMs > 0 && retry.codes.includes(504) ? ['a timeout of an idempotent attempt'] : []),
  ];
  return [
    ...timeouts,
    ...titled('Retries', [`${tries} ${causes.join(', ')}; after ${formatDuration(retry.backoffMs)} or more`]),
  ];
}

function formatMirror({ backend, percent, request, dropped }: ExplainedMirror, original: ExplainedRequest): string[] {
  const line = `${formatPercent(percent)}  ${backend}  `;
  if (dropped !== null) return [`${line}dropped: ${dropped}`];
  if (request === null) return [`${line}never`];
  const lines = [request.line, ...request.fields];
  if (lines.join('\n') === [original.line, ...original.fields].join('\n')) return [`${line}the same request`];
  return [`${line}another request:`, ...lines.map(indent)];
}

/** A title padded to eight characters and the lines beside it; empty without lines. */
function titled(title: string, lines: readonly string[]): string[] {
  return lines.map((line, index) => (index === 0 ? `${title.padEnd(8)}  ${line}` : indent(line)));
}

function indent(line: string): string {
  return `          ${line}`;
}

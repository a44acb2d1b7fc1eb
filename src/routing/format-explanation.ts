/**
 * Words an explanation for people: plain aligned text, no colour.
 *
 * Stage before: `routing/explain.ts`. Stage after: standard output.
 */
import type { ExplainedMatch, ExplainedOutcome, ExplainedShare, Explanation } from './explain.ts';

/** Several lines, the last one ended by a newline. */
export function formatExplanation(explanation: Explanation): string {
  const { request, frontend, candidates, elsewhere, elsewhereCount, winner } = explanation;
  const target = request.query === '' ? request.path : `${request.path}?${request.query}`;
  const lines = [`request   ${request.method} ${target}`];
  if (frontend === null) {
    lines.push('frontend  none: no route is attached to this Service and port', '');
  } else {
    lines.push(`frontend  ${frontend}${explanation.consumer ? ' (consumer routes)' : ''}`, '');
    lines.push(candidates.length === 0 ? 'No rule has a path for this request.' : 'Rules in the order they are tried:');
    for (const [index, candidate] of candidates.entries()) lines.push(...formatMatch(candidate, index, winner));
    if (elsewhereCount > 0) {
      lines.push('', `Rules for other paths (${elsewhereCount}):`);
      for (const match of elsewhere) lines.push(`     ${describeRule(match)}  ${match.predicates[0]!.expected}`);
      if (elsewhereCount > elsewhere.length) lines.push(`     and ${elsewhereCount - elsewhere.length} more`);
    }
    lines.push('', ...formatWinner(explanation));
  }
  lines.push(...formatOutcome(explanation.outcome));
  return `${lines.join('\n')}\n`;
}

function describeRule(match: ExplainedMatch): string {
  const name = match.ruleName === null ? '' : ` (${match.ruleName})`;
  return `${match.route} rules[${match.ruleIndex}]${name} matches[${match.matchIndex}]`;
}

function formatMatch(match: ExplainedMatch, index: number, winner: number | null): string[] {
  const verdict = index === winner ? 'wins' : match.matched ? 'matches too' : 'does not match';
  const width = Math.max(...match.predicates.map((predicate) => predicate.expected.length));
  return [
    `${String(index + 1).padStart(3)}. ${describeRule(match)}: ${verdict}`,
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

function formatOutcome(outcome: ExplainedOutcome): string[] {
  switch (outcome.kind) {
    case 'original':
      return ['Outcome   forwarded to the original destination, as without sideroute'];
    case 'local':
      return [`Outcome   answered here: ${outcome.status} ${outcome.reason}: ${outcome.message}`];
    case 'shares':
      return outcome.shares.map((share, index) => {
        const width = Math.max(...outcome.shares.map(({ backend }) => backend.length));
        return `${index === 0 ? 'Backends' : '        '}  ${formatPercent(share)}  ${share.backend.padEnd(width)}  ${formatAnswer(share)}`;
      });
  }
}

function formatPercent({ percent }: ExplainedShare): string {
  const digits = percent === 0 || (percent >= 1 && Number.isInteger(percent)) ? 0 : percent < 1 ? 4 : 1;
  return `${percent.toFixed(digits)}%`.padStart(8);
}

function formatAnswer({ answer, weight }: ExplainedShare): string {
  switch (answer.kind) {
    case 'never':
      return 'weight 0, never picked';
    case 'forward':
      return `weight ${weight}, at ${answer.addresses.join(', ')}`;
    case 'local':
      return `weight ${weight}, answered here: ${answer.status} ${answer.reason}: ${answer.message}`;
  }
}

/**
 * Suggestions for mistyped names. Used by `fields.ts` and `documents.ts` for messages.
 */

/** Optimal string alignment distance (insert, delete, replace, swap of neighbours), for short words. */
export function distance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const cost = a[row - 1] === b[column - 1] ? 0 : 1;
      let best = Math.min(previous[column]! + 1, current[column - 1]! + 1, previous[column - 1]! + cost);
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) best = Math.min(best, beforePrevious[column - 2]! + 1);
      current.push(best);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length]!;
}

const MAX_WORD = 64;

/** The candidate that `word` probably means; null when none is similar. */
export function suggest(word: string, candidates: readonly string[]): string | null {
  if (word.length > MAX_WORD) return null;
  const lower = word.toLowerCase();
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    // `match` for `matches`, `backend` for `backendRefs`: a beginning counts as similar whatever the length of the
    // name.
    const begins = lower.length >= 3 && candidate.toLowerCase().startsWith(lower);
    const edits = distance(lower, candidate.toLowerCase());
    const candidateDistance = begins ? Math.min(1, edits) : edits;
    if (candidateDistance < bestDistance) {
      best = candidate;
      bestDistance = candidateDistance;
    }
  }
  return best;
}

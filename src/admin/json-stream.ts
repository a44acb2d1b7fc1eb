/**
 * Long JSON, made piece by piece on the loop that carries the traffic.
 *
 * Stage before: `config-dump.ts` and `connections.ts`, with pieces that each take microseconds. Stage after: `endpoint.ts`,
 * which asks for the next text when the caller has taken the one before.
 */

/** A turn of the loop may be this much longer for one answer. */
const SLICE_MS = 4;
const MAX_SLICE_CHARS = 256 * 1024;

/** Joins pieces; after `SLICE_MS` the loop gets its turn, and what has been made by then is sent before more is made. */
export async function* inSlices(pieces: Iterable<string>): AsyncGenerator<string> {
  let text = '';
  let startedMs = performance.now();
  for (const piece of pieces) {
    text += piece;
    if (performance.now() - startedMs < SLICE_MS && text.length < MAX_SLICE_CHARS) continue;
    if (text !== '') yield text;
    text = '';
    await new Promise((resolve) => setImmediate(resolve));
    startedMs = performance.now();
  }
  yield text;
}

/** A JSON array, an item a line. Null stands for no item, but a chance to pause: an empty piece. */
export function* listText(items: Iterable<object | null>): Generator<string> {
  let separator = '[\n';
  for (const item of items) {
    if (item === null) {
      yield '';
      continue;
    }
    yield `${separator}${JSON.stringify(item)}`;
    separator = ',\n';
  }
  yield separator === '[\n' ? '[]' : ']';
}

/**
 * Produces long JSON piece by piece on the event loop that carries the traffic.
 *
 * Stage before: `config-dump.ts` and `connections.ts`, with pieces that take microseconds each. Stage after:
 * `endpoint.ts`, which asks for the next text when the caller has taken the previous one.
 */

/** One answer may delay a turn of the event loop by this much. */
const SLICE_MS = 4;
const MAX_SLICE_CHARS = 256 * 1024;

/** Joins pieces. After `SLICE_MS` the event loop continues, and the text so far is sent before more is produced. */
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

/** A JSON array, one item on each line. A null item yields an empty piece: an opportunity to pause. */
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

/** Checks that all readers have read the same from what reached the backends or the clients. */
import type { Capture, CapturedStream } from './capture.ts';
import { isCommon, SENTINEL, SENTINEL_READ, showRequest, type ReadRequest } from './messages.ts';
import type { RequestReader, Stream } from './request-readers.ts';
import type { CapturedResponse } from './response-capture.ts';
import { readResponse, showResponse } from './response-messages.ts';
import type { ResponseReader } from './response-readers.ts';

/** The inputs and what was read. Bytes are shown as JSON in ASCII. */
export interface Disagreement {
  readonly reader: string;
  readonly inputs: readonly string[];
  readonly wire: string;
  readonly expected: string;
  readonly found: string;
}

/** Text that shows any bytes safely on a terminal. */
function quote(text: string): string {
  return JSON.stringify(text).replaceAll(/[\x7f-\xff]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`);
}

interface Question {
  readonly captured: CapturedStream;
  readonly stream: Stream;
  readonly expected: readonly ReadRequest[];
}

function questions(captured: CapturedStream, reader: RequestReader): Question[] {
  const { requests, rest } = captured;
  const asked: Question[] = [];
  // Only the last one can be uncommon, because the backend ends the connection after it.
  const known = requests.filter((request) => reader.readsAll || isCommon(request));
  if (known.length > 0) {
    const pieces = known.map(({ text }) => text);
    const closes = known.at(-1)!.closes;
    asked.push({
      captured,
      stream: { pieces: closes ? pieces : [...pieces, SENTINEL], ends: false },
      expected: closes ? known : [...known, SENTINEL_READ],
    });
  }
  // An incomplete request must not count as a request for any reader.
  if (rest !== '') asked.push({ captured, stream: { pieces: [rest], ends: true }, expected: [] });
  return asked;
}

/** Compares a reader with the capturing backend. Shows the requests from the first difference on. */
export async function compareRequests(
  reader: RequestReader,
  capture: Capture,
  inputs: readonly string[],
): Promise<Disagreement[]> {
  const asked = capture.streams.flatMap((stream) => questions(stream, reader));
  const answers = await reader.read(asked.map(({ stream }) => stream));
  return asked.flatMap(({ captured, stream, expected }, i) => {
    const wanted = expected.map(showRequest);
    const found = (answers[i] ?? []).map(showRequest);
    if (found.join('\n') === wanted.join('\n')) return [];
    let same = 0;
    while (same < wanted.length && wanted[same] === found[same]) same++;
    return [
      {
        reader: reader.name,
        inputs: [...captured.inputs].map((number) => quote(inputs[number]!)),
        wire: quote(stream.pieces.slice(same).join('')),
        expected: wanted.slice(same).join('\n'),
        found: found.slice(same).join('\n'),
      },
    ];
  });
}

/**
 * Finds what the capturing backend could not read, and requests that it received although the engine did not route
 * them.
 */
export function compareWithEngine(capture: Capture, inputs: readonly string[]): Disagreement[] {
  return capture.streams.flatMap((stream) => {
    const routed = [...stream.inputs].flatMap((input) => capture.asked[input]!.map(({ method }) => method));
    const got = stream.requests.map(({ method }) => method);
    // In the same order; other requests may have gone elsewhere.
    let at = 0;
    for (const method of routed) if (method === got[at]) at++;
    if (stream.malformed === null && at === got.length) return [];
    return [
      {
        reader: stream.malformed === null ? 'the engine' : 'the backend',
        inputs: [...stream.inputs].map((number) => quote(inputs[number]!)),
        wire: quote(stream.text),
        expected: routed.join('\n'),
        found: stream.malformed ?? got.join('\n'),
      },
    ];
  });
}

export async function compareResponses(
  reader: ResponseReader,
  captured: readonly CapturedResponse[],
): Promise<Disagreement[]> {
  const answers = await reader.read(captured.map(({ input, text }) => ({ method: input.method, text })));
  return captured.flatMap(({ input, text }, i) => {
    const expected = readResponse(input.method, text);
    const wanted = typeof expected === 'string' ? expected : showResponse(expected);
    const found = showResponse(answers[i]!);
    if (found === wanted || (typeof expected !== 'string' && !reader.counts(expected))) return [];
    const inputs = [`${input.method}, answered ${quote(input.answer)}`];
    return [{ reader: reader.name, inputs, wire: quote(text), expected: wanted, found }];
  });
}

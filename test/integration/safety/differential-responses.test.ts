/**
 * Mutated responses through the native engine, and what reaches the client read back by three parsers that nobody here
 * wrote. All have to find the same response in it: interim ones, status, framing, body, and whether it is all. The seed
 * is fixed; SIDEROUTE_DIFFERENTIAL_SEED takes another one.
 */
import t from 'tap';

import { compareResponses, type Disagreement } from '../../support/differential/compare.ts';
import { Mutator } from '../../support/differential/mutate.ts';
import { ResponseCapture, type AnsweredInput } from '../../support/differential/response-capture.ts';
import { RESPONSE_CORPUS, RESPONSE_FIELDS, STATUS_LINES } from '../../support/differential/response-corpus.ts';
import { readResponse } from '../../support/differential/response-messages.ts';
import {
  haproxyResponseReader,
  nodeResponseReader,
  pythonResponseReader,
} from '../../support/differential/response-readers.ts';

const INPUTS = 4_000;
const SEED = Number(process.env['SIDEROUTE_DIFFERENTIAL_SEED'] ?? 20_262);
const SHOWN = 3;
const METHODS = ['GET', 'GET', 'POST', 'HEAD'] as const;

t.setTimeout(900_000);

t.test('SAFETY 80-94, 100-104, 106, 107: of 4,000 mutated responses three parsers read what was relayed', async (t) => {
  const mutator = new Mutator(SEED, RESPONSE_CORPUS, STATUS_LINES, RESPONSE_FIELDS);
  const inputs = Array.from({ length: INPUTS }, (): AnsweredInput => {
    return { method: mutator.pick(METHODS), answer: mutator.next() };
  });
  const capture = await ResponseCapture.start(t);
  const captured = await capture.run(inputs);

  const disagreements: Disagreement[] = [];
  for (const reader of [nodeResponseReader, pythonResponseReader, await haproxyResponseReader(t)]) {
    const found = await compareResponses(reader, captured);
    t.equal(found.length, 0, `${reader.name} reads the same (seed ${SEED})`);
    disagreements.push(...found);
  }
  t.strictSame(disagreements.slice(0, SHOWN), [], `no disagreement (seed ${SEED})`);

  // Something of every kind was there to disagree about.
  const responses = captured.map(({ input, text }) => readResponse(input.method, text));
  const count = (what: (response: Exclude<(typeof responses)[number], string>) => boolean): number =>
    responses.filter((response) => typeof response !== 'string' && what(response)).length;
  t.ok(capture.relayed > INPUTS / 2, `${capture.relayed} were relayed`);
  t.ok(count(({ status }) => status === 502) > INPUTS / 10, 'refused');
  t.ok(count(({ framing }) => framing === 'chunked') > INPUTS / 20, 'in chunks');
  t.ok(count(({ framing }) => framing.startsWith('length')) > INPUTS / 20, 'with a length');
  t.ok(count(({ framing }) => framing === 'none') > INPUTS / 20, 'without a body');
  t.ok(count(({ interim }) => interim.length > 0) > INPUTS / 50, 'behind interim responses');
  t.ok(count(({ body }) => body === '') > INPUTS / 100, 'cut short');
  t.ok(captured.filter(({ inStep }) => inStep).length > INPUTS / 2, 'with the next answer behind');
});

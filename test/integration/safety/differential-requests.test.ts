/**
 * Mutated requests through the native engine, and what reaches the backend read back by three parsers that nobody here
 * wrote. All have to find the same requests in it: their number, methods, targets, framing and bodies. The seed is fixed;
 * SIDEROUTE_DIFFERENTIAL_SEED takes another one.
 */
import t from 'tap';

import { Capture } from '../../support/differential/capture.ts';
import { compareRequests, compareWithEngine, type Disagreement } from '../../support/differential/compare.ts';
import { Mutator } from '../../support/differential/mutate.ts';
import { REQUEST_CORPUS, REQUEST_FIELDS, REQUEST_LINES } from '../../support/differential/request-corpus.ts';
import { haproxyReader, nodeReader, pythonReader } from '../../support/differential/request-readers.ts';

const INPUTS = 20_000;
const SEED = Number(process.env['SIDEROUTE_DIFFERENTIAL_SEED'] ?? 20_261);
/** Shown of those that there are. */
const SHOWN = 3;

t.setTimeout(900_000);

t.test(
  'SAFETY 34-45, 49-61, 99, 100, 105-107: of 20,000 mutated requests three parsers read what was forwarded',
  async (t) => {
    const mutator = new Mutator(SEED, REQUEST_CORPUS, REQUEST_LINES, REQUEST_FIELDS);
    const inputs = Array.from({ length: INPUTS }, () => mutator.next());
    const capture = await Capture.start(t);
    await capture.run(inputs);

    const disagreements: Disagreement[] = compareWithEngine(capture, inputs);
    for (const reader of [nodeReader(t), pythonReader(), await haproxyReader(t)]) {
      const found = await compareRequests(reader, capture, inputs);
      t.equal(found.length, 0, `${reader.name} reads the same (seed ${SEED})`);
      disagreements.push(...found);
    }
    t.strictSame(disagreements.slice(0, SHOWN), [], `no disagreement (seed ${SEED})`);
    t.equal(disagreements.length, 0);

    // All that was whole has been answered, and something of every kind was there to disagree about.
    const requests = capture.streams.flatMap((stream) => stream.requests);
    const count = (what: (request: (typeof requests)[number]) => boolean): number => requests.filter(what).length;
    t.equal(capture.relayed, requests.length, 'one answer for each');
    t.ok(requests.length > INPUTS / 2, `${requests.length} requests reached the backend`);
    t.ok(capture.refused > INPUTS / 10, `${capture.refused} were refused`);
    t.ok(count(({ framing }) => framing === 'chunked') > INPUTS / 20, 'in chunks');
    t.ok(count(({ framing }) => framing.startsWith('length')) > INPUTS / 20, 'with a length');
    t.ok(count(({ method }) => method === 'CONNECT') > INPUTS / 100, 'CONNECT');
    t.ok(capture.streams.filter(({ rest }) => rest !== '').length > INPUTS / 100, 'bodies that were cut short');
    t.ok(
      capture.streams.filter((stream) => stream.inputs.size > 1).length > INPUTS / 100,
      'several callers on one connection',
    );
  },
);

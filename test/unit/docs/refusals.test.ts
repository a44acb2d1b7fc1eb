/** docs/refusals.md has a row for every reason for which the parsers refuse a message, and says what becomes of it. */
import t from 'tap';

import { REQUEST_REASONS } from '../../../src/errors.ts';
import { HTTP2_FLOODS } from '../../../src/addon/http2-counters.ts';
import { PROXY_SETTINGS } from '../../../src/config/settings.ts';
import { read, sections } from './markdown.ts';

/** `HeadReason` of C++ to the word of src/errors.ts. */
function wordOf(name: string): string {
  return name.replaceAll(/(?<!^)[A-Z]/g, '_$&').toLowerCase();
}

/** Fault and the reason of a request, in the order of the table in C++. */
const FAULTS = [
  ...read('native/src/http1/error.cc').matchAll(/\{Error::k\w+, HeadReason::k(\w+), "([a-z0-9-]+)"\}/g),
].map(([, reason, fault]) => ({ fault: fault!, reason: wordOf(reason!) }));

const PAGE = read('docs/refusals.md');

function rows(heading: string): string[][] {
  const section = sections(PAGE, 2).find((each) => each.heading === heading)!;
  return section.text
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| Fault') && !line.startsWith('| What'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

t.test('the table of faults is that of the parsers, with their reasons', async (t) => {
  t.ok(FAULTS.length > 25, `${FAULTS.length} faults in the source`);
  const documented = rows('By fault').map(([fault, , reason]) => ({
    fault: fault!.replaceAll('`', ''),
    reason: /^`(\w+)`/.exec(reason!)?.[1],
  }));
  t.strictSame(
    documented,
    FAULTS.filter(({ fault }) => fault !== 'none'),
  );
});

t.test('each row says whether that is legal, and if it is, what can be done', async (t) => {
  for (const [fault, what, , legal, remedy] of rows('By fault')) {
    t.ok(what !== '' && legal !== '', fault!);
    t.ok(remedy !== '' || /^no\b/.test(legal!), `${fault!}: something can be done, or nothing and why`);
    if (remedy!.startsWith('nothing')) t.match(remedy, /^nothing: ./, `${fault!}: why`);
  }
  const others = rows('Other refusals of legal traffic');
  t.not(others.length, 0);
  for (const [what, reason, remedy] of others) {
    t.ok(reason !== '' && remedy !== '', what!);
  }
});

t.test('reasons on the page are reasons, and the flags exist', async (t) => {
  const reasons = new Set<string>(Object.keys(REQUEST_REASONS));
  for (const [, , cell] of rows('By fault')) {
    for (const [, reason] of cell!.matchAll(/`(\w+)`/g)) t.ok(reasons.has(reason!), reason!);
  }
  const flags = new Set(PROXY_SETTINGS.map(({ flag }) => flag.split(' ')[0]!));
  const named = [...PAGE.matchAll(/`(--[a-z-]+)`/g)].map(([, flag]) => flag!);
  t.ok(named.length >= 2, 'flags are named');
  for (const flag of named) t.ok(flags.has(flag), flag);
});

t.test('the limits on the page are those of the code', async (t) => {
  const number = (file: string, pattern: RegExp): number => {
    const found = pattern.exec(read(file));
    if (found === null) throw new Error(`${file} has no ${pattern.source}`);
    return found.slice(1).reduce((product, factor) => product * Number(factor.replaceAll("'", '')), 1);
  };
  const types = 'native/src/http/types.h';
  const body = 'native/src/http1/body.h';
  const engine = 'native/src/http/engine_types.h';
  const KIB = 1024;
  for (const [shown, actual] of [
    ['more than 8 KiB', number(types, /max_request_line = (\d+) \* (\d+);/) / KIB],
    ['a head of more than 64 KiB', number(types, /max_head_bytes = (\d+) \* (\d+);/) / KIB],
    ['trailers of more than 16 KiB', number(body, /max_trailer_bytes = (\d+) \* (\d+);/) / KIB],
    ['of one chunk more than 4 KiB', number(body, /max_line_extension_bytes = (\d+) \* (\d+);/) / KIB],
    ['of all more than 16 KiB', number(body, /max_extension_bytes = (\d+) \* (\d+);/) / KIB],
    ['more than 200 fields', number(engine, /kMaxHeaderFields = (\d+);/)],
    ['more than 64 trailers', number('native/src/http1/body_reader.h', /kMaxTrailers = (\d+);/)],
    ['more than 32 names in Connection', number('native/src/http1/framing.cc', /kMaxNamedFields = (\d+);/)],
    ['more than 16 interim responses', number(engine, /max_interim_responses = (\d+);/)],
    ['takes more than 60 s', number(engine, /header_timeout_ms = ([\d']+);/) / 1000],
    ['a body of more than 64 KiB', number(engine, /max_replay_bytes = (\d+) \* (\d+);/) / KIB],
    [
      'more of a body than 256 KiB',
      number('native/src/exchange/exchange_end.cc', /kMaxDiscarded = (\d+) \* (\d+);/) / KIB,
    ],
  ] as const) {
    t.ok(PAGE.includes(shown), `«${shown}» is on the page`);
    t.equal(Number(/\d+/.exec(shown)![0]), actual, shown);
  }
});

t.test(
  'what a connection of HTTP/2 is ended for has its word in the page, in the addon and in the metrics',
  async (t) => {
    const section = sections(PAGE, 2).find((each) => each.heading === 'Connections of HTTP/2')!;
    const told = [...section.text.matchAll(/`flood-([a-z-]+)`/g)].map(([, kind]) => kind!.replaceAll('-', '_'));
    const inAddon = [...read('native/src/http/http2_counters.h').matchAll(/"flood-([a-z-]+)"/g)].map(([, kind]) =>
      kind!.replaceAll('-', '_'),
    );
    t.strictSame(inAddon, [...HTTP2_FLOODS]);
    t.strictSame(told, inAddon);
    const runbook = sections(read('docs/runbook.md'), 3).find((each) => each.heading === '`http2_flood`')!;
    for (const kind of HTTP2_FLOODS) t.match(runbook.text, `\`${kind}\``, kind);
    for (const [, fault] of read('native/src/http2/connection.cc').matchAll(/"([a-z]+-?[a-z]+)",?\s/g)) {
      if (fault !== 'no-error' && fault !== 'internal-error') t.match(section.text, `| \`${fault!}\` |`, fault!);
    }
  },
);

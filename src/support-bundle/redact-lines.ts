/**
 * Redacts secrets that span several lines: a private key, of which a log may contain only the last lines; a block of YAML or a list of JSON below a
 * sensitive name; a continued line.
 *
 * Stage before: `collection.ts`. Stage after: `redact-text.ts` or `redact-value.ts`, for each line.
 */
import { count, LEFT_OUT, NAME_IN_TEXT, type Tally } from './sensitive.ts';

/** The time before each line of a log. Some container runtimes use an offset from UTC. */
const STAMP = /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) /;
/** A sensitive name, followed only by the beginning of a block. */
const HEAD = new RegExp(String.raw`^[\s-]*["']?(?:${NAME_IN_TEXT})["']?\s*:\s*(?:[|>][-+\d]{0,2}|[[{])?\s*$`, 'i');
const DATA_OF_SECRET = /^\s*["']?(?:data|stringData)["']?\s*:\s*\{?\s*$/;
const KIND_SECRET = /\bkind["']?\s*:\s*["']?Secret\b/;
const BEGIN = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----\s*$/;
const END = /^\s*-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/;
/** A line within a private key: base64, a field of its head, or an empty line. */
const IN_KEY = /^\s*(?:[A-Za-z0-9+/=]{0,100}|(?:Proc-Type|DEK-Info|Version|Comment): .*)\s*$/;
/** More than the largest keys in use. */
const MAX_KEY_LINES = 400;

/** `redactLine` gets each line without the time before it. */
export function redactLines(text: string, tally: Tally, redactLine: (line: string) => string): string {
  const lines = text.split('\n').map((line) => {
    const [stamp = ''] = STAMP.exec(line) ?? [];
    const ending = line.endsWith('\r') ? '\r' : '';
    return { stamp, rest: line.slice(stamp.length, line.length - ending.length), ending };
  });
  const inKey = linesOfKeys(lines.map(({ rest }) => rest));
  const hasSecret = KIND_SECRET.test(text);
  /** Indentation of the sensitive name whose block continues; null outside of such a block. */
  let indent: number | null = null;
  let isContinued = false;
  return lines
    .map(({ stamp, rest, ending }, index) => {
      const own = /^\s*/.exec(rest)![0];
      if (rest.trim() === '') return stamp + rest + ending;
      const leaveOut = (what: string): string => {
        count(tally, what);
        return `${stamp}${own}${LEFT_OUT}${ending}`;
      };
      if (inKey.has(index)) return leaveOut('line of a private key');
      if (indent !== null && own.length > indent) return leaveOut('block of a sensitive name');
      indent = HEAD.test(rest) || (hasSecret && DATA_OF_SECRET.test(rest)) ? own.length : null;
      if (indent !== null) return stamp + rest + ending;
      // The rest of a value that was left out in the previous line.
      const continued = isContinued ? /^\s*[^\s"']+/.exec(rest)?.[0] : undefined;
      if (continued !== undefined) count(tally, 'continuation of a line');
      const redacted = redactLine(continued === undefined ? rest : rest.slice(continued.length));
      isContinued = rest.endsWith('\\') && /\[left out\]\\+$/.test(redacted);
      return stamp + (continued === undefined ? '' : LEFT_OUT) + redacted + ending;
    })
    .join('\n');
}

function linesOfKeys(lines: readonly string[]): ReadonlySet<number> {
  const found = new Set<number>();
  lines.forEach((line, index) => {
    const step = BEGIN.test(line) ? 1 : END.test(line) ? -1 : 0;
    if (step === 0) return;
    if (step === -1) found.add(index);
    for (let at = index + step; Math.abs(at - index) <= MAX_KEY_LINES; at += step) {
      const other = lines[at];
      if (other === undefined || found.has(at) || !IN_KEY.test(other)) break;
      found.add(at);
    }
  });
  return found;
}

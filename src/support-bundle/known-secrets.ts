/**
 * Values that were left out somewhere, which may stand elsewhere, too: what an environment variable holds is what an error in the log quotes.
 *
 * Stage before: `redact-value.ts` and `redact-text.ts`, which tell what they left out. Stage after: `collection.ts`, which looks for it in every file.
 */
import { count, isCommon, isEverywhere, isSensitiveName, LEFT_OUT, type Tally } from './sensitive.ts';

const MIN_CHARS = 6;
const MAX_CHARS = 4_096;
/** Fields of objects come first in worth: a log may have a value in each line. */
const MAX_VALUES = 1_000;
const MAX_FROM_TEXTS = 500;

interface Form {
  readonly text: string;
  /** What follows in the same alphabet belongs to it: more was encoded than this value. */
  readonly isPart: boolean;
}

/** Words, numbers, paths and host names are not looked for, unless their name is a sensitive one: they stand everywhere. */
export class KnownSecrets {
  readonly #values = new Set<string>();
  readonly #forms = new Map<string, Form>();
  #fromTexts = 0;

  add(value: string, name: string): void {
    const text = value.trim();
    if (text.length < MIN_CHARS || text.length > MAX_CHARS) return;
    if (this.#values.has(text) || this.#values.size - this.#fromTexts >= MAX_VALUES) return;
    if (!isSensitiveName(name) && isCommon(text)) return;
    if (isEverywhere(text) || text === LEFT_OUT) return;
    this.#values.add(text);
    const escaped = JSON.stringify(text).slice(1, -1);
    const [, inForm = ''] = /^x=([^]*)$/.exec(new URLSearchParams({ x: text }).toString()) ?? [];
    // In a string of JSON that is in another one.
    const nested = JSON.stringify(escaped).slice(1, -1);
    for (const form of [text, escaped, nested, encodeURIComponent(text), inForm]) this.#look(form, false);
    for (const form of inBase64(text)) this.#look(form, true);
    // YAML indents its lines, and a log has a time before each.
    for (const line of text.includes('\n') ? text.split('\n') : []) {
      // Of a manifest the values: `kind: HTTPRoute` stands everywhere, too.
      const part = line.replace(/^[-\s]*[\w./-]{1,100}:\s+/, '');
      if (!/^[A-Za-z]*$/.test(part)) this.add(part, name);
    }
    this.#addCredentials(text);
  }

  /** What a text showed as a secret, which may be a word of a sentence. */
  addFromText(value: string): void {
    const text = value.replaceAll(/^[\s\\"'`]+|[\s\\"'`.,;]+$/g, '');
    if (this.#fromTexts >= MAX_FROM_TEXTS || text.includes(LEFT_OUT)) return;
    this.#addCredentials(text);
    // Of a URL: user and password.
    const [, password = ''] = /^[\w.@-]{0,64}:([^]+)$/.exec(text) ?? [];
    if (password !== '') this.addFromText(decoded(password));
    // A word would be gone from every sentence.
    if (!/[^A-Za-z]/.test(text) || isCommon(text)) return;
    const before = this.#values.size;
    this.add(text, '');
    this.#fromTexts += this.#values.size - before;
  }

  /** `Bearer x` is known by its last word as well, `Basic x` also by the password that is in it. */
  #addCredentials(text: string): void {
    const [, scheme = '', credentials = ''] = /^([A-Za-z]+)\s+(\S+)$/.exec(text) ?? [];
    if (credentials.length < MIN_CHARS) return;
    this.#look(credentials, false);
    if (scheme.toLowerCase() !== 'basic') return;
    const [, password = ''] = /^[^:]*:([ -~]+)$/.exec(Buffer.from(credentials, 'base64').toString('latin1')) ?? [];
    this.add(password, '');
  }

  #look(form: string, isPart: boolean): void {
    if (form.length >= MIN_CHARS && !isEverywhere(form) && !this.#forms.has(form))
      this.#forms.set(form, { text: form, isPart });
  }

  /** Takes them out of a text, wherever they stand. One look at each character, whatever their number. */
  scrubber(): (text: string, tally: Tally) => string {
    if (this.#forms.size === 0) return (text) => text;
    const byStart = new Map<string, Form[]>();
    const starts = new Uint8Array(1 << 16);
    const longestFirst = [...this.#forms.values()].sort((a, b) => b.text.length - a.text.length);
    for (const form of longestFirst) {
      const start = form.text.slice(0, MIN_CHARS);
      starts[hashAt(form.text, 0)] = 1;
      byStart.set(start, [...(byStart.get(start) ?? []), form]);
    }
    return (text, tally) => {
      const pieces: string[] = [];
      let from = 0;
      for (let at = 0; at + MIN_CHARS <= text.length; at++) {
        if (starts[hashAt(text, at)] === 0) continue;
        const form = byStart.get(text.slice(at, at + MIN_CHARS))?.find((each) => text.startsWith(each.text, at));
        if (form === undefined) continue;
        pieces.push(text.slice(from, at), LEFT_OUT);
        count(tally, 'value that was left out elsewhere');
        from = at + form.text.length;
        if (form.isPart) while (/[\w+/=-]/.test(text.charAt(from))) from++;
        at = from - 1;
      }
      pieces.push(text.slice(from));
      return pieces.join('');
    };
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function hashAt(text: string, at: number): number {
  return (
    (((text.charCodeAt(at) * 31 + text.charCodeAt(at + 1)) * 31 + text.charCodeAt(at + 2)) * 31 +
      text.charCodeAt(at + 3)) &
    0xffff
  );
}

/** By itself, and as what stands in the middle of something longer, such as `user:password`: three bytes become four characters, so there are three. */
function inBase64(text: string): string[] {
  const bytes = Buffer.from(text);
  return [0, 1, 2].flatMap((offset) => {
    const whole = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    // The characters at both ends depend on the neighbours.
    const first = offset === 0 ? 0 : offset + 1;
    const last = (offset + bytes.length) % 3 === 0 ? whole.length : whole.length - 1;
    const part = whole.slice(first, last);
    return [part, part.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

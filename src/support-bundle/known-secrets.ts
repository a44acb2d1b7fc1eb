/**
 * Values that were left out in one place and may occur in another: an error in the log may quote the value of an environment variable.
 *
 * Stage before: `redact-value.ts` and `redact-text.ts`, which report what they left out. Stage after: `collection.ts`, which removes it from every file.
 */
import { count, isCommon, isEverywhere, isSensitiveName, LEFT_OUT, type Tally } from './sensitive.ts';

const MIN_CHARS = 6;
const MAX_CHARS = 4_096;
/** Values from texts have a smaller limit, because a log may have one in each line; fields of objects are more important. */
const MAX_VALUES = 1_000;
const MAX_FROM_TEXTS = 500;

interface Form {
  readonly text: string;
  /** The encoded text may continue in the same alphabet, because more than this value was encoded. */
  readonly isPart: boolean;
}

/** Words, numbers, paths and host names occur everywhere, so they are removed only if their name is sensitive. */
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
    // For JSON in a string of other JSON.
    const nested = JSON.stringify(escaped).slice(1, -1);
    for (const form of [text, escaped, nested, encodeURIComponent(text), inForm]) this.#look(form, false);
    for (const form of inBase64(text)) this.#look(form, true);
    // Line by line, because YAML indents lines, and a log has a time before each.
    for (const line of text.includes('\n') ? text.split('\n') : []) {
      // Only the values of a manifest, because `kind: HTTPRoute` occurs everywhere.
      const part = line.replace(/^[-\s]*[\w./-]{1,100}:\s+/, '');
      if (!/^[A-Za-z]*$/.test(part)) this.add(part, name);
    }
    this.#addCredentials(text);
  }

  /** Adds a value that a text shows as a secret. It may be an ordinary word of a sentence. */
  addFromText(value: string): void {
    const text = value.replaceAll(/^[\s\\"'`]+|[\s\\"'`.,;]+$/g, '');
    if (this.#fromTexts >= MAX_FROM_TEXTS || text.includes(LEFT_OUT)) return;
    this.#addCredentials(text);
    // User and password of a URL.
    const [, password = ''] = /^[\w.@-]{0,64}:([^]+)$/.exec(text) ?? [];
    if (password !== '') this.addFromText(decoded(password));
    // An ordinary word would be removed from every sentence.
    if (!/[^A-Za-z]/.test(text) || isCommon(text)) return;
    const before = this.#values.size;
    this.add(text, '');
    this.#fromTexts += this.#values.size - before;
  }

  /** Of `Bearer x`, the last word is added as well; of `Basic x`, also the password in it. */
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

  /** Returns a function that removes all values from a text. It looks at each character once, whatever the number of values. */
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

/** The value in base64, alone and inside a longer text such as `user:password`. Three bytes become four characters, so there are three forms. */
function inBase64(text: string): string[] {
  const bytes = Buffer.from(text);
  return [0, 1, 2].flatMap((offset) => {
    const whole = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    // The characters at both ends depend on the neighbouring bytes.
    const first = offset === 0 ? 0 : offset + 1;
    const last = (offset + bytes.length) % 3 === 0 ? whole.length : whole.length - 1;
    const part = whole.slice(first, last);
    return [part, part.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

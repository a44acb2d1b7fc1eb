/**
 * What a proxy has to know of header fields by name: which of them concern one connection only (RFC 9110 section 7.6.1),
 * and which tokens and lists are well-formed.
 */

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const CONTENT_LENGTH = /^[0-9]{1,16}$/;
// reg-name or IPv4 address, or IP literal, with an optional port (RFC 9110 section 7.2); no userinfo, no list.
const HOST = /^(?:[A-Za-z0-9\-._~!$&'()*+;=%]*|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?$/;

const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'transfer-encoding', 'upgrade']);
/** Fields without which a message means something else: a Connection field must not remove them. */
const NOT_REMOVABLE = new Set(['content-length', 'host', 'transfer-encoding']);

export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** `name` in lower case. Fields that Connection names come on top, see `connectionOptions`. */
export function isHopByHop(name: string): boolean {
  return HOP_BY_HOP.has(name);
}

/** Null unless the value is a plain decimal number that JavaScript holds exactly. */
export function parseContentLength(value: string): number | null {
  if (!CONTENT_LENGTH.test(value)) return null;
  const length = Number(value);
  return Number.isSafeInteger(length) ? length : null;
}

/** An empty value is valid. */
export function isHostValue(value: string): boolean {
  const match = HOST.exec(value);
  return match !== null && (match[1] === undefined || Number(match[1]) <= 65_535);
}

/** Options of one or more Connection fields joined with commas, in lower case. */
export function connectionOptions(value: string): string[] {
  const options: string[] = [];
  for (const part of value.split(',')) {
    const option = part.trim().toLowerCase();
    if (option !== '') options.push(option);
  }
  return options;
}

/** Whether the options would take away a field that frames or routes the message. */
export function removesEssentialField(options: readonly string[]): boolean {
  return options.some((option) => NOT_REMOVABLE.has(option));
}

/**
 * Reads a continuous answer of a sidecar line by line.
 *
 * Stage before: `tap`. Stage after: the private endpoint, in the same pod or through the API server. It sends at least
 * a keep-alive line every few seconds.
 */
import { request, type IncomingMessage } from 'node:http';
import { ProxyError } from '../errors.ts';
import { failing, NO_ENDPOINT, WHAT_NEXT, type AdminTarget } from './admin-client.ts';

/** After this time without any line, the sidecar is considered gone. */
const SILENCE_MS = 30_000;
/** Maximum length of a line, and of an error answer. */
const MAX_LINE_CHARS = 1024 * 1024;
const MAX_REASON_CHARS = 500;

/**
 * Passes on the lines of each received piece, and continues when they have been processed. Ends with the answer or with
 * `signal`.
 *
 * @throws ProxyError `invalid-setting` for status 400, `admin-unreachable` for all other failures
 */
export async function streamLines(
  admin: AdminTarget,
  path: string,
  signal: AbortSignal,
  take: (lines: readonly string[]) => void | Promise<void>,
): Promise<void> {
  const fail = failing(admin, path);
  const socket = 'pod' in admin ? await admin.connect() : null;
  const silence = new AbortController();
  let hasBegun = false;
  const timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const response = await begin(admin, path, socket, AbortSignal.any([signal, silence.signal]));
    hasBegun = true;
    response.setEncoding('utf8');
    const whole = response.statusCode === 200 ? null : ([] as string[]);
    let rest = '';
    for await (const piece of response as AsyncIterable<string>) {
      timer.refresh();
      const lines = (rest + piece).split('\n');
      rest = lines.pop()!;
      if (rest.length > MAX_LINE_CHARS) throw new Error(`a line of more than ${MAX_LINE_CHARS} characters`);
      if (whole === null) await take(lines);
      else if (whole.length < MAX_LINE_CHARS) whole.push(...lines);
      // The time in which the lines are processed does not count.
      timer.refresh();
    }
    if (whole === null) return;
    const text = [...whole, rest].join('\n').trim();
    if (response.statusCode === 400) throw new ProxyError('invalid-setting', text);
    if (response.statusCode === 404) throw fail(NO_ENDPOINT);
    throw fail(`answered ${response.statusCode}: ${text.slice(0, MAX_REASON_CHARS)}`);
  } catch (error) {
    if (signal.aborted) return;
    // Errors of the API server get their own wording.
    if (error instanceof ProxyError || (error as Error).name === 'KubeError') throw error;
    if (silence.signal.aborted) throw fail(`nothing has come for ${SILENCE_MS / 1_000} s`, error);
    const { message } = error as Error;
    throw fail(hasBegun || 'pod' in admin ? message : `${message}; ${WHAT_NEXT}`, error);
  } finally {
    clearTimeout(timer);
    socket?.destroy();
  }
}

function begin(
  admin: AdminTarget,
  path: string,
  socket: Awaited<ReturnType<Extract<AdminTarget, { pod: string }>['connect']>> | null,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  // The endpoint only accepts a loopback address as Host.
  const host = 'pod' in admin ? '127.0.0.1' : admin.address;
  const through = socket === null ? { agent: false as const } : { createConnection: () => socket };
  const headers = { 'User-Agent': 'sideroute', Connection: 'close' };
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...through, host, port: admin.port, path, headers, signal }, resolve);
    outgoing.on('error', reject);
    outgoing.end();
  });
}

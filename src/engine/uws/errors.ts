/** What an error of undici means for a request of the `uws` engine. */
import type { RequestReason } from '../../errors.ts';

export const LENGTH_MISMATCH = 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH';
const PROTOCOL_ERRORS = new Set(['UND_ERR_HEADERS_OVERFLOW', LENGTH_MISMATCH]);
const LOCAL_LIMITS = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM', 'EAGAIN']);

/** `connected`: the request was, or was about to be, written to a connection. */
export function reasonOf(error: Error, connected: boolean): RequestReason {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (code === 'UND_ERR_INVALID_ARG') return 'bad_request';
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') return 'internal';
  if (!connected) {
    if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') return 'connect_timeout';
    return LOCAL_LIMITS.has(code) ? 'overflow' : 'connect_failure';
  }
  if (error.name === 'HTTPParserError' || PROTOCOL_ERRORS.has(code)) return 'upstream_protocol';
  // What undici says to an unexpected 100, 101 or bytes nobody asked for.
  if (code === 'UND_ERR_SOCKET' && error.message.startsWith('bad ')) return 'upstream_protocol';
  return 'upstream_reset';
}

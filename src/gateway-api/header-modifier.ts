/**
 * Settings of RequestHeaderModifier and ResponseHeaderModifier. Used by `filters.ts`.
 */
import type { Fields } from './fields.ts';
import { HeaderNames } from './header-names.ts';
import { headerName, headerValue, hostValue, MAX_ITEMS, quote } from './limits.ts';
import type { HeaderModifier, HttpHeader } from './types.ts';

type Action = keyof HeaderModifier;

/**
 * Headers for message framing or for a single connection. The API does not exclude them. But if a route could change
 * them, the next server might read the request differently (request smuggling).
 */
const RESERVED_HEADERS = new Set([
  'connection',
  'content-length',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * Each name may have only one action. Host may only be set in a request, which rewrites the hostname: servers reject a
 * request with two Host fields or none.
 */
export function readHeaderModifier(payload: Fields, of: 'request' | 'response'): HeaderModifier {
  payload.only(['set', 'add', 'remove']);
  const { report } = payload;
  const isHost = (name: string): boolean => of === 'request' && name.toLowerCase() === 'host';
  const actionOf = new Map<string, Action>();

  /** True when `action` applies to the name. `names`: the names of its list. */
  const claim = (name: string, action: Action, names: HeaderNames, path: string, offset: number): boolean => {
    const key = name.toLowerCase();
    if (RESERVED_HEADERS.has(key)) {
      report.error('reserved-header', path, offset, `must not be ${quote(name)}: the proxy manages that header`);
    }
    if (isHost(name) && action !== 'set') {
      const message = `must not be ${quote(name)}: a request has exactly one Host; set it, or use URLRewrite`;
      report.error('reserved-header', path, offset, message);
    }
    const earlier = actionOf.get(key) ?? action;
    actionOf.set(key, earlier);
    if (earlier === action) return names.add(name, report, path, offset);
    const message = `${quote(name)} is subject to both ${earlier} and ${action}; only one is allowed`;
    report.error('duplicate-action', path, offset, message);
    return false;
  };

  const readHeaders = (action: 'set' | 'add'): HttpHeader[] => {
    const names = new HeaderNames();
    return payload.list(action, MAX_ITEMS.headerActions).flatMap((item) => {
      item.only(['name', 'value']);
      const name = item.requiredString('name', headerName);
      const value = item.requiredString('value', name !== null && isHost(name) ? hostValue : headerValue);
      if (name === null || !claim(name, action, names, item.pathOf('name'), item.offset) || value === null) return [];
      return [{ name, value }];
    });
  };
  const set = readHeaders('set');
  const add = readHeaders('add');
  const removed = new HeaderNames();
  const remove = payload
    .textList('remove', MAX_ITEMS.headerActions, headerName)
    .filter(({ value, path, offset }) => claim(value, 'remove', removed, path, offset))
    .map(({ value }) => value.toLowerCase());
  return { set, add, remove };
}

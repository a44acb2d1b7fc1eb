/**
 * Settings of RequestHeaderModifier and ResponseHeaderModifier. Used by `filters.ts`.
 */
import type { Fields } from './fields.ts';
import { HeaderNames } from './header-names.ts';
import { headerName, headerValue, hostValue, MAX_ITEMS, quote } from './limits.ts';
import type { HeaderModifier, HttpHeader } from './types.ts';

type Action = keyof HeaderModifier;

/**
 * Headers that frame a message or belong to one connection. The API does not exclude them; a proxy that let a route change
 * them would send requests that the next server reads differently.
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
 * One action per name. Host may be set in a request, which is a rewrite of the host name: a second Host, or none,
 * no server accepts.
 */
export function readHeaderModifier(payload: Fields, of: 'request' | 'response'): HeaderModifier {
  payload.only(['set', 'add', 'remove']);
  const { report } = payload;
  const isHost = (name: string): boolean => of === 'request' && name.toLowerCase() === 'host';
  const actionOf = new Map<string, Action>();

  /** Whether `action` is to be done for the name. `names`: those of the list it stands in. */
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

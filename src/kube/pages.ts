/**
 * Lists that an API server gives page by page, for commands that read a cluster once. `reflector.ts` keeps lists current instead.
 *
 * Stage before: `client.ts`. Stage after: `cluster-check/`, `support-bundle/` and `sideroute diff`.
 */
import { ProxyError } from '../errors.ts';
import { listOf, objectOf, textOf, type Json } from './json.ts';

/** A server whose list does not end must not be asked forever. */
const MAX_PAGES = 1_000;

export interface PageQuery {
  readonly limit: number;
  readonly continue: string | undefined;
}

export interface Page {
  /** With `kind` and `apiVersion`, which the items of a list do not have. */
  readonly items: readonly Json[];
  /** More pages follow. */
  readonly more: boolean;
}

/** `ask` requests one page. @throws ProxyError `cluster` when the list does not end, and whatever `ask` throws */
export async function* pagesOf(
  path: string,
  limit: number,
  ask: (query: PageQuery) => Promise<Json>,
): AsyncGenerator<Page> {
  let next: string | undefined;
  for (let number = 0; number < MAX_PAGES; number++) {
    const page = await ask({ limit, continue: next });
    const what = { apiVersion: page['apiVersion'], kind: (textOf(page, 'kind') ?? '').replace(/List$/, '') };
    next = textOf(objectOf(page, 'metadata'), 'continue') || undefined;
    yield { items: listOf(page, 'items').map((item) => ({ ...what, ...item })), more: next !== undefined };
    if (next === undefined) return;
  }
  throw new ProxyError('cluster', `${path}: the list does not end after ${MAX_PAGES} pages`);
}

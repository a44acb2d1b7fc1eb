/**
 * The files of the admin page, read once, and the headers with which a browser receives them.
 *
 * Stage before: src/page/, bundled to dist/page/ by scripts/admin-page.mjs. Stage after: `private-admin.ts`. Names in
 * routes, headers and paths come from the authors of routes. Should one of them ever become markup in the page, the
 * content security policy prevents it from running.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';

import { ProxyError } from '../errors.ts';
import { packageRoot } from '../package-root.ts';
import type { Answer } from './endpoint.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml; charset=utf-8',
};

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const PAGE_FIELDS: readonly string[] = [
  ...['Content-Security-Policy', POLICY],
  ...['Referrer-Policy', 'no-referrer'],
  ...['Cross-Origin-Opener-Policy', 'same-origin'],
  ...['Cross-Origin-Resource-Policy', 'same-origin'],
  // Another version of sideroute may later answer on the same forwarded port.
  ...['Cache-Control', 'no-store'],
];

export interface PageFiles {
  readonly index: Answer;
  /** By path, such as `/page/main.js`. */
  readonly assets: ReadonlyMap<string, Answer>;
}

/** @throws ProxyError `page-missing` when the page is not built */
export function readPageFiles(): PageFiles {
  const directory = new URL('dist/page/', packageRoot());
  const assets = new Map<string, Answer>();
  let index: Answer | undefined;
  try {
    for (const name of readdirSync(directory).sort()) {
      const contentType = TYPES[extname(name)];
      if (contentType === undefined) continue;
      const answer = { contentType, fields: PAGE_FIELDS, body: readFileSync(new URL(name, directory), 'utf8') };
      if (name === 'index.html') index = answer;
      else assets.set(`/page/${name}`, answer);
    }
  } catch (cause) {
    throw missing(cause);
  }
  if (index === undefined) throw missing(undefined);
  return { index, assets };
}

function missing(cause: unknown): ProxyError {
  return new ProxyError('page-missing', 'the admin page is not built (dist/page): run "npm run build"', { cause });
}

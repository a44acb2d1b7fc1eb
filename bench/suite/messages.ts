/** The messages of a cell, in the format that the load generator reads. */
import { writeFileSync } from 'node:fs';
import { sizePath } from '../peers/backends.ts';
import { prefixOf } from '../peers/peer.ts';
import { SETTINGS, type Cell } from './cells.ts';

/** Number of paths in use: every tenth path of all. */
const PATHS_IN_USE = 1_000;

/** What a browser sends beside Host, to a site with a session and a tracing front end. */
const BROWSER: readonly string[] = [
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-GB,en;q=0.9,de-DE;q=0.8,de;q=0.7',
  'Cache-Control: max-age=0',
  'Cookie: session=3f9c1e2a7b6d4508a1f0c9e8d7b6a5f4; theme=dark; consent=analytics%3D0%26ads%3D0; last=%2Fcart%2F8812',
  'DNT: 1',
  'If-Modified-Since: Tue, 03 Mar 2026 09:14:07 GMT',
  'If-None-Match: "5f3a-61b2c9d0e8f40"',
  'Origin: https://shop.example',
  'Pragma: no-cache',
  'Priority: u=0, i',
  'Referer: https://shop.example/catalogue/garden?page=3&sort=price',
  'Sec-CH-UA: "Chromium";v="131", "Not_A Brand";v="24"',
  'Sec-CH-UA-Mobile: ?0',
  'Sec-CH-UA-Platform: "Linux"',
  'Sec-Fetch-Dest: document',
  'Sec-Fetch-Mode: navigate',
  'Sec-Fetch-Site: same-origin',
  'Sec-Fetch-User: ?1',
  'Upgrade-Insecure-Requests: 1',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36',
  'X-Client-Version: 2026.3.1',
  'X-Forwarded-For: 198.51.100.23',
  'X-Forwarded-Proto: https',
  'X-Request-ID: 0af76519-16cd-43dd-8448-eb211c80319c',
  'X-Requested-With: XMLHttpRequest',
  'Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  'Tracestate: vendor=00f067aa0ba902b7',
];

function paths(cell: Cell): string[] {
  const { rules } = SETTINGS[cell.setting].setting;
  if (rules === 1) return [cell.down === undefined ? '/' : sizePath(cell.down)];
  return Array.from({ length: PATHS_IN_USE }, (_, index) => `${prefixOf(index * Math.floor(rules / PATHS_IN_USE))}/x`);
}

function request(cell: Cell, path: string, version: string): string {
  const fields = [
    'Host: web.bench',
    `Version: ${version}`,
    ...BROWSER.slice(0, Math.max(0, (cell.fields ?? 0) - 2)),
    ...(cell.isClosing ? ['Connection: close'] : []),
    ...(cell.up === undefined ? [] : [`Content-Length: ${cell.up}`]),
  ];
  const head = `${cell.up === undefined ? 'GET' : 'POST'} ${path} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`;
  return head + 'x'.repeat(cell.up ?? 0);
}

/** Messages are sent in turn, to one backend and then the other. */
export function writeMessages(file: string, cell: Cell): void {
  const { atOnce = 1 } = cell;
  const versions = SETTINGS[cell.setting].setting.rules === 1 ? ['old', 'new'] : ['old'];
  const messages = paths(cell).flatMap((path) =>
    versions.map((version) => request(cell, path, version).repeat(atOnce)),
  );
  writeFileSync(file, messages.map((text) => `${atOnce} ${Buffer.byteLength(text)}\n${text}`).join(''));
}

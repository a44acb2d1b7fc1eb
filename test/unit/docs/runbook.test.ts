/** docs/runbook.md has an entry for everything that can go wrong, and none for what cannot. */
import { readdirSync } from 'node:fs';
import t from 'tap';
import { CONNECTION_REASONS, MIRROR_RESULTS, REQUEST_REASONS, RETRY_DENIALS } from '../../../src/errors.ts';
import { PROBLEM_CODES } from '../../../src/gateway-api/problem-codes.ts';
import { packageRoot } from '../../../src/package-root.ts';
import { anchors, read, sections } from './markdown.ts';

const chapters = new Map(sections(read('docs/runbook.md'), 2).map(({ heading, text }) => [heading, text]));

/** Entries of a chapter by their headings, without backquotes. */
function entries(chapter: string): Map<string, string> {
  const list = sections(chapters.get(chapter)!, 3).map(({ heading, text }) => [heading.replaceAll('`', ''), text]);
  return new Map(list as [string, string][]);
}

/** First cells of the rows of a table whose cells of that column are code. */
function cells(chapter: string, column: number): string[] {
  const rows = chapters.get(chapter)!.matchAll(/^\| (.*) \|$/gm);
  return [...rows].flatMap(([, row]) => /^`([^`]+)`$/.exec(row!.split(' | ')[column] ?? '')?.[1] ?? []);
}

function codesIn(folder: string, pattern: RegExp): string[] {
  const names = readdirSync(new URL(folder, packageRoot())).filter((name) => name.endsWith('.ts'));
  return names.flatMap((name) => [...read(`${folder}${name}`).matchAll(pattern)].map(([, found]) => found!));
}

function sorted(words: Iterable<string>): string[] {
  return [...new Set(words)].sort();
}

t.test('every reason has an entry with metric, causes, where to look and what to do', async (t) => {
  const reasons = entries('Reasons');
  const all = [...Object.keys(REQUEST_REASONS), ...CONNECTION_REASONS, ...MIRROR_RESULTS, ...RETRY_DENIALS];
  t.same(sorted(reasons.keys()), sorted(all));
  for (const [reason, text] of reasons) {
    for (const part of ['Metric', 'Causes', 'Look', 'Do']) t.match(text, `- **${part}:** `, `${reason}: ${part}`);
  }
});

t.test('the entry of a reason for a reply says its status', async (t) => {
  for (const [reason, { status }] of Object.entries(REQUEST_REASONS)) {
    t.match(entries('Reasons').get(reason), new RegExp(`\\b(?:[Ss]tatus|Code) ${status}\\b`), reason);
  }
});

t.test('the entry of a reason names the metric with its label', async (t) => {
  const reasons = entries('Reasons');
  const named = (word: string, metric: string) =>
    t.match(reasons.get(word), `${metric}="${word}"}`, `${word}: ${metric}`);
  for (const reason of CONNECTION_REASONS) named(reason, 'sideroute_passthrough_connections_total{reason');
  for (const result of MIRROR_RESULTS) named(result, 'sideroute_mirrored_requests_total{result');
  for (const reason of RETRY_DENIALS) named(reason, 'sideroute_retries_denied_total{reason');
  for (const reason of Object.keys(REQUEST_REASONS)) {
    const metric = /sideroute_(?:refused_)?requests_total\{(?:code="\d+",)?reason="(\w+)"\}/.exec(reasons.get(reason)!);
    t.equal(metric?.[1], reason, reason);
  }
});

t.test('every failure of the init container has an entry', async (t) => {
  const codes = codesIn('src/iptables/', /ProxyError\(\s*'(iptables-[a-z-]+)'/g);
  t.same(sorted(entries('Failures of the init container').keys()), sorted(codes));
});

t.test('every alert has an entry, and its annotation leads there', async (t) => {
  const rules = read('deploy/prometheus/alerts.yaml');
  const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name!);
  t.ok(alerts.length > 0);
  t.same(sorted(entries('Alerts').keys()), sorted(alerts));
  const links = [...rules.matchAll(/^ +runbook_url: (\S+)$/gm)].map(([, link]) => link!);
  t.same(
    links,
    alerts.map((name) => `https://sideroute.dev/docs/runbook.md#${name.toLowerCase()}`),
  );
  const there = anchors(read('docs/runbook.md'));
  for (const link of links) t.ok(there.has(new URL(link).hash.slice(1)), `${link} leads to a heading`);
  t.notMatch(rules, /^ +runbook:/m, 'a path is no link in a notification');
});

t.test('every code of a problem in a route file has a row, in the words of the code', async (t) => {
  const chapter = 'Problems in route files';
  const codes = [
    ...Object.keys(PROBLEM_CODES),
    ...['src/config/', 'src/cluster/', 'src/lint/', 'src/cli/'].flatMap((folder) => [
      ...codesIn(folder, /\bcode: '([a-z-]+)'/g),
      ...codesIn(folder, /\bwarn\(\s*progress,\s*\w+,\s*(?:`[^`]*`|'[^']*'|[\w.]+),\s*'([a-z-]+)'/g),
      ...codesIn(folder, /\bproblemOf\(\w+, \w+, '([a-z-]+)'/g),
      ...codesIn(folder, /ProxyError\('(directory-[a-z]+)'/g),
    ]),
  ];
  t.same(sorted(cells(chapter, 0)), sorted(codes));
  for (const [code, text] of Object.entries(PROBLEM_CODES)) t.match(chapters.get(chapter), `| \`${code}\` | ${text} |`);
});

t.test('every reason of a condition that is a fault has a row', async (t) => {
  const reasons = ['src/config/', 'src/cluster/']
    .flatMap((folder) => codesIn(folder, /\breason: '([A-Z]\w+)'/g))
    .filter((reason) => !['Accepted', 'ResolvedRefs', 'Invalid'].includes(reason));
  t.same(sorted(cells('Conditions of routes', 1)), sorted(reasons));
});

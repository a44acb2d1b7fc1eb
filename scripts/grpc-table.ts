/** Writes docs/grpc.md: the gRPC clients and servers between which the standard cases run, and what else is tested. */
import { readFileSync } from 'node:fs';

import { packageRoot } from '../src/package-root.ts';
import { casesOf, LANGUAGES, NOT_RUN, type Language } from '../test/support/grpc/cases.ts';
import { GeneratedDocument } from './generated-document.ts';
import { cell } from './test-titles.ts';

function read(path: string): string {
  return readFileSync(new URL(path, packageRoot()), 'utf8');
}

/** Name and version, as the tests build or install them. */
function nameOf(language: Language): string {
  const needed = read('scripts/needed.mjs');
  if (language === 'go') return `grpc-go ${/interop\/client', version: 'v([^']+)'/.exec(needed)![1]!}`;
  if (language === 'python') return `grpcio ${/'grpcio==([^']+)'/.exec(needed)![1]!}`;
  const { devDependencies } = JSON.parse(read('package.json')) as { devDependencies: Record<string, string> };
  return `@grpc/grpc-js ${devDependencies['@grpc/grpc-js']!}`;
}

const INTRODUCTION = `# gRPC: what it was tried with

[What a GRPCRoute can do](configuration.md#calls-of-grpc) and [what a call is told](grpc-status.md) where sideroute answers by itself stand elsewhere. This
is what was tried between the libraries that people use: the standard cases of gRPC's interoperability tests, from a pod whose connections are
redirected to a sidecar, each of them by a GRPCRoute, by an HTTPRoute, and to a Service without a route, which is tunnelled. They are part of
\`npm test\`; \`npm test -- test/e2e/grpc-interop.test.ts test/e2e/grpc-calls.test.ts\` runs them alone.

Where Go or pip is not there, that says so and leaves out the cases of their programs.

This file is written by \`scripts/grpc-table.ts\`.
`;

export const grpcDocument = new GeneratedDocument('docs/grpc.md', () => {
  const heads = LANGUAGES.map((server) => `to ${nameOf(server)}`).join(' | ');
  const rows = LANGUAGES.map((client) => {
    const cells = LANGUAGES.map((server) => `${casesOf(client, server).length} cases`).join(' | ');
    return `| ${nameOf(client)} | ${cells} |\n`;
  });
  const all = [...new Set(LANGUAGES.flatMap((client) => LANGUAGES.flatMap((server) => casesOf(client, server))))];
  const run = all.map((name) => {
    const pairs = LANGUAGES.flatMap((client) => LANGUAGES.map((server) => [client, server] as const));
    const without = pairs.filter(([client, server]) => !casesOf(client, server).includes(name));
    const where =
      without.length === 0 ? 'all' : `all but ${without.map(([from, to]) => `${from} to ${to}`).join(', ')}`;
    return `| \`${name}\` | ${where} |\n`;
  });
  const left = Object.entries(NOT_RUN).map(([name, why]) => `| \`${name}\` | ${cell(why)} |\n`);
  const titles = [...read('test/e2e/grpc-calls.test.ts').matchAll(/^ +await t\.test\('([^']+)'/gm)];
  return [
    INTRODUCTION,
    `## Clients and servers\n\n| From | ${heads} |\n|---|---|---|---|\n${rows.join('')}`,
    `## Cases\n\n| Case | Between |\n|---|---|\n${run.join('')}`,
    `## Standard cases that are not run\n\n| Case | It |\n|---|---|\n${left.join('')}`,
    `## What else is tried, with ${nameOf('node')}\n\n${titles.map(([, title]) => `- ${title!}\n`).join('')}`,
  ].join('\n');
});

grpcDocument.writeIfMain(import.meta.url);

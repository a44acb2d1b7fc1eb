/** Who may import whom, types included. The folders of src/ are the stages a request passes; dependencies point one way. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const src = join(root, 'src');

/** Folder -> folders it may import. A folder within one is another one; files directly in src/ are named by themselves. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'errors.ts': ['grpc-status.ts'],
  'grpc-status.ts': [],
  'log.ts': [],
  'slices.ts': [],
  'on-demand.ts': [],
  'status-phrases.ts': [],
  'drain.ts': ['log.ts', 'gateway-api'],
  'package-root.ts': ['errors.ts'],
  'uws-library': ['errors.ts', 'package-root.ts'],
  'gateway-api': ['slices.ts', 'on-demand.ts', 'route-set'],
  /** What the C++ of native/ exports. */
  addon: ['errors.ts', 'package-root.ts'],
  /** Of route files. */
  regex: ['on-demand.ts', 'gateway-api'],
  config: ['errors.ts', 'log.ts', 'slices.ts', 'gateway-api', 'regex', 'addon', 'route-set'],
  routing: ['errors.ts', 'grpc-status.ts', 'slices.ts', 'on-demand.ts', 'gateway-api', 'regex', 'config'],
  cluster: ['errors.ts', 'log.ts', 'slices.ts', 'gateway-api', 'config', 'routing', 'addon'],
  /** The contract of engines, and what they share. */
  engine: ['errors.ts', 'grpc-status.ts', 'status-phrases.ts', 'addon', 'routing'],
  'engine/native': ['errors.ts', 'grpc-status.ts', 'addon', 'routing', 'engine'],
  'engine/uws': ['errors.ts', 'uws-library', 'gateway-api', 'addon', 'routing', 'engine', 'engine/native'],
  /** What is counted. */
  observe: [
    'errors.ts',
    'grpc-status.ts',
    'log.ts',
    'slices.ts',
    'gateway-api',
    'addon',
    'config',
    'routing',
    'engine',
  ],
  /** Spans to a collector. */
  traces: ['errors.ts', 'grpc-status.ts', 'log.ts'],
  /** What is served. */
  admin: [
    'drain.ts',
    'errors.ts',
    'grpc-status.ts',
    'log.ts',
    'package-root.ts',
    'status-phrases.ts',
    'uws-library',
    'gateway-api',
    'addon',
    'config',
    'routing',
    'engine/native',
    'observe',
    'page',
  ],
  /** Code for browsers. */
  page: [],
  iptables: ['errors.ts', 'addon'],
  inject: ['errors.ts', 'log.ts', 'gateway-api', 'addon', 'config', 'iptables', 'route-set'],
  export: ['errors.ts', 'slices.ts', 'on-demand.ts', 'gateway-api', 'config'],
  /** Rules of other meshes to routes. */
  convert: ['slices.ts', 'gateway-api', 'regex', 'config', 'routing'],
  webhook: ['log.ts', 'inject', 'kube'],
  'route-set': [],
  kube: ['errors.ts', 'log.ts', 'slices.ts', 'gateway-api'],
  controller: [
    'log.ts',
    'slices.ts',
    'signals.ts',
    'package-root.ts',
    'gateway-api',
    'addon',
    'config',
    'cluster',
    'inject',
    'webhook',
    'export',
    'route-set',
    'kube',
    'observe',
    'admin',
  ],
  /** What routes say that nobody can mean, for who writes them. */
  lint: ['grpc-status.ts', 'gateway-api', 'regex', 'config'],
  /** What is wrong in a cluster, judged by the code that runs in it. */
  'cluster-check': [
    'gateway-api',
    'config',
    'routing',
    'iptables',
    'inject',
    'webhook',
    'route-set',
    'kube',
    'controller',
    'lint',
  ],
  /** What routes would change, by the code of the sidecar and in the words of its endpoint. */
  'config-diff': ['gateway-api', 'config', 'routing', 'export', 'kube', 'admin'],
  /** What a report of a bug needs, without secrets. */
  'support-bundle': ['inject', 'export', 'kube', 'controller', 'cluster-check'],
  /** The composition of the sidecar. */
  proxy: [
    'drain.ts',
    'signals.ts',
    'errors.ts',
    'log.ts',
    'slices.ts',
    'package-root.ts',
    'gateway-api',
    'addon',
    'config',
    'routing',
    'cluster',
    'engine',
    'engine/native',
    'engine/uws',
    'observe',
    'traces',
    'admin',
  ],
  cli: [
    'errors.ts',
    'log.ts',
    'gateway-api',
    'addon',
    'config',
    'routing',
    'iptables',
    'inject',
    'export',
    'convert',
    'controller',
    'route-set',
    'lint',
    'cluster-check',
    'support-bundle',
    'config-diff',
    'proxy',
    // A command that goes on until Ctrl-C.
    'signals.ts',
    // Commands on the pods of a cluster.
    'kube',
    'package-root.ts',
  ],
  'program.ts': ['addon', 'package-root.ts', 'cli', 'command-line.ts'],
  'command-line.ts': ['package-root.ts', 'cli'],
  'signals.ts': [],
  /** A program of its own, for kubectl. */
  'kubectl-complete.ts': ['program.ts', 'cli'],
  'main.ts': ['signals.ts', 'program.ts', 'command-line.ts', 'cli'],
};

/** Package -> the only files that may import it. */
const SOLE_IMPORTERS: Readonly<Record<string, readonly string[]>> = {
  'find-my-way': ['routing/path-index.ts'],
  re2js: ['regex/regex.ts'],
  'prom-client': ['observe/exposition.ts', 'controller/metrics.ts'],
  'uWebSockets.js': ['uws-library/library.ts'],
  yaml: ['gateway-api/yaml-library.ts', 'inject/manifest.ts', 'export/yaml-text.ts'],
  ws: ['kube/port-forward.ts'],
  diff: ['config-diff/diff-text.ts'],
  'tar-stream': ['support-bundle/archive.ts'],
  '@opentelemetry/otlp-transformer': ['traces/otlp.ts'],
};

/** Room of native/src -> rooms whose headers it may include. In the order of the list: none includes one that comes after it. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  net: [],
  http: ['net'],
  log: ['net', 'http'],
  upstream: ['net', 'http'],
  http1: ['net', 'http', 'log', 'upstream'],
  http2: ['net', 'http', 'log', 'upstream', 'http1'],
  exchange: ['net', 'http', 'log', 'upstream'],
  engine: ['net', 'http', 'log', 'http1', 'http2', 'upstream', 'exchange'],
  accept: ['net', 'http', 'log', 'http1'],
  binding: ['net', 'http', 'log', 'http1', 'http2', 'upstream', 'exchange', 'engine', 'accept'],
};

interface Import {
  readonly file: string;
  readonly target: string;
  readonly typeOnly: boolean;
}

function sources(directory: string, extension = /\.ts$/): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? sources(path, extension) : extension.test(entry.name) ? [path] : [];
  });
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|\b(?:import|load)\('([^']+)'\)/g;

const imports: Import[] = sources(src).flatMap((path) =>
  [...readFileSync(path, 'utf8').matchAll(IMPORT)].map((match) => ({
    file: relative(src, path),
    target: match[2] ?? match[3]!,
    typeOnly: match[1] !== undefined,
  })),
);

/** The innermost folder that the table has, or the file. */
function stage(file: string): string {
  const [folder, inner] = file.split('/');
  const room = `${folder!}/${inner!}`;
  return room in ALLOWED ? room : folder!;
}

/** Imports of files of src/. */
const ours = imports
  .filter(({ target }) => target.startsWith('.'))
  .map(({ file, target }) => ({ file, imported: relative(src, resolve(src, dirname(file), target)) }));

t.test('every import between stages points the way of the design', (t) => {
  t.not(ours.length, 0);
  for (const { file, imported } of ours) {
    if (stage(imported) === stage(file)) continue;
    t.ok(ALLOWED[stage(file)]?.includes(stage(imported)), `${file} may import ${imported}`);
  }
  t.end();
});

t.test('code for browsers is known to the process by its types alone', (t) => {
  const importers = imports.filter(
    ({ file, target }) => stage(file) !== 'page' && target.startsWith('.') && target.includes('/page/'),
  );
  t.not(importers.length, 0);
  t.same(
    importers.filter(({ typeOnly }) => !typeOnly),
    [],
  );
  t.end();
});

t.test('each third-party package has its one place', (t) => {
  for (const [name, allowed] of Object.entries(SOLE_IMPORTERS)) {
    const importers = imports.filter((entry) => entry.target === name).map((entry) => entry.file);
    t.not(importers.length, 0, `${name} is used`);
    t.same(
      [...new Set(importers)].filter((file) => !allowed.includes(file)),
      [],
      `${name} is imported only where it belongs`,
    );
  }
  t.end();
});

/** The first circle that is found from each node, as text. */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  function visit(node: string, path: readonly string[]): string | null {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node].join(' -> ');
    if (done.has(node)) return null;
    for (const next of graph.get(node) ?? []) {
      const circle = visit(next, [...path, node]);
      if (circle !== null) return circle;
    }
    done.add(node);
    return null;
  }
  return [...graph.keys()].map((node) => visit(node, [])).filter((circle) => circle !== null);
}

t.test('no file takes part in an import circle, not even by its types', (t) => {
  const graph = new Map<string, string[]>();
  for (const { file, imported } of ours) graph.set(file, [...(graph.get(file) ?? []), imported]);
  t.same(circles(graph), []);
  t.end();
});

t.test('no folder does: the directions themselves are no circle', (t) => {
  t.same(circles(new Map(Object.entries(ALLOWED))), []);
  t.end();
});

t.test('every direction that is allowed is taken', (t) => {
  const taken = new Set(ours.map(({ file, imported }) => `${stage(file)} -> ${stage(imported)}`));
  const allowed = Object.entries(ALLOWED).flatMap(([from, all]) => all.map((to) => `${from} -> ${to}`));
  t.same(
    allowed.filter((direction) => !taken.has(direction)),
    [],
  );
  t.end();
});

t.test('the files that CONTRIBUTING.md names for a change are there, under six for each', (t) => {
  const [, section = ''] = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8').split('### Where a change goes');
  const changes = section.split(/^## /m)[0]!.split(/^\*\*/m).slice(1);
  t.equal(changes.length, 3);
  for (const change of changes) {
    const title = change.split('**')[0]!;
    const lines = change.split('\n').filter((line) => line.startsWith('- '));
    t.ok(lines.length > 0 && lines.length < 6, `${title}: ${lines.length} files`);
    const named = lines.flatMap((line) => [.../^- `([^`]+)`/g.exec(line)!].slice(1));
    t.equal(named.length, lines.length);
    for (const name of named.filter((each) => !each.includes('NAME'))) t.ok(existsSync(join(root, name)), name);
  }
  t.end();
});

/** Files below these folders that have every one of the words, or what C++ makes of it: `kNoRoute` of `no_route`. */
function filesWithAll(words: readonly string[], folders: readonly string[]): string[] {
  const forms = words.map((word) => {
    const camel = word.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
    return new RegExp(`\\b(?:${word}|k${camel})\\b`);
  });
  return folders
    .flatMap((folder) => sources(join(root, folder), /\.(?:ts|mjs|h|cc)$/))
    .filter((path) => {
      const text = readFileSync(path, 'utf8');
      return forms.every((form) => form.test(text));
    })
    .map((path) => relative(root, path))
    .sort();
}

const CODE = ['src', 'native/src', 'native/test', 'native/fuzz', 'test', 'scripts'];

t.test('who adds a reason or a filter has the places that CONTRIBUTING.md names, and no other table', (t) => {
  const header = readFileSync(join(root, 'native/src/http/engine_types.h'), 'utf8');
  const [, names = ''] = /kReasonNames = [^{]*\{([^}]*)\}/.exec(header)!;
  const reasons = [...names.matchAll(/"(\w+)"/g)].map(([, name]) => name!);
  t.ok(reasons.length > 10, `${reasons.length} reasons`);
  t.same(filesWithAll(reasons, CODE), ['native/src/http/engine_types.h', 'src/errors.ts']);
  const shapes = readFileSync(join(root, 'src/gateway-api/rule-types.ts'), 'utf8');
  const [, union = ''] = /^export type HttpRouteFilter =\n((?: .*\n)*)/m.exec(shapes)!;
  const filters = [...union.matchAll(/readonly type: '(\w+)'/g)].map(([, type]) => type!);
  t.ok(filters.length > 5, `${filters.length} filters`);
  t.same(
    filesWithAll(filters, ['src']),
    ['filters.ts', 'rule-types.ts'].map((file) => `src/gateway-api/${file}`).concat('src/routing/filters/compose.ts'),
  );
  t.end();
});

t.test('no file is longer than 400 lines', (t) => {
  const files = sources(src);
  t.not(files.length, 0);
  for (const path of files) {
    const lines = readFileSync(path, 'utf8').split('\n').length;
    t.ok(lines <= 401, `${relative(root, path)} has ${lines} lines`);
  }
  t.end();
});

const native = join(root, 'native/src');
const includes = sources(native, /\.(?:h|cc)$/).flatMap((path) =>
  [...readFileSync(path, 'utf8').matchAll(/^#include "([^"]+)"$/gm)].map((match) => ({
    file: relative(native, path),
    target: match[1]!,
  })),
);

t.test('every include between rooms of the addon points the way of the design', (t) => {
  const rooms = Object.keys(ROOMS);
  for (const [room, allowed] of Object.entries(ROOMS)) {
    t.same(
      allowed.filter((other) => !rooms.slice(0, rooms.indexOf(room)).includes(other)),
      [],
      `${room} includes only from rooms before it`,
    );
  }
  t.not(includes.length, 0);
  for (const { file, target } of includes) {
    if (stage(target) === stage(file)) continue;
    t.ok(ROOMS[stage(file)]?.includes(stage(target)), `${file} may include ${target}`);
  }
  t.end();
});

t.test('an exchange knows streams, not what carries them', (t) => {
  const files = sources(join(native, 'exchange'), /\.(?:h|cc)$/);
  t.not(files.length, 0);
  for (const path of files) {
    const text = readFileSync(path, 'utf8');
    t.notMatch(
      text,
      /#include (?:<sys\/|<netinet\/|"net\/(?:socket|stream_socket|reactor|unique_fd)\.h")/,
      relative(native, path),
    );
    t.notMatch(text, /\bhttp1::/, relative(native, path));
  }
  t.end();
});

/** What a file includes, and what that includes, and so on: each with the way to it. */
function reach(file: string): ReadonlyMap<string, string> {
  const ways = new Map([[file, file]]);
  for (const [from, way] of ways) {
    for (const { target } of includes.filter((each) => each.file === from)) {
      if (!ways.has(target)) ways.set(target, `${way} -> ${target}`);
    }
  }
  return ways;
}

t.test('nor does an exchange, or what lends it streams, reach sockets or a protocol through what it includes', (t) => {
  const connections =
    /^(?:http1\/|net\/(?:arrival|connection|listener|own_dials|reactor|socket|stream_socket|unique_fd)\.h$)/;
  const files = sources(native, /\.(?:h|cc)$/).map((path) => relative(native, path));
  const streams = files.filter((file) => /^(?:exchange\/|upstream\/[a-z_]+\.h$|http\/[a-z_]+\.h$)/.test(file));
  t.not(streams.length, 0);
  for (const file of streams) {
    t.same(
      [...reach(file)].filter(([target]) => connections.test(target)).map(([, way]) => way),
      [],
      file,
    );
  }
  // The search finds what is there: HTTP/1's connections do reach them.
  t.ok([...reach('http1/upstream.h').keys()].includes('net/reactor.h'));
  t.end();
});

t.test('Node-API is known to the binding alone', (t) => {
  const files = sources(native, /\.(?:h|cc)$/).filter((path) =>
    readFileSync(path, 'utf8').includes('#include <node_api.h>'),
  );
  t.not(files.length, 0);
  t.same(
    files.map((path) => relative(native, path)).filter((file) => stage(file) !== 'binding'),
    [],
  );
  t.end();
});

/** Where numbers of docs/ are what a line is about: the programs that write those documents, and their tests. */
const NUMBERED = [
  /^scripts\/(?:conformance|fault|safety|spec|threats?)\b[\w-]*\.ts$/,
  /^scripts\/test-titles\.ts$/,
  /^test\/unit\/scripts\//,
];

/** By the numbers of rules and cases in front of titles docs/spec-rules.md and docs/safety-cases.md find the tests that show them. */
function withoutTitle(file: string, line: string): string {
  const prefixes = file.startsWith('test/integration/safety/')
    ? 'SPEC|SAFETY'
    : file.startsWith('test/')
      ? 'SPEC'
      : null;
  return prefixes === null ? line : line.replace(new RegExp(`(['"\`])(?:${prefixes}) [A-Z0-9, -]+: `), '$1');
}

/** A document by its name, or in a comment the number of a row, a case or a rule of one. */
function cites(line: string): boolean {
  if (/\b(?:SPEC|SAFETY|OPS|DESIGN|STYLE|ENVIRONMENT)\b(?! =|\})/.test(line)) return true;
  const comment = /(?:\/\/|^\s*\/?\*|^\s*#)(.*)/.exec(line)?.[1] ?? '';
  return /\b(?!V8\b)[A-Z]\d{1,2}\b|\b(?:[Rr]ows?|[Cc]ases?|[Ii]tems?) \d/.test(comment);
}

t.test('a line that cites a document that is not here is told from one that does not', (t) => {
  for (const line of [
    '// SPEC A1',
    'f();  // SAFETY 64',
    '/** M7: repeated fields are joined. */',
    ' * Defaults: OPS section 4.',
    '// Rows 49, 55: a size has digits.',
    '  // R1).',
    "t.test('OPS 3.13: an idle connection is closed', () => {});",
  ]) {
    t.ok(cites(line), line);
  }
  for (const line of [
    '// RFC 9110 section 8.6: a 204 has neither.',
    '// The pages of its heap are the affair of V8.',
    '    case 2:',
    "const V1 = '10.96.0.11';",
    "t.equal(web.ask('/V1/x'), NO_ROUTE);",
  ]) {
    t.notOk(cites(line), line);
  }
  t.end();
});

t.test('comments and titles give the reason itself, not the number of one in some document', (t) => {
  const code = /\.(?:ts|mjs|js|cc|h|py|sh|go)$|Dockerfile$|Makefile$/;
  const files = ['src', 'native/src', 'native/test', 'native/fuzz', 'test', 'scripts', 'bench', 'init-container']
    .flatMap((folder) => sources(join(root, folder), code))
    .map((path) => relative(root, path))
    .filter((file) => file !== 'test/architecture.test.ts' && !NUMBERED.some((place) => place.test(file)));
  t.not(files.length, 0);
  const cited = files.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .map((line, index) => ({ line, place: `${file}:${index + 1} ${line.trim()}` }))
      .filter(({ line }) => cites(withoutTitle(file, line)))
      .map(({ place }) => place),
  );
  t.same(cited, []);
  t.end();
});

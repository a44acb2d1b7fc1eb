/**
 * Draws what each panel of the dashboard shows, and writes docs/dashboard.md around the drawings:
 *
 *     node dist/scripts/draw-dashboard.js [DIRECTORY]
 *
 * The data are docs/dashboard/recording.json, answers of a real Prometheus that scraped a real sidecar; `prometheus.test.ts` records it anew.
 * From the same recording and dashboard the same files come out.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../src/package-root.ts';
import { draw, type Panel, type Recording } from './dashboard-panels.ts';

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(new URL(path, packageRoot()), 'utf8'));
}

/** For example `duration-by-backend-median.svg`. */
function fileOf({ title }: Panel): string {
  const words = title.toLowerCase().match(/[a-z0-9]+/g)!;
  return `${words.join('-')}.svg`;
}

function documentOf(panels: readonly Panel[], { seconds }: Recording): string {
  const parts = panels.map((panel) => {
    if (panel.type === 'row') return `## ${panel.title}\n`;
    return `### ${panel.title}\n\n${panel.description}\n\n![${panel.title}](dashboard/${fileOf(panel)})\n`;
  });
  return `# The dashboard

[deploy/grafana/sideroute.json](../deploy/grafana/sideroute.json) is a dashboard for Grafana; [install.md](install.md#monitoring) says how it gets
there. It asks a Prometheus that scrapes the sidecars, and shows all of them, or those of the namespaces, pods and called Services that are chosen at
its top.

The pictures are drawn from the answers of a Prometheus to the very queries of the panels; Grafana looks otherwise, and shows the same. They are
${seconds / 60} minutes of one sidecar on a busy machine, with mistakes in its routes and its load: from 0:50 on 10 % of the requests to \`my-server\` go to \`my-server-v2\`, from
1:40 on half of them, from 2:30 on none as before; from 3:20 to 4:10 a route file has a filter that nobody knows. One Service has no endpoints, one
backend no address, some requests are malformed.

${parts.join('\n')}
## Drawn anew

\`node dist/scripts/draw-dashboard.js\` writes this page and its pictures, after \`npm run build\`; from the same answers the same pictures. The answers are
[recording.json](dashboard/recording.json), which a test writes while it has a sidecar, its traffic and a Prometheus:
\`SIDEROUTE_RECORDING=1 npm test -- test/e2e/prometheus.test.ts\`. A panel whose query is another one needs that, too.
`;
}

/** All generated files, by their path relative to docs/. */
async function drawn(): Promise<ReadonlyMap<string, string>> {
  const { panels } = readJson('deploy/grafana/sideroute.json') as { readonly panels: readonly Panel[] };
  const recording = readJson('docs/dashboard/recording.json') as Recording;
  const files = new Map([['dashboard.md', documentOf(panels, recording)]]);
  for (const panel of panels) {
    if (panel.type !== 'row') files.set(`dashboard/${fileOf(panel)}`, await draw(panel, recording));
  }
  return files;
}

const target = process.argv[2] ?? fileURLToPath(new URL('docs', packageRoot()));
const folder = join(target, 'dashboard');
mkdirSync(folder, { recursive: true });
for (const name of readdirSync(folder).filter((file) => file.endsWith('.svg'))) rmSync(join(folder, name));
for (const [path, text] of await drawn()) writeFileSync(join(target, path), text);

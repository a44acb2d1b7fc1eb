/**
 * Records what the panels of the dashboard show: the answers of a Prometheus to every query, which
 * `scripts/draw-dashboard.ts` draws.
 *
 * Stage before: `prometheus.test.ts`, which has a sidecar with traffic and a Prometheus that scrapes it.
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { format } from 'prettier';
import type { ConfigMapMount } from './config-map-mount.ts';
import { chooseAll, panelQueries, substitute } from './grafana.ts';
import type { Prometheus } from './prometheus.ts';

const SECONDS = 300;
const STEP_SECONDS = 10;
/** The scrape interval used in queries; it makes rates over 20 seconds, which hide the effects of a busy machine. */
const SCRAPE_SECONDS = 5;
/** Enough for a small chart. */
const DIGITS = 4;

interface Answer {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

/**
 * A canary that grows and is rolled back, then a route file with an error that is fixed.
 *
 * @param files route files as they are; `canary` sets the weight of the new version
 */
export async function pose(
  mount: ConfigMapMount,
  files: Readonly<Record<string, string>>,
  canary: (weight: number) => Readonly<Record<string, string>>,
  fault: Readonly<Record<string, string>>,
): Promise<void> {
  const steps = [files, canary(10), canary(50), files, { ...files, ...fault }, files];
  for (const step of steps) {
    mount.write({ ...files, ...step });
    await delay((SECONDS * 1_000) / steps.length);
  }
}

/** Records the last five minutes. */
export async function writeRecording(path: string, prometheus: Prometheus): Promise<void> {
  const end = Math.floor(Date.now() / 1_000);
  const range = { start: String(end - SECONDS), end: String(end), step: String(STEP_SECONDS) };
  const queries = panelQueries().map(({ title, expr }) => {
    const expression = substitute(expr, chooseAll(), SCRAPE_SECONDS);
    const { result } = prometheus.get('query_range', { query: expression, ...range }) as { result: Answer[] };
    return { title, expr, series: result.map((answer) => seriesOf(answer, end - SECONDS)) };
  });
  const recording = { seconds: SECONDS, stepSeconds: STEP_SECONDS, queries };
  writeFileSync(path, await format(JSON.stringify(recording), { parser: 'json', printWidth: 140 }));
}

/** `values`: one per step; null if Prometheus has none. */
function seriesOf({ metric, values }: Answer, start: number): object {
  const { __name__: _, ...labels } = metric;
  const bySecond = new Map(values.map(([second, text]) => [second - start, Number(text)]));
  const steps = Array.from({ length: SECONDS / STEP_SECONDS + 1 }, (_, index) => bySecond.get(index * STEP_SECONDS));
  const rounded = steps.map((value) =>
    value === undefined || !Number.isFinite(value) ? null : Number(value.toPrecision(DIGITS)),
  );
  return { labels, values: rounded };
}

/** Queries the dashboard of deploy/ as Grafana does: variables in their order, then every query of every panel. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEPLOY } from './manifests.ts';
import type { Prometheus } from './prometheus.ts';

interface Variable {
  readonly name: string;
  readonly type: 'datasource' | 'query';
  readonly query: string | { readonly query: string };
  readonly allValue?: string;
}

export interface PanelQuery {
  readonly title: string;
  readonly expr: string;
  readonly instant: boolean;
}

interface Dashboard {
  readonly templating: { readonly list: readonly Variable[] };
  readonly panels: readonly {
    readonly title: string;
    readonly targets?: readonly { readonly expr: string; readonly instant: boolean }[];
  }[];
}

/** The value of each variable, as inserted into queries. */
export type Choice = ReadonlyMap<string, string>;

const dashboard = JSON.parse(readFileSync(join(DEPLOY, 'grafana', 'sideroute.json'), 'utf8')) as Dashboard;

export function panelQueries(): PanelQuery[] {
  return dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, instant }) => ({ title, expr, instant })),
  );
}

export function chooseAll(): Choice {
  return new Map(variables().map(({ name, allValue }) => [name, allValue ?? '']));
}

/** Every value that Prometheus offers for a variable, joined as Grafana joins several. */
export function chooseEach(prometheus: Prometheus): Choice {
  const choice = new Map<string, string>();
  for (const { name, query } of variables()) {
    const text = typeof query === 'string' ? query : query.query;
    const [, metric, label] = /^label_values\((.*), (\w+)\)$/.exec(text) ?? [];
    if (metric === undefined) throw new Error(`variable ${name}: ${text}`);
    const values = prometheus.get(`label/${label!}/values`, { 'match[]': substitute(metric, choice, 0) }) as string[];
    choice.set(name, values.length === 1 ? values[0]! : `(${values.join('|')})`);
  }
  return choice;
}

/** `scrapeSeconds`: the scrape interval; Grafana computes rates over at least four of them. */
export function substitute(expression: string, choice: Choice, scrapeSeconds: number): string {
  const text = expression.replaceAll('$__rate_interval', `${4 * scrapeSeconds}s`);
  return text.replaceAll(/\$(\w+)/g, (variable, name: string) => {
    const value = choice.get(name);
    if (value === undefined) throw new Error(`${variable} in ${expression}`);
    return value;
  });
}

function variables(): readonly Variable[] {
  return dashboard.templating.list.filter(({ type }) => type === 'query');
}

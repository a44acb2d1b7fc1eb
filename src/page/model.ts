/**
 * The configuration as the page shows it: frontends with their rules, found by words, and what counts them.
 *
 * Stage before: `/config`. Stage after: the views. Pure, without a browser.
 */
import type { Config, ConfigBackend, ConfigCondition, ConfigFrontend, ConfigRule, SeriesLabels } from './answers.ts';
import { filterText, matchText, targetKey } from './format.ts';

export interface FoundFrontend {
  readonly frontend: ConfigFrontend;
  /** Those that the words fit, in order of precedence; all when the frontend itself fits. */
  readonly rules: readonly ConfigRule[];
}

export interface ConfigFault {
  /** `HTTPRoute shop/web`. */
  readonly route: string;
  readonly parent: string;
  readonly condition: ConfigCondition;
  /** `routes.yaml:12`. */
  readonly place: string;
}

/** Texts to search in, made when they are first needed: 10,000 rules take a while. */
export class ConfigSearch {
  readonly #config: Config;
  #texts: readonly { own: string; rules: readonly string[] }[] | null = null;

  constructor(config: Config) {
    this.#config = config;
  }

  /** `query`: words, each of which has to occur. */
  find(query: string): FoundFrontend[] {
    const { frontends } = this.#config;
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length === 0) return frontends.map((frontend) => ({ frontend, rules: frontend.rules }));
    this.#texts ??= frontends.map((frontend) => ({
      own: [frontend.key, frontend.mode, ...frontend.addresses].join(' ').toLowerCase(),
      rules: frontend.rules.map((rule) => ruleText(rule)),
    }));
    const found: FoundFrontend[] = [];
    for (const [index, frontend] of frontends.entries()) {
      const { own, rules: texts } = this.#texts[index]!;
      const missing = words.filter((word) => !own.includes(word));
      const rules =
        missing.length === 0
          ? frontend.rules
          : frontend.rules.filter((_, rule) => missing.every((word) => texts[rule]!.includes(word)));
      if (missing.length === 0 || rules.length > 0) found.push({ frontend, rules });
    }
    return found;
  }
}

function ruleText(rule: ConfigRule): string {
  return [
    ...[rule.kind, rule.route, rule.name ?? ''],
    ...rule.matches.map((match) => matchText(match)),
    ...rule.filters.map((filter) => filterText(filter)),
    ...rule.backends.flatMap((backend) => [targetKey(backend), ...backend.addresses]),
  ]
    .join(' ')
    .toLowerCase();
}

/** Labels of the series that counts what a rule sends to a backend; `null`: what it answers by itself. */
export function labelsOf(
  frontend: ConfigFrontend,
  rule: ConfigRule,
  backend: Pick<ConfigBackend, 'namespace' | 'name' | 'port'> | null,
): Omit<SeriesLabels, 'id'> {
  const slash = rule.route.indexOf('/');
  return {
    parentNamespace: frontend.namespace,
    parentName: frontend.name,
    parentPort: frontend.port,
    routeNamespace: rule.route.slice(0, slash),
    routeName: rule.route.slice(slash + 1),
    rule: rule.name ?? String(rule.rule),
    backendNamespace: backend?.namespace ?? '',
    backendName: backend?.name ?? '',
    backendPort: backend?.port ?? 0,
  };
}

/** PartiallyInvalid speaks of a fault when it is True, the other types when they are not. */
export function isFault({ type, status }: ConfigCondition): boolean {
  return type === 'PartiallyInvalid' ? status === 'True' : status !== 'True';
}

export function faultsOf(config: Config): ConfigFault[] {
  return config.routes.flatMap(({ kind, namespace, name, source, parents }) =>
    parents.flatMap(({ parent, conditions }) =>
      conditions.filter(isFault).map((condition) => ({
        route: `${kind} ${namespace}/${name}`,
        parent,
        condition,
        place: `${source.file}${source.line === null ? '' : `:${source.line}`}`,
      })),
    ),
  );
}

/** Where the route files of the tests are, and the regular expression check the product uses. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseRouteFile, type ParseOptions } from '../../../src/gateway-api/parse.ts';
import type { HttpRoute, ParsedFile, Problem } from '../../../src/gateway-api/types.ts';
import { validateRegex } from '../../../src/regex/regex.ts';

export { validateRegex };

/** The compiled tests lie one level deeper (dist/) than their sources. */
export const FIXTURES = fileURLToPath(new URL('../../../../test/fixtures/', import.meta.url));

export interface RouteFile {
  readonly name: string;
  readonly text: string;
}

/** The route files of a fixture directory, decoded as the product decodes them. */
export function routeFiles(directory: string): RouteFile[] {
  const path = join(FIXTURES, directory);
  return readdirSync(path)
    .filter((name) => /\.(?:yaml|json)$/.test(name))
    .map((name) => ({ name, text: readFileSync(join(path, name), 'utf8') }));
}

export function parse(text: string, options: ParseOptions = { validateRegex }): ParsedFile {
  return parseRouteFile('routes.yaml', text, options);
}

/** `code path` of each problem. */
export function summary(problems: readonly Problem[]): string[] {
  return problems.map(({ code, path }) => `${code} ${path}`.trim());
}

/** An HTTPRoute document around the YAML of its spec; `spec` is indented by two. */
export function routeText(spec: string): string {
  const head =
    'apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata:\n  name: route\n  namespace: shop\nspec:\n';
  return `${head}  parentRefs: [{ group: "", kind: Service, name: cart }]\n${spec}`;
}

/** As `routeText`, with one rule given in flow style. */
export function ruleText(rule: string): string {
  return routeText(`  rules: [${rule}]\n`);
}

/** The one HTTPRoute in a text that must have no problem at all. */
export function onlyRoute(text: string): HttpRoute {
  const { resources, problems } = parse(text);
  const [route] = resources;
  if (problems.length > 0 || resources.length !== 1 || route?.kind !== 'HTTPRoute') {
    throw new Error(`not exactly one good HTTPRoute: ${JSON.stringify({ problems, resources })}`);
  }
  return route;
}

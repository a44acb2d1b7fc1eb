/** The roles that docs/cluster-commands.md has for people who use the commands, as objects of the API. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { packageRoot } from '../../src/package-root.ts';

export interface DocumentedRole {
  readonly kind: 'Role' | 'ClusterRole';
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly rules: readonly { readonly resources: readonly string[] }[];
}

export type RoleName = 'sideroute-commands' | 'sideroute-diff' | 'sideroute-bundle';

export function documentedRole(name: RoleName): DocumentedRole {
  const document = readFileSync(new URL('docs/cluster-commands.md', packageRoot()), 'utf8');
  const roles = [...document.matchAll(/```yaml\n([^]*?)```/g)].map(([, text]) => parse(text!) as DocumentedRole);
  return roles.find(({ metadata }) => metadata.name === name)!;
}

/** Without rules for some resources. */
export function withoutResources(
  rules: DocumentedRole['rules'],
  without: readonly string[],
): readonly { readonly resources: readonly string[] }[] {
  return rules
    .map((rule) => ({ ...rule, resources: rule.resources.filter((each) => !without.includes(each)) }))
    .filter(({ resources }) => resources.length > 0);
}

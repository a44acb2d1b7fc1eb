/**
 * Names of rules: DNS subdomains, unique in their route. Used by `route-rules.ts`.
 */
import { textOf, type Fields } from './fields.ts';
import { dnsSubdomain, quote } from './limits.ts';

export function readRuleName(rule: Fields): string | null {
  return rule.string('name', dnsSubdomain);
}

export function reportRepeatedRuleNames(rules: readonly Fields[]): void {
  const ruleOf = new Map<string, string>();
  for (const rule of rules) {
    const name = textOf(rule.tree('name'));
    if (name === null) continue;
    const first = ruleOf.get(name);
    if (first === undefined) ruleOf.set(name, rule.path);
    else rule.error('name', 'duplicate-name', `must be unique in the route, but ${first} has ${quote(name)} too`);
  }
}

/**
 * Parses the installed rules (`iptables-save` text), compares them with the wanted ones, and computes the document for
 * the transition. Pure; between `document.ts` (wanted rules) and `apply.ts`, `verify.ts`, `cleanup.ts` (which carry it
 * out).
 */
import { cidrText, parseCidr, type Family } from './cidr.ts';
import { CHAIN_PREFIX, JUMP_LINE, OUTPUT_CHAIN, REDIRECT_CHAIN, type RuleDocument } from './document.ts';

/** A rule of OUTPUT that jumps to one of our chains, and its index in OUTPUT, from 0. */
export interface Jump {
  readonly line: string;
  readonly index: number;
}

/** Our part of the nat table, with the lines as `iptables-save` printed them. */
export interface NatState {
  /** Rules in order, by chain name (all with our prefix). */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  readonly jumps: readonly Jump[];
  /** Rules outside OUTPUT and our chains that jump to our chains. */
  readonly references: readonly string[];
  /** Rules of OUTPUT that are not ours. */
  readonly foreignOutput: readonly string[];
}

/** `saved`: output of `iptables-save -t nat`, or of several tables, of which only nat is read. */
export function parseNatState(saved: string): NatState {
  const chains = new Map<string, string[]>();
  const jumps: Jump[] = [];
  const references: string[] = [];
  const foreignOutput: string[] = [];
  let table = '';
  let outputRules = 0;
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1).trim();
    if (table !== 'nat') continue;
    const declared = /^:(\S+) /.exec(line)?.[1];
    if (declared?.startsWith(CHAIN_PREFIX)) chains.set(declared, []);
    const chain = /^-A (\S+)/.exec(line)?.[1];
    if (chain === undefined) continue;
    // A comment may contain any text, even a target.
    const target = / -[jg] (\S+)/.exec(line.replaceAll(/"(?:\\.|[^"\\])*"/g, '""'))?.[1] ?? '';
    const ours = target.startsWith(CHAIN_PREFIX);
    if (chain.startsWith(CHAIN_PREFIX)) {
      chains.get(chain)?.push(canonicalLine(line));
    } else if (chain === 'OUTPUT') {
      if (ours) jumps.push({ line, index: outputRules });
      else foreignOutput.push(line);
      outputRules += 1;
    } else if (ours) {
      references.push(line);
    }
  }
  return { chains, jumps, references, foreignOutput };
}

/** True when any of our rules or chains exists. */
export function hasOurRules(state: NatState): boolean {
  return state.chains.size > 0 || state.jumps.length > 0 || state.references.length > 0;
}

/** Number of rules in all tables of `saved`, including those of others. */
export function countRules(saved: string): number {
  return saved.match(/^-A /gm)?.length ?? 0;
}

/**
 * The state that `document` requires, based on the existing state: a correct jump keeps its position, otherwise it
 * comes last.
 */
export function targetState(document: RuleDocument | null, current: NatState): NatState {
  const { foreignOutput } = current;
  if (document === null) return { chains: new Map(), jumps: [], references: [], foreignOutput };
  const inChain = (chain: string) =>
    document.rules.map((rule) => rule.line).filter((line) => line.startsWith(`-A ${chain} `));
  const right = current.jumps.length === 1 && current.jumps[0]!.line === JUMP_LINE;
  return {
    chains: new Map([OUTPUT_CHAIN, REDIRECT_CHAIN].map((chain) => [chain, inChain(chain)])),
    jumps: [right ? current.jumps[0]! : { line: JUMP_LINE, index: foreignOutput.length }],
    references: [],
    foreignOutput,
  };
}

/**
 * The document for `iptables-restore --noflush` that changes our part from `current` to `target` in one transaction;
 * null when nothing has to change. Rules of others stay in place.
 *
 * With `--noflush`, a declared chain is emptied and refilled. But a rule appended to OUTPUT would be added again each
 * time, and deleting an absent rule makes the document fail. So it deletes exactly what `current` contains.
 */
export function transition(current: NatState, target: NatState): string | null {
  const lines: string[] = [];
  const obsolete = [...current.chains.keys()].filter((chain) => !target.chains.has(chain));
  const sameChains =
    obsolete.length === 0 && [...target.chains].every(([chain, rules]) => sameLines(current.chains.get(chain), rules));
  const sameJumps = sameLines(current.jumps.map(jumpKey), target.jumps.map(jumpKey));
  if (!sameChains) for (const chain of target.chains.keys()) lines.push(`:${chain} - [0:0]`);
  for (const line of without(current.references, target.references)) lines.push(line.replace(/^-A/, '-D'));
  for (const line of without(target.references, current.references)) lines.push(line);
  if (!sameJumps) for (const { line } of current.jumps) lines.push(line.replace(/^-A/, '-D'));
  // All are emptied before one is deleted, because they may refer to each other.
  for (const chain of obsolete) lines.push(`-F ${chain}`);
  if (!sameChains) for (const rules of target.chains.values()) lines.push(...rules);
  for (const chain of obsolete) lines.push(`-X ${chain}`);
  if (!sameJumps) {
    target.jumps.forEach(({ line, index }, position) => {
      const last = index >= current.foreignOutput.length + position;
      lines.push(last ? line : line.replace(/^-A OUTPUT/, `-I OUTPUT ${index + 1}`));
    });
  }
  return lines.length === 0 ? null : `*nat\n${lines.join('\n')}\nCOMMIT\n`;
}

export type DriftKind =
  | 'missing-chain'
  | 'extra-chain'
  | 'missing-rule'
  | 'extra-rule'
  | 'rule-order'
  | 'missing-jump'
  | 'wrong-jump'
  | 'doubled-jump'
  | 'extra-jump'
  | 'other-backend'
  | 'unreadable';

export interface Drift {
  readonly family: Family;
  readonly kind: DriftKind;
  /** A sentence that names the chain or rule. */
  readonly message: string;
}

/** All differences between the installed rules and `document`; null means that there should be none of ours. */
export function findDrift(family: Family, current: NatState, document: RuleDocument | null): Drift[] {
  const drift: Drift[] = [];
  const report = (kind: DriftKind, message: string) => {
    drift.push({ family, kind, message });
  };
  const target = targetState(document, current);
  for (const [chain, expected] of target.chains) {
    const actual = current.chains.get(chain);
    if (actual === undefined) {
      report('missing-chain', `Chain ${chain} is missing.`);
      continue;
    }
    const missing = without(expected, actual);
    const extra = without(actual, expected);
    for (const line of missing) report('missing-rule', `Rule is missing: ${line}`);
    for (const line of extra) report('extra-rule', `Rule is not one of the settings': ${line}`);
    if (missing.length === 0 && extra.length === 0 && !sameLines(actual, expected)) {
      const at = expected.findIndex((line, index) => actual[index] !== line);
      report('rule-order', `Rules of ${chain} are out of order, from rule ${at + 1} on: ${actual[at]!}`);
    }
  }
  for (const chain of current.chains.keys()) {
    if (!target.chains.has(chain)) report('extra-chain', `Chain ${chain} should not exist.`);
  }
  const right = current.jumps.filter(({ line }) => line === JUMP_LINE).length;
  const wrong = current.jumps.filter(({ line }) => line !== JUMP_LINE);
  if (document === null) {
    for (const { line } of current.jumps) report('extra-jump', `Jump should not exist: ${line}`);
  } else {
    if (right === 0) report('missing-jump', `Jump is missing: ${JUMP_LINE}`);
    if (right > 1) report('doubled-jump', `Jump is there ${right} times: ${JUMP_LINE}`);
    for (const { line } of wrong) report('wrong-jump', `Jump is not the one of the settings: ${line}`);
  }
  for (const line of current.references) report('extra-jump', `Jump should not exist: ${line}`);
  return drift;
}

/** C libraries print some IPv6 addresses differently; documents use the canonical form. */
function canonicalLine(line: string): string {
  return line.replace(/ -d (\S+)/, (whole, text: string) => {
    const parsed = parseCidr(text);
    return parsed === null ? whole : ` -d ${cidrText(parsed.cidr)}`;
  });
}

function jumpKey(jump: Jump): string {
  return `${jump.index} ${jump.line}`;
}

function sameLines(a: readonly string[] | undefined, b: readonly string[]): boolean {
  return a?.length === b.length && a.every((line, index) => line === b[index]);
}

/** Multiset difference: each line in `some` removes one equal line of `all`. */
function without(all: readonly string[], some: readonly string[]): string[] {
  const left = [...some];
  return all.filter((line) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

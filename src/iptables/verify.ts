/**
 * Compares the installed rules with those the settings require. Changes nothing.
 */
import { IptablesBackend, backendsWithOurRules, type BackendName } from './backend.ts';
import type { Family } from './cidr.ts';
import { buildDocument } from './document.ts';
import { decideIpv6, type Ipv6Mode, type PodFacts } from './pod.ts';
import type { InterceptionSettings } from './settings.ts';
import { findDrift, type Drift } from './state.ts';
import type { System } from './system.ts';

export interface VerifyOptions {
  readonly settings: InterceptionSettings;
  readonly backend: BackendName | null;
  readonly ipv6: Ipv6Mode;
  readonly pod: PodFacts;
  readonly waitSeconds: number;
}

export interface VerifyResult {
  /** The compared backend; nft when neither has our rules. */
  readonly backend: BackendName;
  readonly families: readonly Family[];
  readonly ipv6Why: string;
  readonly drift: readonly Drift[];
}

/** @throws ProxyError `iptables-missing` or `iptables-command` when the rules cannot be read. */
export async function verifyRules(system: System, options: VerifyOptions): Promise<VerifyResult> {
  const ipv6 = await decideIpv6(system, options.ipv6, options.pod);
  const families: Family[] = ipv6.enabled ? ['v4', 'v6'] : ['v4'];
  const holders = await backendsWithOurRules(system, options.waitSeconds);
  const name = options.backend ?? holders[0]?.name ?? 'nft';
  const backend = new IptablesBackend(system, name, options.waitSeconds);
  const drift: Drift[] = [];
  for (const family of families) {
    drift.push(...findDrift(family, await backend.state(family), buildDocument(options.settings, family)));
  }
  for (const other of holders) {
    if (other.name === name) continue;
    for (const family of families) {
      if (findDrift(family, await other.state(family), null).length === 0) continue;
      drift.push({ family, kind: 'other-backend', message: `The ${other.name} backend holds rules of sideroute too.` });
    }
  }
  return { backend: name, families, ipv6Why: ipv6.why, drift };
}

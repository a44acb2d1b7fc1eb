/**
 * Removes all our rules and nothing else. For machines and tests: in a pod the rules end with the pod, and removing
 * them would interrupt captured connections.
 */
import { IptablesBackend, BACKENDS, type BackendName } from './backend.ts';
import { FAMILIES, type Family } from './cidr.ts';
import { hasOurRules, parseNatState, targetState, transition } from './state.ts';
import type { System } from './system.ts';

export interface CleanupOptions {
  /** Null: every backend with our rules. */
  readonly backend: BackendName | null;
  readonly waitSeconds: number;
  readonly dryRun: boolean;
}

export interface CleanupStep {
  readonly backend: BackendName;
  readonly family: Family;
  /** The document given to the restore program (with `dryRun`: that would be given). */
  readonly document: string;
}

/**
 * Returns the steps taken; none when there were no rules of ours. @throws ProxyError `iptables-missing` or
 * `iptables-command` when no backend can be read or a removal failed.
 */
export async function cleanUpRules(system: System, options: CleanupOptions): Promise<CleanupStep[]> {
  const release = await system.lock(options.waitSeconds * 1000);
  try {
    const steps: CleanupStep[] = [];
    const failures: Error[] = [];
    for (const name of options.backend === null ? BACKENDS : [options.backend]) {
      const backend = new IptablesBackend(system, name, options.waitSeconds);
      for (const family of FAMILIES) {
        try {
          // Without a table name the programs list existing tables; a name would create the table.
          if (!hasOurRules(parseNatState(await backend.save(family)))) continue;
        } catch (error) {
          // A backend or family that the kernel or image lacks has no rules. But at least one must be readable.
          failures.push(error as Error);
          continue;
        }
        const current = await backend.state(family);
        const document = transition(current, targetState(null, current))!;
        if (options.dryRun) await backend.test(family, document);
        else await backend.restore(family, document);
        steps.push({ backend: name, family, document });
      }
    }
    if (failures.length === (options.backend === null ? BACKENDS.length : 1) * FAMILIES.length) throw failures[0]!;
    return steps;
  } finally {
    release();
  }
}

/**
 * Takes every rule of ours out, and nothing else. For machines and tests; in a pod the rules go with the pod, and
 * taking them out would cut connections that were captured.
 */
import { IptablesBackend, BACKENDS, type BackendName } from './backend.ts';
import { FAMILIES, type Family } from './cidr.ts';
import { hasOurRules, parseNatState, targetState, transition } from './state.ts';
import type { System } from './system.ts';

export interface CleanupOptions {
  /** Null: every backend that holds rules of ours. */
  readonly backend: BackendName | null;
  readonly waitSeconds: number;
  readonly dryRun: boolean;
}

export interface CleanupStep {
  readonly backend: BackendName;
  readonly family: Family;
  /** What was (with `dryRun`: would be) given to the restore program. */
  readonly document: string;
}

/** The steps taken; none when there was nothing of ours. */
/** @throws ProxyError `iptables-missing` or `iptables-command` when no backend can be read, or a removal failed. */
export async function cleanUpRules(system: System, options: CleanupOptions): Promise<CleanupStep[]> {
  const release = await system.lock(options.waitSeconds * 1000);
  try {
    const steps: CleanupStep[] = [];
    const failures: Error[] = [];
    for (const name of options.backend === null ? BACKENDS : [options.backend]) {
      const backend = new IptablesBackend(system, name, options.waitSeconds);
      for (const family of FAMILIES) {
        try {
          // Naming no table, the programs list what is there; naming one would create it.
          if (!hasOurRules(parseNatState(await backend.save(family)))) continue;
        } catch (error) {
          // A backend or family that this kernel or image lacks holds nothing; but one must have been readable.
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

/**
 * Installs the rules: `document.ts` defines them, `backend.ts` has the commands. Each family is one transaction.
 * Repeated runs give the same result, which is verified afterwards. After any failure the previous state is restored.
 */
import type { NativeBinding } from '../addon/binding.ts';
import { ProxyError } from '../errors.ts';
import { chooseBackend, type IptablesBackend, type BackendName } from './backend.ts';
import { cidrContains, parseCidr, type Family } from './cidr.ts';
import { openConnectivityProbe } from './connectivity.ts';
import { buildDocument, type RuleDocument } from './document.ts';
import { decideIpv6, refuseHostNetwork, type Ipv6Mode, type PodFacts } from './pod.ts';
import type { InterceptionSettings } from './settings.ts';
import { findDrift, hasOurRules, targetState, transition, type NatState } from './state.ts';
import type { System } from './system.ts';

export interface ApplyOptions {
  readonly settings: InterceptionSettings;
  /** Null: chosen by the existing rules and by a write probe. */
  readonly backend: BackendName | null;
  readonly ipv6: Ipv6Mode;
  readonly pod: PodFacts;
  /** Maximum wait for other programs that change rules: another apply, or the holder of the iptables lock. */
  readonly waitSeconds: number;
  /** Checks the documents against the installed rules and programs, without changes. */
  readonly dryRun: boolean;
  /** For the connectivity check; null: no check. */
  readonly binding: NativeBinding | null;
}

/**
 * `none`: no Service network belongs to the family, and there were no rules. `removed`: the settings capture nothing in
 * this family, so existing rules were removed.
 */
export type FamilyOutcome = 'applied' | 'unchanged' | 'removed' | 'none' | 'skipped';

export interface ApplyResult {
  readonly backend: BackendName;
  readonly backendWhy: string;
  readonly families: Readonly<Record<Family, FamilyOutcome>>;
  readonly ipv6Why: string;
  readonly connectivity: 'passed' | 'skipped';
  readonly connectivityWhy: string;
  /** Sentences for the log. */
  readonly warnings: readonly string[];
  /**
   * The document given to the restore program (with `dryRun`: that would be given); null when nothing has to be done.
   */
  readonly documents: Readonly<Record<Family, string | null>>;
}

interface Plan {
  readonly family: Family;
  readonly document: RuleDocument | null;
  readonly before: NatState;
}

/**
 * @throws ProxyError `iptables-host-network`, `iptables-locked`, `iptables-backend`, `iptables-connectivity`, or
 * `iptables-apply` when a document was refused or verification failed. Nothing is changed then.
 */
export async function applyRules(system: System, options: ApplyOptions): Promise<ApplyResult> {
  refuseHostNetwork(options.pod);
  const ipv6 = await decideIpv6(system, options.ipv6, options.pod);
  const families: Family[] = ipv6.enabled ? ['v4', 'v6'] : ['v4'];
  const release = await system.lock(options.waitSeconds * 1000);
  try {
    const { backend, why } = await chooseBackend(system, {
      forced: options.backend,
      families,
      waitSeconds: options.waitSeconds,
      probe: !options.dryRun,
    });
    const plans: Plan[] = [];
    for (const family of families) {
      plans.push({ family, document: buildDocument(options.settings, family), before: await backend.state(family) });
    }
    const connectivity = options.dryRun
      ? { outcome: 'skipped' as const, why: 'dry run' }
      : await checkConnectivity(backend, plans, options);
    const documents = await carryOut(backend, plans, options.dryRun);
    // Based on the state at the start, because the connectivity check may have installed most rules already.
    const outcome = ({ document, before }: Plan): FamilyOutcome => {
      if (document === null) return hasOurRules(before) ? 'removed' : 'none';
      return transition(before, targetState(document, before)) === null ? 'unchanged' : 'applied';
    };
    const v6 = plans.find(({ family }) => family === 'v6');
    return {
      backend: backend.name,
      backendWhy: why,
      families: { v4: outcome(plans[0]!), v6: v6 === undefined ? 'skipped' : outcome(v6) },
      ipv6Why: ipv6.why,
      connectivity: connectivity.outcome,
      connectivityWhy: connectivity.why,
      warnings: plans.flatMap(foreignWarnings),
      documents,
    };
  } finally {
    release();
  }
}

/** Tests all documents, then restores and verifies each. Undoes everything when one fails. */
async function carryOut(
  backend: IptablesBackend,
  plans: readonly Plan[],
  dryRun: boolean,
): Promise<Record<Family, string | null>> {
  const documents: Record<Family, string | null> = { v4: null, v6: null };
  try {
    for (const { family, document } of plans) {
      const current = await backend.state(family);
      documents[family] = transition(current, targetState(document, current));
      if (documents[family] !== null) await backend.test(family, documents[family]);
    }
    if (dryRun) return documents;
    for (const { family, document } of plans) {
      if (documents[family] !== null) await backend.restore(family, documents[family]);
      const drift = findDrift(family, await backend.state(family), document);
      if (drift.length > 0) {
        const found = drift.map(({ message }) => message).join(' ');
        throw new ProxyError(
          'iptables-apply',
          `The IP${family} rules are not as they should be after applying them. ${found}`,
        );
      }
    }
  } catch (error) {
    throw await undo(backend, plans, error as Error);
  }
  return documents;
}

/** Restores the previous state. Returns an error that describes the failure and whether restoring worked. */
async function undo(backend: IptablesBackend, plans: readonly Plan[], cause: Error): Promise<ProxyError> {
  const code = cause instanceof ProxyError && cause.code === 'iptables-connectivity' ? cause.code : 'iptables-apply';
  const failures: string[] = [];
  for (const { family, before } of plans) {
    try {
      const back = transition(await backend.state(family), before);
      if (back !== null) await backend.restore(family, back);
    } catch (error) {
      failures.push(`The IP${family} rules from before could not be put back: ${(error as Error).message}`);
    }
  }
  const state = failures.length === 0 ? 'The rules from before are in place again.' : failures.join('\n');
  return new ProxyError(code, `${cause.message}\n${state}`, { cause });
}

/**
 * Dials the Service address of the API server with temporary rules that, unlike the final ones, capture it.
 *
 * Every pod knows this Service. The final rules exclude its address, so nothing of the test remains.
 */
async function checkConnectivity(
  backend: IptablesBackend,
  plans: readonly Plan[],
  options: ApplyOptions,
): Promise<{ outcome: 'passed' | 'skipped'; why: string }> {
  const skipped = (why: string) => ({ outcome: 'skipped' as const, why });
  const { settings, binding } = options;
  if (binding === null) return skipped('not asked for, or the native addon is not there');
  const { apiServer } = settings;
  if (apiServer === null) return skipped('the address of the API server is not known');
  const { cidr } = parseCidr(apiServer.address)!;
  if (!plans.some(({ family }) => family === cidr.family)) return skipped(`IP${cidr.family} has no rules`);
  if (!settings.serviceCidrs.some((service) => cidrContains(service, cidr))) {
    return skipped(`${apiServer.address} is outside the Service networks`);
  }
  const exempt =
    [...settings.excludeCidrs, ...settings.metadataAddresses].some((excluded) => cidrContains(excluded, cidr)) ||
    settings.excludePorts.some(({ first, last }) => first <= apiServer.port && apiServer.port <= last);
  if (exempt) return skipped(`${apiServer.address} port ${apiServer.port} is excluded`);
  if (process.getuid?.() === settings.proxyUid)
    return skipped('this process runs as the user of the proxy, whose connections are not captured');
  const probe = openConnectivityProbe(binding, settings.capturePort, apiServer);
  if (probe === null) return skipped(`port ${settings.capturePort} is in use: the proxy runs already`);
  try {
    const capturing: InterceptionSettings = { ...settings, apiServer: null };
    await carryOut(
      backend,
      plans.map((plan) => ({ ...plan, document: buildDocument(capturing, plan.family) })),
      false,
    );
    await probe.run();
  } catch (error) {
    throw await undo(backend, plans, error as Error);
  } finally {
    probe.close();
  }
  return { outcome: 'passed', why: `a connection to ${apiServer.address} port ${apiServer.port} was captured` };
}

/** Rules of other programs that come first may take connections away. They are not changed, only reported. */
function foreignWarnings({ family, document, before }: Plan): string[] {
  if (document === null) return [];
  const ahead = before.jumps.length === 1 ? before.jumps[0]!.index : before.foreignOutput.length;
  return before.foreignOutput
    .slice(0, ahead)
    .map((line) => `IP${family}: a rule of nat OUTPUT that is not sideroute's comes first: ${line}`);
}

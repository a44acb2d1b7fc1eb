/**
 * Which iptables to use: the nft or the legacy programs, and the commands of the chosen one.
 *
 * The ability to list rules does not prove that a backend can write. So a backend is tested by writing a chain without
 * references, with the matches and the target of the real rules, and deleting it again. A backend that already has
 * rules in this namespace comes first: with two backends in one namespace, the tools of one do not show the rules of
 * the other.
 */
import { ProxyError } from '../errors.ts';
import type { Family } from './cidr.ts';
import { PROBE_CHAIN } from './document.ts';
import { countRules, hasOurRules, parseNatState, type NatState } from './state.ts';
import { STATUS_MISSING, type CommandOutcome, type System } from './system.ts';

export type BackendName = 'nft' | 'legacy';
export const BACKENDS: readonly BackendName[] = ['nft', 'legacy'];

const INSTALL_HINT =
  'install the package iptables, 1.8 or newer, which has the programs iptables-nft-restore and iptables-legacy-restore (and their ip6tables twins)';

/** The commands of one backend. All throw ProxyError `iptables-command` with the output of the program. */
export class IptablesBackend {
  readonly name: BackendName;
  readonly #system: System;
  readonly #waitSeconds: number;

  constructor(system: System, name: BackendName, waitSeconds: number) {
    this.#system = system;
    this.name = name;
    this.#waitSeconds = waitSeconds;
  }

  /** Text of all tables, or of nat only. The second form creates an empty nat table if it was never used. */
  async save(family: Family, table?: 'nat'): Promise<string> {
    const outcome = await this.#run(family, 'save', table === undefined ? [] : ['-t', table]);
    return outcome.stdout;
  }

  async state(family: Family): Promise<NatState> {
    return parseNatState(await this.save(family, 'nat'));
  }

  /** Parses and resolves only; changes nothing. */
  async test(family: Family, document: string): Promise<void> {
    await this.#run(family, 'restore', ['--test', '--noflush', '-w', String(this.#waitSeconds)], document);
  }

  /** Applies the whole document or nothing. */
  async restore(family: Family, document: string): Promise<void> {
    await this.#run(family, 'restore', ['--noflush', '-w', String(this.#waitSeconds)], document);
  }

  /** Proves that rules like ours can be written. */
  async probe(family: Family): Promise<void> {
    const rule = '-p tcp -m owner --uid-owner 1 -m multiport --dports 1,2 -j REDIRECT --to-ports 1';
    await this.restore(family, `*nat\n:${PROBE_CHAIN} - [0:0]\n-A ${PROBE_CHAIN} ${rule}\nCOMMIT\n`);
    await this.restore(family, `*nat\n-F ${PROBE_CHAIN}\n-X ${PROBE_CHAIN}\nCOMMIT\n`);
  }

  async #run(
    family: Family,
    tool: 'save' | 'restore',
    args: readonly string[],
    input?: string,
  ): Promise<CommandOutcome> {
    const program = `${family === 'v4' ? 'iptables' : 'ip6tables'}-${this.name}-${tool}`;
    const outcome = await this.#system.run(program, args, input);
    if (outcome.status === 0) return outcome;
    if (outcome.status === STATUS_MISSING)
      throw new ProxyError('iptables-missing', `${program} was not found: ${INSTALL_HINT}.`);
    const denied = /permission denied|operation not permitted|must be root|unable to initialize table/i.test(
      outcome.stderr,
    );
    const needs =
      this.name === 'nft'
        ? 'the capability NET_ADMIN'
        : 'the capabilities NET_ADMIN and NET_RAW, and legacy tables in the kernel';
    const hint = denied ? ` (it needs ${needs})` : '';
    const said = outcome.stderr.trim().replaceAll(/\s*\n\s*/g, '; ') || `exit status ${outcome.status}`;
    throw new ProxyError('iptables-command', `${[program, ...args].join(' ')} failed${hint}: ${said}`);
  }
}

/** The rules that a backend has in this namespace. */
interface Survey {
  readonly backend: IptablesBackend;
  readonly ours: boolean;
  readonly rules: number;
}

/**
 * The rules of both backends. A backend whose programs are missing or fail counts as empty. Creates nothing.
 *
 * Without a table name, the save programs list only the tables in use.
 */
async function survey(system: System, waitSeconds: number, families: readonly Family[]): Promise<Survey[]> {
  return Promise.all(
    BACKENDS.map(async (name) => {
      const backend = new IptablesBackend(system, name, waitSeconds);
      let ours = false;
      let rules = 0;
      for (const family of families) {
        const saved = await backend.save(family).catch(() => '');
        ours ||= hasOurRules(parseNatState(saved));
        rules += countRules(saved);
      }
      return { backend, ours, rules };
    }),
  );
}

/** The backends with our rules in any family: none, one, or, after a mistake, both. */
export async function backendsWithOurRules(system: System, waitSeconds: number): Promise<IptablesBackend[]> {
  return (await survey(system, waitSeconds, ['v4', 'v6'])).filter(({ ours }) => ours).map(({ backend }) => backend);
}

export interface BackendChoice {
  readonly backend: IptablesBackend;
  /** The reason for the choice, for the log. */
  readonly why: string;
}

/**
 * The backend for all `families`. With `probe` false nothing is written, and the first backend whose programs exist is
 * taken.
 *
 * @throws ProxyError `iptables-backend` when no backend can be written to, with the reason for each; or when the
 * requested backend would get our rules while the other one already has them.
 */
export async function chooseBackend(
  system: System,
  options: { forced: BackendName | null; families: readonly Family[]; waitSeconds: number; probe: boolean },
): Promise<BackendChoice> {
  const surveys = await survey(system, options.waitSeconds, ['v4', 'v6']);
  const { forced } = options;
  const elsewhere = surveys.find(({ backend, ours }) => ours && forced !== null && backend.name !== forced);
  if (elsewhere !== undefined) {
    const { name } = elsewhere.backend;
    throw new ProxyError(
      'iptables-backend',
      `--backend ${forced!}: the ${name} backend already holds sideroute's rules; run cleanup with --backend ${name} first.`,
    );
  }
  const candidates = forced === null ? inOrder(surveys) : surveys.filter(({ backend }) => backend.name === forced);
  const failures: string[] = [];
  for (const { backend, ours, rules } of candidates) {
    try {
      for (const family of options.families) {
        if (options.probe) await backend.probe(family);
        else await backend.save(family);
      }
    } catch (error) {
      failures.push(`${backend.name}: ${(error as Error).message}`);
      // Do not install a second set of rules when the first one cannot be changed.
      if (ours) break;
      continue;
    }
    const reason = ours ? 'it holds our rules' : rules > 0 ? 'it has rules in this namespace' : 'it can be written to';
    return { backend, why: forced === null ? reason : 'forced by --backend' };
  }
  throw new ProxyError('iptables-backend', `No iptables backend can be used.\n${failures.join('\n')}`);
}

/** Ours first, then one in use, then nft before legacy. */
function inOrder(surveys: readonly Survey[]): Survey[] {
  const rank = (entry: Survey) => (entry.ours ? 0 : entry.rules > 0 ? 1 : 2);
  return surveys.toSorted((a, b) => rank(a) - rank(b));
}

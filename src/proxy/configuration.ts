/**
 * The current configuration and its replacement: a new one takes effect as a whole, by one assignment, or not at all.
 *
 *     snapshot --> attach --> Service documents --> compile --> first answers --> frontends --> in force
 *                  \______________ a step that fails: what the others did is undone _______________/
 *
 * Stage before: `config/route-directory.ts`. Stage after: `proxy/proxy.ts`, and everything that reads `current` to
 * decide or to show.
 */
import type { BackendRegistry } from '../cluster/backends.ts';
import type { FrontendRegistry } from '../cluster/frontends.ts';
import type { ServiceResolver } from '../cluster/resolver.ts';
import { attachInSteps } from '../config/attach.ts';
import type { Attachment } from '../config/attachment.ts';
import type { ConfigSnapshot } from '../config/snapshot.ts';
import type { Problem } from '../gateway-api/types.ts';
import { forgetShared } from '../gateway-api/until-loaded.ts';
import type { Configuration } from '../routing/configuration.ts';
import type { CompileDeps } from '../routing/decision.ts';
import { compileTable, compileTableInSteps } from '../routing/table.ts';
import type { Steps } from '../slices.ts';

/**
 * Other threads that decide by the same configuration. All of them switch to a new one before this thread does, or none
 * does.
 */
export interface Followers {
  /** Throws when one of them cannot prepare. */
  prepare(attachment: Attachment): Steps<void>;
  /** Resolves when all of them decide by what was prepared. They keep the previous configuration for `abandon`. */
  serve(): Promise<void>;
  /** The previous configuration decides again. */
  abandon(): void;
  /** Resolves when all of them have processed every message sent so far. Never rejects. */
  settled(): Promise<void>;
}

export interface ConfigurationOptions {
  /** See `AttachInput`. */
  readonly namespace: string | null;
  readonly compile: CompileDeps;
  readonly resolver: Pick<ServiceResolver, 'setServices' | 'setServicesInSteps'>;
  readonly backends: Pick<BackendRegistry, 'beginCompile' | 'endCompile' | 'abandonCompile' | 'firstAnswers'>;
  readonly frontends: Pick<FrontendRegistry, 'prepareInSteps' | 'problems'>;
  readonly series: { beginCompile(): void; endCompile(): void };
  /** Returns null without followers. */
  readonly followers?: () => Followers | null;
  /** Called as soon as a new configuration is in force; must not throw. */
  readonly onChange: () => void;
}

const NOTHING_ATTACHED: Attachment = {
  ...{ frontends: [], conditions: [], subjects: [], problems: [], services: new Map() },
};

function isError({ severity }: Problem): boolean {
  return severity === 'error';
}

export class ConfigurationInForce {
  readonly #options: ConfigurationOptions;
  #current: Configuration;
  #everywhere: Configuration;

  constructor(options: ConfigurationOptions) {
    this.#options = options;
    const table = compileTable(NOTHING_ATTACHED, options.compile);
    this.#current = Object.freeze({
      ...{ generation: 0, hash: '', snapshot: null, attachment: NOTHING_ATTACHED },
      ...{ table, problems: [], valid: false },
    });
    this.#everywhere = this.#current;
  }

  /** The configuration by which this thread decides. */
  get current(): Configuration {
    return this.#current;
  }

  /**
   * The last configuration that decides in this thread and in all followers. This is the one that is reported to users.
   */
  get everywhere(): Configuration {
    return this.#everywhere;
  }

  /**
   * Pauses on the way; the previous configuration decides until the end. Applies must not overlap. When it throws, the
   * previous configuration stays in force as a whole.
   */
  *apply(snapshot: ConfigSnapshot): Steps<void> {
    const { namespace, compile, resolver, backends, frontends, series, onChange } = this.#options;
    const { services } = this.#current.attachment;
    const followers = this.#options.followers?.() ?? null;
    const undo: (() => void)[] = [];
    try {
      const attachment = yield* attachInSteps({ resources: snapshot.resources, namespace });
      undo.push(() => resolver.setServices(services));
      yield* resolver.setServicesInSteps(attachment.services);
      undo.push(() => backends.abandonCompile());
      backends.beginCompile();
      series.beginCompile();
      const table = yield* compileTableInSteps(attachment, compile);
      if (followers !== null) {
        undo.push(() => followers.abandon());
        yield* followers.prepare(attachment);
      }
      // Until the first answers the previous configuration serves. At the start there is none, and the startup probe
      // waits anyway.
      if (this.#current.snapshot !== null) yield backends.firstAnswers();
      const prepared = yield* frontends.prepareInSteps(attachment);
      undo.push(prepared.abandon);
      if (followers !== null) yield followers.serve();
      // No pause from here on, so that no connection is accepted for a frontend that the table does not know.
      prepared.commit();
      const problems = [...snapshot.problems, ...attachment.problems];
      const valid = snapshot.valid && ![...problems, ...frontends.problems].some(isError);
      const { generation, hash } = snapshot;
      this.#current = Object.freeze({ generation, hash, snapshot, attachment, table, problems, valid });
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    } finally {
      forgetShared();
    }
    backends.endCompile();
    series.endCompile();
    onChange();
    if (followers !== null) yield followers.settled();
    this.#everywhere = this.#current;
  }
}

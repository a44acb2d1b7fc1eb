/**
 * Creates and connects all parts that handle addresses: from names to addresses, from addresses to frontends, from
 * backends to addresses.
 *
 * Created by the composition root, which decides what happens with the results.
 */
import type { FrontendAddress } from '../addon/binding.ts';
import type { ProxySettings } from '../config/settings.ts';
import type { Logger } from '../log.ts';
import type { Backend } from '../routing/decision.ts';
import { BackendRegistry } from './backends.ts';
import { FrontendRegistry } from './frontends.ts';
import type { KnowledgeSources } from './live-conditions.ts';
import { ServiceResolver } from './resolver.ts';

export interface ClusterOptions {
  readonly settings: Pick<ProxySettings, 'resolvConf' | 'clusterDomain' | 'capture' | 'serviceNetworks'>;
  readonly logger: Logger;
  /** Called when the state of any address has changed. */
  readonly onNews: () => void;
  /** See `BackendRegistryOptions`. */
  readonly onBackends: (backend: Backend) => void;
  readonly dropBackend: (id: number) => boolean;
  /** See `FrontendRegistryOptions`. */
  readonly onFrontends: (addresses: readonly FrontendAddress[]) => void;
  readonly frontendsInUse: () => ReadonlySet<number>;
}

export interface Cluster {
  readonly resolver: ServiceResolver;
  readonly backends: BackendRegistry;
  readonly frontends: FrontendRegistry;
  readonly knowledge: KnowledgeSources;
}

export function createCluster(options: ClusterOptions): Cluster {
  const { settings, logger } = options;
  const networks = settings.serviceNetworks;
  const resolver = new ServiceResolver({
    ...{ logger, networks, onChange: options.onNews },
    resolvConfPath: settings.resolvConf,
    clusterDomain: settings.clusterDomain ?? undefined,
    ownAddresses: settings.capture.map(({ address }) => address),
  });
  const backends = new BackendRegistry({
    ...{ resolver, logger, onChange: options.onBackends, drop: options.dropBackend },
  });
  const frontends = new FrontendRegistry({
    ...{ resolver, networks, logger, onChange: options.onFrontends, inUse: options.frontendsInUse },
  });
  const knowledge: KnowledgeSources = {
    parent: (key) => frontends.knowledge(key),
    backend: (key) => backends.knowledge(key),
  };
  return { resolver, backends, frontends, knowledge };
}

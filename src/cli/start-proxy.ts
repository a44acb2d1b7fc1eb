/** Starts a sidecar with settings that have been read. Stage before: `plain-settings.ts` or `proxy.ts`. Stage after: `proxy/proxy.ts`. */
import { mountedNamespace } from '../config/pod-namespace.ts';
import type { ProxySettings } from '../config/settings.ts';

/** Until it has ended. */
export async function startProxy(settings: ProxySettings): Promise<void> {
  // Loaded here: the other commands do without the engines and start faster for it.
  const { runProxy } = await import('../proxy/proxy.ts');
  await runProxy({ ...settings, namespace: settings.namespace ?? mountedNamespace() });
}

/**
 * Starts a sidecar with complete settings. Stage before: `plain-settings.ts` or `proxy.ts`. Stage after:
 * `proxy/proxy.ts`.
 */
import { mountedNamespace } from '../config/pod-namespace.ts';
import type { ProxySettings } from '../config/settings.ts';

/** Resolves when the sidecar has ended. */
export async function startProxy(settings: ProxySettings): Promise<void> {
  // Loaded on demand: the other commands do not need the engines and start faster without them.
  const { runProxy } = await import('../proxy/proxy.ts');
  await runProxy({ ...settings, namespace: settings.namespace ?? mountedNamespace() });
}

/**
 * The only place that loads the native addon. It refuses an addon built from other sources.
 *
 * Stage after: the files beside this one. Each has the types of the exports it uses.
 */
import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { ProxyError } from '../errors.ts';
import { packageAddon, packageRoot } from '../package-root.ts';
import { misfit, type PackedAddon } from './packed.ts';

/** The required `abi` of the addon: raised on both sides with every change of its exports. */
const NATIVE_ABI = 14;

/**
 * Returns the exports; callers add the types. Throws ProxyError: `native-missing` when it is not built, `native-abi`
 * when it was built from other sources or for another Node, `native-load` when the system cannot load it.
 */
export function loadAddon(): unknown {
  const path = fileURLToPath(new URL('native/build/Release/sideroute.node', packageRoot()));
  const packed = packageAddon() as PackedAddon | null;
  const remedy =
    packed === null
      ? 'run "npx node-gyp rebuild --directory native"'
      : 'run this command in the image of sideroute, or in a clone after "npm run build"; all commands but proxy work without the addon';
  if (statSync(path, { throwIfNoEntry: false }) === undefined)
    throw new ProxyError(
      'native-missing',
      `the native addon is not ${packed === null ? 'built' : 'there'} (${path}): ${remedy}`,
    );
  let binding: { readonly abi: number };
  try {
    binding = createRequire(import.meta.url)(path) as { readonly abi: number };
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code === 'ERR_SIDEROUTE_ABI' ? 'native-abi' : 'native-load';
    const said = cause instanceof Error ? cause.message : String(cause);
    const message = (packed === null ? null : misfit(packed)) ?? said;
    throw new ProxyError(code, `the native addon cannot be loaded (${path}): ${message}: ${remedy}`, { cause });
  }
  if (binding.abi !== NATIVE_ABI) {
    throw new ProxyError(
      'native-abi',
      `the native addon has ABI ${binding.abi}, this version needs ${NATIVE_ABI} (${path}): ${remedy}`,
    );
  }
  return binding;
}

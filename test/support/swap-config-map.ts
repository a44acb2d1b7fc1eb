/**
 * Child process `node swap-config-map.js DIR COUNT PAUSE_MS`: swaps a ConfigMap mount COUNT times, with pauses.
 * Generation `n` has `3 + n % 5` files, each with the text `n/files`, so that a mixed or partial generation can be
 * detected.
 */
import { ConfigMapMount } from './config-map-mount.ts';

const [path = '', count = '0', pauseMs = '0'] = process.argv.slice(2);
const mount = new ConfigMapMount(path);
for (let generation = 1; generation <= Number(count); generation++) {
  const files = 3 + (generation % 5);
  mount.write(Object.fromEntries(Array.from({ length: files }, (_, i) => [`f${i}.yaml`, `${generation}/${files}`])));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(pauseMs));
}

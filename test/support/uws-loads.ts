/** Whether this Node can load uWebSockets.js; tests that need it say why they are skipped. */
import { loadUws } from '../../src/uws-library/library.ts';

/** For the option `skip` of a test. */
export const withoutUws: string | false = await loadUws().then(
  () => false,
  () => `uWebSockets.js has no binary for Node ${process.version}`,
);

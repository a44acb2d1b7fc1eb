/**
 * The exposition, created at the first scrape: its code takes as much memory as the rest of the sidecar, and without
 * scrapes it is not needed. All counting happens elsewhere, from the start.
 *
 * Stage before: the composition root. Stage after: the public endpoint.
 */
import type { Exposition, ExpositionSources } from './exposition.ts';

/** Content type of the Prometheus text format, as in prom-client. */
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export function expositionOnDemand(sources: ExpositionSources): Exposition {
  let made: Promise<Exposition> | undefined;
  const make = async (): Promise<Exposition> => {
    const { createExposition } = await import('./exposition.ts');
    return createExposition(sources);
  };
  return {
    contentType: CONTENT_TYPE,
    render: async function* () {
      made ??= make();
      // Loading can fail for lack of a descriptor and succeed later.
      made.catch(() => (made = undefined));
      yield* (await made).render();
    },
  };
}

/**
 * The exposition, made at the first scrape: what writes it takes as much memory as the rest of the sidecar, and where nobody scrapes nobody
 * needs it. Everything that is counted is counted elsewhere, from the start.
 *
 * Stage before: the composition root. Stage after: the public endpoint.
 */
import type { Exposition, ExpositionSources } from './exposition.ts';

/** Of the text format of Prometheus, as prom-client names it. */
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
      // What cannot be loaded now, for want of a descriptor, can be later.
      made.catch(() => (made = undefined));
      yield* (await made).render();
    },
  };
}

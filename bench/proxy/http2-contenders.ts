/** What the HTTP/2 benchmark compares: sideroute, HAProxy, nghttpx and Envoy, one thread each, set up for this task. */
import { envoy } from '../peers/envoy.ts';
import { haproxy } from '../peers/haproxy.ts';
import { nghttpx } from '../peers/nghttpx.ts';
import type { Peer, Place, Setting } from '../peers/peer.ts';
import { sideroute, startOf } from '../peers/sideroute.ts';
import { programOf } from '../program.ts';
import { layOut, placeOf, type Contender } from './contenders.ts';

export interface Http2ContenderOptions {
  /** Where configurations go. */
  readonly directory: string;
  /** Keys of `MAKERS`. */
  readonly keys: readonly string[];
  /** The checkout of `before`. */
  readonly before: string | undefined;
  /** The program of Envoy. */
  readonly envoy: string;
  readonly firstPort: number;
}

type Maker = (place: Place, options: Http2ContenderOptions) => Peer;

const SETTING: Setting = { protocol: 'h2c', rules: 1, accessLog: false };

const MAKERS: Readonly<Record<string, Maker>> = {
  native: (place) => ({ ...sideroute(place), name: 'sideroute' }),
  before: (place, { before = '.' }) => ({
    ...sideroute(place, { start: startOf(programOf(before)) }),
    name: 'sideroute before',
  }),
  haproxy,
  nghttpx,
  envoy: (place, options) => envoy(place, options.envoy),
};

export const HTTP2_CONTENDERS = Object.keys(MAKERS);

export function makeHttp2Contenders(options: Http2ContenderOptions): Contender[] {
  return options.keys.map((key, index) => {
    const place = placeOf(options.directory, options.firstPort + index, SETTING);
    const peer = MAKERS[key]!(place, options);
    layOut(peer, place.directory);
    return { name: peer.name, port: place.port, command: peer.command };
  });
}

/** Which programs take part, and in which cells. */
import { UWS_NODE_VERSIONS } from '../../src/uws-library/library.ts';
import { envoy } from '../peers/envoy.ts';
import { floor, FLOOR_CLOSE, FLOOR_SPLICE } from '../peers/floor.ts';
import { haproxy } from '../peers/haproxy.ts';
import { nghttpx } from '../peers/nghttpx.ts';
import { nginx, streamModule } from '../peers/nginx.ts';
import type { Peer, Place } from '../peers/peer.ts';
import { sideroute } from '../peers/sideroute.ts';
import { SETTINGS, type Cell, type SettingKey } from './cells.ts';

/** Offset of the port for passthrough connections from the port of a proxy. */
const TCP = 300;

export interface Entrant {
  readonly key: string;
  readonly name: string;
  /** Its set-up in that place. */
  readonly peer: (place: Place) => Peer;
  /** False for cells that it has no means for. */
  readonly takes: (cell: Cell) => boolean;
  /** A floor does not choose a backend. */
  readonly isFloor: boolean;
  /** Offset of the port that connections are redirected to. */
  readonly portOffset: (cell: Cell) => number;
}

const tunnelPort = (cell: Cell): number => (cell.isTunnelled ? TCP : 0);
const FLOOR_PORTS = { copy: 0, close: FLOOR_CLOSE, splice: FLOOR_SPLICE };

function entrant(key: string, name: string, peer: Entrant['peer'], rest: Partial<Entrant> = {}): Entrant {
  return { key, name, peer, takes: () => true, isFloor: false, portOffset: tunnelPort, ...rest };
}

const isHttp1 = ({ setting }: Cell): boolean => SETTINGS[setting].setting.protocol === 'http1';

/** `envoyProgram`: its path. */
export function allEntrants(envoyProgram: string): readonly Entrant[] {
  // Passthrough connections arrive at the same port as all others.
  const own = { portOffset: () => 0 };
  const hasStreams = streamModule() !== 'absent';
  return [
    entrant('native', 'sideroute native', (place) => sideroute(place), own),
    entrant('uws', 'sideroute uws', (place) => sideroute(place, { engine: 'uws' }), { ...own, takes: isHttp1 }),
    entrant('haproxy', 'HAProxy', haproxy),
    entrant('nginx', 'nginx', nginx, { takes: (cell) => isHttp1(cell) && (hasStreams || !cell.isTunnelled) }),
    entrant('envoy', 'Envoy', (place) => envoy(place, envoyProgram)),
    entrant('nghttpx', 'nghttpx', nghttpx, { takes: (cell) => !isHttp1(cell) }),
    entrant('floor', 'floor', floor, { isFloor: true, portOffset: (cell) => FLOOR_PORTS[cell.floor] }),
  ];
}

export const hasUws = (): boolean => UWS_NODE_VERSIONS.includes(Number(process.versions.node.split('.')[0]));

/** The port for passthrough connections in that setting; null if there is none. sideroute does not need it. */
export function tcpPortOf(setting: SettingKey, port: number): number | null {
  return setting === 'http' ? port + TCP : null;
}

/** What `compare` compares: sideroute in several settings, HAProxy and nginx, each set up as its users would do it. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigMapMount } from '../../test/support/config-map-mount.ts';
import { haproxy } from '../peers/haproxy.ts';
import { nginx } from '../peers/nginx.ts';
import { writeFiles, type Peer, type Place, type Setting } from '../peers/peer.ts';
import { sideroute, startOf, type SiderouteOptions } from '../peers/sideroute.ts';
import { programOf } from '../program.ts';

export interface Contender {
  readonly name: string;
  readonly port: number;
  readonly command: readonly string[];
}

export interface ContenderOptions {
  /** Where configurations go. */
  readonly directory: string;
  /** Of `CONTENDERS`, `native:MODE` for one with that access log, or `native@PATH` for one on that Node. */
  readonly keys: readonly string[];
  /** The checkout of `before`. */
  readonly before: string | undefined;
  readonly firstPort: number;
}

type Maker = (place: Place, options: ContenderOptions) => Peer;

const SETTING: Setting = { protocol: 'http1', rules: 1, accessLog: false };

/** Makes the directory of a program, writable for it. */
export function placeOf(parent: string, port: number, setting: Setting, tcpPort: number | null = null): Place {
  const directory = join(parent, String(port));
  mkdirSync(directory);
  chmodSync(directory, 0o777);
  return { directory, port, tcpPort, setting };
}

/** Writes the files of a peer; sideroute gets its files as a ConfigMap volume. */
export function layOut(peer: Peer, directory: string): void {
  if (Object.hasOwn(peer.files, 'services.yaml')) new ConfigMapMount(join(directory, 'routes'), peer.files);
  else writeFiles(peer, directory);
}

function own(options: SiderouteOptions, name?: string): Maker {
  return (place) => {
    const peer = sideroute(place, options);
    return name === undefined ? peer : { ...peer, name };
  };
}

/** sideroute on another Node than this one. */
function on(node: string): Maker {
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
  return (place) => {
    const peer = sideroute(place);
    return { ...peer, name: `Node ${version}`, command: [node, ...peer.command.slice(1)] };
  };
}

const MAKERS: Readonly<Record<string, Maker>> = {
  native: own({}),
  uws: own({ engine: 'uws' }),
  before: (place, { before = '.' }) => ({
    ...sideroute(place, { start: startOf(programOf(before)) }),
    name: 'sideroute native before',
  }),
  haproxy,
  nginx,
};

export const CONTENDERS = Object.keys(MAKERS);

export function makeContenders(options: ContenderOptions): Contender[] {
  return options.keys.map((key, index) => {
    const [name = '', accessLog] = key.split(':');
    const [, node] = key.split('@');
    const maker =
      node !== undefined
        ? on(node)
        : accessLog === undefined
          ? MAKERS[name]!
          : own({ engine: name === 'uws' ? 'uws' : 'native', accessLog }, `sideroute ${name}, access log ${accessLog}`);
    const place = placeOf(options.directory, options.firstPort + index, SETTING);
    const peer = maker(place, options);
    layOut(peer, place.directory);
    return { name: peer.name, port: place.port, command: peer.command };
  });
}

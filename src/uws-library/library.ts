/**
 * The only place that loads uWebSockets.js, for the `uws` engine and the admin endpoint.
 *
 * The binary reads the limit on request heads from the environment when it is loaded, so the limit must be set before;
 * this rules out a static import anywhere.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { HttpRequest, HttpResponse, TemplatedApp, us_listen_socket } from 'uWebSockets.js';

import { ProxyError } from '../errors.ts';
import { packageRoot } from '../package-root.ts';

/** Functions of the binary that the typings lack. */
export interface UwsApp extends TemplatedApp {
  /**
   * Takes over a connected, non-blocking stream socket. The process aborts when `fd` is closed, and crashes when it is
   * not a socket, so check first.
   */
  adoptSocket(fd: number): UwsApp;
  /**
   * Called with 1 for each new connection, and with -1 for each that ends; nothing can be asked of it then. The
   * connection may be closed within the first call, and must not be kept.
   */
  filter(watch: (connection: HttpResponse, change: 1 | -1) => void): UwsApp;
}

export interface UwsLibrary {
  App(): UwsApp;
  us_listen_socket_close(socket: us_listen_socket): void;
  us_socket_local_port(socket: us_listen_socket): number;
}

export type UwsRequest = HttpRequest;
export type UwsResponse = HttpResponse;
export type UwsListenSocket = us_listen_socket;

export const DEFAULT_MAX_HEAD_BYTES = 64 * 1024;
/** Node versions that sideroute supports and for which uWebSockets.js has binaries. */
export const UWS_NODE_VERSIONS: readonly number[] = [20, 22];

let library: Promise<UwsLibrary> | undefined;

/**
 * The limit of the first call applies for the life of the process.
 *
 * @throws ProxyError `uws-unavailable` when there is no binary for this Node or it lacks `adoptSocket`.
 */
export function loadUws(maxHeadBytes: number = DEFAULT_MAX_HEAD_BYTES): Promise<UwsLibrary> {
  library ??= Promise.resolve().then(() => load(maxHeadBytes));
  return library;
}

function load(maxHeadBytes: number): UwsLibrary {
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] = String(maxHeadBytes);
  let module: UwsLibrary & { readonly _cfg?: (option: string) => void };
  try {
    module = createRequire(import.meta.url)(binary()) as typeof module;
  } catch (error) {
    throw unavailable(error);
  }
  if (typeof module.App().adoptSocket !== 'function') {
    throw new ProxyError('uws-unavailable', 'this build of uWebSockets.js has no App.adoptSocket');
  }
  // Removes the `uWebSockets: 20` field from responses.
  module._cfg?.('silent');
  return module;
}

/**
 * The package itself is an ES module that only loads one of these files. Node's ES module loader, which takes a
 * megabyte, is avoided.
 */
function binary(): string {
  const name = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;
  return fileURLToPath(new URL(`node_modules/uWebSockets.js/dist/bin/${name}`, packageRoot()));
}

/** The error for missing uWebSockets.js, from the exception of loading it. */
export function unavailable(cause: unknown, version = process.version): ProxyError {
  const said = cause instanceof Error ? cause.message : String(cause);
  const native = 'leave --engine away, or use native';
  const platform = `Node ${version} (${process.platform} ${process.arch})`;
  const fault = said.startsWith('Cannot find module')
    ? `has no binary for ${platform}, only for Node ${UWS_NODE_VERSIONS.join(' and ')}`
    : `cannot be loaded by ${platform}: ${said.split('\n')[0]!}`;
  return new ProxyError('uws-unavailable', `--engine uws: uWebSockets.js ${fault}; ${native}`, { cause });
}

/** HAProxy in a directory of its own, on a Unix socket. */
// Needs: haproxy.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { eventually } from '../eventually.ts';
import { stopProcess } from '../processes.ts';
import type { Scope } from '../wire-end.ts';

const GLOBAL = `global
  nbthread 1
  tune.bufsize 65536
  tune.http.maxhdr 512
  h1-accept-payload-with-any-method
defaults
  mode http
  timeout client 60s
  timeout http-request 60s
  timeout http-keep-alive 60s
  timeout connect 5s
  timeout server 60s
`;

/** `sections`: given the path to bind to. Resolves with that path once it is listening there. */
export async function startHaproxy(scope: Scope, sections: (path: string) => string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'sideroute-haproxy-'));
  const path = join(directory, 'read.sock');
  const config = join(directory, 'haproxy.cfg');
  writeFileSync(config, GLOBAL + sections(path));
  const child = spawn('haproxy', ['-db', '-f', config], { stdio: ['ignore', 'ignore', 'inherit'] });
  scope.teardown(async () => {
    await stopProcess(child, 'SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  });
  await eventually('HAProxy listens', () => {
    if (child.exitCode !== null) throw new Error(`haproxy ended with ${child.exitCode}`);
    return new Promise<boolean>((resolve) => {
      const socket = connect(path, () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
  });
  return path;
}

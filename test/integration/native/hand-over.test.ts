/**
 * A connection on its way from the acceptor to an engine has one owner at any time, also when the kernel refuses what the
 * engine asks for: nobody closes its descriptor a second time, because by then the number may be another thread's.
 *
 * A library preloaded into the process makes the kernel refuse (epoll_ctl as at fs.epoll.max_user_watches), and gives the
 * number to another file as soon as the connection is closed.
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';

import { AcceptorProcess } from '../../support/acceptor.ts';
import { inPod, SERVICE } from '../../support/pod-test.ts';
import { eventually } from '../../support/eventually.ts';
import { attempt, dial } from '../../support/wire-end.ts';
import { matches } from '../../support/match.ts';

const PORT = 8080;
const HEAD = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const CARRIED = 'EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET';
const LOOKED_AT = 'EPOLLIN | EPOLLRDHUP | EPOLLET';
const HTTP_FRONTEND = [{ address: SERVICE.v4, port: PORT, id: 1, mode: 'http' }] as const;

/** REFUSE is what sockets are registered for that carry requests, or those looked at; nothing else in the process asks for it. */
const SHIM = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

static const unsigned refuse = REFUSE;
static int refused = -1;
static int stranger = -1;

int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event* event) {
  int (*real)(int, int, int, struct epoll_event*) = dlsym(RTLD_NEXT, "epoll_ctl");
  if (operation != EPOLL_CTL_ADD || event->events != refuse) return real(epoll_fd, operation, fd, event);
  refused = fd;
  errno = ENOSPC;
  return -1;
}

int close(int fd) {
  int (*real)(int) = dlsym(RTLD_NEXT, "close");
  if (fd >= 0 && fd == stranger) {
    stranger = -1;
    static const char text[] = "closed a descriptor of somebody else\\n";
    if (write(2, text, sizeof text - 1) < 0) _exit(1);
  }
  const int result = real(fd);
  if (fd < 0 || fd != refused) return result;
  refused = -1;
  const int other = open("/dev/null", O_RDONLY);
  stranger = fd;
  if (other == fd) return result;
  dup2(other, fd);
  real(other);
  return result;
}
`;

/** Path of the compiled library. */
function preloaded(t: Test, refuse: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'sideroute-shim-'));
  chmodSync(directory, 0o755);
  t.teardown(() => rmSync(directory, { recursive: true }));
  const [source, library] = [join(directory, 'shim.c'), join(directory, 'shim.so')];
  writeFileSync(source, SHIM);
  const built = spawnSync('gcc', ['-shared', '-fPIC', `-DREFUSE=(${refuse})`, '-o', library, source, '-ldl'], {
    encoding: 'utf8',
  });
  if (built.status !== 0) throw new Error(`the library cannot be built: ${built.stderr}`);
  chmodSync(library, 0o755);
  return library;
}

void inPod(t, import.meta.url, () => {
  t.test('a connection that the engine cannot register is closed once, and said', async (t) => {
    const libraries = [process.env['LD_PRELOAD'] ?? '', preloaded(t, CARRIED)].filter((name) => name !== '').join(':');
    const acceptor = await AcceptorProcess.start(t, {
      http: 'engine',
      frontends: HTTP_FRONTEND,
      wrapper: ['env', `LD_PRELOAD=${libraries}`],
    });
    for (let i = 0; i < 3; ++i) {
      const client = await dial(t, SERVICE.v4, PORT);
      await client.write(HEAD);
      await client.untilClosed();
    }
    await eventually('three reports', async () => (await acceptor.events()).errors.length === 3);
    const { errors } = await acceptor.events();
    t.match(errors[0], /caught: Error: epoll_ctl ENOSPC/);
    t.match(await acceptor.counters(), { handedOver: 3, detectingOpen: 0 });
    acceptor.child.disconnect();
    await once(acceptor.child, 'exit');
    t.equal(acceptor.errorOutput, '');
  });

  t.test('a connection that the acceptor cannot register is reset, and closed once', async (t) => {
    const libraries = [process.env['LD_PRELOAD'] ?? '', preloaded(t, LOOKED_AT)]
      .filter((name) => name !== '')
      .join(':');
    const acceptor = await AcceptorProcess.start(t, {
      http: 'within',
      frontends: HTTP_FRONTEND,
      wrapper: ['env', `LD_PRELOAD=${libraries}`],
    });
    for (let i = 0; i < 3; ++i) await attempt(t, SERVICE.v4, PORT).untilClosed();
    t.match(await acceptor.counters(), {
      ...{ accepted: 3, handedOver: 0, detectingOpen: 0 },
      connections: { accept_limit: 3 },
    });
    t.match((await acceptor.events()).dropped[0], { reason: 'accept_limit', address: SERVICE.v4, errorCode: 'ENOSPC' });
    acceptor.child.disconnect();
    await once(acceptor.child, 'exit');
    t.equal(acceptor.errorOutput, '');
  });

  t.test('a connection that nobody takes is reset, and cannot be taken later', async (t) => {
    const acceptor = await AcceptorProcess.start(t, { http: 'leave', frontends: HTTP_FRONTEND });
    const before = await acceptor.state();
    const client = await dial(t, SERVICE.v4, PORT);
    await client.write(HEAD);
    await client.untilClosed();
    t.equal(client.errorCode, 'ECONNRESET');
    await t.rejects(acceptor.call('take'), { code: 'ERR_TAKEN' });
    t.equal((await acceptor.state()).fds, before.fds);
  });

  t.test('a receiver that throws after it has taken the connection keeps it', async (t) => {
    const acceptor = await AcceptorProcess.start(t, { http: 'take-and-throw', frontends: HTTP_FRONTEND });
    const client = await dial(t, SERVICE.v4, PORT);
    await client.write(HEAD);
    await client.until(HEAD);
    matches(t, (await acceptor.events()).errors, [/caught: Error: bug behind the hand-over/]);
  });
});

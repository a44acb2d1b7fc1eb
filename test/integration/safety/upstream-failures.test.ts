/** Backends that break off, cannot be reached, or do not answer. */
import t from 'tap';

import { REQUEST_REASONS, type RequestReason } from '../../../src/errors.ts';
import { createHttpEngine, DECISION, DECISION_KIND, OUTCOME_NUMBERS } from '../../../src/addon/http-engine.ts';
import { localReply, maskDate, NO_CONTENT, SERIES, SMUGGLED, Stage, warmUp } from '../../support/safety.ts';
import { closedPort } from '../../support/wire.ts';
import { adopted, ScriptedBackend } from '../../support/wire-end.ts';
import { matches } from '../../support/match.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello';
const PUT = POST.replace('POST', 'PUT');
const RESET = localReply('upstream_reset');

/** How a backend breaks off without a byte. */
const BREAKS = ['fin', 'reset'] as const;

t.test('SAFETY 95: an idempotent request that meets the end of a reused connection is sent once more', async (t) => {
  for (const request of [GET, PUT]) {
    for (const how of BREAKS) {
      await t.test(`${request.slice(0, 4).trim()}, ${how}`, async (t) => {
        const stage = await Stage.start(t);
        const client = await stage.connect();
        const idle = await warmUp(t, stage, client);
        stage.backend.onBytes = (end) => {
          if (end.text !== request) return;
          if (end !== idle) end.send(NO_CONTENT);
          else if (how === 'fin') end.socket.end();
          else end.socket.resetAndDestroy();
        };
        client.send(request);
        await stage.stillInStep(t, client, NO_CONTENT);
        t.strictSame(
          stage.backend.connections.map((end) => end.text),
          [request, request],
        );
        t.equal(stage.engine.counters().retriesReset, 1);
        matches(t, stage.outcomes, [{ status: 204, reason: null }]);
      });
    }
  }
});

t.test('SAFETY 95: it is sent once more only once', async (t) => {
  const stage = await Stage.start(t);
  const client = await stage.connect();
  await warmUp(t, stage, client);
  stage.backend.onBytes = (end) => {
    if (end.text === GET) end.socket.end();
  };
  client.send(GET);
  await stage.stillInStep(t, client, RESET);
  t.equal(stage.backend.connections.length, 2);
  matches(t, stage.outcomes, [{ status: 502, reason: 'upstream_reset' }]);
});

t.test('SAFETY 95: a request that is not idempotent is never sent twice', async (t) => {
  for (const how of BREAKS) {
    const stage = await Stage.start(t);
    const client = await stage.connect();
    const idle = await warmUp(t, stage, client);
    stage.backend.onBytes = (end) => {
      if (end.text !== POST) return;
      if (how === 'fin') end.socket.end();
      else end.socket.resetAndDestroy();
    };
    client.send(POST);
    await stage.stillInStep(t, client, RESET);
    t.equal(stage.backend.connections.length, 1);
    t.equal(idle.text, POST);
    t.equal(stage.engine.counters().retriesReset, 0);
  }
});

t.test('SAFETY 95: the end of a fresh connection is a 502', async (t) => {
  for (const how of BREAKS) {
    const stage = await Stage.start(t);
    const client = await stage.connect();
    stage.answerWhen(GET, (end) => {
      if (how === 'fin') end.socket.end();
      else end.socket.resetAndDestroy();
    });
    client.send(GET);
    await stage.stillInStep(t, client, RESET);
    t.equal(stage.backend.connections.length, 1);
    t.equal(stage.engine.counters().retriesReset, 0);
  }
});

t.test('SAFETY 95: a connection that ended while it was idle costs no request, whatever its method', async (t) => {
  for (const request of [GET, POST]) {
    const stage = await Stage.start(t);
    const client = await stage.connect();
    const idle = await warmUp(t, stage, client);
    stage.backend.onBytes = (end) => {
      if (end !== idle && end.text === request) end.send(NO_CONTENT);
    };
    // Both are in their sockets before the engine looks at either.
    idle.socket.end();
    client.send(request);
    await stage.stillInStep(t, client, NO_CONTENT);
    t.equal(stage.backend.connections.length, 2);
    t.equal(stage.backend.connections[1]!.text, request);
  }
});

t.test('SAFETY 96: a head that breaks off is a 502, also on a reused connection', async (t) => {
  for (const part of [
    'H',
    'HTTP/1.1 200',
    'HTTP/1.1 200 OK\r\nContent-Le',
    'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n',
    'HTTP/1.1 100 Continue\r\n\r\n',
  ]) {
    for (const how of BREAKS) {
      for (const reused of [false, true]) {
        await t.test(`${JSON.stringify(part)}, ${how}, ${reused ? 'reused' : 'fresh'}`, async (t) => {
          const stage = await Stage.start(t);
          const client = await stage.connect();
          if (reused) await warmUp(t, stage, client);
          stage.answerWhen(GET, (end) => {
            // A reset would take bytes with it that the engine has not read.
            void end.sendApart([part]).then(() => (how === 'fin' ? end.socket.end() : end.socket.resetAndDestroy()));
          });
          client.send(GET);
          const relayed = part.endsWith('\r\n\r\n') ? part : '';
          await stage.stillInStep(t, client, relayed + RESET);
          t.equal(stage.backend.connections.length, 1, 'not sent twice: the backend had begun to answer');
          matches(t, stage.outcomes, [{ status: 502, reason: 'upstream_reset' }]);
        });
      }
    }
  }
});

t.test('SAFETY 97: a backend without an endpoint, or whose endpoints all refuse, is a 503', async (t) => {
  const refusing = await closedPort();
  for (const request of [GET, POST]) {
    for (const [name, addresses, reason] of [
      ['no endpoint', [], 'unresolved'],
      ['one that refuses', ['127.0.0.1'], 'connect_failure'],
      ['three that refuse', ['127.0.0.1', '127.0.0.2', '::1'], 'connect_failure'],
    ] as const) {
      await t.test(`${request.slice(0, 4).trim()}, ${name}`, async (t) => {
        const stage = await Stage.start(t);
        const target = { ...stage.target, id: 1, port: refusing, addresses };
        stage.decision = () => ({ kind: 'forward', backend: target, series: SERIES });
        const client = await stage.connect();
        client.send(request);
        await stage.stillInStep(t, client, localReply(reason));
        matches(t, stage.outcomes, [{ status: 503, reason }]);
        t.equal(stage.backend.connections.length, 0);
      });
    }
  }
});

t.test('SAFETY 97: an endpoint that refuses is passed over while another accepts', async (t) => {
  const stage = await Stage.start(t);
  const target = { ...stage.target, id: 1, addresses: ['127.0.0.3', '127.0.0.2', '127.0.0.1'] };
  stage.decision = () => ({ kind: 'forward', backend: target, series: SERIES });
  stage.answerWhen(POST, (end) => end.send(NO_CONTENT));
  const client = await stage.connect();
  client.send(POST);
  await stage.stillInStep(t, client, NO_CONTENT);
  t.equal((await stage.backend.connection(0)).text, POST);
});

type Limit = 'requestTimeoutMs' | 'attemptTimeoutMs';

/** An engine of the addon itself, whose first decision has a timeout. */
async function timedStage(t: Parameters<typeof warmUp>[0], limit: Limit, timeoutMs: number) {
  const backend = await ScriptedBackend.listen(t);
  const names = Object.keys(REQUEST_REASONS) as RequestReason[];
  const outcomes: number[][] = [];
  let decided = 0;
  const engine = createHttpEngine({
    replies: names.map((name, reason) => ({
      name,
      status: REQUEST_REASONS[name].status,
      reason,
      head: `HTTP/1.1 ${REQUEST_REASONS[name].status} x\r\nx-sideroute-reason: ${name}\r\n`,
      body: 'x\n',
    })),
    decide: () => {
      engine.decision.fill(0);
      engine.decision[DECISION.kind] = DECISION_KIND.forward;
      engine.decision[DECISION.plan] = -1;
      engine.decision[DECISION.mirrors] = -1;
      engine.decision[DECISION.policy] = decided++ === 0 ? policy : -1;
    },
    onOutcomes: (count) => {
      for (let i = 0; i < count; i++)
        outcomes.push([...engine.outcomes.subarray(i * OUTCOME_NUMBERS, (i + 1) * OUTCOME_NUMBERS)]);
    },
  });
  t.teardown(() => engine.close());
  const none = { requestTimeoutMs: 0, attemptTimeoutMs: 0, attempts: 0, codes: [], backoffMs: 0, once: 0 } as const;
  const policy = engine.addPolicy({ ...none, [limit]: timeoutMs });
  engine.setBackend(0, ['127.0.0.1'], backend.port, '');
  const client = await adopted(t, (fd) => engine.adopt(fd, 0, '127.0.0.1', backend.port, true));
  return { backend, client, outcomes, timeout: names.indexOf('timeout') };
}

t.test('SAFETY 98: a backend that does not answer in time is a 504', async (t) => {
  for (const limit of ['requestTimeoutMs', 'attemptTimeoutMs'] as const) {
    await t.test(limit, async (t) => {
      const timeoutMs = 100;
      const { backend, client, outcomes, timeout } = await timedStage(t, limit, timeoutMs);
      client.send(GET);
      const upstream = await backend.connection(0);
      await upstream.untilBytes(GET.length);
      await client.until('\r\n\r\nx\n');
      t.equal(
        maskDate(client.text),
        'HTTP/1.1 504 x\r\nx-sideroute-reason: timeout\r\nDate: *\r\nContent-Length: 2\r\n\r\nx\n',
      );
      t.equal(client.state, 'open');
      await upstream.untilEnd();
      t.equal(upstream.text, GET);
      const [series, status, reason, durationMs] = outcomes[0]!;
      t.strictSame([series, status, reason], [0, 504, timeout]);
      t.ok(durationMs! >= timeoutMs - 5, `after ${durationMs} ms`);
      // The answer that comes too late answers nothing.
      upstream.send(`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate${SMUGGLED}`);
      client.forget();
      client.send(GET);
      const second = await backend.connection(1);
      await second.untilBytes(GET.length);
      second.send(NO_CONTENT);
      await client.untilHolds('the second response', () => client.text === NO_CONTENT);
    });
  }
});

t.test('SAFETY 98: a response that has begun and passes the timeout is cut short', async (t) => {
  const { backend, client, outcomes, timeout } = await timedStage(t, 'requestTimeoutMs', 100);
  client.send(GET);
  const upstream = await backend.connection(0);
  await upstream.untilBytes(GET.length);
  upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello');
  await client.untilEnd();
  t.equal(client.text, 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello');
  t.strictSame(outcomes[0]!.slice(0, 3), [0, 200, timeout]);
});

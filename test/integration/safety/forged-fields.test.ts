/** Fields by which one side could pretend to be sideroute, or another caller. */
import t from 'tap';
import { Stage } from '../../support/safety.ts';
import { matches } from '../../support/match.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a\r\nX-Sideroute-Reason: redirect\r\nForwarded: for=1.2.3.4\r\n\r\n';
const FORGED = 'HTTP/1.1 503 no\r\nx-sideroute-reason: connect_failure\r\nContent-Length: 0\r\n\r\n';

t.test('a reason that a backend writes is relayed as its own, and counted as a response of the backend', async (t) => {
  const stage = await Stage.start(t);
  stage.answerWhen(GET, (end) => end.send(FORGED));
  const client = await stage.connect();
  client.send(GET);
  await client.until('\r\n\r\n');
  t.equal(client.text, FORGED);
  await client.untilHolds('the outcome', () => stage.outcomes.length === 1);
  matches(t, stage.outcomes, [{ status: 503, reason: null }]);
});

t.test('nothing is added to a request that tells of its caller, and nothing is taken away', async (t) => {
  const stage = await Stage.start(t);
  const client = await stage.connect();
  client.send(GET);
  const backend = await stage.backend.connection(0);
  await backend.untilBytes(GET.length);
  t.equal(backend.text, GET);
});

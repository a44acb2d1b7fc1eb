/**
 * gRPC as its three main implementations speak it: the standard cases of gRPC's interoperability tests between the clients and servers of
 * grpc-go, @grpc/grpc-js and grpcio, through REDIRECT.
 */
import t from 'tap';

import { CASES, casesOf, LANGUAGES } from '../support/grpc/cases.ts';
import { addressOf, MISSING, runCases, startGrpcStage, WAYS } from '../support/grpc/stage.ts';

t.setTimeout(240_000);

const root = process.getuid!() === 0 ? false : 'needs root for network namespaces';
t.test('standard cases', { skip: root }, async (t) => {
  const { client: pod, sidecar } = await startGrpcStage(t);
  const counted = (line: RegExp): number => sidecar.metric(line);
  for (const way of WAYS)
    for (const server of LANGUAGES)
      for (const client of LANGUAGES) {
        const title = `${way}: ${client} to ${server}`;
        await t.test(title, { skip: MISSING[client] || MISSING[server] }, async (t) => {
          const cases = casesOf(client, server);
          t.same(
            await runCases(pod, client, addressOf(way, server), cases),
            cases.map((name) => `${name}: ok`),
          );
        });
      }

  await t.test('each went as it should', (t) => {
    for (const server of LANGUAGES.filter((language) => MISSING[language] === false))
      for (const route of ['calls', 'requests']) {
        const line = `^sideroute_requests_total\\{.*route_name="${route}-${server}".*backend_name="${server}".*code="200"`;
        t.ok(counted(new RegExp(line)) > CASES.length, `${route} to ${server}`);
      }
    t.ok(counted(/^sideroute_passthrough_connections_total\{reason="unrouted"\}/) > 0, 'tunnels of what is not routed');
    const tunnelled = sidecar.get('/metrics').match(/^sideroute_passthrough_connections_total\{.*\} [1-9].*$/gm) ?? [];
    t.same(
      tunnelled.filter((line) => !line.includes('reason="unrouted"')),
      [],
      'no tunnels of what is',
    );
    t.end();
  });
  t.equal(await sidecar.stop(), 0);
});

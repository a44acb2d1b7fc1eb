/**
 * gRPC as its three main implementations speak it: the standard cases of gRPC's interoperability tests between the clients and servers of
 * grpc-go, @grpc/grpc-js and grpcio, through REDIRECT.
 */
import t from 'tap';

import { CASES, CASES_OF_COMPRESSION, CASES_OF_GO, CASES_OF_NAMED_SERVERS } from '../support/grpc/cases.ts';
import { addressOf, LANGUAGES, MISSING, runCases, startGrpcStage, type Language } from '../support/grpc/stage.ts';

t.setTimeout(240_000);

function casesOf(client: Language, server: Language): string[] {
  return [
    ...CASES,
    ...(server === 'go' ? [] : CASES_OF_NAMED_SERVERS),
    ...(client === 'go' && server === 'go' ? CASES_OF_GO : []),
    // grpc-go's programs are built without a compressor.
    ...(client === 'go' || server === 'go' ? [] : CASES_OF_COMPRESSION),
  ];
}

const root = process.getuid!() === 0 ? false : 'needs root for network namespaces';
t.test('standard cases', { skip: root }, async (t) => {
  const { client: pod, sidecar } = await startGrpcStage(t);
  const counted = (line: RegExp): number => sidecar.metric(line);
  for (const way of ['unrouted'] as const)
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
    t.ok(counted(/^sideroute_passthrough_connections_total\{reason="unrouted"\}/) > 0, 'tunnels of what is not routed');
    t.end();
  });
  t.equal(await sidecar.stop(), 0);
});

/** Conversations of the soak: messages that are lost, doubled or another's are found, and so is what the other side did not hear. */
import t from 'tap';
import { Conversation, ConversationServer, messageOf } from '../../support/faults/conversation.ts';

/** The client's end and the server's; `passes` is what comes of each message to the other side. */
function talk(passes: (bytes: Buffer, number: number) => Buffer[] = (bytes) => [bytes]): string | null {
  const client = new Conversation('long.1');
  const server = new ConversationServer('long.1');
  let passed = 0;
  const pass = (bytes: Buffer, to: { push(piece: Buffer): void }): void => {
    passed += 1;
    for (const piece of passes(bytes, passed)) to.push(piece);
  };
  server.start((bytes) => pass(bytes, client));
  client.begin(
    (bytes) => pass(bytes, server),
    () => server.finish(),
  );
  client.say();
  server.say();
  client.finish();
  return client.verdict();
}

t.test('whole, in one piece or byte by byte', (t) => {
  t.equal(talk(), null);
  t.equal(
    talk((bytes) => [...bytes].map((byte) => Buffer.from([byte]))),
    null,
  );
  t.end();
});

// The server's first, the client's first and second, the server's second, its end.
for (const [number, whose] of [
  [1, "the server's"],
  [2, "the client's"],
  [3, "the client's last"],
  [4, "the server's last"],
  [5, 'the end'],
] as const) {
  t.test(`${whose} message is lost`, (t) => {
    t.type(
      talk((bytes, at) => (at === number ? [] : [bytes])),
      'string',
    );
    t.end();
  });

  t.test(`${whose} message comes twice, as half, or is of another conversation`, (t) => {
    for (const made of [
      (bytes: Buffer) => [bytes, bytes],
      (bytes: Buffer) => [bytes.subarray(0, 12)],
      (bytes: Buffer) => [messageOf('long.2', number === 2 || number === 3 ? 'client' : 'server', '1'), bytes],
    ]) {
      t.type(
        talk((bytes, at) => (at === number ? made(bytes) : [bytes])),
        'string',
      );
    }
    t.end();
  });
}

import t from 'tap';
import { grpcStatusDocument } from '../../../scripts/grpc-status-table.ts';

t.test('docs/grpc-status.md is current', async (t) => {
  const hint = 'otherwise run: node dist/scripts/grpc-status-table.js';
  t.ok(grpcStatusDocument.current() === grpcStatusDocument.text(), hint);
});

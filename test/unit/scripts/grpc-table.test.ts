import t from 'tap';
import { grpcDocument } from '../../../scripts/grpc-table.ts';

t.test('docs/grpc.md is current', async (t) => {
  t.ok(grpcDocument.current() === grpcDocument.text(), 'otherwise run: node dist/scripts/grpc-table.js');
});

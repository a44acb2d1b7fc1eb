/** What the addon says of a request that is traced. */
import type { SpanLine } from '../../src/traces/span-line.ts';

export function spanLine(fields: Partial<SpanLine> = {}): string {
  const span: SpanLine = {
    ...{ trace: '0af7651916cd43dd8448eb211c80319c', span: 'b7ad6b7169203331', parent: '', state: '' },
    ...{ start: '1700000000000000001', end: '1700000000000000002' },
    ...{ method: 'GET', path: '/', host: 'web', user_agent: null, request_id: null, version: 1 },
    ...{ code: 200, grpc_status: null, reason: null, fault: null, retries: 0, retry_denied: null },
    ...{ frontend: 'shop/web:80', route: 'shop/web', rule: '0', backend: 'shop/v1:80' },
    ...{ downstream: null, destination: null, upstream: null, events: [], events_dropped: 0 },
    ...fields,
  };
  return `${JSON.stringify(span)}\n`;
}

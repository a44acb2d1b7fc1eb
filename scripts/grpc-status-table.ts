/** Writes docs/grpc-status.md: what a call of gRPC is told for each reason that sideroute has for a reply of its own. */
import { REQUEST_REASONS, type RequestReason } from '../src/errors.ts';
import { GRPC_CODES, NO_BACKEND_REFS, type GrpcCode } from '../src/grpc-status.ts';
import { GeneratedDocument } from './generated-document.ts';
import { cell } from './test-titles.ts';

const INTRODUCTION = `# What a call of gRPC is told

To a call of gRPC sideroute answers by itself as gRPC has it, with a trailers-only response: status 200, no body, \`grpc-status\`, the sentence of
the reason as \`grpc-message\`, and the reason as \`x-sideroute-reason\`. That depends on the request, a POST over HTTP/2 with a content type
of gRPC, and not on whether an HTTPRoute or a GRPCRoute serves it. Over HTTP/1.1, which gRPC does not speak, the reply is that of HTTP, as it is for gRPC-Web. What a
backend answers passes as it is, and so does the code of HTTP/2 with which it resets a call, of which libraries make a code of gRPC; metrics and log have that one. A call whose response has begun can be
told nothing more: its stream is reset, with INTERNAL_ERROR where the backend's connection is gone, and metrics and log have the code of the reason.

The codes follow what gRPC libraries make of the HTTP status (404 is UNIMPLEMENTED, 502 to 504 are UNAVAILABLE) where nothing better is known. UNAVAILABLE
says that the call may be made again. A rule without any backendRefs is \`no_backend\` as well, and ${NO_BACKEND_REFS}.

This file is written by \`scripts/grpc-status-table.ts\`.
`;

function codeText(code: GrpcCode | null): string {
  return code === null ? 'none: the route wants this reply' : `${code} (${GRPC_CODES[code]})`;
}

export const grpcStatusDocument = new GeneratedDocument('docs/grpc-status.md', () => {
  const rows = (Object.keys(REQUEST_REASONS) as RequestReason[]).map((reason) => {
    const { status, grpc, text } = REQUEST_REASONS[reason];
    return `| [\`${reason}\`](runbook.md#${reason}) | ${status} | ${codeText(grpc)} | ${cell(text)} |\n`;
  });
  return `${INTRODUCTION}\n| Reason | HTTP | \`grpc-status\` | |\n|---|---|---|---|\n${rows.join('')}`;
});

grpcStatusDocument.writeIfMain(import.meta.url);

/** Writes docs/grpc-status.md: the status of a gRPC call for each reason of a local reply. */
import { REQUEST_REASONS, type RequestReason } from '../src/errors.ts';
import { GRPC_CODES, NO_BACKEND_REFS, type GrpcCode } from '../src/grpc-status.ts';
import { GeneratedDocument } from './generated-document.ts';
import { cell } from './test-titles.ts';

const INTRODUCTION = `# What a call of gRPC is told

When sideroute answers a gRPC call by itself, it does so as a gRPC server would, with a trailers-only response: status 200, no body, \`grpc-status\`, the sentence of
the reason as \`grpc-message\`, and the reason as \`x-sideroute-reason\`. It does so for every POST over HTTP/2 with a content type
of gRPC, whether an HTTPRoute or a GRPCRoute serves it. Over HTTP/1.1, which gRPC does not speak, and to gRPC-Web, the reply is a plain one of HTTP.

What a backend answers passes through unchanged. So does the HTTP/2 error code with which it resets a call; gRPC libraries turn that into a gRPC code, and metrics and log have the same one.
Once the response of a call has begun, sideroute can only reset its stream, with INTERNAL_ERROR if the connection to the backend is gone; metrics and log then have the code of the reason.

Unless something better is known, the codes are those that gRPC libraries make of the HTTP status (404 is UNIMPLEMENTED, 502 to 504 are UNAVAILABLE). UNAVAILABLE
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

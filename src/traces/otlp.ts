/**
 * Requests of OTLP from spans, and what their answers say. Sole importer of OpenTelemetry's library, of which only the serializer of protobuf
 * is bundled: with the SDK and its exporter it is seventeen times as large, and that has neither a queue bounded in bytes nor counts of what it drops.
 *
 * Stage before: `exporter.ts`, which loads this with the first spans. Stage after: `sender.ts`.
 */
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';

export type OtlpSpan = Parameters<typeof ProtobufTraceSerializer.serializeRequest>[0][number];

export function serialize(spans: OtlpSpan[]): Uint8Array {
  return ProtobufTraceSerializer.serializeRequest(spans) ?? new Uint8Array();
}

/** Spans that a collector has taken the request without. */
export function rejectedSpans(answer: Uint8Array): number {
  if (answer.length === 0) return 0;
  try {
    return ProtobufTraceSerializer.deserializeResponse(answer).partialSuccess?.rejectedSpans ?? 0;
  } catch {
    // It has said with its status that it has taken all of them.
    return 0;
  }
}

/** The test service of gRPC's interoperability tests as `@grpc/grpc-js` loads it from its definition. */
import { loadPackageDefinition, type GrpcObject, type ServiceClientConstructor, type status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { fileURLToPath } from 'node:url';

export const GRPC_FILES = fileURLToPath(new URL('../../../../test/fixtures/grpc/', import.meta.url));

export interface Payload {
  readonly type?: string;
  readonly body: Buffer;
}

export interface EchoStatus {
  readonly code: status;
  readonly message: string;
}

export interface SimpleRequest {
  readonly response_size?: number;
  readonly payload?: Payload;
  readonly response_status?: EchoStatus | null;
  readonly fill_server_id?: boolean;
}

export interface SimpleResponse {
  readonly payload: Payload | null;
  readonly server_id: string;
}

export interface OutputRequest {
  readonly response_parameters?: readonly { readonly size: number; readonly interval_us?: number }[];
  readonly payload?: Payload;
  readonly response_status?: EchoStatus | null;
}

export interface OutputResponse {
  readonly payload: Payload;
}

export interface InputRequest {
  readonly payload: Payload | null;
}

export interface InputResponse {
  readonly aggregated_payload_size: number;
}

/** The packages of a file of definitions. */
export function definitions(file: string): GrpcObject {
  return loadPackageDefinition(loadSync(GRPC_FILES + file, { keepCase: true, defaults: true, enums: String }));
}

const testing = (definitions('interop.proto')['grpc'] as GrpcObject)['testing'] as Record<
  'TestService' | 'UnimplementedService',
  ServiceClientConstructor
>;
export const { TestService, UnimplementedService } = testing;

export function zeros(size: number): Payload {
  return { body: Buffer.alloc(size) };
}

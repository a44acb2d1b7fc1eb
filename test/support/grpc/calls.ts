/** The service `sideroute.test.Calls` and its clients: `test/fixtures/grpc/calls.proto` says what it does. */
import {
  credentials,
  Metadata,
  type ChannelOptions,
  type Client,
  type ClientDuplexStream,
  type ClientUnaryCall,
  type GrpcObject,
  type ServiceClientConstructor,
  type ServiceError,
  type status,
  type StatusObject,
} from '@grpc/grpc-js';

import { definitions } from './service.ts';

export interface Words {
  readonly text?: string;
  readonly body?: Buffer;
  readonly server?: string;
}

export interface Failure {
  readonly key: string;
  readonly times: number;
  readonly code: status;
}

const packages = definitions('calls.proto')['sideroute'] as GrpcObject;
export const Calls = (packages['test'] as GrpcObject)['Calls'] as ServiceClientConstructor;

export type Talk = ClientDuplexStream<Words, Words>;

export interface Result {
  readonly code: number;
  readonly details: string;
  readonly answer: Words | undefined;
  readonly initial: Metadata;
  readonly trailing: Metadata;
}

export interface Asked {
  readonly call: ClientUnaryCall;
  readonly result: Promise<Result>;
}

interface CallOptions {
  readonly metadata?: Metadata;
  readonly deadlineMs?: number | null;
}

type Start = (
  request: Words | Failure,
  metadata: Metadata,
  options: object,
  done: (error: ServiceError | null, answer?: Words) => void,
) => ClientUnaryCall;

/** A client with its own connection. */
export class CallsClient {
  readonly #client: Client & Record<string, unknown>;

  constructor(address: string, options: ChannelOptions = {}) {
    this.#client = new Calls(address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      ...options,
    });
  }

  /** Begins a call. */
  start(method: string, request: Words | Failure, { metadata, deadlineMs = 30_000 }: CallOptions = {}): Asked {
    let call: ClientUnaryCall | undefined;
    const result = new Promise<Result>((resolve) => {
      let answered: { answer: Words | undefined } | undefined;
      let end: StatusObject | undefined;
      let initial = new Metadata();
      const finish = (): void => {
        if (answered === undefined || end === undefined) return;
        const { code, details, metadata: trailing } = end;
        resolve({ code, details, ...answered, initial, trailing });
      };
      call = (this.#client[method] as Start).call(
        this.#client,
        request,
        metadata ?? new Metadata(),
        deadlineMs === null ? {} : { deadline: Date.now() + deadlineMs },
        (_error, answer) => {
          answered = { answer };
          finish();
        },
      );
      call.on('metadata', (fields) => (initial = fields));
      call.on('status', (status) => {
        end = status;
        finish();
      });
    });
    return { call: call!, result };
  }

  ask(method: string, request: Words | Failure, options: CallOptions = {}): Promise<Result> {
    return this.start(method, request, options).result;
  }

  talk(metadata = new Metadata()): Talk {
    return (this.#client['Talk'] as (metadata: Metadata) => Talk).call(this.#client, metadata);
  }

  close(): void {
    this.#client.close();
  }
}

export function metadataOf(fields: Readonly<Record<string, readonly (string | Buffer)[]>>): Metadata {
  const metadata = new Metadata();
  for (const [name, values] of Object.entries(fields)) for (const each of values) metadata.add(name, each);
  return metadata;
}

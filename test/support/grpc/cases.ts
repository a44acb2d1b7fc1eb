/**
 * The standard cases of gRPC's interoperability tests (doc/interop-test-descriptions.md of grpc/grpc), which clients and servers of every
 * language have: those that run here, and why the others cannot.
 */

/** What every client runs. */
export const CASES = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'custom_metadata',
  'status_code_and_message',
  'special_status_message',
  'unimplemented_method',
  'unimplemented_service',
  'cancel_after_begin',
  'cancel_after_first_response',
  'timeout_on_sleeping_server',
  'rpc_soak',
  'channel_soak',
] as const;

/** Of a server that says its name, which those of the project do; of one that reports its load, which grpc-go's does to its own client. */
export const CASES_OF_NAMED_SERVERS = ['pick_first_unary'] as const;
export const CASES_OF_GO = ['orca_per_rpc', 'orca_oob'] as const;
/** Not of the standard: every message compressed on both ways, for clients that can be told to. */
export const CASES_OF_COMPRESSION = ['gzip_unary', 'gzip_streaming'] as const;

/** Standard cases that are not run. */
export const NOT_RUN: Readonly<Record<string, string>> = {
  cacheable_unary: 'asks for a proxy that caches, which sideroute is not; no client here has it',
  client_compressed_unary: 'has the server tell whether a message came compressed; no server here can',
  server_compressed_unary: 'has the client tell whether a message came compressed; no client here can',
  client_compressed_streaming: 'as client_compressed_unary',
  server_compressed_streaming: 'as server_compressed_unary',
  compute_engine_creds: 'TLS and an account of Google Cloud',
  service_account_creds: 'TLS and an account of Google Cloud',
  jwt_token_creds: 'TLS and an account of Google Cloud',
  oauth2_auth_token: 'TLS and an account of Google Cloud',
  per_rpc_creds: 'TLS and an account of Google Cloud',
  google_default_credentials: 'TLS and an account of Google Cloud',
  compute_engine_channel_credentials: 'TLS and an account of Google Cloud',
};

/**
 * The standard cases of gRPC's interoperability tests (doc/interop-test-descriptions.md of grpc/grpc), which exist for
 * all languages: those that run here, and why the others cannot run.
 */

/** Cases that every client runs. */
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

export const LANGUAGES = ['go', 'node', 'python'] as const;
export type Language = (typeof LANGUAGES)[number];

/**
 * For servers that report their name (those of the project do), and for one that reports its load (grpc-go's, only to
 * its own client).
 */
export const CASES_OF_NAMED_SERVERS = ['pick_first_unary'] as const;
export const CASES_OF_GO = ['orca_per_rpc', 'orca_oob'] as const;
/** Not in the standard: every message compressed in both directions, for clients that have an option for it. */
export const CASES_OF_COMPRESSION = ['gzip_unary', 'gzip_streaming'] as const;

/** Standard cases that are not run. */
export const NOT_RUN: Readonly<Record<string, string>> = {
  cacheable_unary: 'needs a proxy that caches, which sideroute is not; no client here has it',
  client_compressed_unary: 'has the server tell whether a message came compressed; no server here can',
  server_compressed_unary: 'has the client tell whether a message came compressed; no client here can',
  client_compressed_streaming: 'has the server tell whether a message came compressed; no server here can',
  server_compressed_streaming: 'has the client tell whether a message came compressed; no client here can',
  compute_engine_creds: 'needs TLS and an account of Google Cloud',
  service_account_creds: 'needs TLS and an account of Google Cloud',
  jwt_token_creds: 'needs TLS and an account of Google Cloud',
  oauth2_auth_token: 'needs TLS and an account of Google Cloud',
  per_rpc_creds: 'needs TLS and an account of Google Cloud',
  google_default_credentials: 'needs TLS and an account of Google Cloud',
  compute_engine_channel_credentials: 'needs TLS and an account of Google Cloud',
};

/** Not in the standard either: the services for health checks and reflection, from the packages for grpcio. */
export const CASES_OF_PYTHON = ['health', 'reflection'] as const;

/** The cases between a client and a server. */
export function casesOf(client: Language, server: Language): string[] {
  return [
    ...CASES,
    ...(server === 'go' ? [] : CASES_OF_NAMED_SERVERS),
    ...(client === 'go' && server === 'go' ? CASES_OF_GO : []),
    ...(client === 'python' && server === 'python' ? CASES_OF_PYTHON : []),
    // grpc-go's programs are built without a compressor.
    ...(client === 'go' || server === 'go' ? [] : CASES_OF_COMPRESSION),
  ];
}

/**
 * Settings of the export from the environment variables of OpenTelemetry, in addition to the flags of `sideroute proxy`: the name of the service,
 * certificates, and headers, which have no flag because they may contain a secret. An empty variable counts as not set.
 *
 * Stage after: `exporter.ts` and `sender.ts`.
 */
import { ProxyError } from '../errors.ts';

/** A file, and the variable that names it. */
export interface NamedFile {
  readonly variable: string;
  readonly path: string;
}

/** Files for collectors behind https; null if not given. */
export interface TlsFileNames {
  /** Authorities that may have signed the collector's certificate. */
  readonly authorities: NamedFile | null;
  /** Certificate and key of the sidecar, for collectors that require a client certificate. */
  readonly client: { readonly certificate: NamedFile; readonly key: NamedFile } | null;
}

export interface ExportEnvironment {
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly gzip: boolean;
  readonly files: TlsFileNames;
  readonly resource: Readonly<Record<string, string>>;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_TIMEOUT_MS = 60_000;
const MAX_PAIRS = 64;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Headers that the HTTP client sets itself. */
const OWN_HEADERS = ['content-type', 'content-length', 'content-encoding', 'host', 'connection', 'transfer-encoding'];

/** @throws ProxyError that names the variable, without its value if that may be a secret */
export function exportEnvironment(env: NodeJS.ProcessEnv): ExportEnvironment {
  const value: Value = (...names) => {
    const name = names.find((candidate) => (env[candidate] ?? '') !== '') ?? names[0]!;
    return [name, env[name] ?? ''];
  };
  oneOf(value('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'), ['http/protobuf']);
  const [timeoutName, timeout] = value('OTEL_EXPORTER_OTLP_TRACES_TIMEOUT', 'OTEL_EXPORTER_OTLP_TIMEOUT');
  const timeoutMs = timeout === '' ? DEFAULT_TIMEOUT_MS : Number(timeout);
  if (!/^\d*$/.test(timeout) || timeoutMs < 1 || timeoutMs > MAX_TIMEOUT_MS) {
    throw invalid(timeoutName, `got "${timeout}", expected milliseconds from 1 to ${MAX_TIMEOUT_MS}`);
  }
  const compression = value('OTEL_EXPORTER_OTLP_TRACES_COMPRESSION', 'OTEL_EXPORTER_OTLP_COMPRESSION');
  oneOf(compression, ['gzip', 'none']);
  const headers = pairs(...value('OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'OTEL_EXPORTER_OTLP_HEADERS'));
  for (const [name, text] of Object.entries(headers)) {
    const at = value('OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'OTEL_EXPORTER_OTLP_HEADERS')[0];
    if (!TOKEN.test(name)) throw invalid(at, 'a name in it is none of a header');
    if (OWN_HEADERS.includes(name.toLowerCase())) throw invalid(at, `the header ${name} is not to be set`);
    if (!/^[\t\x20-\x7e]*$/.test(text))
      throw invalid(at, `the value of the header ${name} has characters that none can`);
  }
  const resource = pairs(...value('OTEL_RESOURCE_ATTRIBUTES'));
  const serviceName = value('OTEL_SERVICE_NAME')[1];
  return {
    ...{ headers, timeoutMs },
    gzip: compression[1] === 'gzip',
    files: filesOf(value),
    resource: serviceName === '' ? resource : { ...resource, 'service.name': serviceName },
  };
}

type Value = (...names: readonly string[]) => readonly [name: string, value: string];

function filesOf(value: Value): TlsFileNames {
  const file = (kind: string): NamedFile | null => {
    const [variable, path] = value(`OTEL_EXPORTER_OTLP_TRACES_${kind}`, `OTEL_EXPORTER_OTLP_${kind}`);
    return path === '' ? null : { variable, path };
  };
  const [certificate, key] = [file('CLIENT_CERTIFICATE'), file('CLIENT_KEY')];
  if (certificate !== null && key === null)
    throw invalid(certificate.variable, 'it needs OTEL_EXPORTER_OTLP_CLIENT_KEY as well');
  if (key !== null && certificate === null)
    throw invalid(key.variable, 'it needs OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE as well');
  return { authorities: file('CERTIFICATE'), client: certificate === null ? null : { certificate, key: key! } };
}

function oneOf([name, text]: readonly [string, string], allowed: readonly string[]): void {
  if (text !== '' && !allowed.includes(text)) throw invalid(name, `got "${text}", expected ${allowed.join(' or ')}`);
}

/** `name=value,name=value`, percent-encoded. */
function pairs(variable: string, text: string): Record<string, string> {
  const found: Record<string, string> = {};
  const parts = text.split(',').filter((part) => part.trim() !== '');
  if (parts.length > MAX_PAIRS) throw invalid(variable, `it has more than ${MAX_PAIRS} entries`);
  for (const [index, part] of parts.entries()) {
    const at = part.indexOf('=');
    const fault = invalid(variable, `entry ${index + 1} is not name=value, percent-encoded`);
    if (at < 1) throw fault;
    try {
      found[decodeURIComponent(part.slice(0, at).trim())] = decodeURIComponent(part.slice(at + 1).trim());
    } catch {
      throw fault;
    }
  }
  return found;
}

export function invalid(variable: string, what: string): ProxyError {
  return new ProxyError('invalid-setting', `environment variable ${variable}: ${what}`);
}

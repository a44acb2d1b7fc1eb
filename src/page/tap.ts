/**
 * What `/tap` is asked for and what it streams: the query of a form, lines of JSON out of pieces, and what a row shows of a request.
 *
 * Stage before: the form, and `/tap`. Stage after: `tap-view.ts`. Pure, without a browser.
 */
import { formatCount, formatMs } from './format.ts';

/** Rows that are shown, and lines that wait to be. */
export const MAX_ROWS = 200;
/** The fields of a request are far shorter, each with its own bound. */
const MAX_LINE_CHARS = 1024 * 1024;
const MAX_PATH_CHARS = 300;
const NOTE = '{"dropped":';
const NONE = '–';

/** Fields of the form are named as the parameters; of `header` there is one a line. */
export const PARAMETERS = ['route', 'rule', 'code', 'path', 'header', 'sample'] as const;

export type Parameter = (typeof PARAMETERS)[number];

/** What is empty is not asked for. Whether the rest is of use the endpoint says. */
export function tapQuery(texts: Readonly<Record<Parameter, string>>): string {
  const query = new URLSearchParams();
  for (const name of PARAMETERS) {
    const values = name === 'header' ? texts.header.split('\n') : [texts[name]];
    for (const value of values.map((text) => text.trim())) if (value !== '') query.append(name, value);
  }
  return query.toString();
}

/** The field that a refusal is about, which begins with the name of the parameter. */
export function refusedParameter(message: string): Parameter | null {
  return PARAMETERS.find((name) => message.startsWith(`${name}: `)) ?? null;
}

/** Of the access log, as far as it is shown. */
export interface TapRecord {
  readonly time: string;
  readonly method: string | null;
  readonly path: string | null;
  readonly host: string | null;
  readonly code: number | null;
  readonly grpc_status: string | null;
  readonly reason: string | null;
  readonly fault: string | null;
  readonly retries: number;
  readonly duration_ms: number | null;
  readonly route: string | null;
  readonly rule: string | null;
  readonly backend: string | null;
  readonly headers?: Readonly<Record<string, string | null>>;
}

/** What has come of a stream. It keeps no more than is shown, however much comes. */
export class TapLines {
  records = 0;
  dropped = 0;
  /** Why the stream ends, when it has said so. */
  end: string | null = null;
  #rest = '';
  #newest: string[] = [];

  /** @throws Error for what is no stream of lines */
  push(piece: string): void {
    const lines = (this.#rest + piece).split('\n');
    this.#rest = lines.pop()!;
    if (this.#rest.length > MAX_LINE_CHARS) throw new Error('a line without an end');
    for (const line of lines) if (line.startsWith(NOTE)) this.#note(line);
    // Most are never looked at where more come than can be shown.
    const requests = lines.filter((line) => line !== '' && !line.startsWith(NOTE));
    this.records += requests.length;
    this.#newest = [...this.#newest, ...requests.slice(-MAX_ROWS)].slice(-MAX_ROWS);
  }

  /** The newest of those that have come since, newest first. */
  take(): TapRecord[] {
    const taken = this.#newest.reverse().map((line) => JSON.parse(line) as TapRecord);
    this.#newest = [];
    return taken;
  }

  #note(line: string): void {
    const { dropped, end } = JSON.parse(line) as { dropped: number; end?: string };
    this.dropped += dropped;
    this.end = end ?? this.end;
  }
}

export interface TapRow {
  readonly request: string;
  /** Why it ended so, and what was asked for of its headers. */
  readonly remarks: readonly string[];
  readonly time: string;
  readonly code: string;
  readonly grpcStatus: string;
  readonly took: string;
  readonly route: string;
  readonly rule: string;
  readonly backend: string;
  readonly failed: boolean;
}

export function tapRow(record: TapRecord): TapRow {
  const { method, host, path, code, retries, headers = {}, reason, fault } = record;
  const target = `${host ?? ''}${path ?? ''}`;
  const shown = target.length > MAX_PATH_CHARS ? `${target.slice(0, MAX_PATH_CHARS)}…` : target;
  return {
    request: `${method ?? ''} ${shown}`.trim() || 'A request whose head is not valid',
    remarks: [
      ...[reason, fault].filter((word) => word !== null),
      ...(retries > 0 ? [`${retries} ${retries === 1 ? 'retry' : 'retries'}`] : []),
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value ?? ''}`),
    ],
    time: record.time.replace(/^.*T|Z$/g, ''),
    code: code === null ? NONE : String(code),
    grpcStatus: record.grpc_status ?? '',
    took: formatMs(record.duration_ms),
    route: record.route ?? NONE,
    rule: record.rule ?? NONE,
    backend: record.backend ?? NONE,
    failed: code === null || code >= 500,
  };
}

/** `1 request, 3 more were left out`. */
export function tapSum({ records, dropped }: Pick<TapLines, 'records' | 'dropped'>): string {
  const requests = `${formatCount(records)} ${records === 1 ? 'request' : 'requests'}`;
  const shown = records > MAX_ROWS ? `, of which the newest ${MAX_ROWS} are shown` : '';
  return `${requests}${shown}${dropped === 0 ? '' : `; ${formatCount(dropped)} more were left out: sample a share`}`;
}

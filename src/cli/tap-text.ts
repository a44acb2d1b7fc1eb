/**
 * Formats a tapped request as a line for people. Columns grow with their content and never shrink.
 *
 * Stage before: `tap`, with records of a sidecar, possibly of another version. Stage after: standard output.
 */
import { isObject, textOf, type Json } from './admin-client.ts';

const HEAD = ['TIME', 'CODE', 'TOOK', 'ROUTE', 'RULE', 'BACKEND', 'REQUEST'];
/** Longer cells are truncated, so that the columns after them do not move. */
const MAX_CELL_CHARS = 48;
const MAX_REQUEST_CHARS = 160;

export class TapTable {
  readonly #withPod: boolean;
  readonly #widths: number[];
  #begun = false;

  constructor(withPod: boolean) {
    this.#withPod = withPod;
    this.#widths = this.#columns('POD', HEAD).map((name) => name.length);
    // Widths that nearly every line needs.
    this.#widths[withPod ? 1 : 0] = '09:14:07.512'.length;
    this.#widths[withPod ? 3 : 2] = '1000.0ms'.length;
  }

  /** Ends with a newline. The first line is preceded by the head. */
  line(record: Json, pod = ''): string {
    const text = this.#text(this.#columns(pod, cells(record)));
    if (this.#begun) return text;
    this.#begun = true;
    return this.#text(this.#columns('POD', HEAD)) + text;
  }

  #columns(pod: string, others: readonly string[]): readonly string[] {
    return this.#withPod ? [pod, ...others] : others;
  }

  #text(columns: readonly string[]): string {
    const last = columns.length - 1;
    const padded = columns.map((cell, column) => {
      if (column === last) return short(printable(cell), MAX_REQUEST_CHARS);
      const text = short(printable(cell === '' ? '-' : cell), MAX_CELL_CHARS);
      this.#widths[column] = Math.max(this.#widths[column]!, text.length);
      return text.padEnd(this.#widths[column]);
    });
    return `${padded.join('  ').trimEnd()}\n`;
  }
}

function cells(record: Json): string[] {
  const { code, grpc_status: grpcStatus, duration_ms: duration, reason, retries, headers } = record;
  const shown = isObject(headers) ? Object.entries(headers).map(([name, value]) => `${name}: ${textOf(value)}`) : [];
  const remarks = [
    textOf(reason),
    ...(Number(retries) > 0 ? [`${textOf(retries)} ${Number(retries) === 1 ? 'retry' : 'retries'}`] : []),
    ...shown,
  ].filter((remark) => remark !== '');
  return [
    textOf(record['time']).replace(/^.*T|Z$/g, ''),
    [textOf(code), textOf(grpcStatus)].filter((part) => part !== '').join(' '),
    typeof duration === 'number' ? `${duration.toFixed(1)}ms` : '',
    ...['route', 'rule', 'backend'].map((name) => textOf(record[name])),
    [
      `${textOf(record['method'])} ${textOf(record['host'])}${textOf(record['path'])}`.trim(),
      ...(remarks.length > 0 ? [`(${remarks.join(', ')})`] : []),
    ].join(' '),
  ];
}

/** Escapes control characters, because a terminal would obey those sent by a client. */
function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function short(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 2)}..`;
}

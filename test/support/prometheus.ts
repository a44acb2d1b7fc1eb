/** A Prometheus in a pod, and its HTTP API. */
// Needs: prometheus.
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pod } from './cluster.ts';
import { waitForLine } from './processes.ts';

const PORT = 9090;

/** One series of an answer: an instant query gives one value, a range query several. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

interface RawSeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly value?: readonly [number, string];
  readonly values?: readonly (readonly [number, string])[];
}

export class Prometheus {
  readonly pod: Pod;
  readonly process: ChildProcess;

  private constructor(pod: Pod, process: ChildProcess) {
    this.pod = pod;
    this.process = process;
  }

  /** `config`: as in prometheus.yml; `directory`: for the file and the data. */
  static async start(pod: Pod, directory: string, config: object): Promise<Prometheus> {
    mkdirSync(directory, { recursive: true });
    const file = join(directory, 'prometheus.json');
    // JSON is valid YAML.
    writeFileSync(file, JSON.stringify(config));
    const process = pod.spawn([
      'prometheus',
      ...[`--config.file=${file}`, `--storage.tsdb.path=${join(directory, 'data')}`],
      ...[`--web.listen-address=127.0.0.1:${PORT}`, '--log.level=info'],
    ]);
    await waitForLine(process, /Server is ready to receive web requests/);
    return new Prometheus(pod, process);
  }

  /** The data of an answer of `/api/v1/PATH`; throws with what Prometheus says for anything but a success. */
  get(path: string, parameters: Readonly<Record<string, string>> = {}): unknown {
    const encoded = Object.entries(parameters).flatMap(([name, value]) => ['--data-urlencode', `${name}=${value}`]);
    const url = `http://127.0.0.1:${PORT}/api/v1/${path}`;
    const text = this.pod.must(['curl', '-sS', '--max-time', '5', '-G', ...encoded, url]);
    const answer = JSON.parse(text) as { status: string; data: unknown; error?: string };
    if (answer.status !== 'success') throw new Error(`${path} ${JSON.stringify(parameters)}: ${answer.error}`);
    return answer.data;
  }

  query(expression: string): Series[] {
    return this.#series('query', { query: expression });
  }

  /** Of the last `seconds`, second by second. */
  queryRange(expression: string, seconds: number): Series[] {
    const end = Date.now() / 1_000;
    const range = { start: String(end - seconds), end: String(end), step: '1' };
    return this.#series('query_range', { query: expression, ...range });
  }

  #series(path: string, parameters: Readonly<Record<string, string>>): Series[] {
    const { result } = this.get(path, parameters) as { result: RawSeries[] };
    return result.map(({ metric, value, values }) => ({
      metric,
      values: (values ?? [value!]).map(([, text]) => Number(text)),
    }));
  }
}

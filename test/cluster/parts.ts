/**
 * Parts of a long test that share a cluster. All of them run once, in their order, unless the environment names some, each as often as it says:
 * `SIDEROUTE_PARTS='api-server*5 service*10'` runs those two and no others, for who looks for what happens rarely.
 */
import { say } from './say.ts';

type Part = (run: number) => Promise<void>;

export class Parts {
  readonly #parts = new Map<string, Part>();

  add(name: string, work: Part): void {
    this.#parts.set(name, work);
  }

  /** Says how long each took. @throws Error when a part is named that there is not */
  async run(): Promise<void> {
    for (const { name, times } of chosen([...this.#parts.keys()], process.env['SIDEROUTE_PARTS'] ?? '')) {
      for (let run = 1; run <= times; run += 1) {
        const began = performance.now();
        await this.#parts.get(name)!(run);
        const which = times === 1 ? name : `${name}, run ${run} of ${times}`;
        say(`part ${which}: ${Math.round((performance.now() - began) / 1000)} s`);
      }
    }
  }
}

export function chosen(names: readonly string[], wanted: string): { readonly name: string; readonly times: number }[] {
  const parts = wanted.split(/[\s,]+/).filter((part) => part !== '');
  if (parts.length === 0) return names.map((name) => ({ name, times: 1 }));
  return parts.map((part) => {
    const [, name = '', times = '1'] = /^([a-z-]+)(?:\*([1-9]\d*))?$/.exec(part) ?? [];
    if (!names.includes(name)) throw new Error(`SIDEROUTE_PARTS: '${part}' is not one of ${names.join(', ')}`);
    return { name, times: Number(times) };
  });
}

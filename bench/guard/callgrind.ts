/** What callgrind has counted, by object and function. */

export interface Spent {
  readonly object: string;
  readonly name: string;
  readonly instructions: number;
}

/**
 * Instructions of each function, without those of its callees. Inlined code counts for its caller.
 * @param text a file made with `--compress-strings=no --compress-pos=no`
 */
export function spentByFunction(text: string): Spent[] {
  const spent = new Map<string, Spent>();
  let [object, name] = ['', ''];
  let isOfCall = false;
  for (const line of text.split('\n')) {
    if (line.startsWith('ob=')) object = line.slice('ob='.length);
    else if (line.startsWith('fn=')) name = line.slice('fn='.length);
    else if (line.startsWith('calls=')) isOfCall = true;
    else if (/^\d+ \d+$/.test(line)) {
      // The line after a call counts the callee, which has lines of its own.
      if (!isOfCall) {
        const key = `${object} ${name}`;
        const before = spent.get(key)?.instructions ?? 0;
        spent.set(key, { object, name, instructions: before + Number(line.split(' ')[1]) });
      }
      isOfCall = false;
    }
  }
  return [...spent.values()].sort((a, b) => b.instructions - a.instructions);
}

/** The total, to check that nothing was missed. */
export function total(text: string): number {
  return Number(/^totals: (\d+)$/m.exec(text)?.[1]);
}

export interface Calls {
  readonly caller: string;
  readonly callee: string;
  readonly calls: number;
}

/** The callers of functions whose name matches, most calls first. */
export function callersOf(text: string, callee: RegExp): Calls[] {
  const found = new Map<string, Calls>();
  let [caller, called] = ['', ''];
  for (const line of text.split('\n')) {
    if (line.startsWith('fn=')) caller = line.slice('fn='.length);
    else if (line.startsWith('cfn=')) called = line.slice('cfn='.length);
    else if (line.startsWith('calls=') && callee.test(called)) {
      const key = `${caller} ${called}`;
      const before = found.get(key)?.calls ?? 0;
      found.set(key, { caller, callee: called, calls: before + Number(/^calls=(\d+)/.exec(line)![1]) });
    }
  }
  return [...found.values()].sort((a, b) => b.calls - a.calls);
}

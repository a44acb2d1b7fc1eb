/** Lines for whoever waits: what a cluster is at, and figures. The runner of tests keeps what its tests print, so they go into a file that it follows. */
import { appendFileSync } from 'node:fs';

/** A file; without it lines go to standard error. */
const FOLLOWED_VARIABLE = 'SIDEROUTE_CLUSTER_SAYS';

export function say(line: string): void {
  const file = process.env[FOLLOWED_VARIABLE];
  const text = `test cluster: ${line}\n`;
  if (file === undefined) process.stderr.write(text);
  else appendFileSync(file, text);
}

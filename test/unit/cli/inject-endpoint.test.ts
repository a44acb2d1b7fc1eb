/** The traces endpoint among the flags of `inject`, `policy` and `controller`. */
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { packageRoot } from '../../../src/package-root.ts';

const PROGRAM = new URL('dist/bin/sideroute.js', packageRoot()).pathname;
const VARIABLE = 'SIDEROUTE_INJECT_TRACES_ENDPOINT';

for (const [command, flag] of [
  ['inject', '--traces-endpoint'],
  ['policy', '--traces-endpoint'],
  ['controller', '--inject-traces-endpoint'],
] as const) {
  t.test(`${command}: an endpoint that is refused is reported without its value`, async (t) => {
    for (const [args, env] of [
      [[flag, 'http://me:SECRET@b'], {}],
      [[`${flag}=SECRETé`], {}],
      [[], { [VARIABLE]: 'http://b?token=SECRET' }],
    ] as const) {
      const { status, stderr } = spawnSync(process.execPath, [PROGRAM, command, ...args], {
        ...{ encoding: 'utf8', input: '' },
        env: { ...process.env, ...env },
      });
      t.equal(status, 2);
      t.match(stderr, flag);
      t.match(stderr, VARIABLE);
      t.match(stderr, 'without user and query');
      t.notMatch(stderr, /SECRET/);
    }
  });
}

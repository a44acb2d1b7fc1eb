/** Where the addon of a package fits, and what is said where it does not. */
import t from 'tap';
import { misfit, thisMachine, type Machine } from '../../../src/addon/packed.ts';

const ADDON = { platform: 'linux', arch: 'x64', glibc: '2.34', nodeApi: 8 };
const FITTING: Machine = { platform: 'linux', arch: 'x64', glibc: '2.36', nodeApi: 10 };

const CASES: readonly [string, Partial<Machine>, string | null][] = [
  ['the same kind of machine', {}, null],
  ['the very versions', { glibc: '2.34', nodeApi: 8 }, null],
  ['a later major version of glibc', { glibc: '3.0' }, null],
  ['another processor', { arch: 'arm64' }, 'it is for linux-x64, and this is linux-arm64'],
  ['another system', { platform: 'darwin', glibc: null }, 'it is for linux-x64, and this is darwin-x64'],
  ['an older glibc', { glibc: '2.31' }, 'it needs glibc 2.34 or later, and here is 2.31'],
  ['compared as numbers', { glibc: '2.4' }, 'it needs glibc 2.34 or later, and here is 2.4'],
  ['another C library', { glibc: null }, 'it needs glibc 2.34 or later, and the C library here is another one'],
  ['an older Node', { nodeApi: 7 }, 'it needs Node-API 8, and this Node has 7'],
];

for (const [title, machine, why] of CASES)
  t.test(title, (t) => {
    t.equal(misfit(ADDON, { ...FITTING, ...machine }), why);
    t.end();
  });

t.test('an addon that needs no glibc does with any C library', (t) => {
  t.equal(misfit({ platform: 'linux', arch: 'x64', nodeApi: 8 }, { ...FITTING, glibc: null }), null);
  t.end();
});

t.test('this machine is known', (t) => {
  const { platform, arch, glibc, nodeApi } = thisMachine();
  t.strictSame([platform, arch], [process.platform, process.arch]);
  t.match(glibc, /^2\.\d+$/);
  t.ok(nodeApi >= 8);
  t.end();
});

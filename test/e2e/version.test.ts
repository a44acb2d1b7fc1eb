/** `sideroute version` of a package as it is in a clone, without the addon, with one that does not load, and with a commit. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { runCommand } from '../support/cluster.ts';
import { sideroute } from '../support/cli.ts';
import { ROOT } from '../support/manifests.ts';

interface Versions {
  readonly client: {
    readonly version: string;
    readonly commit: string | null;
    readonly addon: { readonly loads: boolean; readonly message?: string };
  };
}

/** What is installed of it, at another place, without the addon. */
function installed(t: Test): string {
  const directory = t.testdir({});
  cpSync(join(ROOT, 'dist', 'bin'), join(directory, 'dist', 'bin'), { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(directory, 'package.json'));
  return directory;
}

function versions(directory: string): Versions {
  const program = join(directory, 'dist', 'bin', 'sideroute.js');
  const { status, stdout, stderr } = runCommand(process.execPath, [program, 'version', '-o', 'json']);
  t.equal(status, 0, stderr);
  return JSON.parse(stdout) as Versions;
}

t.test('in a clone that is built', (t) => {
  const { version, addon } = (JSON.parse(sideroute(['version', '-o', 'json']).stdout) as Versions).client;
  t.equal(version, sideroute(['--version']).stdout.trim());
  t.same(addon, { loads: true });
  t.match(sideroute(['version']).stdout, /^client .* yes$/m);
  t.end();
});

t.test('without an addon it says so, and that only the proxy needs one', (t) => {
  const directory = installed(t);
  t.match(versions(directory).client, { commit: null, addon: { loads: false, message: /is not built/ } });
  const { status, stdout } = runCommand(process.execPath, [join(directory, 'dist/bin/sideroute.js'), 'version']);
  t.match({ status, stdout }, { status: 0, stdout: /^client .* no\n\nOnly sideroute proxy needs the addon: /m });
  t.end();
});

t.test('an addon that does not load is no failure', (t) => {
  const directory = installed(t);
  const build = join(directory, 'native', 'build', 'Release');
  mkdirSync(build, { recursive: true });
  writeFileSync(join(build, 'sideroute.node'), 'for another machine');
  t.match(versions(directory).client.addon, { loads: false, message: /cannot be loaded .*sideroute\.node/ });
  t.end();
});

t.test('the commit is the one that was written down with the program', (t) => {
  const directory = installed(t);
  const manifest = { type: 'commonjs', commit: '0123456789abcdef0123456789abcdef01234567' };
  writeFileSync(join(directory, 'dist', 'bin', 'package.json'), JSON.stringify(manifest));
  t.equal(versions(directory).client.commit, manifest.commit);
  t.end();
});

/**
 * `sideroute inject` and `uninject`: print the given manifests with the init container and the sidecar added or
 * removed.
 *
 * Manifests go to standard output; one line for each workload and all problems go to standard error. When anything is
 * refused, the exit status is 1, no manifest is printed and no file is changed. With --skip-refused, refused objects
 * pass through unchanged, with exit status 0.
 */
import { writeFileSync } from 'node:fs';
import { Option, type Command } from 'commander';
import { COLLECTOR_EXPECTED } from '../config/setting-values.ts';
import { ProxyError } from '../errors.ts';
import { problemText } from '../gateway-api/problem-text.ts';
import {
  checkTogether,
  defaultSettings,
  INJECT_SETTINGS,
  SETTING_KEYS,
  settingValue,
  type InjectSettings,
  type SettingKey,
} from '../inject/annotations.ts';
import { injectManifest } from '../inject/inject.ts';
import type { ManifestResult, WorkloadResult } from '../inject/result.ts';
import { uninjectManifest } from '../inject/uninject.ts';
import { filesGiven, joinManifests, readInput, type InputFile } from './manifest-input.ts';
import { argument, filenameOption, manifestOutputOption, type OutputFormat } from './options.ts';
import { dataText, table } from './output.ts';
import { writeNote, writeOutput } from './standard-streams.ts';

interface ManifestOptions {
  readonly filename: readonly string[];
  readonly inPlace?: boolean;
  readonly skipRefused?: boolean;
  readonly output: OutputFormat;
}

/** Flags for the settings of `inject/annotations.ts`. */
export type SettingOptions = Readonly<Partial<Record<SettingKey, string | null>>>;
type InjectOptions = ManifestOptions & SettingOptions;

const FILES_HELP = 'manifests in YAML or JSON; - or none: standard input';

export function registerInject(program: Command, version: string): void {
  const inject = program
    .command('inject')
    .description('add the init container and the sidecar to the pods of manifests')
    .argument('[files...]', FILES_HELP);
  for (const key of SETTING_KEYS) inject.addOption(settingOption(key));
  addManifestOptions(inject)
    .addHelpText('after', '\nAn annotation sideroute.dev/NAME at the pod template wins over the flag --NAME.')
    .action(async (files: readonly string[], options: InjectOptions) => {
      const settings = givenSettings(options, version);
      const { skipRefused } = options;
      await change(files, options, ({ name, text }) => injectManifest(name, text, { version, settings, skipRefused }));
    });

  addManifestOptions(
    program
      .command('uninject')
      .description('remove what inject added to manifests; the result is the original text, byte by byte')
      .argument('[files...]', FILES_HELP),
  ).action(async (files: readonly string[], options: ManifestOptions) => {
    await change(files, options, ({ name, text }) => uninjectManifest(name, text, options));
  });
}

/** @throws ProxyError when the settings contradict each other */
export function givenSettings(options: SettingOptions, version: string): InjectSettings {
  const defaults = defaultSettings(version);
  const given = SETTING_KEYS.map((key) => [key, options[key] ?? defaults[key]] as const);
  const settings = Object.fromEntries(given) as InjectSettings;
  checkTogether(settings);
  return settings;
}

/** `prefix`: before the name of the flag. The variable has no prefix. */
export function settingOption(key: SettingKey, prefix = ''): Option {
  const { name, argument: placeholder, description, fallback } = INJECT_SETTINGS[key];
  const env = `SIDEROUTE_INJECT_${name.toUpperCase().replaceAll('-', '_')}`;
  const option = new Option(`--${prefix}${name} <${placeholder}>`, description).env(env);
  const parse = (text: string): string => settingValue(key, text);
  option.argParser(key === 'tracesEndpoint' ? withoutValue(parse, `${option.flags}, ${env}`) : argument(parse));
  option.attributeName = () => `${prefix}${key}`;
  return fallback === null ? option : option.default(fallback);
}

/** The errors of commander repeat the value, which may hold a token. This one names the flag and its variable instead. */
function withoutValue(parse: (text: string) => string, names: string): (text: string) => string {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof ProxyError)) throw error;
      throw new ProxyError('invalid-setting', `${names}: expected ${COLLECTOR_EXPECTED}`);
    }
  };
}

function addManifestOptions(command: Command): Command {
  return command
    .addOption(filenameOption('the same as an argument; - for standard input; may be repeated'))
    .option(
      '--skip-refused',
      'skip workloads that are refused and report them; without it, one refusal means that nothing is changed',
    )
    .option('--in-place', 'change the files instead of writing the manifests to standard output')
    .addOption(manifestOutputOption());
}

async function change(
  files: readonly string[],
  options: ManifestOptions,
  changeFile: (input: InputFile) => ManifestResult,
): Promise<void> {
  const inputs = await readInput(filesGiven(files, options.filename));
  const results = inputs.map(changeFile);
  const problems = results.flatMap((result) => result.problems);
  const skipped = results.flatMap((result) => result.skipped);
  const workloads = results.flatMap((result) => result.workloads);
  const refused = problems.length > 0;
  const texts = refused ? [] : results.map(({ text }) => text ?? '');
  const inPlace = options.inPlace === true;
  if (inPlace) writeBack(inputs, texts);
  if (options.output === 'json') {
    const manifests = inPlace ? [] : texts.map((text, index) => ({ file: inputs[index]!.name, text }));
    writeOutput(dataText('json', { workloads, problems, skipped, manifests }));
  } else {
    for (const problem of [...skipped, ...problems]) writeNote(`${problemText(problem)}\n`);
    if (refused) writeNote('sideroute: nothing was changed\n');
    else if (options.output === 'table') writeOutput(workloadTable(workloads));
    else for (const workload of workloads) writeNote(`${workloadText(workload)}\n`);
    if (!refused && workloads.length === 0) writeNote('sideroute: there is no workload in this input\n');
    if (!refused && !inPlace && options.output === 'yaml') writeOutput(joinManifests(texts));
  }
  if (refused) process.exitCode = 1;
}

function workloadTable(workloads: readonly WorkloadResult[]): string {
  const rows = workloads.map(({ file, resource, action, detail }) => [file, resource, action, detail]);
  return table(['FILE', 'WORKLOAD', 'ACTION', 'DETAIL'], rows);
}

function workloadText({ file, document, resource, action, detail }: WorkloadResult): string {
  return `${file} (document ${document}): ${resource}: ${action}${detail === '' ? '' : ` (${detail})`}`;
}

function writeBack(inputs: readonly InputFile[], texts: readonly string[]): void {
  for (const [index, text] of texts.entries()) {
    const { name, text: before } = inputs[index]!;
    if (name === 'stdin') writeOutput(text);
    else if (text !== before) writeManifest(name, text);
  }
}

function writeManifest(name: string, text: string): void {
  try {
    writeFileSync(name, text);
  } catch (error) {
    throw new ProxyError('unwritable-file', `${name}: cannot be written: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

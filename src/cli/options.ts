/** Shared by the commands: converts parsers that throw ProxyError to those of commander, and defines common options. */
import { InvalidArgumentError, Option } from 'commander';
import { listenAddresses } from '../config/settings.ts';
import { ProxyError, unexpected } from '../errors.ts';
import { parseDuration } from '../gateway-api/durations.ts';

/** Makes an argument parser for commander: a ProxyError becomes a usage error that names the flag. */
export function argument<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof ProxyError) throw new InvalidArgumentError(error.message);
      throw error;
    }
  };
}

export const OUTPUT_FORMATS = ['table', 'json', 'yaml'] as const;

/** `table`: for people, in a form that suits the result. `output.ts` prints all formats. */
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** Older names of the default format. */
const DEFAULT_NAMES: readonly string[] = ['human', 'text'];

/** `-o` for commands that print a result. */
export function outputOption(): Option {
  return formatOption('how to print the result', 'table');
}

/** `-o` for commands whose result is manifests. */
export function manifestOutputOption(): Option {
  return formatOption('manifests in YAML or JSON, or a table of what is in them', 'yaml');
}

function formatOption(description: string, fallback: OutputFormat): Option {
  return new Option('-o, --output <format>', description)
    .choices(OUTPUT_FORMATS)
    .default(fallback)
    .argParser((text) => {
      const format = DEFAULT_NAMES.includes(text) ? fallback : OUTPUT_FORMATS.find((name) => name === text);
      if (format !== undefined) return format;
      throw new InvalidArgumentError(`Allowed choices are ${OUTPUT_FORMATS.join(', ')}.`);
    });
}

/** `-f` for commands that read files: equivalent to an argument. */
export function filenameOption(description = 'file, directory, or - for standard input; may be repeated'): Option {
  return new Option('-f, --filename <path>', description)
    .argParser((path: string, all: readonly string[]) => [...all, path])
    .default([]);
}

/** `--namespace` for commands that read routes as the sidecar of a pod would. */
export function namespaceOption(): Option {
  return new Option(
    '--namespace <name>',
    'namespace of the client pod: whose consumer routes apply, and of documents that name none',
  ).env('POD_NAMESPACE');
}

/** Address of an endpoint of a running sidecar. */
export interface AdminAddress {
  readonly address: string;
  readonly port: number;
}

/** An option whose value is `ADDRESS:PORT`. */
export function addressOption(option: Option, fallback: string): Option {
  return option.argParser(argument(adminAddress)).default(adminAddress(fallback), fallback);
}

/** `--admin` for commands that ask a running sidecar in the same pod. */
export function adminOption(): Option {
  return addressOption(
    new Option('--admin <address>', 'address of the private endpoint of the sidecar'),
    '127.0.0.1:15000',
  );
}

function adminAddress(text: string): AdminAddress {
  const [address, ...others] = listenAddresses(text);
  if (address === undefined || others.length > 0 || address.port === 0) {
    throw unexpected(text, 'ADDRESS:PORT or [IPV6]:PORT');
  }
  return address;
}

/** `--timeout`, in milliseconds. */
export function timeoutOption(fallback: string): Option {
  return new Option('--timeout <duration>', 'give up after this time')
    .argParser(argument(duration))
    .default(duration(fallback), fallback);
}

function duration(text: string): number {
  const durationMs = parseDuration(text);
  if (durationMs !== null) return durationMs;
  throw unexpected(text, 'a duration such as 500ms, 30s or 2m');
}

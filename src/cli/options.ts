/** What the commands share: turning parsers that throw ProxyError into commander's usage errors, and options that several have. */
import { InvalidArgumentError, Option } from 'commander';
import { listenAddresses } from '../config/settings.ts';
import { ProxyError, unexpected } from '../errors.ts';
import { parseDuration } from '../gateway-api/durations.ts';

/** A commander argument parser from one of ours: a ProxyError becomes a usage error that names the flag. */
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

/** `table`: for people, whatever suits the result. `output.ts` prints them. */
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** Other names of what a command prints by default, which commands have had for it. */
const DEFAULT_NAMES: readonly string[] = ['human', 'text'];

/** `-o` of commands that have a result to tell. */
export function outputOption(): Option {
  return formatOption('how to print the result', 'table');
}

/** `-o` of commands whose result is manifests. */
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

/** `-f`, for the commands that read files: the same as naming them without it. */
export function filenameOption(description = 'file, directory, or - for standard input; may be repeated'): Option {
  return new Option('-f, --filename <path>', description)
    .argParser((path: string, all: readonly string[]) => [...all, path])
    .default([]);
}

/** `--namespace`, for the commands that look at routes as the sidecar of some pod would. */
export function namespaceOption(): Option {
  return new Option(
    '--namespace <name>',
    'namespace of the client pod: whose consumer routes apply, and of documents that name none',
  ).env('POD_NAMESPACE');
}

/** Where an endpoint of a running sidecar is. */
export interface AdminAddress {
  readonly address: string;
  readonly port: number;
}

/** An option whose value is `ADDRESS:PORT`. */
export function addressOption(option: Option, fallback: string): Option {
  return option.argParser(argument(adminAddress)).default(adminAddress(fallback), fallback);
}

/** `--admin`, for the commands that ask a running sidecar in the same pod. */
export function adminOption(): Option {
  return addressOption(new Option('--admin <address>', 'its private admin endpoint'), '127.0.0.1:15000');
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

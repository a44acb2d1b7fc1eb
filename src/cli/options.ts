/** What the commands share: turning parsers that throw ProxyError into commander's usage errors, and output formats. */
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

export type OutputFormat = 'human' | 'json';

export function outputOption(): Option {
  return new Option('-o, --output <format>', 'how to print the result').choices(['human', 'json']).default('human');
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

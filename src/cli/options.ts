/** What the commands share: turning parsers that throw ProxyError into commander's usage errors, and output formats. */
import { InvalidArgumentError, Option } from 'commander';
import { ProxyError } from '../errors.ts';

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
  return new Option('--namespace <name>', 'namespace of the client pod; decides which consumer routes apply').env(
    'POD_NAMESPACE',
  );
}

/** `sideroute wait`: returns when a sidecar is ready; for the postStart hook of a classic sidecar. */
import { setTimeout as delay } from 'node:timers/promises';
import { Option, type Command } from 'commander';
import { ProxyError } from '../errors.ts';
import { getText } from './admin-client.ts';
import { addressOption, timeoutOption, type AdminAddress } from './options.ts';

interface WaitOptions {
  readonly metrics: AdminAddress;
  readonly timeout: number;
}

const POLL_MS = 50;

export function registerWait(program: Command): void {
  program
    .command('wait')
    .description('wait until the sidecar in this pod is started and ready')
    .addOption(
      addressOption(new Option('--metrics <address>', 'address of the probes of the sidecar'), '127.0.0.1:15020'),
    )
    .addOption(timeoutOption('60s'))
    .action(async ({ metrics, timeout }: WaitOptions) => {
      const endMs = performance.now() + timeout;
      let last = '';
      do {
        last = await notReady(metrics);
        if (last === '') return;
        await delay(POLL_MS);
      } while (performance.now() < endMs);
      throw new ProxyError('not-ready', `the sidecar is not ready in time: ${last}`);
    });
}

/** What it is still waiting for; empty when it is ready. */
async function notReady(address: AdminAddress): Promise<string> {
  for (const path of ['/startupz', '/readyz']) {
    try {
      const { status, body } = await getText(address, path);
      if (status !== 200) return `${path}: ${status} ${body.trim().replaceAll('\n', '; ')}`;
    } catch (error) {
      return `${path}: ${(error as Error).message}`;
    }
  }
  return '';
}

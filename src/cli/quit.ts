/**
 * `sideroute quit`: ends a running sidecar like SIGTERM does. For the application of a Job, whose sidecar would
 * otherwise never end, and for callers that cannot send a signal.
 */
import type { Command } from 'commander';
import { askAdmin, textOf } from './admin-client.ts';
import { adminOption, outputOption, type AdminAddress, type OutputFormat } from './options.ts';
import { writeResult } from './output.ts';

export function registerQuit(program: Command): void {
  program
    .command('quit')
    .description('end a running sidecar in the same way as SIGTERM: it drains, then exits with status 0')
    .addOption(adminOption())
    .addOption(outputOption())
    .action(async ({ admin, output }: { readonly admin: AdminAddress; readonly output: OutputFormat }) => {
      const notice = await askAdmin(admin, '/quit', 'POST');
      writeResult(output, notice, () => `${textOf(notice['message']) || 'draining'}\n`);
    });
}

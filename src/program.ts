/** All commands. The options table of the documentation is generated from it. */
import type { Command } from 'commander';
import { loadNative } from './addon/binding.ts';
import { registerCheck } from './cli/check.ts';
import { registerCompletion } from './cli/completion.ts';
import { globalAccessOptions } from './cli/cluster-access.ts';
import { registerConfig } from './cli/config.ts';
import { registerConnections } from './cli/connections.ts';
import { registerController } from './cli/controller.ts';
import { registerConvert } from './cli/convert.ts';
import { registerExplain } from './cli/explain.ts';
import { registerInject } from './cli/inject.ts';
import { registerIptables } from './cli/iptables.ts';
import { registerLogLevel } from './cli/log-level.ts';
import { registerPolicy } from './cli/policy.ts';
import { registerProxy } from './cli/proxy.ts';
import { registerQuit } from './cli/quit.ts';
import { registerRoutes } from './cli/routes.ts';
import { registerStatus } from './cli/status.ts';
import { registerTap } from './cli/tap.ts';
import { registerVersion } from './cli/version.ts';
import { registerWait } from './cli/wait.ts';
import { newProgram } from './command-line.ts';
import { packageCommit, packageVersion } from './package-root.ts';

export function buildProgram(): Command {
  const version = packageVersion();
  const program = newProgram();
  globalAccessOptions(program);
  registerProxy(program);
  registerCheck(program);
  registerExplain(program);
  registerIptables(program, { loadBinding: loadNative });
  registerInject(program, version);
  registerPolicy(program, version);
  registerRoutes(program);
  registerConvert(program);
  registerController(program, version);
  registerStatus(program);
  registerWait(program);
  registerConnections(program);
  registerConfig(program);
  registerTap(program);
  registerLogLevel(program);
  registerQuit(program);
  registerCompletion(program);
  registerVersion(program, { version, commit: packageCommit(), loadAddon: loadNative });
  return program;
}

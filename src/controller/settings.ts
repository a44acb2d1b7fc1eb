/**
 * The settings of `sideroute controller`, from flags and environment.
 *
 * Stage before: `cli/controller.ts`. Stage after: `controller.ts`.
 */
import type { ListenAddress } from '../addon/binding.ts';
import type { InjectSettings } from '../inject/annotations.ts';
import type { LogLevel } from '../log.ts';

/** In the status of routes, unless a flag says otherwise. */
export const CONTROLLER_NAME = 'sideroute.dev/controller';

export interface ControllerSettings {
  /** Null: that of the pod's service account. */
  readonly kubeconfig: string | null;
  /** In the status of routes: whose entries are ours. */
  readonly controllerName: string;
  readonly metrics: readonly ListenAddress[];
  readonly nudge: boolean;
  /** Nudges and looks per second. */
  readonly nudgeRate: number;
  /** Port of the sidecars that says what they serve. */
  readonly servedPort: number;
  readonly cleanupAfterMs: number;
  readonly leaderElection: boolean;
  readonly leaseName: string;
  readonly leaseNamespace: string;
  /** Of this replica. */
  readonly identity: string;
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
  readonly logLevel: LogLevel;
  /** Null: pods are injected by somebody else. */
  readonly webhook: { readonly port: number; readonly inject: InjectSettings } | null;
}

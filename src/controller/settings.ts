/**
 * The settings of `sideroute controller`, from flags and environment.
 *
 * Stage before: `cli/controller.ts`. Stage after: `controller.ts`.
 */
import type { ListenAddress } from '../addon/binding.ts';
import type { InjectSettings } from '../inject/annotations.ts';
import type { LogLevel } from '../log.ts';

/** Default name in the status of routes. */
export const CONTROLLER_NAME = 'sideroute.dev/controller';

export interface ControllerSettings {
  /** Null: the service account of the pod. */
  readonly kubeconfig: string | null;
  /** Name in the status of routes that marks our entries. */
  readonly controllerName: string;
  readonly metrics: readonly ListenAddress[];
  readonly nudge: boolean;
  /** Nudges and looks per second. */
  readonly nudgeRate: number;
  /** Port on which sidecars report what they serve. */
  readonly servedPort: number;
  readonly cleanupAfterMs: number;
  readonly leaderElection: boolean;
  readonly leaseName: string;
  readonly leaseNamespace: string;
  /** Identity of this replica. */
  readonly identity: string;
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
  readonly logLevel: LogLevel;
  /** Null: the webhook is off; pods are injected by other means. */
  readonly webhook: { readonly port: number; readonly inject: InjectSettings } | null;
}

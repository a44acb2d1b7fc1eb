/**
 * All checks, in the order in which they are run and shown. docs/cluster-checks.md is generated from it.
 *
 * Stage after: `run.ts`.
 */
import { API_CHECKS } from './checks/api.ts';
import { BACKEND_CHECKS } from './checks/backends.ts';
import { CONTROLLER_CHECKS } from './checks/controller.ts';
import { GATEWAY_API_CHECKS } from './checks/gateway-api.ts';
import { INJECTION_CHECKS } from './checks/injection.ts';
import { NETWORK_CHECKS } from './checks/network.ts';
import { PARENT_CHECKS } from './checks/parents.ts';
import { POD_CHECKS } from './checks/pods.ts';
import { ROUTE_SET_CHECKS } from './checks/route-sets.ts';
import { ROUTE_CHECKS } from './checks/routes.ts';
import type { Check } from './model.ts';

export const CHECKS: readonly Check[] = [
  ...API_CHECKS,
  ...GATEWAY_API_CHECKS,
  ...NETWORK_CHECKS,
  ...CONTROLLER_CHECKS,
  ...INJECTION_CHECKS,
  ...POD_CHECKS,
  ...ROUTE_SET_CHECKS,
  ...PARENT_CHECKS,
  ...BACKEND_CHECKS,
  ...ROUTE_CHECKS,
];

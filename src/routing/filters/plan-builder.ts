/**
 * Collects the changes that a sequence of filters makes to a request and its response.
 *
 * Stage before: the files of the single filters. Stage after: decisions and mirrors, which carry the built plans.
 */
import type { ForwardPlan, PathRewrite } from '../decision.ts';
import { FieldEditor, NO_EDITS } from './field-edits.ts';

export class PlanBuilder {
  readonly request = new FieldEditor();
  readonly response = new FieldEditor();
  host: string | null = null;
  path: PathRewrite | null = null;

  /** Null when nothing is changed. */
  build(): ForwardPlan | null {
    return makePlan({ ...this.requestPart(), response: this.response.build() });
  }

  /** The plan of a mirror: the changes so far, without those to the response. Null when nothing is changed. */
  buildForMirror(): ForwardPlan | null {
    return makePlan({ ...this.requestPart(), response: NO_EDITS });
  }

  private requestPart(): Omit<ForwardPlan, 'response'> {
    return { request: this.request.build(), host: this.host, path: this.path };
  }
}

function makePlan(plan: ForwardPlan): ForwardPlan | null {
  const changes = plan.request !== NO_EDITS || plan.response !== NO_EDITS || plan.host !== null || plan.path !== null;
  return changes ? plan : null;
}

/**
 * Turns an AdmissionReview request into a response: a pod becomes what `sideroute inject` would make of its manifest.
 *
 * Stage before: `server.ts` has read the request. Stage after: the API server applies the patch. The
 * MutatingWebhookConfiguration defines the scope. Anything else than a new pod is allowed unchanged.
 */
import { REFUSED_POD, MEND_POD } from '../inject/pod-messages.ts';
import { injectManifest, type InjectOptions } from '../inject/inject.ts';
import { INJECTED_ANNOTATION } from '../inject/record.ts';
import { INJECT_ANNOTATION, LEFT_ALONE, MIRROR_ANNOTATION } from '../inject/annotations.ts';
import { additionsTo, MAX_OUTLINE, objectOf, outlineOf, type Json } from './outline.ts';

export interface Review {
  readonly body: object;
  readonly outcome: 'injected' | 'untouched' | 'refused';
}

/** Thrown for an invalid request. */
export class BadReview extends Error {
  override name = 'BadReview';
}

interface Patch {
  readonly op: 'add';
  readonly path: string;
  readonly value: unknown;
}

const TOO_LONG =
  `it has more containers, ports, volumes and annotations of sideroute than can be looked at: their names and numbers come to more than ` +
  `${MAX_OUTLINE / 1024} KiB`;

/** @throws BadReview */
export function reviewPod(text: string, options: InjectOptions): Review {
  const request = requestOf(text);
  const uid = request['uid'] as string;
  const answer = (outcome: Review['outcome'], response: object): Review => ({
    body: { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid, ...response } },
    outcome,
  });
  const pod = objectOf(request['object']);
  const annotations = objectOf(objectOf(pod['metadata'])['annotations']);
  const isNew = request['operation'] === 'CREATE' && objectOf(request['kind'])['kind'] === 'Pod';
  if (!isNew || INJECTED_ANNOTATION in annotations || MIRROR_ANNOTATION in annotations) {
    return answer('untouched', { allowed: true });
  }
  const refused = (reasons: readonly string[]): Review => {
    const message = `${REFUSED_POD}${reasons.join('; ')}${MEND_POD}`;
    return answer('refused', { allowed: false, status: { code: 403, reason: 'Forbidden', message } });
  };
  const outline = outlineOf(pod);
  // A pod without a sidecar need not be small.
  if (outline.length > MAX_OUTLINE)
    return isLeftAlone(pod) ? answer('untouched', { allowed: true }) : refused([TOO_LONG]);
  const result = injectManifest('pod', outline, options);
  if (result.text === null) {
    return refused(result.problems.map(({ path, message }) => `${path === '' ? '' : `${path} `}${message}`));
  }
  const patch = patchOf(pod, JSON.parse(result.text) as Json);
  if (patch.length === 0) return answer('untouched', { allowed: true });
  return answer('injected', {
    allowed: true,
    patchType: 'JSONPatch',
    patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
  });
}

function patchOf(pod: Json, outline: Json): Patch[] {
  return Array.from(additionsTo(pod, outline), ([holder, field, value]) => ({
    op: 'add',
    path: `/${holder}/${field}`,
    value,
  }));
}

function isLeftAlone(pod: Json): boolean {
  const metadata = objectOf(pod['metadata']);
  return ['annotations', 'labels'].some((holder) => {
    const value = objectOf(metadata[holder])[INJECT_ANNOTATION];
    return typeof value === 'string' && LEFT_ALONE.includes(value);
  });
}

function requestOf(text: string): Json {
  let review: unknown;
  try {
    review = JSON.parse(text);
  } catch {
    throw new BadReview('the body is not JSON');
  }
  const { kind, apiVersion, request } = objectOf(review);
  if (kind !== 'AdmissionReview' || apiVersion !== 'admission.k8s.io/v1') {
    throw new BadReview('expected an AdmissionReview of admission.k8s.io/v1');
  }
  const object = objectOf(request);
  if (typeof object['uid'] !== 'string') throw new BadReview('the request has no uid');
  return object;
}

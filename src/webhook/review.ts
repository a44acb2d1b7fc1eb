/**
 * An AdmissionReview in, an AdmissionReview out: a pod becomes what `sideroute inject` makes of its manifest.
 *
 * Stage before: `server.ts` has read the request. Stage after: the API server applies the patch. The scope is that of the
 * MutatingWebhookConfiguration; what is asked for nevertheless and is no new pod is let through as it is.
 */
import { REFUSED_POD, MEND_POD } from '../inject/pod-messages.ts';
import { injectManifest, type InjectOptions } from '../inject/inject.ts';
import { INJECTED_ANNOTATION } from '../inject/record.ts';
import { MIRROR_ANNOTATION } from '../inject/annotations.ts';

export interface Review {
  readonly body: object;
  readonly outcome: 'injected' | 'untouched' | 'refused';
}

/** For a request that is none. */
export class BadReview extends Error {
  override name = 'BadReview';
}

interface Patch {
  readonly op: 'add';
  readonly path: string;
  readonly value: unknown;
}

type Json = Readonly<Record<string, unknown>>;

/** What injection changes. */
const CHANGED = [
  ['spec', 'initContainers'],
  ['spec', 'containers'],
  ['spec', 'volumes'],
  ['metadata', 'annotations'],
] as const;

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
  const manifest = JSON.stringify({ ...pod, apiVersion: 'v1', kind: 'Pod' });
  const result = injectManifest('pod', manifest, options);
  if (result.text === null) {
    const problems = result.problems.map(({ path, message }) => `${path === '' ? '' : `${path} `}${message}`);
    const message = `${REFUSED_POD}${problems.join('; ')}${MEND_POD}`;
    return answer('refused', { allowed: false, status: { code: 403, reason: 'Forbidden', message } });
  }
  const patch = patchOf(pod, JSON.parse(result.text) as Json);
  if (patch.length === 0) return answer('untouched', { allowed: true });
  return answer('injected', {
    allowed: true,
    patchType: 'JSONPatch',
    patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
  });
}

function patchOf(before: Json, after: Json): Patch[] {
  return CHANGED.flatMap(([holder, field]) => {
    const [old, value] = [objectOf(before[holder])[field], objectOf(after[holder])[field]];
    if (JSON.stringify(old) === JSON.stringify(value)) return [];
    return [{ op: 'add', path: `/${holder}/${field}`, value }];
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

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

/**
 * However somebody spells the user of the sidecar, or that of a container: what runs as the sidecar's user is found, or the spelling is
 * refused. By `inject` and by the webhook here; by the policies in test/cluster/injection-policy.test.ts.
 */
import fc from 'fast-check';
import t from 'tap';
import { defaultSettings } from '../../../src/inject/annotations.ts';
import { reviewPod } from '../../../src/webhook/review.ts';
import { SPELLINGS, USERS, podOfUsers } from '../../support/user-spellings.ts';
import { inject, VERSION } from './fixtures.ts';
import { matches } from '../../support/match.ts';

const MAX_UID = 4_294_967_294;

function webhookAllows(pod: object): boolean {
  const request = { uid: 'u', kind: { group: '', version: 'v1', kind: 'Pod' }, operation: 'CREATE', object: pod };
  const text = JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request });
  const { outcome } = reviewPod(text, { version: VERSION, settings: defaultSettings(VERSION) });
  return outcome !== 'refused';
}

t.test('a pod with a container of the sidecar’s user is never injected, however the user is spelt', async () => {
  const numbers = fc.oneof(fc.constantFrom(...USERS), fc.integer({ min: 0, max: MAX_UID + 2 }));
  fc.assert(
    fc.property(numbers, fc.constantFrom(...SPELLINGS), (uid, { spell }) => {
      const pod = podOfUsers(spell(uid), uid);
      return inject(JSON.stringify(pod)).text === null && !webhookAllows(pod);
    }),
  );
});

t.test('another user is no reason to refuse, in the one spelling that a number has', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: MAX_UID - 1 }), (uid) => {
      const pod = podOfUsers(` ${uid}\n`, uid + 1);
      return inject(JSON.stringify(pod)).text !== null && webhookAllows(pod);
    }),
  );
});

t.test('a user in a manifest that YAML readers take for different things is found or refused', async (t) => {
  const spellings = ['1337', '02471', '0o2471', '0O2471', '0x539', '0X539', '0b10100111001', '0B10100111001', '+1337'];
  for (const spelling of [...spellings, '1_337', '1337.0', '1.337e3', '"1337"', '!!int "1337"', '+0x539']) {
    const text = `apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  securityContext: {runAsUser: ${spelling}}\n  containers: [{name: a, image: a:1}]\n`;
    const { problems } = inject(text);
    matches(t, problems, [{ path: 'spec.securityContext.runAsUser' }], `${spelling}: ${JSON.stringify(problems)}`);
  }
  for (const spelling of ['1338', '', 'null', '~']) {
    const text = `apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  securityContext: {runAsUser: ${spelling}}\n  containers: [{name: a, image: a:1}]\n`;
    t.same(inject(text).problems, [], spelling);
  }
  const port =
    'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers: [{name: a, image: a:1, ports: [{containerPort: 0o35231}]}]\n';
  matches(t, inject(port).problems, [{ path: 'spec.containers[0].ports[0].containerPort' }]);
});

/** Conditions with what is known of addresses: which turn, to what, and in which words. */
import t from 'tap';
import { liveConditions } from '../../../src/cluster/live-conditions.ts';
import type { Knowledge } from '../../../src/cluster/knowledge.ts';
import { attach } from '../../../src/config/attach.ts';
import type { Attachment } from '../../../src/config/attachment.ts';
import type { Resource } from '../../../src/gateway-api/types.ts';
import { finish } from '../../../src/slices.ts';
import { mirror } from '../../support/filters.ts';
import { backend, httpRoute, parent, rule, service } from '../../support/routes.ts';
import { matches } from '../../support/match.ts';

const KNOWN: Knowledge = { state: 'known', message: null };
const MISSING: Knowledge = { state: 'missing', message: 'cluster DNS knows no such Service (ENOTFOUND)' };
const FORGOTTEN: Knowledge = { state: 'forgotten', message: `${MISSING.message}; its last good address is used` };
const UNKNOWN: Knowledge = { state: 'unknown', message: 'cluster DNS does not answer (ETIMEOUT)' };
const ASKED: Knowledge = { state: 'asked', message: 'cluster DNS has not answered yet' };
const STALE: Knowledge = {
  state: 'known',
  message: 'cluster DNS does not answer (ETIMEOUT); its last good address is used',
};

function attached(...resources: readonly Resource[]): Attachment {
  return attach({ resources, namespace: 'shop' });
}

/** `type=status reason: message` of each condition. `knowledge`: by key; others are known, `null` is not looked up. */
function live(attachment: Attachment, knowledge: Readonly<Record<string, Knowledge | null>> = {}): string[] {
  const of = (key: string) => (key in knowledge ? knowledge[key]! : KNOWN);
  return finish(liveConditions(attachment, { parent: of, backend: of })).map(
    ({ type, status, reason, message }) => `${type}=${status} ${reason}: ${message}`,
  );
}

const ROUTE = httpRoute(
  'shop/r',
  [parent('shop/web', { port: 80 })],
  [rule({ backendRefs: [backend('shop/v1:80'), backend('shop/v2:80')] })],
);
const ATTACHMENT = attached(ROUTE);
const ACCEPTED = 'Accepted=True Accepted: producer route: serves clients of shop/web in every namespace';
const RESOLVED = 'ResolvedRefs=True ResolvedRefs: every backendRef is usable';

t.test('what is known turns nothing: the conditions are the same objects', async (t) => {
  t.same(live(ATTACHMENT), [ACCEPTED, RESOLVED]);
  const same = finish(liveConditions(ATTACHMENT, { parent: () => KNOWN, backend: () => null }));
  t.ok(same.every((condition, index) => condition === ATTACHMENT.conditions[index]));
});

t.test('a backend that is missing: ResolvedRefs is False, with its field and what becomes of its share', async (t) => {
  t.same(live(ATTACHMENT, { 'shop/v2:80': MISSING }), [
    ACCEPTED,
    'ResolvedRefs=False BackendNotFound: spec.rules[0].backendRefs[1]: Service shop/v2: cluster DNS knows no such Service ' +
      '(ENOTFOUND); its share of requests is answered with 500',
  ]);
  t.match(
    live(ATTACHMENT, { 'shop/v1:80': MISSING, 'shop/v2:80': MISSING })[1],
    /backendRefs\[0\].* \| .*backendRefs\[1\]/,
  );
});

t.test('a backend that cluster DNS has forgotten is missing, though its last good address is used', async (t) => {
  t.match(
    live(ATTACHMENT, { 'shop/v1:80': FORGOTTEN })[1],
    /^ResolvedRefs=False BackendNotFound: .*last good address is used$/,
  );
});

t.test('a backend that is not known: ResolvedRefs is Unknown, told apart from missing', async (t) => {
  const [, unknown] = live(ATTACHMENT, { 'shop/v1:80': UNKNOWN });
  t.match(
    unknown,
    /^ResolvedRefs=Unknown Pending: .*does not answer \(ETIMEOUT\); its share of requests is answered with 503$/,
  );
  t.match(live(ATTACHMENT, { 'shop/v1:80': UNKNOWN, 'shop/v2:80': MISSING })[1], /^ResolvedRefs=False BackendNotFound/);
  t.match(live(ATTACHMENT, { 'shop/v1:80': ASKED })[1], /^ResolvedRefs=Unknown Pending: .*has not answered yet/);
});

t.test('a last good address while DNS does not answer: True, and said', async (t) => {
  t.match(
    live(ATTACHMENT, { 'shop/v1:80': STALE })[1],
    /^ResolvedRefs=True ResolvedRefs: every backendRef is usable \| .*last good/,
  );
  t.match(
    live(ATTACHMENT, { 'shop/web': STALE })[0],
    /^Accepted=True Accepted: producer route.* \| Service shop\/web: .*last good/,
  );
});

t.test('a parent that is missing, or not known: Accepted is False, or Unknown', async (t) => {
  t.same(live(ATTACHMENT, { 'shop/web': MISSING }), [
    'Accepted=False NoMatchingParent: Service shop/web: cluster DNS knows no such Service (ENOTFOUND); connections to it ' +
      'pass unrouted',
    RESOLVED,
  ]);
  t.match(
    live(ATTACHMENT, { 'shop/web': FORGOTTEN })[0],
    /^Accepted=False NoMatchingParent: .*last good address is used$/,
  );
  t.match(
    live(ATTACHMENT, { 'shop/web': UNKNOWN })[0],
    /^Accepted=Unknown Pending: Service shop\/web: .*pass unrouted$/,
  );
});

t.test('what the route files say is wrong stays, with what is found beside it', async (t) => {
  const attachment = attached(service('shop/v1', [{ name: null, port: 81 }]), ROUTE);
  t.match(
    live(attachment, { 'shop/v2:80': MISSING })[1],
    /^ResolvedRefs=False BackendNotFound: .*no TCP port 80; .*500 \| .*backendRefs\[1\].*ENOTFOUND/,
  );
  t.match(
    live(attachment, { 'shop/v2:80': UNKNOWN })[1],
    /^ResolvedRefs=False BackendNotFound: .*no TCP port 80.* \| .*ETIMEOUT/,
  );
  const headless = attached(service('shop/web', [{ name: null, port: 80 }], { headless: true }), ROUTE);
  matches(t, live(headless, { 'shop/web': MISSING }), [
    /^Accepted=False NoMatchingParent: Service shop\/web is headless/,
  ]);
});

t.test('a mirror that is missing is one of the references; a backend of weight 0 need not exist', async (t) => {
  const attachment = attached(
    httpRoute(
      'shop/r',
      [parent('shop/web', { port: 80 })],
      [
        rule({
          filters: [mirror('shop/copy:80')],
          backendRefs: [backend('shop/v1:80'), backend('shop/v2:80', { weight: 0 })],
        }),
      ],
    ),
  );
  t.match(
    live(attachment, { 'shop/copy:80': MISSING, 'shop/v2:80': MISSING })[1],
    /^ResolvedRefs=False BackendNotFound: spec\.rules\[0\]\.filters\[0\]\.requestMirror\.backendRef: Service shop\/copy: [^|]*; no request is mirrored there$/,
  );
});

t.test("the parent of a route for clients elsewhere is nobody's business here", async (t) => {
  const attachment = attached(
    httpRoute('other/r', [parent('shop/web', { port: 80 })], [rule({ backendRefs: [backend('shop/v1:80')] })]),
  );
  matches(t, live(attachment, { 'shop/web': MISSING, 'shop/v1:80': null }), [/^Accepted=True/, /^ResolvedRefs=True/]);
});

t.test('of many references the worst are told', async (t) => {
  const backendRefs = Array.from({ length: 16 }, (_, index) => backend(`shop/b${index}:80`));
  const attachment = attached(httpRoute('shop/r', [parent('shop/web', { port: 80 })], [rule({ backendRefs })]));
  const knowledge = Object.fromEntries(backendRefs.map(({ name }) => [`shop/${name}:80`, ASKED]));
  const [, resolved] = live(attachment, { ...knowledge, 'shop/b9:80': UNKNOWN, 'shop/b12:80': MISSING });
  t.match(
    resolved,
    /^ResolvedRefs=False BackendNotFound: spec\.rules\[0\]\.backendRefs\[12\]: [^|]* \| [^|]*\[9\]: [^|]* \| [^|]* \| [^|]* \| and 12 more$/,
  );
});

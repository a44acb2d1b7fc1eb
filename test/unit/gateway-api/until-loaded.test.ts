/** What is remembered to share equal parts of a configuration: so much at most, and not once it is loaded. */
import t from 'tap';
import { parseRouteFile } from '../../../src/gateway-api/parse.ts';
import { SharedObjects } from '../../../src/gateway-api/shared-objects.ts';
import { forgetShared, untilLoaded } from '../../../src/gateway-api/until-loaded.ts';
import { largeRouteFiles } from '../../support/large-routes.ts';

/** Of what two routes of one parent have in common. */
function sharedParts(): readonly object[] {
  const files = largeRouteFiles({ routes: 1, rulesPerRoute: 1, services: 1, format: 'documents', files: 1 });
  const resources = [...files].flatMap(([name, text]) => parseRouteFile(name, text).resources);
  const route = resources.find((resource) => resource.kind === 'HTTPRoute');
  if (route?.kind !== 'HTTPRoute') throw new Error('no route');
  return [route.parentRefs, route.parentRefs[0]!, route.rules[0]!.backendRefs, route.rules[0]!.backendRefs[0]!];
}

t.test('equal parts are there once until a configuration is loaded', (t) => {
  const [first, second] = [sharedParts(), sharedParts()];
  for (const [index, part] of first.entries()) t.equal(second[index], part);
  forgetShared();
  const third = sharedParts();
  for (const [index, part] of first.entries()) {
    t.not(third[index], part);
    t.same(third[index], part);
  }
  t.end();
});

t.test('of objects that hardly come again few are remembered', (t) => {
  const MOST = 1_024;
  const objects = untilLoaded(new SharedObjects<object>());
  const object = (index: number): object => objects.of(String(index), () => ({ index }));
  const first = object(0);
  for (let index = 1; index < MOST; index++) object(index);
  t.equal(object(0), first, 'as many as there may be');
  object(MOST);
  t.not(object(0), first, 'one more');
  t.end();
});

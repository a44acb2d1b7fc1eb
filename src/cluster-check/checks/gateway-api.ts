/** Checks of the Gateway API resources: whether they are installed, and their version and channel. */
import { listOf, objectOf, textOf, type Json } from '../../kube/json.ts';
import { counted, findingAt, inShell, type Check, type Finding, type Mend } from '../model.ts';
import { annotationsOf, at, isBefore, nameOf, versionOf, type ClusterView } from '../view.ts';

/** The version on which rules and tests are based. */
const BUNDLE = 'v1.7.0';
/** First version with GRPCRoute v1. */
const OLDEST_BUNDLE = [1, 1] as const;
const GROUP = 'gateway.networking.k8s.io';
const REQUIRED = ['httproutes', 'grpcroutes'] as const;

/** Uses the installed channel. The other one would be refused, or would drop fields of routes. */
function install(view: ClusterView): Mend {
  const channels = definitions(view).map((item) => textOf(annotationsOf(item), `${GROUP}/channel`));
  const file = channels.includes('experimental') ? 'experimental-install.yaml' : 'standard-install.yaml';
  const releases = 'https://github.com/kubernetes-sigs/gateway-api/releases/download';
  return inShell(`kubectl apply --server-side --force-conflicts -f ${releases}/${BUNDLE}/${file}`);
}

function definition(view: ClusterView, plural: string): Json | null {
  return view.find('customResourceDefinitions', null, `${plural}.${GROUP}`);
}

function definitions(view: ClusterView): Json[] {
  return REQUIRED.map((plural) => definition(view, plural)).filter((item) => item !== null);
}

function presence(plural: (typeof REQUIRED)[number], kind: string, result: 'error' | 'warning', before: string): Check {
  return {
    id: `gateway-api-${plural}`,
    group: 'gatewayApi',
    title: `the cluster has ${kind}`,
    why: before,
    mend: `Install the resources of the Gateway API, ${BUNDLE} or later.`,
    before: true,
    needs: ['customResourceDefinitions'],
    judge(view) {
      const name = `${plural}.${GROUP}`;
      const found = definition(view, plural);
      if (found === null) {
        const place = { kind: 'CustomResourceDefinition', namespace: null, name };
        return { looked: name, findings: [findingAt(result, place, 'is not installed', install(view))] };
      }
      const conditions = listOf(objectOf(found, 'status'), 'conditions');
      const established = conditions.find((each) => textOf(each, 'type') === 'Established');
      if (textOf(established, 'status') === 'True') return { looked: name, findings: [] };
      const message = `is not established: ${textOf(established, 'message') ?? 'the API server says nothing of it'}`;
      const place = at('CustomResourceDefinition', found);
      return { looked: name, findings: [findingAt('error', place, message, install(view))] };
    },
  };
}

const servesV1: Check = {
  id: 'gateway-api-v1',
  group: 'gatewayApi',
  title: 'HTTPRoute and GRPCRoute are served as v1',
  why: 'Version v1 is what people and tools write. The controller reads others, where v1 is not served.',
  mend: 'Serve it again, or install the resources of the Gateway API anew.',
  before: true,
  needs: ['customResourceDefinitions'],
  judge(view) {
    const found = definitions(view);
    const findings = found.flatMap((item): Finding[] => {
      const versions = listOf(objectOf(item, 'spec'), 'versions');
      const index = versions.findIndex((version) => textOf(version, 'name') === 'v1');
      if (index >= 0 && versions[index]!['served'] === true) return [];
      const served = versions.filter((version) => version['served'] === true).map((each) => textOf(each, 'name') ?? '');
      const message = `v1 is not served; ${served.length === 0 ? 'no version is' : `${served.join(', ')} are`}`;
      const patch = `[{"op":"replace","path":"/spec/versions/${index}/served","value":true}]`;
      const mend = index < 0 ? install(view) : inShell(`kubectl patch crd ${nameOf(item)} --type=json -p '${patch}'`);
      return [findingAt('error', at('CustomResourceDefinition', item), message, mend)];
    });
    return { looked: counted(found.length, 'definition'), findings };
  },
};

const bundle: Check = {
  id: 'gateway-api-version',
  group: 'gatewayApi',
  title: 'the resources of the Gateway API are of one known version',
  why:
    `sideroute follows ${BUNDLE}. Definitions before 1.1 have no GRPCRoute v1; those of several versions or channels come of two ` +
    'installs over each other, and fields of routes are dropped by the older ones.',
  mend: `Install all of them from one bundle, ${BUNDLE} or later.`,
  before: true,
  needs: ['customResourceDefinitions'],
  judge(view) {
    const found = definitions(view);
    const told = found.map((item) => ({
      item,
      version: textOf(annotationsOf(item), `${GROUP}/bundle-version`) ?? '',
      channel: textOf(annotationsOf(item), `${GROUP}/channel`) ?? '',
    }));
    const [first] = told;
    const findings = told.flatMap(({ item, version, channel }): Finding[] => {
      const say = (message: string): Finding[] => [
        findingAt('warning', at('CustomResourceDefinition', item), message, install(view)),
      ];
      const parsed = versionOf(version);
      if (parsed === null) return say('does not say of which version of the Gateway API it is');
      if (isBefore(parsed, OLDEST_BUNDLE)) return say(`is of ${version}, and v1.1 is the oldest that is known to work`);
      if (version !== first!.version || channel !== first!.channel) {
        return say(`is of ${version} ${channel}, and ${nameOf(first!.item)} of ${first!.version} ${first!.channel}`);
      }
      return [];
    });
    const looked = first === undefined ? 'no definition' : `${first.version} ${first.channel}`;
    return { looked, findings };
  },
};

export const GATEWAY_API_CHECKS: readonly Check[] = [
  presence('httproutes', 'HTTPRoute', 'error', 'Without it there are no routes.'),
  presence('grpcroutes', 'GRPCRoute', 'warning', 'Without it calls of gRPC are routed by HTTPRoutes alone.'),
  servesV1,
  bundle,
];

/**
 * Checks of the network: whether rules in pods see connections to ClusterIPs, and whether the rules cover all
 * ClusterIPs.
 */
import { ServiceNetworks } from '../../config/service-networks.ts';
import { INIT_NAME } from '../../inject/containers.ts';
import { SETTING_NAMES } from '../../iptables/settings.ts';
import { isIP } from 'node:net';
import { listOf, objectOf, textOf, type Json } from '../../kube/json.ts';
import { injectionDefaults } from '../injection-defaults.ts';
import { byHand, counted, findingAt, findingOf, inShell, type Check, type Finding } from '../model.ts';
import { at, containersOf, keyOf, nameOf, namespaceOf, workloadOf, type ClusterView } from '../view.ts';

const hiddenAddresses: Check = {
  id: 'cni-hides-cluster-ips',
  group: 'network',
  title: 'no CNI exchanges ClusterIPs before they leave the socket',
  why:
    'Cilium in place of kube-proxy, and Calico with eBPF, exchange the ClusterIP for a pod’s address inside `connect()`. No rule in ' +
    'the pod sees a Service then, and no request is routed; the init container refuses to start.',
  mend: 'Leave load balancing in sockets to the host’s namespace (Cilium), or turn it off for TCP (Calico).',
  before: true,
  needs: ['ciliumConfig', 'felixConfigurations'],
  judge(view) {
    const findings: Finding[] = [];
    const cilium = view.find('ciliumConfig', 'kube-system', 'cilium-config');
    if (cilium !== null && ciliumHides(objectOf(cilium, 'data'))) {
      const message =
        'Cilium balances in sockets of pods (kube-proxy replacement without bpf-lb-sock-hostns-only): rules in pods see no ClusterIP';
      const mend = inShell(
        `kubectl -n kube-system patch configmap cilium-config --type=merge -p '{"data":{"bpf-lb-sock-hostns-only":"true"}}'` +
          ' && kubectl -n kube-system rollout restart daemonset/cilium',
      );
      findings.push(findingAt('error', at('ConfigMap', cilium), message, mend));
    }
    for (const felix of view.items('felixConfigurations')) {
      const spec = objectOf(felix, 'spec');
      if (spec['bpfEnabled'] !== true || textOf(spec, 'bpfConnectTimeLoadBalancing') === 'Disabled') continue;
      const patch = '{"spec":{"bpfConnectTimeLoadBalancing":"Disabled"}}';
      const mend = inShell(
        `kubectl patch felixconfigurations.crd.projectcalico.org ${nameOf(felix)} --type=merge -p '${patch}'`,
      );
      const message = 'Calico balances TCP in connect() (bpfConnectTimeLoadBalancing): rules in pods see no ClusterIP';
      findings.push(findingAt('error', at('FelixConfiguration', felix), message, mend));
    }
    return { looked: cilium === null ? 'no Cilium' : 'cilium-config', findings };
  },
};

/** Covers the values of all versions: `strict`, `partial` and `probe` were used before `true`. */
function ciliumHides(data: Json): boolean {
  const replaces = !['false', 'disabled', null].includes(textOf(data, 'kube-proxy-replacement'));
  const inSockets =
    replaces || textOf(data, 'bpf-lb-sock') === 'true' || textOf(data, 'enable-host-reachable-services') === 'true';
  return inSockets && textOf(data, 'bpf-lb-sock-hostns-only') !== 'true';
}

const MODES = ['', 'iptables', 'nftables', 'ipvs'];

const kubeProxy: Check = {
  id: 'kube-proxy',
  group: 'network',
  title: 'kube-proxy has a mode that pods can reach ClusterIPs in',
  why: 'sideroute sends requests to ClusterIPs, which kube-proxy (or what replaces it) carries on.',
  mend: 'Set the mode to `iptables` or `nftables` in the ConfigMap of kube-proxy, and restart it.',
  before: true,
  needs: ['kubeProxyConfig'],
  judge(view) {
    const found = view.find('kubeProxyConfig', 'kube-system', 'kube-proxy');
    if (found === null) return { looked: 'no ConfigMap kube-proxy: something else carries ClusterIPs', findings: [] };
    const config = textOf(objectOf(found, 'data'), 'config.conf') ?? '';
    const mode = /^mode:[ \t]*["']?([A-Za-z]*)["']?[ \t]*$/m.exec(config)?.[1] ?? '';
    const looked = `mode ${mode === '' ? 'iptables, the default' : mode}`;
    if (MODES.includes(mode)) return { looked, findings: [] };
    const mend = byHand(
      'kubectl -n kube-system edit configmap kube-proxy: mode: iptables; then kubectl -n kube-system rollout restart daemonset/kube-proxy',
    );
    return {
      looked,
      findings: [findingAt('error', at('ConfigMap', found), `mode ${mode} is none that is known`, mend)],
    };
  },
};

const serviceCidrs: Check = {
  id: 'service-cidrs',
  group: 'network',
  title: 'injection captures all networks that ClusterIPs come from',
  why:
    'With `service-cidrs` the rules in pods are about those networks alone. Services with a ClusterIP from another one are reached past ' +
    'the sidecar, and no route of theirs is followed.',
  mend: 'Say all networks of the ServiceCIDR objects in `service-cidrs`, or say none.',
  before: false,
  needs: ['serviceCidrs', 'mutatingPolicies', 'deployments'],
  judge(view) {
    const networks = injectionDefaults(view).get('service-cidrs') ?? '';
    const objects = view.items('serviceCidrs');
    const cidrs = objects.flatMap((item) => {
      const list: unknown = objectOf(item, 'spec')['cidrs'];
      return (Array.isArray(list) ? list : []).filter((cidr): cidr is string => typeof cidr === 'string');
    });
    const known = [...new Set(cidrs)];
    const looked = `${counted(known.length, 'network')}; injection captures ${networks === '' ? 'all' : networks}`;
    const captured = networksOf(networks);
    if (captured === null) {
      const mend = byHand(
        'write them as 10.96.0.0/12,fd00:10:96::/112, with sideroute policy --service-cidrs, or in the values of the chart',
      );
      return { looked, findings: [findingOf('error', `service-cidrs "${networks}" are no networks`, mend)] };
    }
    const missing = known.filter((cidr) => ends(cidr).some((address) => !captured(address)));
    if (missing.length === 0) return { looked, findings: [] };
    const all = [...networks.split(/[\s,]+/), ...missing].filter((part) => part !== '').join(',');
    const message = `ClusterIPs may come from ${missing.join(', ')}, which injection does not capture (${networks})`;
    const mend = byHand(
      `say --service-cidrs ${all} where the install is made (sideroute policy, or injection.serviceCidrs of the chart)`,
    );
    return { looked, findings: [findingOf('error', message, mend)] };
  },
};

/** First and last address of a network. */
function ends(cidr: string): string[] {
  const [address = '', prefix = ''] = cidr.split('/');
  const version = isIP(address);
  if (version !== 4) return version === 6 ? [address] : [];
  const host = 32 - Number(prefix);
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const last = Math.floor(number / 2 ** host) * 2 ** host + 2 ** host - 1;
  return [address, [24, 16, 8, 0].map((shift) => Math.floor(last / 2 ** shift) % 256).join('.')];
}

/** Null when the text is invalid. If networks of only one family are given, the other family is not captured. */
function networksOf(text: string): ((address: string) => boolean) | null {
  if (text.trim() === '') return () => true;
  try {
    const networks = new ServiceNetworks(text);
    const families = new Set(text.split(/[\s,]+/).map((part) => isIP(part.split('/')[0] ?? '')));
    return (address) => families.has(isIP(address)) && networks.contains(address) !== false;
  } catch {
    return null;
  }
}

function clusterIPsOf(service: Json): string[] {
  const spec = objectOf(service, 'spec');
  const list: unknown = spec['clusterIPs'];
  const all = Array.isArray(list) ? list : [spec['clusterIP']];
  return all.filter((address): address is string => typeof address === 'string' && isIP(address) !== 0);
}

/** Networks configured in the init container of a sidecar; null: all. */
function toldNetworks(pod: Json): string | null {
  const init = containersOf(pod).find((container) => textOf(container, 'name') === INIT_NAME);
  const variable = listOf(init, 'env').find((each) => textOf(each, 'name') === SETTING_NAMES.serviceCidrs.env);
  return textOf(variable, 'value');
}

const uncaptured: Check = {
  id: 'cluster-ips-captured',
  group: 'network',
  title: 'the ClusterIPs of Services with routes are captured in all pods with a sidecar',
  why: 'A pod keeps the networks that it was made with. A Service outside of them is reached past its sidecar, in one family or in both.',
  mend: 'Make the pods anew, once `service-cidrs` of the injection is right.',
  before: false,
  needs: ['pods', 'services', 'httpRoutes', 'grpcRoutes'],
  judge(view) {
    const services = routedServices(view);
    const groups = new Map<string, Json>();
    for (const pod of view.meshed) {
      const told = toldNetworks(pod);
      if (told !== null) groups.set(JSON.stringify([namespaceOf(pod), workloadOf(pod) ?? nameOf(pod), told]), pod);
    }
    const findings = [...groups.values()].flatMap((pod): Finding[] => {
      const told = toldNetworks(pod) ?? '';
      const captured = networksOf(told);
      const missed = services.flatMap((service) => {
        const outside = clusterIPsOf(service).filter((address) => captured?.(address) === false);
        return outside.length === 0 ? [] : [`${keyOf(service)} (${outside.join(', ')})`];
      });
      if (missed.length === 0) return [];
      const message = `captures ${told} alone, and not ${missed.slice(0, 3).join(', ')}${missed.length > 3 ? ' and more' : ''}`;
      const workload = workloadOf(pod);
      const mend =
        workload === null
          ? byHand('make the pod anew with other networks: see the check service-cidrs')
          : inShell(`kubectl -n ${namespaceOf(pod)} rollout restart ${workload}`);
      return [findingAt('error', at('Pod', pod), message, mend)];
    });
    return {
      looked: `${counted(services.length, 'Service')} with routes, ${counted(view.meshed.length, 'pod')}`,
      findings,
    };
  },
};

/** Parents of routes. */
function routedServices(view: ClusterView): Json[] {
  const keys = new Set<string>();
  for (const route of [...view.items('httpRoutes'), ...view.items('grpcRoutes')]) {
    for (const parent of listOf(objectOf(route, 'spec'), 'parentRefs')) {
      if (textOf(parent, 'kind') !== 'Service') continue;
      keys.add(`${textOf(parent, 'namespace') ?? namespaceOf(route)}/${textOf(parent, 'name') ?? ''}`);
    }
  }
  return view.items('services').filter((service) => keys.has(keyOf(service)));
}

export const NETWORK_CHECKS: readonly Check[] = [hiddenAddresses, kubeProxy, serviceCidrs, uncaptured];

/** The settings behind each pair of golden files in init-container/testdata. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Family } from '../../src/iptables/cidr.ts';
import type { InterceptionTexts } from '../../src/iptables/settings.ts';

export const GOLDEN_CASES: Readonly<Record<string, InterceptionTexts>> = {
  default: {},
  'service-cidrs': { serviceCidrs: '10.96.0.0/12,fd00:96::/108' },
  'service-cidrs-several': { serviceCidrs: '172.20.0.0/16,10.96.0.0/12,10.100.0.0/16,fd00:20::/112,fd00:10::/112' },
  'single-stack-v4': { serviceCidrs: '10.96.0.0/12' },
  'single-stack-v6': { serviceCidrs: 'fd00:96::/108' },
  'kubernetes-pod': {
    serviceCidrs: '10.96.0.0/12,fd00:96::/108',
    kubernetesServiceHost: '10.96.0.1',
    kubernetesServicePort: '443',
  },
  'kubernetes-pod-v6': {
    serviceCidrs: '10.96.0.0/12,fd00:96::/108',
    kubernetesServiceHost: 'fd00:96::1',
    kubernetesServicePort: '6443',
  },
  'api-server-none': { serviceCidrs: '10.96.0.0/12', apiServer: 'none', kubernetesServiceHost: '10.96.0.1' },
  'exclude-cidrs': {
    serviceCidrs: '10.96.0.0/12,fd00:96::/108',
    excludeOutboundCidrs: '10.97.4.0/24,10.98.0.7,192.168.0.0/16,10.97.4.128/25,fd00:96::4:0/112,fd00:96::7',
  },
  'exclude-15-ports': {
    serviceCidrs: '10.96.0.0/12',
    excludeOutboundPorts: '15,14,13,12,11,10,9,8,7,6,5,4,3,2,1',
  },
  'exclude-many-ports': {
    serviceCidrs: '10.96.0.0/12,fd00:96::/108',
    excludeOutboundPorts:
      '3306,5432,6379,9092,27017,1433,1521,5672,5671,11211,2181,9042,7000,8000-8010,9200-9300,9250-9400,50051,' +
      '4222,6222,8222,26257,8091:8096,30000-32767,65535,5432',
  },
  metadata: {
    serviceCidrs: '0.0.0.0/0,::/0',
    metadataAddresses: '168.63.129.16,100.100.100.200,fd20:ce::254',
  },
  'custom-uid-port': { serviceCidrs: '10.96.0.0/12,fd00:96::/108', proxyUid: '2102', capturePort: '4140' },
};

export function goldenPath(name: string, family: Family): string {
  return join('init-container', 'testdata', `${name}.${family}.rules`);
}

/** With UPDATE_GOLDEN=1 in the environment the file is written instead. */
export function goldenText(name: string, family: Family, actual: string): string {
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(goldenPath(name, family), actual);
  return readFileSync(goldenPath(name, family), 'utf8');
}

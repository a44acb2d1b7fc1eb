/** What the soak plays on: pods, Services, backends, a DNS server, the sidecar with its log, and the client. */
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster, type ServiceEndpoint } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { ConfigMapMount } from '../support/config-map-mount.ts';
import { BackendProcess } from '../support/faults/backend-process.ts';
import { ClientProcess } from '../support/faults/client-process.ts';
import type { ClientRecord } from '../support/faults/kinds.ts';
import type { Ledger } from '../support/faults/ledger.ts';
import { LogReader, PipeReader } from '../support/faults/log-reader.ts';
import { waitForLine } from '../support/processes.ts';
import { fixture, PROXY_UID, SIDEROUTE, startFixture, temporaryDirectory } from '../support/sidecar.ts';
import { MIRROR, ROUGH } from './mix.ts';
import { ADDRESSES, configuration, PINNED_NETWORK } from './routes.ts';

const DOMAIN = 'shop.svc.cluster.local';
const DNS_TTL_SECONDS = 1;
const ADDRESSES_OF_MOVING = 200;
/** That of the default, so that the loss of one SYN, which a busy kernel drops and sends again after a second, costs nothing. */
const CONNECT_TIMEOUT = '3s';
/** That the sidecar may have open; several times what the traffic needs. */
export const DESCRIPTORS = 2_048;

export interface SoakStage {
  readonly sidecar: ChildProcess;
  readonly client: ClientProcess;
  readonly log: LogReader;
  /** Of standard error. */
  readonly errors: PipeReader;
  readonly routes: ConfigMapMount;
  readonly backends: ReadonlyMap<string, BackendProcess>;
  readonly dns: (line: string) => void;
  /** Gives the Services `moving` and `pinned` another ClusterIP, in DNS, too. */
  readonly move: () => void;
  /** Whether packets to the sidecar are answered with a reset, on every connection of the client. */
  readonly cut: (cut: boolean) => void;
  /** Lines of the sidecar's log from warnings on; the last ones. */
  readonly complaints: string[];
  /** Text of an endpoint of the sidecar's pod. */
  readonly get: (path: string) => string;
  /** Status of a GET of the parent Service. */
  readonly ask: (path: string) => string;
  readonly close: () => void;
}

export async function startStage(ledger: Ledger, onRecord: (record: ClientRecord) => void): Promise<SoakStage> {
  const cluster = new Cluster();
  const directory = temporaryDirectory();
  const close = (): void => {
    cluster.close();
    directory.remove();
  };
  try {
    return await build(cluster, directory.path, ledger, onRecord, close);
  } catch (error) {
    close();
    throw error;
  }
}

async function build(
  cluster: Cluster,
  directory: string,
  ledger: Ledger,
  onRecord: (record: ClientRecord) => void,
  close: () => void,
): Promise<SoakStage> {
  const clientPod = cluster.addPod('client');
  const calmPod = cluster.addPod('calm');
  const otherPod = cluster.addPod('other');
  const roughPods = ROUGH.map((name) => cluster.addPod(name));
  const at = (address: string, port: number): ServiceEndpoint => ({ address, port });
  // Who reaches the parent itself was not routed.
  cluster.addService('10.96.0.10', 80, [at(calmPod.v4, 8083)]);
  cluster.addService('fd00:96::10', 80, [at(calmPod.v6, 8083)]);
  cluster.addService('10.96.0.11', 80, [at(calmPod.v4, 8080)]);
  cluster.addService('10.96.0.12', 80, [at(calmPod.v4, 8081)]);
  cluster.addService(
    '10.96.0.13',
    80,
    roughPods.map((pod) => at(pod.v4, 8080)),
  );
  cluster.addService('10.96.0.14', 80, [at(calmPod.v4, 8082)]);
  cluster.addService('10.96.0.15', 80, [at(otherPod.v4, 8080)]);
  cluster.addService('10.96.0.16', 80, [at(calmPod.v4, 8084)]);
  cluster.addService('10.96.0.17', 80, [at(calmPod.v4, 8083)]);
  for (const address of ['10.96.0.21', '10.96.0.22']) cluster.addService(address, 80, [at(calmPod.v4, 8080)]);
  for (const address of ['10.96.0.23', '10.96.0.24']) {
    cluster.addService(
      address,
      80,
      roughPods.map((pod) => at(pod.v4, 8080)),
    );
  }
  cluster.addService('10.96.0.25', 80, [at(calmPod.v4, 8085)]);
  cluster.addService('10.96.0.20', 2525, [at(calmPod.v4, 2525)]);

  const backends = new Map([
    [
      'calm',
      new BackendProcess(
        calmPod,
        { calm: 8080, calm2: 8081, planted: 8082, unrouted: 8083, closing: 8084, cut: 8085 },
        ledger,
      ),
    ],
    [MIRROR, new BackendProcess(otherPod, { [MIRROR]: 8080 }, ledger)],
    ['moving', new BackendProcess(otherPod, { moving: 8081, pinned: 8082 }, ledger)],
    ...ROUGH.map((name, i) => [name, new BackendProcess(roughPods[i]!, { [name]: 8080 }, ledger)] as const),
  ]);
  await Promise.all([...backends.values()].map((backend) => backend.start()));
  await startFixture(calmPod, 'greeting-server', '2525');

  const records = Object.entries(ADDRESSES).map(([name, list]) => `${name}.${DOMAIN}=${list.join(',')}`);
  const dns = otherPod.spawn(fixture('dns-process', otherPod.v4, ...records), { stdio: ['pipe', 'pipe', 'inherit'] });
  await waitForLine(dns, /^listening/);
  const say = (line: string): void => void dns.stdin!.write(`${line}\n`);
  // In DNS alone, and with a document that keeps the first address.
  const moves = [
    new MovingService(cluster, 'moving', '10.96.1.', at(otherPod.v4, 8081), say),
    new MovingService(cluster, 'pinned', PINNED_NETWORK, at(otherPod.v4, 8082), say),
  ];
  const move = (): void => {
    for (const service of moves) service.move();
  };
  move();
  const resolvConf = join(directory, 'resolv.conf');
  writeFileSync(
    resolvConf,
    `nameserver ${otherPod.v4}\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\n`,
  );

  const routes = new ConfigMapMount(join(directory, 'routes'), configuration(0));
  clientPod.must([...SIDEROUTE, 'iptables', 'apply', '--service-cidrs', '10.96.0.0/16,fd00:96::/112']);
  const log = new LogReader(join(directory, 'access.log'), ledger);
  const writer = log.openWriter();
  const complaints: string[] = [];
  let ready = false;
  const errors = new PipeReader(join(directory, 'error.log'), (line) => {
    if (line.includes('"message":"ready"')) ready = true;
    if (/"level":"(warn|error)"/.test(line) || /^(?!\{)./.test(line)) complaints.push(line);
    complaints.splice(0, complaints.length - 200);
  });
  const errorWriter = errors.openWriter();
  const sidecar = clientPod.spawn(
    [
      ...[
        'prlimit',
        `--nofile=${DESCRIPTORS}:${DESCRIPTORS}`,
        ...SIDEROUTE,
        'proxy',
        '--routes',
        routes.path,
        '--namespace',
        'shop',
        '--resolv-conf',
        resolvConf,
      ],
      ...['--access-log', 'all', '--connect-timeout', CONNECT_TIMEOUT, '--drain-timeout', '10s', '--drain-quiet', '1s'],
    ],
    { asUid: PROXY_UID, stdio: ['ignore', writer.fd, errorWriter.fd] },
  );
  writer.close();
  errorWriter.close();
  await eventually('the sidecar is ready', () => ready, 15_000);
  const client = await ClientProcess.start(clientPod, onRecord);
  return {
    ...{ sidecar, client, log, errors, routes, backends, complaints, close, move },
    dns: say,
    cut: (cut) => {
      const rule = ['INPUT', '-p', 'tcp', '--dport', '15001', '-j', 'REJECT', '--reject-with', 'tcp-reset'];
      clientPod.must(['iptables', '-w', cut ? '-I' : '-D', ...rule]);
    },
    get: (path) => clientPod.must(['curl', '-sS', '--max-time', '10', `http://127.0.0.1:15020${path}`]),
    ask: (path) =>
      clientPod.run(['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', `http://10.96.0.10${path}`]).stdout,
  };
}

/** A Service that is deleted and made anew; its old address is refused then, as that of no Service is. */
class MovingService {
  readonly #cluster: Cluster;
  readonly #name: string;
  readonly #network: string;
  readonly #endpoint: ServiceEndpoint;
  readonly #dns: (line: string) => void;
  #number = -1;

  constructor(cluster: Cluster, name: string, network: string, endpoint: ServiceEndpoint, dns: (line: string) => void) {
    this.#cluster = cluster;
    this.#name = name;
    this.#network = network;
    this.#endpoint = endpoint;
    this.#dns = dns;
  }

  /** Gives it its next address. */
  move(): void {
    const address = (number: number): string => `${this.#network}${(number % ADDRESSES_OF_MOVING) + 1}`;
    const before = this.#number < 0 ? null : address(this.#number);
    this.#number += 1;
    const after = address(this.#number);
    if (before !== null) {
      this.#cluster.removeService(before, 80, [this.#endpoint]);
      this.#cluster.addService(before, 80, []);
    }
    if (this.#number >= ADDRESSES_OF_MOVING) this.#cluster.removeService(after, 80, []);
    this.#cluster.addService(after, 80, [this.#endpoint]);
    this.#dns(`${this.#name}.${DOMAIN}=${after}/${DNS_TTL_SECONDS}`);
  }
}

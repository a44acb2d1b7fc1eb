/**
 * A DNS server on loopback (UDP, RFC 1035) over a zone that tests change while it runs.
 *
 * Counts the queries it gets and can misbehave: drop, delay, answer with any RCODE.
 */
import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export type RecordType = 'A' | 'AAAA' | 'CNAME' | 'PTR';

export interface ZoneEntry {
  readonly a?: readonly string[];
  readonly aaaa?: readonly string[];
  /** What the name is an alias of: then `a` and `aaaa` are those of that one, and come behind the alias. */
  readonly cname?: string;
  /** Of a name as `reverseName` makes it. */
  readonly ptr?: readonly string[];
  /** Seconds. Default 1. */
  readonly ttl?: number;
}

/** A fault that replaces the answer from the zone. */
export type Fault = 'drop' | 'servfail' | 'refused' | 'nxdomain' | { readonly delayMs: number };

const TYPES: Readonly<Record<number, RecordType>> = { 1: 'A', 5: 'CNAME', 12: 'PTR', 28: 'AAAA' };
const RCODES = { servfail: 2, nxdomain: 3, refused: 5 } as const;

export class DnsServer {
  /** By name in lower case, without the last dot. A name that is not there is NXDOMAIN. */
  readonly zone = new Map<string, ZoneEntry>();
  /** Asked for each query; null: answer from the zone. */
  fault: (name: string, type: RecordType) => Fault | null = () => null;
  /** `A name`, in order of arrival. */
  readonly queries: string[] = [];
  /** Over UDP, answers are cut off and marked so; the whole ones are to be had over TCP. */
  truncates = false;
  readonly #socket: Socket;
  #tcp: Server | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (message, peer) => void this.#answerUdp(message, peer));
  }

  /** Also over TCP, on a port that nobody has there either. */
  static async startWithTcp(): Promise<DnsServer> {
    for (;;) {
      const server = await DnsServer.start();
      if (await server.#listenTcp()) return server;
      server.close();
    }
  }

  /** False: somebody else has the port. */
  async #listenTcp(): Promise<boolean> {
    const { address, port } = this.#socket.address();
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.on('data', (chunk) => {
        // A query is small and arrives in one piece, after its length.
        void this.#answer(chunk.subarray(2)).then((response) => {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(response?.length ?? 0);
          if (response !== null) socket.write(Buffer.concat([length, response]));
        });
      });
    });
    try {
      server.listen(port, address);
      await once(server, 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
      throw error;
    }
    this.#tcp = server;
    server.unref();
    return true;
  }

  static async start(address = '127.0.0.1', port = 0): Promise<DnsServer> {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(port, address, resolve);
    });
    return new DnsServer(socket);
  }

  /** As `dns.setServers` takes it. */
  get address(): string {
    const { address, port } = this.#socket.address();
    return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
  }

  /** Queries for `name`, of one type or of both. */
  count(name: string, type?: RecordType): number {
    return this.queries.filter((query) =>
      type === undefined ? query.endsWith(` ${name}`) : query === `${type} ${name}`,
    ).length;
  }

  close(): void {
    this.#socket.close();
    this.#tcp?.close();
  }

  async #answerUdp(query: Buffer, peer: RemoteInfo): Promise<void> {
    const whole = await this.#answer(query);
    if (whole === null) return;
    const response = this.truncates ? truncated(whole, readQuestion(query).end) : whole;
    try {
      this.#socket.send(response, peer.port, peer.address);
    } catch {
      // Closed while the answer was delayed.
    }
  }

  /** Null: the query gets no response. */
  async #answer(query: Buffer): Promise<Buffer | null> {
    const { name, type, end } = readQuestion(query);
    this.queries.push(`${type ?? 'other'} ${name}`);
    const fault = type === null ? 'refused' : this.fault(name, type);
    if (fault === 'drop') return null;
    if (typeof fault === 'object' && fault !== null) await delay(fault.delayMs, undefined, { ref: false });
    const entry = this.zone.get(name);
    let rcode = entry === undefined ? RCODES.nxdomain : 0;
    if (typeof fault === 'string') rcode = RCODES[fault];
    const records = rcode === 0 && type !== null ? recordsOf(entry ?? {}, type) : [];

    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    // Response, authoritative, recursion desired and available.
    header.writeUInt16BE(0x8580 | rcode, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    // The question goes back as it came, in the same case.
    return Buffer.concat([header, query.subarray(12, end), ...records]);
  }
}

/** The response without its records and with the TC bit. */
function truncated(response: Buffer, end: number): Buffer {
  const cut = Buffer.from(response.subarray(0, end));
  cut.writeUInt16BE(cut.readUInt16BE(2) | 0x0200, 2);
  cut.writeUInt16BE(0, 6);
  return cut;
}

function readQuestion(query: Buffer): { name: string; type: RecordType | null; end: number } {
  const labels: string[] = [];
  let offset = 12;
  for (;;) {
    const length = query.readUInt8(offset++);
    if (length === 0) break;
    labels.push(query.toString('latin1', offset, offset + length));
    offset += length;
  }
  return {
    name: labels.join('.').toLowerCase(),
    type: TYPES[query.readUInt16BE(offset)] ?? null,
    end: offset + 4,
  };
}

function recordsOf({ a = [], aaaa = [], cname, ptr = [], ttl = 1 }: ZoneEntry, type: RecordType): Buffer[] {
  const alias = cname === undefined ? [] : [record(5, nameBytes(cname), ttl)];
  // After an alias, the addresses belong to the other name.
  const owner = cname === undefined ? QUESTION : nameBytes(cname);
  if (type === 'CNAME') return alias;
  if (type === 'PTR') return ptr.map((name) => record(12, nameBytes(name), ttl));
  const addresses = type === 'A' ? a : aaaa;
  return [...alias, ...addresses.map((address) => record(type === 'A' ? 1 : 28, addressBytes(address), ttl, owner))];
}

/** A compression pointer to the name in the question. */
const QUESTION = Buffer.from([0xc0, 0x0c]);

function record(type: number, data: Buffer, ttl: number, owner: Buffer = QUESTION): Buffer {
  const fields = Buffer.alloc(10);
  fields.writeUInt16BE(type, 0);
  fields.writeUInt16BE(1, 2);
  fields.writeUInt32BE(ttl, 4);
  fields.writeUInt16BE(data.length, 8);
  return Buffer.concat([owner, fields, data]);
}

function nameBytes(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return Buffer.concat([...labels, Buffer.from([0])]);
}

/** IPv6 text with at most one `::` and no embedded IPv4. */
function addressBytes(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

/**
 * The networks that contain the ClusterIPs of Services, as given to the init container. An address outside of them is
 * not a ClusterIP.
 *
 * Stage before: `settings.ts`. Stage after: `cluster/frontends.ts`, which captures only these addresses.
 */
import { BlockList, isIP } from 'node:net';
import { unexpected } from '../errors.ts';

type Family = 'ipv4' | 'ipv6';

/** `10.96.0.0/12,fd00::/108`. A network that contains every address gives no information. */
export class ServiceNetworks {
  readonly #networks: Readonly<Record<Family, BlockList | null>>;

  /** @throws ProxyError `invalid-setting` */
  constructor(text: string) {
    const networks: Record<Family, BlockList | null> = { ipv4: null, ipv6: null };
    const everything = new Set<Family>();
    for (const entry of text.split(/[\s,]+/).filter((part) => part !== '')) {
      const [address = '', prefix, ...rest] = entry.split('/');
      const version = isIP(address);
      const width = version === 6 ? 128 : 32;
      const length = prefix === undefined ? width : /^(0|[1-9]\d{0,2})$/.test(prefix) ? Number(prefix) : NaN;
      if (version === 0 || address.includes('%') || rest.length > 0 || !(length <= width)) {
        throw unexpected(entry, 'a network such as 10.96.0.0/12');
      }
      const family = version === 6 ? 'ipv6' : 'ipv4';
      if (length === 0) everything.add(family);
      else (networks[family] ??= new BlockList()).addSubnet(address, length, family);
    }
    for (const family of everything) networks[family] = null;
    this.#networks = networks;
  }

  /** Null: no network of this address family is known. */
  contains(address: string): boolean | null {
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    return this.#networks[family]?.check(address, family) ?? null;
  }
}

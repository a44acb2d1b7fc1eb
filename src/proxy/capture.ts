/**
 * Listens for captured connections: the acceptor on the addresses of `--capture`.
 *
 * Stage before: the iptables rules. Stage after: the owners of the callbacks.
 */
import type { Acceptor, AcceptorOptions, NativeBinding } from '../addon/binding.ts';
import { formatAddress, hasIpv6 } from '../addon/listen-address.ts';
import type { ProxySettings } from '../config/settings.ts';
import { ProxyError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { acceptorSettings } from './engine-settings.ts';

type Callbacks = Pick<
  AcceptorOptions,
  'portSharing' | 'accessLog' | 'engine' | 'onHttp' | 'onDropped' | 'onPaused' | 'onError'
>;

/** @throws ProxyError `capture-listen` when an address cannot be bound */
export function listenForCaptured(
  native: NativeBinding,
  settings: ProxySettings,
  logger: Logger,
  callbacks: Callbacks,
): Acceptor {
  const { capture } = settings;
  // A pod without IPv6 has no ::1. An entry for it is then skipped, which is not an error.
  const listen = capture.filter(({ address }) => !address.includes(':') || hasIpv6());
  const skipped = capture.filter((address) => !listen.includes(address)).map(formatAddress);
  if (skipped.length > 0) logger.info('no IPv6 here, addresses skipped', { addresses: skipped });
  try {
    return native.createAcceptor({ listen, ...acceptorSettings(settings), ...callbacks });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const addresses = listen.map(formatAddress).join(', ');
    throw new ProxyError('capture-listen', `cannot listen on --capture ${addresses}: ${message}`, { cause: error });
  }
}

#include "net/socket.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>

namespace sideroute {

namespace {

constexpr int kBacklog = 4096;  // the kernel limits it to net.core.somaxconn
constexpr int kKeepaliveIdleSeconds = 10;
constexpr int kKeepaliveIntervalSeconds = 10;
constexpr int kKeepaliveProbes = 3;

int SetOption(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : -errno;
}

void SetHops(int fd, int family, int hops) {
  if (family == AF_INET6) {
    SetOption(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, hops);
  } else {
    SetOption(fd, IPPROTO_IP, IP_TTL, hops);
  }
}

}  // namespace

std::optional<NetAddress> LocalAddress(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return std::nullopt;
  return NetAddress::FromSockaddr(storage);
}

std::optional<NetAddress> PeerAddress(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return std::nullopt;
  return NetAddress::FromSockaddr(storage);
}

void ConfigureTcp(int fd) {
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveIdleSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveIntervalSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveProbes);
}

void ResetOnClose(int fd) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

UniqueFd Listen(const NetAddress& address, NetAddress* bound, int* error, const char** syscall,
                PortSharing sharing) {
  const auto fail = [&](const char* call) {
    *error = -errno;
    *syscall = call;
    return UniqueFd();
  };
  UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail("socket");
  SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.family() == AF_INET6) SetOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  ConfigureTcp(fd.get());
  if (sharing == PortSharing::kJoin) SetOption(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  sockaddr_storage storage;
  socklen_t length = address.ToSockaddr(&storage);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) return fail("bind");
  if (sharing == PortSharing::kFirst) SetOption(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (listen(fd.get(), kBacklog) != 0) return fail("listen");
  length = sizeof storage;
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&storage), &length) != 0) return fail("getsockname");
  *bound = *NetAddress::FromSockaddr(storage);
  *error = 0;
  return fd;
}

UniqueFd StartConnect(const NetAddress& destination, int syn_hops, int* error) {
  UniqueFd fd(socket(destination.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) {
    *error = -errno;
    return fd;
  }
  ConfigureTcp(fd.get());
  if (syn_hops != kDefaultHops) SetHops(fd.get(), destination.family(), syn_hops);
  sockaddr_storage storage;
  const socklen_t length = destination.ToSockaddr(&storage);
  int result;
  do {
    result = connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), length);
  } while (result != 0 && errno == EINTR);
  *error = result == 0 || errno == EINPROGRESS ? 0 : -errno;
  if (*error != 0) {
    fd.Reset();
  } else if (syn_hops != kDefaultHops) {
    // connect() has sent the SYN already.
    SetHops(fd.get(), destination.family(), kDefaultHops);
  }
  return fd;
}

void SaveSyns(int listener) { SetOption(listener, IPPROTO_TCP, TCP_SAVE_SYN, 1); }

int SavedSynHops(int fd) {
  // Room for an IP and a TCP header, each with the maximum of options.
  unsigned char headers[120];
  socklen_t length = sizeof headers;
  if (getsockopt(fd, IPPROTO_TCP, TCP_SAVED_SYN, headers, &length) != 0 || length < sizeof(iphdr)) return -1;
  return headers[0] >> 4 == 4 ? headers[offsetof(iphdr, ttl)] : headers[offsetof(ip6_hdr, ip6_hlim)];
}

int TakeSocketError(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return -errno;
  return -error;
}

size_t QueuedBytes(int fd) {
  int received = 0, sent = 0;
  if (ioctl(fd, SIOCINQ, &received) != 0) received = 0;
  if (ioctl(fd, SIOCOUTQ, &sent) != 0) sent = 0;
  return static_cast<size_t>(received) + static_cast<size_t>(sent);
}

void GrowReceiveBuffer(int fd, int bytes) {
  // SO_RCVBUF would fix the size for good. A low-water mark makes the kernel grow buffer and window until the
  // mark can be met, and both stay that size when the mark is reset.
  SetOption(fd, SOL_SOCKET, SO_RCVLOWAT, bytes);
  SetOption(fd, SOL_SOCKET, SO_RCVLOWAT, 1);
}

}  // namespace sideroute

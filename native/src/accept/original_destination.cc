#include "accept/original_destination.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

namespace sideroute {

namespace {
// From linux/netfilter_ipv4.h and linux/netfilter_ipv6/ip6_tables.h, which clash with netinet/in.h. One
// number for both.
constexpr int kSoOriginalDst = 80;
}  // namespace

int GetOriginalDestination(int fd, int family, NetAddress* destination) {
  sockaddr_storage storage{};
  // The kernel wants the exact size for IPv4, at least this one for IPv6.
  socklen_t length = family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  const int level = family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
  if (getsockopt(fd, level, kSoOriginalDst, &storage, &length) != 0) return -errno;
  const auto address = NetAddress::FromSockaddr(storage);
  if (!address) return -EAFNOSUPPORT;
  *destination = *address;
  return 0;
}

}  // namespace sideroute

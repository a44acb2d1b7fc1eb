#include "net/state_records.h"

// Not <netinet/tcp.h>, whose tcp_info ends before the byte counts.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>

#include "net/net_address.h"
#include "net/socket.h"

namespace sideroute {

namespace {

struct ByteCounts {
  double received = -1;
  double sent = -1;
};

ByteCounts ReadByteCounts(int fd) {
  tcp_info info{};
  socklen_t length = sizeof info;
  // An older kernel fills only a part of it.
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
      length < offsetof(tcp_info, tcpi_bytes_retrans) + sizeof info.tcpi_bytes_retrans) {
    return {};
  }
  return {static_cast<double>(info.tcpi_bytes_received),
          static_cast<double>(info.tcpi_bytes_sent - info.tcpi_bytes_retrans)};
}

}  // namespace

void StateRecords::Address(const NetAddress& address) {
  Text(address.HostText());
  Number(address.port());
}

void StateRecords::Socket(int fd) {
  // Unknown if the peer has reset the connection and that was not noticed yet.
  Address(PeerAddress(fd).value_or(NetAddress()));
  const ByteCounts bytes = ReadByteCounts(fd);
  Number(bytes.received);
  Number(bytes.sent);
}

}  // namespace sideroute

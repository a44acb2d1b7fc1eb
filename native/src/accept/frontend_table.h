// Original destination -> frontend. Immutable once built; the acceptor swaps whole tables.
#ifndef SIDEROUTE_ACCEPT_FRONTEND_TABLE_H_
#define SIDEROUTE_ACCEPT_FRONTEND_TABLE_H_

#include <cstdint>
#include <unordered_map>

#include "net/net_address.h"

namespace sideroute {

enum class FrontendMode : uint8_t { kHttp, kOpaque };

struct Frontend {
  int64_t id;
  FrontendMode mode;
};

class FrontendTable {
 public:
  // Port 0 stands for every port of the address without an entry of its own. False when the address has one
  // already.
  bool Add(const NetAddress& address, Frontend frontend);
  // Null when the destination is not routed.
  const Frontend* Find(const NetAddress& destination) const;

 private:
  std::unordered_map<NetAddress, Frontend, NetAddressHash> frontends_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_ACCEPT_FRONTEND_TABLE_H_

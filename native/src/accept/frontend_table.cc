#include "accept/frontend_table.h"

namespace sideroute {

bool FrontendTable::Add(const NetAddress& address, Frontend frontend) {
  return frontends_.emplace(address, frontend).second;
}

const Frontend* FrontendTable::Find(const NetAddress& destination) const {
  auto found = frontends_.find(destination);
  if (found == frontends_.end()) found = frontends_.find(destination.WithPort(0));
  return found == frontends_.end() ? nullptr : &found->second;
}

}  // namespace sideroute

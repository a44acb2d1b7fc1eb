// The state of one Node environment (the main thread, or a worker): there is no other state in the addon.
#ifndef SIDEROUTE_INSTANCE_H_
#define SIDEROUTE_INSTANCE_H_

#include <node_api.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "acceptor_binding.h"
#include "connection.h"
#include "http_engine_binding.h"
#include "intrusive_list.h"
#include "own_dials.h"
#include "reactor.h"

namespace sideroute {

struct Instance {
  Instance(std::unique_ptr<Reactor> source, uint64_t linger_ms)
      : reactor(std::move(source)), linger_deadlines(*reactor, linger_ms), lingering(*reactor) {}

  // Declared in the order of dependence: each is gone before what it uses.
  std::unique_ptr<Reactor> reactor;
  OwnDials own_dials;
  DeadlineQueue linger_deadlines;
  ConnectionList lingering;
  IntrusiveList<AcceptorBinding> acceptors;
  IntrusiveList<HttpEngineBinding> engines;
};

}  // namespace sideroute

#endif  // SIDEROUTE_INSTANCE_H_

// All backends of an engine: those that routes name, and original destinations.
//
// Stage before: the binding, which names backends and their addresses, and an exchange or mirror whose
// destination was decided. Stage after: upstream_pool.
#ifndef SIDEROUTE_UPSTREAM_BACKENDS_H_
#define SIDEROUTE_UPSTREAM_BACKENDS_H_

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "http/engine_context.h"
#include "net/intrusive_list.h"
#include "net/net_address.h"
#include "upstream/upstream_pool.h"

namespace sideroute {

class Backends {
 public:
  Backends(EngineContext& context, UpstreamConnector& connector) : context_(context), connector_(connector) {}
  Backends(const Backends&) = delete;
  Backends& operator=(const Backends&) = delete;

  // Creates the backend with its first addresses.
  void Set(uint32_t id, const std::vector<NetAddress>& addresses);
  // Returns false and does nothing if something in progress uses the backend.
  bool Drop(int32_t id);
  // Null if there is no backend with that id.
  Backend* Find(int32_t id);
  Backend* Original(const NetAddress& address);

  // Closes one idle connection of any backend; returns false if there is none.
  bool CloseOneIdle();
  void CloseIdle();
  void Clear();

  // In the order of ids, then those of original destinations. Only backends that were used by a request.
  template <typename Visit>
  void VisitAll(const Visit& visit) const {
    for (const auto& backend : backends_) {
      if (backend != nullptr) visit(*backend);
    }
    for (const auto& [address, backend] : originals_) visit(*backend);
  }

  // All open connections, in the order of their numbers.
  const IntrusiveList<UpstreamConnection, EveryUpstream>& open() const { return open_; }
  void AddOpen(UpstreamConnection& connection) { open_.PushBack(&connection); }
  UpstreamConnector& connector() { return connector_; }

 private:
  // Original destinations are few: those of connections whose Service lost its routes. Beyond this number,
  // unused ones are dropped.
  static constexpr size_t kMaxOriginals = 64;

  EngineContext& context_;
  UpstreamConnector& connector_;
  IntrusiveList<UpstreamConnection, EveryUpstream> open_;
  std::vector<std::unique_ptr<Backend>> backends_;
  std::unordered_map<NetAddress, std::unique_ptr<Backend>, NetAddressHash> originals_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_BACKENDS_H_

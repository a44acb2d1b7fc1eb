// All backends of an engine: those that routes name, and original destinations.
//
// Stage before: the binding, which names them and their addresses, and an exchange or mirror that was decided
// to go to one. Stage after: upstream_pool.
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
  // False, and nothing is done, when something in progress needs it.
  bool Drop(int32_t id);
  // Null when there is none of that id.
  Backend* Find(int32_t id);
  Backend* Original(const NetAddress& address);

  // An idle connection of any backend; false when there is none.
  bool CloseOneIdle();
  void CloseIdle();
  void Clear();

  // By id, then those of original destinations. Only those that some request was for.
  template <typename Visit>
  void VisitAll(const Visit& visit) const {
    for (const auto& backend : backends_) {
      if (backend != nullptr) visit(*backend);
    }
    for (const auto& [address, backend] : originals_) visit(*backend);
  }

  // Connections, in the order of their numbers.
  const IntrusiveList<UpstreamConnection, EveryUpstream>& open() const { return open_; }
  void AddOpen(UpstreamConnection& connection) { open_.PushBack(&connection); }
  UpstreamConnector& connector() { return connector_; }

 private:
  // Original destinations are few: those of connections that were routed and are not any more. Beyond this
  // many, those that nobody uses go.
  static constexpr size_t kMaxOriginals = 64;

  EngineContext& context_;
  UpstreamConnector& connector_;
  IntrusiveList<UpstreamConnection, EveryUpstream> open_;
  std::vector<std::unique_ptr<Backend>> backends_;
  std::unordered_map<NetAddress, std::unique_ptr<Backend>, NetAddressHash> originals_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_BACKENDS_H_

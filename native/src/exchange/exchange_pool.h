// The exchanges and mirrors of an engine: objects kept for reuse, and the mirrors in use.
//
// Stage before: a connection from an application, which takes an exchange for each request. Stage after:
// exchange and mirror, which return themselves to the pool.
#ifndef SIDEROUTE_EXCHANGE_EXCHANGE_POOL_H_
#define SIDEROUTE_EXCHANGE_EXCHANGE_POOL_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "exchange/exchange.h"
#include "exchange/mirror.h"
#include "http/engine_context.h"
#include "http/stream.h"
#include "net/intrusive_list.h"

namespace sideroute {

class ExchangePool final : public RequestServers {
 public:
  explicit ExchangePool(EngineContext& context) : context_(context) {}
  ExchangePool(const ExchangePool&) = delete;
  ExchangePool& operator=(const ExchangePool&) = delete;

  // Hot path.
  RequestServer* Take() override;
  void Give(Exchange& exchange) { free_exchanges_.emplace_back(&exchange); }
  // The mirror is in `mirrors_` from here on.
  Mirror* TakeMirror();
  void GiveMirror(Mirror& mirror);

  bool has_mirrors() const { return !mirrors_.empty(); }
  // When the engine closes.
  void AbandonMirrors();
  // Gives up the mirrors that hold at least `least_bytes` each; returns the bytes they held together.
  size_t ShedMirrors(size_t least_bytes);
  // Only at the end of a turn, when none of the objects is on the call stack.
  void Trim() {
    if (free_exchanges_.size() > kMaxSpare) free_exchanges_.resize(kMaxSpare);
    if (free_mirrors_.size() > kMaxSpare) free_mirrors_.resize(kMaxSpare);
  }
  void FreeSpares();

 private:
  // Maximum number of objects kept for reuse, of each kind.
  static constexpr size_t kMaxSpare = 256;

  EngineContext& context_;
  // Exchanges in use belong to their downstream streams, mirrors in use to `mirrors_`; both come back here.
  std::vector<std::unique_ptr<Exchange>> free_exchanges_;
  std::vector<std::unique_ptr<Mirror>> free_mirrors_;
  IntrusiveList<Mirror> mirrors_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_EXCHANGE_EXCHANGE_POOL_H_

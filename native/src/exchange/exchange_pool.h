// The exchanges and mirrors of an engine: kept for reuse, and those mirrors that are under way.
//
// Stage before: a connection from an application, which takes an exchange for each request. Stage after:
// exchange and mirror, which come back by themselves.
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
  // Under way from here on.
  Mirror* TakeMirror();
  void GiveMirror(Mirror& mirror);

  bool has_mirrors() const { return !mirrors_.empty(); }
  // For the end of the engine.
  void AbandonMirrors();
  // Gives up those that hold at least so much; returns how much that was.
  size_t ShedMirrors(size_t least_bytes);
  // At the end of a turn: none of them is on the stack.
  void Trim() {
    if (free_exchanges_.size() > kMaxSpare) free_exchanges_.resize(kMaxSpare);
    if (free_mirrors_.size() > kMaxSpare) free_mirrors_.resize(kMaxSpare);
  }
  void FreeSpares();

 private:
  // Objects kept for reuse, of each kind.
  static constexpr size_t kMaxSpare = 256;

  EngineContext& context_;
  // The others belong to their downstream streams, or are in the list of mirrors, and come back.
  std::vector<std::unique_ptr<Exchange>> free_exchanges_;
  std::vector<std::unique_ptr<Mirror>> free_mirrors_;
  IntrusiveList<Mirror> mirrors_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_EXCHANGE_EXCHANGE_POOL_H_

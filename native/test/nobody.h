// Holds no connections and no memory: for engines that are used alone.
#ifndef SIDEROUTE_TEST_NOBODY_H_
#define SIDEROUTE_TEST_NOBODY_H_

#include <cstddef>

#include "net/descriptor_budget.h"
#include "net/memory_guard.h"

namespace sideroute::test {

struct Nobody final : Downstreams, MemoryHolders {
  size_t connections() const override { return 0; }
  void CloseIdle(size_t) override {}
  void SetCrowded(bool) override {}
  bool CloseIdleUpstream() override { return false; }
  size_t HeldBytes() const override { return 0; }
  void SetWindow(size_t) override {}
  void CloseIdleConnections() override {}
  size_t CloseLargest(const Demand&) override { return 0; }
  void FreeSpares() override {}
  void OnMemoryLevel() override {}
};

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_NOBODY_H_

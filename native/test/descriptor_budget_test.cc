// The descriptor budget under limits of this process, and the pipes that use it.
#include "net/descriptor_budget.h"

#include <vector>

#include "check.h"
#include "descriptors.h"
#include "net/pipe_pool.h"

namespace sideroute::test {
namespace {

// Reports as many downstream connections as a test sets.
struct Connections final : Downstreams {
  size_t connections() const override { return count; }
  void CloseIdle(size_t) override {}
  void SetCrowded(bool) override {}
  bool CloseIdleUpstream() override { return false; }

  size_t count = 0;
};

TEST("without a measure there is no limit") {
  Connections downstreams;
  DescriptorBudget budget(downstreams);
  downstreams.count = 1'000'000;
  CHECK(budget.HasRoom());
  CHECK(budget.TakeSpare(1'000));
}

TEST("a connection counts twice, what is open already and an eighth are set apart") {
  Connections downstreams;
  DescriptorBudget budget(downstreams);
  const size_t open = CountDescriptors();
  const DescriptorLimit limit(800 + open);
  budget.Measure();
  const size_t most = (800 - (800 + open) / 8) / 2;
  CHECK_EQ(budget.max_connections(), most);
  downstreams.count = most - 1;
  CHECK(budget.HasRoom());
  downstreams.count = most;
  CHECK(!budget.HasRoom());
  // Spare descriptors have half of the reserve, so that they work even when connections fill their part.
  size_t spare = 0;
  while (spare < 1'000 && budget.TakeSpare(1)) ++spare;
  CHECK(spare >= 50 && spare <= 52);
  CHECK(!budget.TakeSpare(1));
  budget.GiveSpare(2);
  CHECK(budget.TakeSpare(2));
  // Spare descriptors also take from what connections could use.
  downstreams.count = 0;
  budget.GiveSpare(spare);
  CHECK(budget.TakeSpare(2 * most));
  CHECK(!budget.HasRoom());
}

TEST("there is room for a connection however many descriptors others have") {
  Connections downstreams;
  DescriptorBudget budget(downstreams);
  const DescriptorLimit limit(CountDescriptors() + 4);
  budget.Measure();
  CHECK(budget.HasRoom());
  CHECK_EQ(budget.max_connections(), 1u);
}

TEST("pipes are opened ahead, used again, closed where too many come back, and counted") {
  Connections downstreams;
  DescriptorBudget budget(downstreams);
  const size_t before = CountDescriptors();
  {
    PipePool pool(budget, 3);
    CHECK_EQ(CountDescriptors(), before + 4);
    std::vector<Pipe> pipes;
    for (int i = 0; i < 5; ++i) {
      pipes.push_back(pool.Acquire());
      CHECK(static_cast<bool>(pipes.back()));
    }
    CHECK_EQ(CountDescriptors(), before + 10);
    for (Pipe& pipe : pipes) pool.Release(std::move(pipe));
    CHECK_EQ(CountDescriptors(), before + 6);
    // A pipe that still holds bytes must not be reused.
    Pipe used = pool.Acquire();
    CHECK(write(used.write_end.get(), "x", 1) == 1);
    pool.Discard(std::move(used));
    for (int i = 0; i < 4; ++i) {
      Pipe pipe = pool.Acquire();
      char byte = 0;
      CHECK(read(pipe.read_end.get(), &byte, 1) == -1);
      pipes[static_cast<size_t>(i)] = std::move(pipe);
    }
    for (int i = 0; i < 4; ++i) pool.Release(std::move(pipes[static_cast<size_t>(i)]));
    pool.Trim();
    CHECK_EQ(CountDescriptors(), before + 4);
  }
  CHECK_EQ(CountDescriptors(), before);
}

TEST("tunnels have a reserve of pipes where no descriptor is left, and a discarded one is replaced") {
  Connections downstreams;
  DescriptorBudget budget(downstreams);
  const size_t before = CountDescriptors();
  {
    PipePool pool(budget, 8);
    std::vector<Pipe> pipes;
    {
      // One of them is needed for counting.
      const FewDescriptors few(7);
      while (Pipe pipe = pool.Acquire()) {
        pipes.push_back(std::move(pipe));
      }
      CHECK_EQ(pipes.size(), 5u);
      CHECK(!pool.Acquire());
      const size_t open = CountDescriptors();
      // Its two descriptors are free for another pipe.
      pool.Discard(std::move(pipes.back()));
      pipes.pop_back();
      CHECK_EQ(CountDescriptors(), open);
      CHECK(static_cast<bool>(pipes.emplace_back(pool.Acquire())));
    }
    for (Pipe& pipe : pipes) pool.Release(std::move(pipe));
  }
  CHECK_EQ(CountDescriptors(), before);
}

TEST("pipes beyond the reserve are spare, those of the reserve are not") {
  Connections downstreams;
  DescriptorBudget budget(downstreams);
  const size_t open = CountDescriptors();
  const DescriptorLimit limit(400 + open);
  budget.Measure();
  downstreams.count = budget.max_connections();
  size_t spare = 0;
  while (budget.TakeSpare(1)) ++spare;
  PipePool pool(budget, 8);
  Pipe first = pool.Acquire();
  Pipe second = pool.Acquire();
  CHECK(static_cast<bool>(first) && static_cast<bool>(second));
  CHECK(!pool.Acquire());
  budget.GiveSpare(spare);
  Pipe third = pool.Acquire();
  CHECK(static_cast<bool>(third));
  // The place of the third is given back with the last one, whichever that is.
  for (Pipe* pipe : {&first, &second, &third}) pool.Release(std::move(*pipe));
  pool.Trim();
  CHECK(budget.TakeSpare(spare));
  CHECK(!budget.TakeSpare(1));
}

}  // namespace
}  // namespace sideroute::test

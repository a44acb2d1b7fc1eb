// Memory levels, with files and a clock that the test sets.
#include "net/memory_guard.h"

#include <fcntl.h>
#include <stdlib.h>

#include <string>
#include <vector>

#include "check.h"
#include "descriptors.h"
#include "scripted_loop.h"

namespace sideroute::test {
namespace {

using Level = MemoryGuard::Level;
constexpr uint64_t kMiB = 1024 * 1024;

// A file of a cgroup, which is read from its beginning each time.
class ScriptedFile {
 public:
  ScriptedFile() : fd_(mkstemp(path.data())) { CHECK(static_cast<bool>(fd_)); }
  ScriptedFile(const ScriptedFile&) = delete;
  ScriptedFile& operator=(const ScriptedFile&) = delete;
  ~ScriptedFile() { unlink(path.c_str()); }
  void Say(const std::string& text) const {
    CHECK(ftruncate(fd_.get(), 0) == 0);
    CHECK(pwrite(fd_.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  }

  std::string path = "/tmp/sideroute-memory-XXXXXX";

 private:
  UniqueFd fd_;
};

struct Holders final : MemoryHolders {
  size_t HeldBytes() const override { return held; }
  size_t BytesElsewhere() const override { return elsewhere; }
  void SetWindow(size_t bytes) override { window = bytes; }
  void CloseIdleConnections() override { ++idle_closed; }
  size_t CloseLargest(const Demand& demand) override {
    demands.push_back(demand);
    return closes;
  }
  void FreeSpares() override { ++freed; }
  void OnMemoryLevel() override { ++levels; }

  size_t held = 0, elsewhere = 0, window = 0, closes = 0;
  int idle_closed = 0, freed = 0, levels = 0;
  std::vector<Demand> demands;
};

// A process with a limit of 100 MiB.
class Stage final : private Watcher {
 public:
  explicit Stage(const char* statistics = nullptr) {
    std::tie(reader_, writer_) = MakePipe();
    CHECK_EQ(reactor->Watch(reader_.get(), EPOLLIN, this), 0);
    limit.bytes = 100 * kMiB;
    limit.usage_path = usage.path;
    if (statistics != nullptr) {
      numbers.Say(statistics);
      limit.statistics_path = numbers.path;
    }
    Uses(0);
  }
  ~Stage() {
    reactor->Unwatch(reader_.get(), this);
    if (guard) guard.reset();
  }
  void Start() {
    guard = std::make_unique<MemoryGuard>(*reactor, holders);
    const std::string* path = nullptr;
    CHECK_EQ(guard->Start(limit, &path), 0);
  }
  void Uses(uint64_t mib) const { usage.Say(std::to_string(mib * kMiB) + "\n"); }
  // Lets this time pass, then makes the loop turn.
  void Turn(uint64_t ms = 30) {
    loop.Advance(ms);
    CHECK(write(writer_.get(), "x", 1) == 1);
    loop.Turns(2);
  }
  Level level() const { return guard->Look().level; }

  ScriptedLoop loop;
  std::unique_ptr<Reactor> reactor = loop.MakeReactor();
  ScriptedFile usage, numbers;
  Holders holders;
  MemoryGuard::Limit limit;
  std::unique_ptr<MemoryGuard> guard;

 private:
  void OnReady(uint32_t) override {
    char bytes[64];
    while (read(reader_.get(), bytes, sizeof bytes) > 0) {
    }
  }
  UniqueFd reader_, writer_;
};

TEST(
    "levels follow what is used: less is read, then nobody is let in, then the largest go, then all is as "
    "before") {
  Stage stage;
  stage.holders.held = 50 * kMiB;
  stage.Start();
  struct Step {
    uint64_t mib;
    Level level;
    size_t window;
  };
  for (const Step& step :
       {Step{59, Level::kCalm, 0}, Step{60, Level::kTight, 16 * 1024}, Step{79, Level::kTight, 16 * 1024},
        Step{80, Level::kRefusing, 4 * 1024}, Step{76, Level::kRefusing, 4 * 1024},
        Step{89, Level::kRefusing, 4 * 1024}, Step{90, Level::kClosing, 4 * 1024},
        Step{86, Level::kRefusing, 4 * 1024}, Step{74, Level::kTight, 16 * 1024},
        Step{79, Level::kTight, 16 * 1024}, Step{10, Level::kCalm, 64 * 1024}}) {
    stage.Uses(step.mib);
    stage.Turn();
    CHECK(stage.level() == step.level);
    CHECK_EQ(stage.holders.window, step.window);
    CHECK_EQ(stage.guard->refusing(), step.level >= Level::kRefusing);
  }
  // Refusing began once and ended once.
  CHECK_EQ(stage.guard->Look().overloads, 1u);
  CHECK_EQ(stage.holders.levels, 2);
  // At 90 MiB the largest holders had to go, down to 85 MiB.
  CHECK_EQ(stage.holders.demands.size(), 1u);
  CHECK_EQ(stage.holders.demands[0].bytes, 90 * kMiB - 100 * kMiB / 100 * 85);
  CHECK_EQ(stage.holders.demands[0].still_ms, 0u);
}

TEST("where connections hold next to nothing, nobody is refused before 90 %") {
  Stage stage;
  stage.holders.held = 5 * kMiB;
  stage.Start();
  stage.Uses(85);
  stage.Turn();
  CHECK(stage.level() == Level::kTight);
  stage.holders.held = 7 * kMiB;
  stage.Turn();
  CHECK(stage.level() == Level::kRefusing);
  stage.holders.held = 4 * kMiB;
  stage.Turn();
  CHECK(stage.level() == Level::kRefusing);
  stage.holders.held = 2 * kMiB;
  stage.Turn();
  CHECK(stage.level() == Level::kTight);
  stage.Uses(90);
  stage.Turn();
  CHECK(stage.level() == Level::kClosing);
}

TEST("who stands still is closed after some seconds of refusing, and it recovers without traffic") {
  Stage stage;
  stage.holders.held = 50 * kMiB;
  stage.Start();
  stage.Uses(82);
  stage.Turn();
  CHECK(stage.guard->refusing());
  stage.loop.Pass(4'900);
  CHECK(stage.holders.demands.empty());
  CHECK(stage.holders.idle_closed > 0);
  stage.holders.closes = 3;
  stage.loop.Pass(300);
  CHECK(!stage.holders.demands.empty());
  CHECK_EQ(stage.holders.demands[0].still_ms, 5'000u);
  CHECK_EQ(stage.holders.demands[0].bytes, 8 * kMiB);
  CHECK_EQ(stage.guard->Look().closed, 3 * stage.holders.demands.size());
  stage.Uses(20);
  stage.loop.Pass(60);
  CHECK(!stage.guard->refusing());
  // Nothing is read while nothing happens.
  CHECK_EQ(stage.loop.next_timer_ms(), UINT64_MAX);
}

TEST("while the largest are closed in vain, they are looked for less often") {
  Stage stage;
  stage.holders.held = 50 * kMiB;
  stage.Start();
  stage.Uses(95);
  for (int i = 0; i < 40; ++i) stage.Turn(5);
  // 200 ms: once at the start, and once every 100 ms.
  CHECK(stage.holders.demands.size() <= 3);
  stage.holders.closes = 1;
  const size_t before = stage.holders.demands.size();
  stage.Turn(100);
  for (int i = 0; i < 10; ++i) stage.Turn(5);
  CHECK(stage.holders.demands.size() >= before + 10);
}

TEST("buffers that grow are looked at at once, otherwise a look is a few milliseconds apart") {
  Stage stage;
  stage.Start();
  stage.Turn();
  stage.Uses(95);
  stage.Turn(1);
  CHECK(stage.level() == Level::kCalm);
  stage.holders.held = kMiB;
  stage.Turn(1);
  CHECK(stage.level() == Level::kClosing);
}

TEST("what the kernel can take back does not count, in the words of either version") {
  for (const char* statistics :
       {"anon 1\ninactive_file 20971520\nactive_file 10485760\nfile_mapped 0\nsock 0\n",
        "inactive_file 1\nactive_file 1\ntotal_pgfault 9\ntotal_inactive_file 20971520\n"
        "total_active_file 10485760\ntotal_mapped_file 0"}) {
    Stage stage(statistics);
    stage.holders.held = 50 * kMiB;
    stage.Start();
    stage.Uses(85);
    stage.Turn();
    CHECK(stage.level() == Level::kCalm);
    CHECK_EQ(stage.guard->Look().usage, 55 * kMiB);
    stage.Uses(91);
    stage.Turn();
    CHECK(stage.level() == Level::kTight);
  }
}

TEST("of the files a part is code that runs, and stays") {
  Stage stage("inactive_file 0\nactive_file 52428800\nfile_mapped 52428800\n");
  stage.Start();
  stage.Uses(80);
  stage.Turn();
  // An eighth of the limit counts as code.
  CHECK_EQ(stage.guard->Look().usage, 80 * kMiB - (50 * kMiB - 100 * kMiB / 8));
}

TEST("what the kernel holds in sockets counts among what connections hold where it says so") {
  for (const bool counts : {true, false}) {
    Stage stage("sock 20971520\n");
    stage.limit.counts_sockets = counts;
    stage.holders.held = kMiB;
    stage.Start();
    stage.Uses(85);
    stage.Turn();
    CHECK_EQ(stage.guard->refusing(), counts);
  }
}

TEST("a cgroup that is gone leaves the process's own memory to count") {
  Stage stage;
  stage.holders.held = 50 * kMiB;
  stage.Start();
  stage.Uses(95);
  stage.Turn();
  CHECK(stage.level() == Level::kClosing);
  stage.usage.Say("");
  stage.Turn();
  // Neither 95 MiB nor 0.
  const uint64_t usage = stage.guard->Look().usage;
  CHECK(usage > 0 && usage != 95 * kMiB);
}

TEST("a file that is not there is named with the error, and nothing is watched") {
  Stage stage;
  stage.limit.usage_path = "/proc/self/nowhere";
  MemoryGuard guard(*stage.reactor, stage.holders);
  const std::string* path = nullptr;
  CHECK_EQ(guard.Start(stage.limit, &path), -ENOENT);
  CHECK(path != nullptr && *path == "/proc/self/nowhere");
  stage.holders.held = 50 * kMiB;
  stage.Turn();
  CHECK(!guard.refusing());
  stage.limit.usage_path = stage.usage.path;
  stage.limit.statistics_path = "/proc/self/nowhere2";
  CHECK_EQ(guard.Start(stage.limit, &path), -ENOENT);
  CHECK(path != nullptr && *path == "/proc/self/nowhere2");
}

TEST("pages go back when much was held and is not any more") {
  Stage stage;
  stage.holders.held = 20 * kMiB;
  stage.Start();
  stage.Turn();
  stage.holders.held = kMiB;
  stage.Turn();
  CHECK_EQ(stage.holders.freed, 0);
  stage.loop.Pass(1'100);
  CHECK_EQ(stage.holders.freed, 1);
  stage.loop.Pass(5'000);
  CHECK_EQ(stage.holders.freed, 1);
}

TEST("a thread refuses for what others hold, too, and frees its part of what all have to") {
  Stage stage;
  stage.holders.held = 2 * kMiB;
  stage.holders.elsewhere = 6 * kMiB;
  stage.Start();
  stage.Uses(80);
  stage.Turn();
  CHECK(stage.level() == Level::kRefusing);
  stage.Uses(93);
  stage.Turn();
  CHECK_EQ(stage.holders.demands.size(), 1u);
  // A quarter of what exceeds 85 MiB.
  CHECK_EQ(stage.holders.demands[0].bytes, (93 * kMiB - 100 * kMiB / 100 * 85) / 4);
}

}  // namespace
}  // namespace sideroute::test

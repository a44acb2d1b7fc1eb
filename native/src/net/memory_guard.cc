#include "net/memory_guard.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace sideroute {

namespace {

constexpr unsigned kTightAt = 60;
constexpr unsigned kResumeBelow = 75;
constexpr unsigned kRefuseAt = 80;
constexpr unsigned kCloseDownTo = 85;
constexpr unsigned kCloseAt = 90;
// The share that connections must hold, in per cent of the limit, for closing them to help: to begin
// refusing, and to continue.
constexpr unsigned kWorthRefusing = 6;
constexpr unsigned kWorthGoingOn = 3;

constexpr size_t kCalmWindow = 64 * 1024;
constexpr size_t kTightWindow = 16 * 1024;
constexpr size_t kRefusingWindow = 4 * 1024;

// Time between two reads of the usage: far from the limit, and close to it.
constexpr uint64_t kCalmMs = 25;
constexpr uint64_t kCloseMs = 5;
// For a loop that nothing else wakes: how long refusing may outlast its cause, and after how long without
// growth pages are given back.
constexpr uint64_t kRecoverMs = 50;
constexpr uint64_t kGiveBackMs = 1'000;
// The reclaimable part is assumed to be unchanged for this long, unless the limit is close.
constexpr uint64_t kStatisticsMs = 50;
// How often, while refusing, all connections and the heap are searched.
constexpr uint64_t kSweepMs = 100;
// How long connections without progress may keep others from being served.
constexpr uint64_t kPatienceMs = 5'000;
// If buffers have grown by this much, the usage is read at once.
constexpr size_t kGrowth = 512 * 1024;
// Giving back less is not worth the walk through the heap.
constexpr size_t kWorthGivingBack = 8 * 1024 * 1024;
// One part in this many of the limit: mapped files up to this size count as running code, whose pages it
// would not help to lose.
constexpr uint64_t kCodeShare = 8;

constexpr const char* kOwnMemory = "/proc/self/statm";

uint64_t ToNumber(std::string_view text) {
  uint64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') break;
    number = number * 10 + static_cast<uint64_t>(c - '0');
  }
  return number;
}

// The number in a line `NAME NUMBER`; 0 if there is no line with that name.
uint64_t Field(std::string_view text, std::string_view name) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.size() > name.size() && line.substr(0, name.size()) == name && line[name.size()] == ' ') {
      return ToNumber(line.substr(name.size() + 1));
    }
    at = end + 1;
  }
  return 0;
}

size_t ReadAll(int fd, char* buffer, size_t size) {
  const ssize_t length = pread(fd, buffer, size, 0);
  return length > 0 ? static_cast<size_t>(length) : 0;
}

}  // namespace

MemoryGuard::MemoryGuard(Reactor& reactor, MemoryHolders& holders) : reactor_(reactor), holders_(holders) {
  reactor_.AddTurnClient(this);
}

MemoryGuard::~MemoryGuard() { reactor_.RemoveTurnClient(this); }

int MemoryGuard::Start(const Limit& limit, const std::string** path) {
  static const std::string kOwn = kOwnMemory;
  limit_ = limit;
  const auto open = [path](const std::string& name, UniqueFd* fd) {
    *path = &name;
    fd->Reset(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
    return *fd ? 0 : -errno;
  };
  if (const int error = open(limit_.usage_path.empty() ? kOwn : limit_.usage_path, &usage_fd_)) return error;
  if (!limit_.statistics_path.empty()) {
    if (const int error = open(limit_.statistics_path, &statistics_fd_)) return error;
  }
  started_ = true;
  Measure();
  return 0;
}

void MemoryGuard::OnTurnEnd() {
  if (!started_) return;
  const size_t held = holders_.HeldBytes();
  held_most_ = std::max(held_most_, held);
  if (held < held_ + kGrowth && reactor_.NowMs() < next_ms_) return;
  Check();
}

void MemoryGuard::OnTime(uint64_t now_ms) {
  if (now_ms < due_ms_) return;
  due_ms_ = UINT64_MAX;
  if (held_most_ >= holders_.HeldBytes() + kWorthGivingBack) GiveBack();
  Check();
}

void MemoryGuard::Check() {
  held_ = holders_.HeldBytes();
  if (Measure()) {
    SetLevel(NextLevel());
    if (refusing()) Shed();
  }
  next_ms_ = reactor_.NowMs() + (level_ == Level::kCalm ? kCalmMs : kCloseMs);
  if (refusing()) {
    due_ms_ = reactor_.NowMs() + kRecoverMs;
  } else if (due_ms_ == UINT64_MAX && held_most_ >= held_ + kWorthGivingBack) {
    due_ms_ = reactor_.NowMs() + kGiveBackMs;
  }
  if (due_ms_ != UINT64_MAX) reactor_.WakeAt(due_ms_);
}

MemoryGuard::Level MemoryGuard::NextLevel() const {
  if (usage_ >= Share(kCloseAt)) return Level::kClosing;
  const bool much = usage_ >= Share(refusing() ? kResumeBelow : kRefuseAt);
  const bool worth =
      held_ + holders_.BytesElsewhere() + sockets_ >= Share(refusing() ? kWorthGoingOn : kWorthRefusing);
  if (much && worth) return Level::kRefusing;
  return usage_ >= Share(kTightAt) ? Level::kTight : Level::kCalm;
}

// Returns false if the usage is unknown.
bool MemoryGuard::Measure() {
  if (limit_.usage_path.empty()) return MeasureOwn();
  char text[64];
  const size_t length = ReadAll(usage_fd_.get(), text, sizeof text);
  if (length == 0) {
    // The cgroup is gone and the process is in another one: its own memory is measured from now on.
    limit_.usage_path.clear();
    limit_.counts_sockets = false;
    statistics_fd_.Reset();
    reclaimable_ = sockets_ = 0;
    usage_fd_.Reset(open(kOwnMemory, O_RDONLY | O_CLOEXEC));
    return MeasureOwn();
  }
  usage_ = ToNumber({text, length});
  // The page cache counts as usage but is no reason to shed. It is only read when that matters. Close to the
  // limit the kernel reclaims it, so an older value is no longer right.
  if (usage_ < Share(kTightAt)) return true;
  const uint64_t now_ms = reactor_.NowMs();
  if (usage_ >= Share(kCloseAt) || now_ms - statistics_ms_ >= kStatisticsMs) {
    statistics_ms_ = now_ms;
    ReadStatistics();
  }
  usage_ -= std::min(usage_, reclaimable_);
  return true;
}

bool MemoryGuard::MeasureOwn() {
  char text[128];
  const std::string_view line(text, ReadAll(usage_fd_.get(), text, sizeof text));
  if (line.empty()) return false;
  // In pages: size, resident, and the part of resident that is shared with files (proc(5)).
  const size_t resident = line.find(' ') + 1;
  const size_t shared = line.find(' ', resident) + 1;
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t pages = ToNumber(line.substr(resident));
  usage_ = (pages - std::min(pages, ToNumber(line.substr(shared)))) * page;
  return true;
}

void MemoryGuard::ReadStatistics() {
  if (!statistics_fd_) return;
  char text[8192];
  const std::string_view lines(text, ReadAll(statistics_fd_.get(), text, sizeof text));
  // In cgroup v1 these names have the sums with child cgroups, in v2 the plain names have.
  const bool sums = Field(lines, "total_pgfault") > 0;
  const uint64_t files = Field(lines, sums ? "total_inactive_file" : "inactive_file") +
                         Field(lines, sums ? "total_active_file" : "active_file");
  const uint64_t mapped = Field(lines, sums ? "total_mapped_file" : "file_mapped");
  const uint64_t code = std::min(mapped, limit_.bytes / kCodeShare);
  reclaimable_ = files - std::min(files, code);
  if (limit_.counts_sockets) sockets_ = Field(lines, "sock");
}

void MemoryGuard::SetLevel(Level level) {
  if (level == level_) return;
  const bool was_refusing = refusing();
  level_ = level;
  holders_.SetWindow(level == Level::kCalm    ? kCalmWindow
                     : level == Level::kTight ? kTightWindow
                                              : kRefusingWindow);
  if (refusing() == was_refusing) return;
  if (refusing()) {
    ++overloads_;
    refusing_since_ms_ = reactor_.NowMs();
  }
  holders_.OnMemoryLevel();
}

void MemoryGuard::Shed() {
  const uint64_t now_ms = reactor_.NowMs();
  const bool sweeps = now_ms >= next_sweep_ms_;
  size_t closed = 0;
  // If the last search found nothing, the next one has to wait for the sweep interval.
  if (level_ == Level::kClosing && (sweeps || fruitful_)) {
    closed = holders_.CloseLargest({OwnPart(usage_ - Share(kCloseDownTo)), limit_.counts_sockets, 0});
    fruitful_ = closed > 0;
  } else if (sweeps && now_ms - refusing_since_ms_ >= kPatienceMs) {
    closed = holders_.CloseLargest(
        {OwnPart(usage_ - Share(kResumeBelow - 1)), limit_.counts_sockets, kPatienceMs});
  }
  closed_ += closed;
  if (closed == 0 && !sweeps) return;
  next_sweep_ms_ = now_ms + kSweepMs;
  holders_.CloseIdleConnections();
  GiveBack();
}

size_t MemoryGuard::OwnPart(uint64_t bytes) const {
  const size_t elsewhere = holders_.BytesElsewhere();
  if (elsewhere == 0) return bytes;
  const double part = static_cast<double>(held_) / static_cast<double>(held_ + elsewhere);
  return static_cast<size_t>(static_cast<double>(bytes) * part);
}

// Freed memory may lie between memory in use; only the allocator knows which pages are free.
void MemoryGuard::GiveBack() {
  holders_.FreeSpares();
  malloc_trim(0);
  held_most_ = holders_.HeldBytes();
}

MemoryGuard::Counters MemoryGuard::Look() {
  if (started_) Measure();
  return {limit_.bytes, usage_, closed_, overloads_, level_};
}

}  // namespace sideroute

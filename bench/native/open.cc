#include <sys/epoll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <deque>
#include <random>
#include <vector>

#include "client.h"
#include "modes.h"

namespace bench {

namespace {

constexpr uint64_t kPatienceNs = 30'000'000'000;

double QuantileUs(std::vector<uint64_t>& sorted_ns, double part) {
  if (sorted_ns.empty()) return 0;
  const auto index = static_cast<size_t>(static_cast<double>(sorted_ns.size()) * part);
  return static_cast<double>(sorted_ns[std::min(index, sorted_ns.size() - 1)]) / 1000;
}

class OpenLoop {
 public:
  explicit OpenLoop(const Load& load)
      : load_(load), epoll_(epoll_create1(EPOLL_CLOEXEC)), clients_(load.connections) {
    for (size_t index = 0; index < clients_.size(); ++index) {
      clients_[index].Connect(load.to, epoll_.get(), index);
      free_.push_back(index);
    }
  }

  void Run() {
    started_ns_ = NowNs();
    const uint64_t end_ns = started_ns_ + load_.milliseconds * uint64_t{1'000'000};
    due_ns_ = started_ns_ + Gap();
    for (;;) {
      const uint64_t now_ns = NowNs();
      for (; due_ns_ <= now_ns && due_ns_ < end_ns; due_ns_ += Gap()) Due();
      const bool is_over = due_ns_ >= end_ns;
      if (is_over && free_.size() == clients_.size()) return;
      if (now_ns > end_ns + kPatienceNs) Fail("responses did not come");
      Wait(is_over ? now_ns + 100'000'000 : due_ns_);
    }
  }

  void Print() {
    std::sort(latencies_ns_.begin(), latencies_ns_.end());
    std::sort(late_ns_.begin(), late_ns_.end());
    std::printf("{\"requests\":%zu,\"p50Us\":%.2f,\"p99Us\":%.2f,\"p999Us\":%.2f,\"lateP99Us\":%.2f}\n",
                latencies_ns_.size(), QuantileUs(latencies_ns_, 0.5), QuantileUs(latencies_ns_, 0.99),
                QuantileUs(latencies_ns_, 0.999), QuantileUs(late_ns_, 0.99));
  }

 private:
  uint64_t Gap() { return static_cast<uint64_t>(gap_(random_) / load_.rate * 1e9); }

  // If all connections are busy, the message waits in a queue.
  void Due() {
    if (free_.empty()) {
      waiting_.push_back(due_ns_);
      return;
    }
    const size_t index = free_.front();
    free_.pop_front();
    Send(clients_[index], due_ns_);
  }

  void Send(Client& client, uint64_t intended_ns) {
    client.intended_ns = intended_ns;
    if (IsCounted(intended_ns)) late_ns_.push_back(NowNs() - intended_ns);
    client.Send(load_.messages[next_++ % load_.messages.size()]);
  }

  bool IsCounted(uint64_t intended_ns) const {
    return intended_ns - started_ns_ >= load_.milliseconds * uint64_t{200'000};
  }

  void Wait(uint64_t until_ns) {
    const uint64_t now_ns = NowNs();
    const uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    const timespec timeout{.tv_sec = static_cast<time_t>(left_ns / 1'000'000'000),
                           .tv_nsec = static_cast<long>(left_ns % 1'000'000'000)};
    epoll_event events[256];
    const int count = epoll_pwait2(epoll_.get(), events, 256, &timeout, nullptr);
    if (count < 0 && errno != EINTR) Fail("epoll_pwait2", errno);
    for (int at = 0; at < count; ++at) {
      Client& client = clients_[events[at].data.u64];
      const Client::Progress progress = client.Proceed(false);
      if (progress == Client::Progress::kFailed)
        Fail("a connection failed, or what came was no response", errno);
      if (progress == Client::Progress::kWaiting) continue;
      if (IsCounted(client.intended_ns)) latencies_ns_.push_back(NowNs() - client.intended_ns);
      if (progress == Client::Progress::kEnded) client.Connect(load_.to, epoll_.get(), events[at].data.u64);
      if (waiting_.empty()) {
        free_.push_back(events[at].data.u64);
      } else {
        Send(client, waiting_.front());
        waiting_.pop_front();
      }
    }
  }

  const Load& load_;
  const sideroute::UniqueFd epoll_;
  std::vector<Client> clients_;
  std::deque<size_t> free_;
  // Due times of the messages that wait for a connection.
  std::deque<uint64_t> waiting_;
  uint64_t started_ns_ = 0;
  uint64_t due_ns_ = 0;
  size_t next_ = 0;
  std::vector<uint64_t> latencies_ns_;
  // How late messages were sent: latency that the generator, or the wait for a connection, adds.
  std::vector<uint64_t> late_ns_;
  // Default seed, so every run has the same gaps.
  std::mt19937_64 random_;
  std::exponential_distribution<double> gap_;
};

}  // namespace

void RunOpen(const Load& load) {
  // The default slack would let the kernel wake the thread 50 us late.
  prctl(PR_SET_TIMERSLACK, 1);
  OpenLoop loop(load);
  loop.Run();
  loop.Print();
}

}  // namespace bench

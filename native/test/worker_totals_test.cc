// Limits shared by several threads: the sums hold even with concurrent reservations.
#include "net/worker_totals.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "check.h"
#include "descriptors.h"
#include "net/descriptor_budget.h"
#include "net/own_dials.h"
#include "net/socket.h"
#include "nobody.h"
#include "upstream/retry_budget.h"

namespace sideroute::test {
namespace {

TEST("what two threads have is one sum, and what one has is no business of its own") {
  WorkerTotals totals;
  WorkerShare a(totals, 2);
  {
    WorkerShare b(totals, 2);
    CHECK(a.Reserve(0, 3));
    CHECK(b.Reserve(0, 3));
    CHECK(b.Reserve(1, 3));
    CHECK(!b.Reserve(2, 3));
    CHECK(!a.Reserve(1, 3));
    CHECK_EQ(a.connections_elsewhere(), 2u);
    CHECK_EQ(b.connections_elsewhere(), 1u);
    // A connection that was reserved but was not accepted.
    b.Settle(1, 500);
    CHECK_EQ(a.connections_elsewhere(), 1u);
    CHECK_EQ(a.bytes_elsewhere(), 500u);
    CHECK_EQ(b.bytes_elsewhere(), 0u);
    CHECK(a.Reserve(1, 3));
    CHECK(!a.Reserve(2, 3));
  }
  CHECK_EQ(a.connections_elsewhere(), 0u);
  CHECK_EQ(a.bytes_elsewhere(), 0u);
}

TEST("threads that reserve at the same time never have more than allowed, and all of that") {
  constexpr size_t kMost = 1'000;
  WorkerTotals totals;
  std::array<WorkerShare, 4> shares{{{totals, 4}, {totals, 4}, {totals, 4}, {totals, 4}}};
  std::atomic<size_t> taken = 0;
  std::vector<std::thread> threads;
  for (WorkerShare& share : shares) {
    threads.emplace_back([&taken, &share] {
      size_t open = 0;
      while (share.Reserve(open, kMost)) ++open;
      taken += open;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(taken.load(), kMost);
  CHECK_EQ(totals.connections.load(), kMost);
}

TEST("threads have one capacity of descriptors, which the first one measures, and one sum of spare ones") {
  Nobody nobody;
  WorkerTotals totals;
  WorkerShare first_share(totals, 2), second_share(totals, 2);
  DescriptorBudget first(nobody), second(nobody);
  first.Share(first_share);
  second.Share(second_share);
  const DescriptorLimit limit(800 + CountDescriptors());
  first.Measure();
  const size_t most = first.max_connections();
  {
    // Descriptors that are open by then may be connections already.
    std::vector<UniqueFd> more;
    for (int i = 0; i < 50; ++i) more.emplace_back(dup(0));
    second.Measure();
  }
  CHECK_EQ(second.max_connections(), most);
  CHECK(first.TakeSpare(most));
  CHECK(second.TakeSpare(most));
  CHECK(!first.HasRoom());
  CHECK(!second.HasRoom());
  first.GiveSpare(most);
  CHECK(second.HasRoom());
  second.GiveSpare(most);
}

TEST("threads earn retries by themselves and have the reserve of a backend once") {
  SharedReserves reserves;
  RetryBudget a(20, 3, &reserves, 7), b(20, 3, &reserves, 7), other(20, 3, &reserves, 8);
  CHECK(a.Withdraw(0));
  CHECK(b.Withdraw(0));
  CHECK(a.Withdraw(0));
  CHECK(!b.Withdraw(0));
  CHECK(!a.Withdraw(0));
  CHECK(other.Withdraw(0));
  for (int i = 0; i < 5; ++i) a.OnRequest();
  CHECK(!b.Withdraw(0));
  CHECK(a.Withdraw(0));
  CHECK(!a.Withdraw(0));
  // One per second for both together.
  CHECK(b.Withdraw(1'000));
  CHECK(!a.Withdraw(1'000));
}

TEST("a thread whose clock is behind that of another gives no reserve back") {
  SharedReserves reserves;
  RetryBudget ahead(0, 3, &reserves, 7), behind(0, 3, &reserves, 7);
  // Each loop reads the clock when its turn begins, and turns differ in length.
  for (int i = 0; i < 3; ++i) CHECK(ahead.Withdraw(10'000));
  CHECK(!ahead.Withdraw(10'000));
  CHECK(!behind.Withdraw(9'990));
  CHECK(!behind.Withdraw(9'999));
  CHECK(!ahead.Withdraw(10'000));
  CHECK(!behind.Withdraw(10'990));
  CHECK(ahead.Withdraw(11'000));
  CHECK(!behind.Withdraw(10'999));
}

TEST("a listener that others may join is none where somebody listens already") {
  for (const char* host : {"127.0.0.1", "::1"}) {
    NetAddress address, joined;
    int error = 0;
    const char* call = nullptr;
    const NetAddress any = NetAddress::Parse(host, 0).value();
    const UniqueFd first = Listen(any, &address, &error, &call, PortSharing::kFirst);
    CHECK(static_cast<bool>(first));
    const UniqueFd second = Listen(address, &joined, &error, &call, PortSharing::kJoin);
    CHECK(static_cast<bool>(second));
    CHECK(joined == address);
    for (const PortSharing sharing : {PortSharing::kNone, PortSharing::kFirst}) {
      CHECK(!Listen(address, &joined, &error, &call, sharing));
      CHECK_EQ(error, -EADDRINUSE);
    }
  }
}

TEST("a dial of one thread is suspected by another one") {
  NetAddress address;
  int error = 0;
  const char* call = nullptr;
  const UniqueFd listener = Listen(NetAddress::Parse("127.0.0.1", 0).value(), &address, &error, &call);
  OwnDials dials;
  UniqueFd ours;
  std::thread([&] { ours = dials.Dial(address, &error); }).join();
  CHECK(static_cast<bool>(ours));
  CHECK(dials.Suspect(LocalAddress(ours.get()).value(), address));
}

}  // namespace
}  // namespace sideroute::test

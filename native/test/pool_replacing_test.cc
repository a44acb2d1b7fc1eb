// The pool with scripted HTTP/2 connections: when one replaces another, and the effects.
#include <algorithm>

#include "pool_rig.h"

namespace sideroute::test {
namespace {

EngineSettings Replacing(uint32_t spread, uint32_t requests, uint32_t age_ms = 60'000) {
  EngineSettings settings;
  settings.upstream_spread = spread;
  settings.shared_max_requests = requests;
  settings.shared_max_age_ms = age_ms;
  return settings;
}

uint64_t Retired(PoolRig& rig, Retirement why) {
  return rig.context().counters.upstream_retired[static_cast<size_t>(why)];
}

TEST("pool: one that has carried enough goes on until its successor stands, and drains then") {
  PoolRig rig(Replacing(1, 1));
  rig.Served();
  CHECK_EQ(rig.Spread(), "1");
  rig.Served();
  CHECK_EQ(rig.Spread(), "2 0");
  // None of these requests dials another connection, or waits for the successor.
  rig.Served();
  rig.Served();
  CHECK_EQ(rig.Spread(), "4 0");
  CHECK_EQ(Retired(rig, Retirement::kRequests), 0u);
  rig.At(1)->Stand();
  CHECK_EQ(Retired(rig, Retirement::kRequests), 1u);
  CHECK_EQ(rig.context().counters.upstream_idle, 1u);
  CHECK_EQ(rig.context().counters.upstream_shared_open, 2u);
  rig.Served();
  CHECK_EQ(rig.Spread(), "4 1 0");
  CHECK_EQ(rig.context().counters.upstream_streams, 5u);
  for (int i = 0; i < 4; ++i) rig.users[static_cast<size_t>(i)]->attempt.Release();
  CHECK_EQ(rig.Spread(), "- 1 0");
  // Closed without a reset.
  CHECK(!rig.At(0)->shut_with_reset);
  CHECK_EQ(rig.context().counters.upstream_reused, 4u);
}

TEST("pool: one that is too old is replaced, too") {
  PoolRig rig(Replacing(2, 1'000'000, 1'000));
  rig.Served();
  rig.Served();
  rig.Pass(2'000);
  rig.Served();
  rig.Served();
  CHECK_EQ(rig.Spread(), "2 2 0 0");
  // Each successor replaces its own predecessor.
  rig.At(3)->Stand();
  CHECK_EQ(Retired(rig, Retirement::kAge), 1u);
  for (int i = 0; i < 3; ++i) rig.Served();
  CHECK_EQ(rig.Spread(), "3 2 0 2");
  rig.At(2)->Stand();
  CHECK_EQ(Retired(rig, Retirement::kAge), 2u);
  CHECK_EQ(Retired(rig, Retirement::kRequests), 0u);
}

TEST("pool: where no successor comes to stand the others go on, and another one is tried after a while") {
  for (const bool answered : {false, true}) {
    PoolRig rig(Replacing(1, 1));
    rig.Served();
    rig.Served();
    CHECK_EQ(rig.Spread(), "2 0");
    if (answered) {
      rig.At(1)->FailToConnect();
    } else {
      rig.Pass(4'000);
    }
    CHECK_EQ(rig.Spread(), "2 -");
    CHECK_EQ(rig.context().counters.upstream_connect_failures, 1u);
    rig.Served();
    CHECK_EQ(rig.Spread(), answered ? "3 -" : "3 - 0");
    rig.Pass(200);
    rig.Served();
    CHECK_EQ(rig.Spread(), "4 - 0");
    rig.At(2)->Stand();
    rig.Served();
    CHECK_EQ(rig.Spread(), "4 - 1 0");
  }
}

TEST("pool: what a successor is to replace may go before it, and whoever needs a stream may wait for it") {
  PoolRig rig(Replacing(1, 1));
  rig.streams_at_a_time = 2;
  rig.Served();
  rig.Served();
  CHECK_EQ(rig.Spread(), "2 0");
  PoolUser& waits = rig.User();
  CHECK(waits.Ask() == Attempt::Result::kLent);
  CHECK_EQ(rig.Spread(), "2 1");
  rig.At(0)->Break();
  CHECK_EQ(rig.Spread(), "- 1");
  rig.At(1)->Stand();
  CHECK_EQ(waits.connected, 1);
  CHECK_EQ(Retired(rig, Retirement::kRequests), 0u);
  CHECK_EQ(rig.context().counters.upstream_idle, 0u);
}

TEST(
    "pool: a connection that is dialled for nobody keeps no backend from going, nor the engine from "
    "closing") {
  PoolRig rig(Replacing(1, 1));
  rig.Served();
  rig.Served();
  CHECK_EQ(rig.Spread(), "2 0");
  for (const auto& user : rig.users) user->attempt.Release();
  CHECK_EQ(rig.Spread(), "0 0");
  CHECK(rig.backend().Retire());
  CHECK_EQ(rig.Spread(), "- -");
  // The same if its address was removed.
  PoolRig other(Replacing(1, 1));
  other.Served();
  other.Served();
  CHECK_EQ(other.Spread(), "2 0");
  other.backends.Set(0, {});
  CHECK_EQ(other.Spread(), "2 -");
  // The rig checks at its end that all connections are gone.
  PoolRig third(Replacing(1, 1));
  third.Served();
  third.Served();
  CHECK_EQ(third.Spread(), "2 0");
}

TEST("pool: where connections have many streams at a time there are more of them, without a wait") {
  PoolRig rig(Replacing(1, 4));
  rig.streams_at_a_time = 250;
  for (int i = 0; i < 3; ++i) rig.Served();
  CHECK(rig.connections.size() <= 2);
  for (int i = 0; i < 200; ++i) {
    CHECK(rig.User().Ask() == Attempt::Result::kLent);
    CHECK(rig.users.back()->connection().stands());
    if (!rig.connections.back()->stands()) rig.connections.back()->Stand();
  }
  size_t most = 0;
  for (const ScriptedConnection* each : rig.connections) most = std::max(most, each->streams.size());
  CHECK(most <= 10);
  CHECK(rig.connections.size() <= 70);
}

TEST("pool: of connections that were needed for a while those go that have carried enough") {
  PoolRig rig(Replacing(1, 4));
  rig.streams_at_a_time = 1;
  for (int i = 0; i < 3; ++i) rig.Served();
  CHECK_EQ(rig.Spread(), "1 1 1");
  for (const auto& user : rig.users) user->attempt.Release();
  for (int i = 0; i < 20; ++i) rig.Served().attempt.Release();
  size_t open = 0;
  for (const ScriptedConnection* each : rig.connections) open += each != nullptr && !each->shut ? 1 : 0;
  // One connection and its successor.
  CHECK(open <= 2);
}

TEST("pool: streams that stay for ever do not keep more than a part of the connections draining") {
  EngineSettings settings = Replacing(1, 1);
  settings.max_upstream_connections = 16;
  PoolRig rig(settings);
  for (int i = 0; i < 40; ++i) {
    rig.Served();
    for (ScriptedConnection* each : rig.connections) {
      if (each != nullptr && !each->stands()) each->Stand();
    }
  }
  // An eighth of 16 connections drain, and one lends.
  CHECK_EQ(rig.context().counters.upstream_open, 3u);
  CHECK_EQ(Retired(rig, Retirement::kRequests), 2u);
  CHECK_EQ(rig.context().counters.upstream_streams, 40u);
}

TEST("pool: so many are replaced at once for what they have carried, and so many each second after that") {
  PoolRig rig(Replacing(1, 2));
  const auto serve = [&rig](int requests) {
    const uint64_t before = rig.context().counters.upstream_connects;
    for (int i = 0; i < requests; ++i) {
      rig.Served().attempt.Release();
      rig.users.clear();
      for (ScriptedConnection* each : rig.connections) {
        if (each != nullptr && !each->stands()) each->Stand();
      }
    }
    return rig.context().counters.upstream_connects - before;
  };
  CHECK_EQ(serve(1'000), 1 + Turnover::kAtOnce);
  CHECK_EQ(serve(1'000), 0u);
  for (int i = 0; i < 10; ++i) rig.Pass(100);
  CHECK_EQ(serve(1'000), Turnover::kPerSecond);
  // After a quiet time as many at once as at the beginning.
  for (int i = 0; i < 100; ++i) rig.Pass(1'000);
  // The last connection had been idle for too long.
  CHECK_EQ(serve(1'000), 1 + Turnover::kAtOnce);
}

}  // namespace
}  // namespace sideroute::test

// The pool with scripted connections of both protocols: which connection lends a stream to which user, and
// the effects when one fills, drains or breaks.
#include <algorithm>

#include "pool_rig.h"
#include "random.h"

namespace sideroute::test {
namespace {

EngineSettings Settings(uint32_t spread, uint32_t most_connections = 1'024) {
  EngineSettings settings;
  settings.upstream_spread = spread;
  settings.max_upstream_connections = most_connections;
  return settings;
}

TEST("pool: the first streams dial, the next go where the fewest are") {
  PoolRig rig(Settings(3));
  for (int i = 0; i < 8; ++i) rig.Served();
  CHECK_EQ(rig.Spread(), "3 3 2");
  for (auto& user : rig.users) {
    if (&user->connection() == rig.At(1)) user->attempt.Release();
  }
  CHECK_EQ(rig.Spread(), "3 0 2");
  CHECK_EQ(rig.context().counters.upstream_idle, 1u);
  rig.Served();
  CHECK_EQ(rig.context().counters.upstream_idle, 0u);
  rig.Served();
  rig.Served();
  CHECK_EQ(rig.Spread(), "3 2 3");
  CHECK_EQ(rig.context().counters.upstream_connects, 3u);
  CHECK_EQ(rig.context().counters.upstream_reused, 8u);
}

TEST("pool: one caller after the other goes round") {
  PoolRig rig(Settings(3));
  std::string order;
  for (int i = 0; i < 9; ++i) {
    PoolUser& user = rig.Served();
    for (size_t at = 0; at < 3; ++at) {
      if (&user.connection() == rig.At(at)) order += std::to_string(at);
    }
    user.attempt.Release();
  }
  CHECK_EQ(order, "012012012");
}

TEST("pool: what comes in one burst stays together, some of it, and the next burst goes elsewhere") {
  PoolRig rig(Settings(3));
  for (int i = 0; i < 3; ++i) rig.Served();
  rig.in_one_burst = true;
  const auto burst = [&rig](int streams) {
    ++rig.context().burst;
    for (int i = 0; i < streams; ++i) rig.Served();
  };
  burst(4);
  CHECK_EQ(rig.Spread(), "5 1 1");
  burst(4);
  CHECK_EQ(rig.Spread(), "5 5 1");
  burst(20);
  CHECK_EQ(rig.Spread(), "5 5 21");
  // More than stay together on one connection.
  burst(40);
  CHECK_EQ(rig.Spread(), "37 13 21");
  // Each of these ends before the next begins.
  while (!rig.users.empty()) rig.users.pop_back();
  std::string order;
  for (int i = 0; i < 6; ++i) {
    ++rig.context().burst;
    for (int j = 0; j < 2; ++j) {
      PoolUser& user = rig.Served();
      for (size_t at = 0; at < 3; ++at) {
        if (&user.connection() == rig.At(at)) order += std::to_string(at);
      }
      user.attempt.Release();
    }
  }
  std::string each = order.substr(0, 6);
  CHECK_EQ(order, each + each);
  CHECK(each[0] == each[1] && each[2] == each[3] && each[4] == each[5]);
  CHECK(each[0] != each[2] && each[2] != each[4] && each[0] != each[4]);
}

TEST("pool: one that fills up, drains or is of no use lends no more in the same burst") {
  PoolRig rig(Settings(2));
  rig.streams_at_a_time = 3;
  for (int i = 0; i < 2; ++i) rig.Served();
  rig.in_one_burst = true;
  ++rig.context().burst;
  for (int i = 0; i < 3; ++i) rig.Served();
  CHECK_EQ(rig.Spread(), "3 2");
  rig.users[4]->attempt.Release();
  rig.users[3]->attempt.Release();
  rig.users[2]->attempt.Release();
  CHECK_EQ(rig.Spread(), "1 1");
  ++rig.context().burst;
  UpstreamConnection& first = rig.Served().connection();
  first.Drain();
  CHECK(&rig.Served().connection() != &first);
  auto& second = static_cast<ScriptedConnection&>(rig.users.back()->connection());
  second.stale = true;
  UpstreamConnection& third = rig.Served().connection();
  CHECK(&third != &first && &third != &second);
}

TEST(
    "pool: where nothing stands yet those who come share what is being dialled, and all hear that it "
    "stands") {
  PoolRig rig(Settings(1));
  for (int i = 0; i < 3; ++i) CHECK(rig.User().Ask() == Attempt::Result::kLent);
  CHECK_EQ(rig.Spread(), "3");
  CHECK_EQ(rig.context().counters.upstream_reused, 0u);
  rig.At(0)->Stand();
  for (const auto& user : rig.users) {
    CHECK_EQ(user->connected, 1);
    CHECK(user->attempt.state() == Attempt::State::kConnected);
  }
  rig.backend().VisitEndpoints([](const Endpoint& endpoint) {
    CHECK_EQ(endpoint.requests, 3u);
    CHECK_EQ(endpoint.connecting, 0u);
  });
}

TEST("pool: what does not stand is for when all that does is full") {
  PoolRig rig(Settings(2));
  rig.streams_at_a_time = 2;
  rig.Served();
  rig.User().Ask();
  rig.User().Ask();
  CHECK_EQ(rig.Spread(), "2 1");
  rig.User().Ask();
  CHECK_EQ(rig.Spread(), "2 2");
  // And where all are full, one more is dialled.
  rig.User().Ask();
  CHECK_EQ(rig.Spread(), "2 2 1");
}

TEST("pool: who searches among what is idle is lent no stream of what does not stand") {
  PoolRig rig(Settings(1));
  rig.User().Ask();
  CHECK_EQ(rig.Spread(), "1");
  PoolUser& user = rig.User();
  Attempt::Options options;
  options.protocol = Protocol::kHttp2;
  CHECK(user.attempt.BeginIdle(rig.backend(), options) == Attempt::Result::kNone);
  CHECK_EQ(rig.Spread(), "1");
  rig.At(0)->Stand();
  CHECK(user.attempt.BeginIdle(rig.backend(), options) == Attempt::Result::kLent);
  CHECK_EQ(rig.Spread(), "2");
}

TEST("pool: at the limit of connections one waits for a stream, and they are served as they came") {
  PoolRig rig(Settings(1, 1));
  rig.streams_at_a_time = 2;
  PoolUser& first = rig.Served();
  PoolUser& second = rig.Served();
  PoolUser& third = rig.User();
  PoolUser& fourth = rig.User();
  CHECK(third.Ask() == Attempt::Result::kLater);
  CHECK(fourth.Ask() == Attempt::Result::kLater);
  second.attempt.Release();
  // First come, first served.
  CHECK(rig.User().Ask() == Attempt::Result::kLater);
  rig.EndTurn();
  CHECK_EQ(third.lent, 1);
  CHECK_EQ(fourth.lent, 0);
  first.attempt.Release();
  rig.EndTurn();
  CHECK_EQ(fourth.lent, 1);
  CHECK_EQ(rig.users.back()->lent, 0);
  CHECK_EQ(rig.Spread(), "2");
  rig.Pass(2'000);
  CHECK_EQ(rig.users.back()->without, 1);
  CHECK(rig.users.back()->why == NoStream::kOverflow);
}

TEST("pool: a peer that allows more serves who waits, one that allows fewer takes nothing away") {
  PoolRig rig(Settings(1, 1));
  rig.streams_at_a_time = 2;
  PoolUser& first = rig.Served();
  rig.Served();
  PoolUser& third = rig.User();
  CHECK(third.Ask() == Attempt::Result::kLater);
  rig.At(0)->Allow(3);
  rig.EndTurn();
  CHECK_EQ(third.lent, 1);
  rig.At(0)->Allow(1);
  CHECK_EQ(rig.Spread(), "3");
  PoolUser& fourth = rig.User();
  CHECK(fourth.Ask() == Attempt::Result::kLater);
  first.attempt.Release();
  third.attempt.Release();
  rig.EndTurn();
  CHECK_EQ(fourth.lent, 0);
  rig.users[1]->attempt.Release();
  rig.EndTurn();
  CHECK_EQ(fourth.lent, 1);
  // A connection that allows no streams and has none is useless.
  fourth.attempt.Release();
  rig.At(0)->Allow(0);
  CHECK_EQ(rig.Spread(), "-");
}

TEST("pool: what drains keeps its streams, gets no new ones, and closes with the last") {
  PoolRig rig(Settings(1));
  PoolUser& first = rig.Served();
  PoolUser& second = rig.Served();
  rig.At(0)->Drain();
  CHECK_EQ(rig.Spread(), "2");
  rig.Served();
  CHECK_EQ(rig.Spread(), "2 1");
  // Not even if the peer allows more, or a stream comes back.
  rig.At(0)->Allow(1'000);
  first.attempt.Release();
  rig.Served();
  CHECK_EQ(rig.Spread(), "1 2");
  second.attempt.Reset();
  CHECK_EQ(rig.Spread(), "- 2");
  // Without a reset, because the last stream's bytes may still be on their way.
  CHECK(!rig.At(0)->shut_with_reset);
  CHECK_EQ(first.events + second.events, 0);
  // An idle connection closes at once.
  rig.users[2]->attempt.Release();
  rig.users[3]->attempt.Release();
  rig.At(1)->Drain();
  CHECK_EQ(rig.Spread(), "- -");
}

TEST("pool: one that is refused tells each of its users, who dial again, and is counted once") {
  PoolRig rig(Settings(1));
  for (int i = 0; i < 3; ++i) rig.User().Ask();
  rig.At(0)->FailToConnect();
  CHECK_EQ(rig.Spread(), "- 3");
  CHECK_EQ(rig.context().counters.upstream_connect_failures, 1u);
  rig.At(1)->Stand();
  for (const auto& user : rig.users) {
    CHECK_EQ(user->lent, 2);
    CHECK_EQ(user->connected, 1);
    CHECK_EQ(user->without, 0);
  }
}

TEST("pool: who has waited for long enough for one to stand dials another, the others stay") {
  PoolRig rig(Settings(1));
  PoolUser& first = rig.User();
  first.Ask();
  rig.Pass(200);
  PoolUser& second = rig.User();
  second.Ask();
  CHECK_EQ(rig.Spread(), "2");
  rig.Pass(120);
  // A tenth of the connect timeout.
  CHECK_EQ(rig.Spread(), "1 1");
  CHECK_EQ(first.lent, 2);
  // It is established after all: the user that waited gets it, and no other.
  rig.At(0)->Stand();
  CHECK_EQ(second.connected, 1);
  rig.User().Ask();
  CHECK_EQ(rig.Spread(), "1 2");
}

TEST(
    "pool: one that breaks tells each of its users once, is lent to nobody, and is gone with the last of "
    "them") {
  for (const bool stays : {false, true}) {
    PoolRig rig(Settings(1));
    for (int i = 0; i < 3; ++i) rig.Served();
    // One of them gives up before it is told.
    rig.users[1]->attempt.Reset(StreamError::kEnhanceYourCalm);
    CHECK(rig.At(0)->told[0] == StreamError::kEnhanceYourCalm);
    CHECK_EQ(rig.Spread(), "2");
    if (stays) {
      // Neither has read up to the end.
      rig.At(0)->Drain();
      rig.Served();
      CHECK_EQ(rig.Spread(), "2 1");
    }
    rig.At(0)->Break();
    CHECK_EQ(rig.users[0]->events, 1);
    CHECK_EQ(rig.users[1]->events, 0);
    CHECK_EQ(rig.users[2]->events, 1);
    CHECK_EQ(rig.Spread(), stays ? "- 1" : "-");
    CHECK_EQ(rig.context().counters.upstream_open, stays ? 1u : 0u);
  }
}

TEST("pool: one that says with a stream that comes back that it is of no use lends no more") {
  PoolRig rig(Settings(1));
  PoolUser& first = rig.Served();
  PoolUser& second = rig.Served();
  rig.At(0)->Spoil();
  first.attempt.Release();
  rig.Served();
  CHECK_EQ(rig.Spread(), "1 1");
  second.attempt.Release();
  CHECK_EQ(rig.Spread(), "- 1");
}

TEST("pool: what has gone is made up for, once") {
  PoolRig rig(Settings(2));
  PoolUser& first = rig.Served();
  rig.Served();
  rig.At(0)->Drain();
  first.attempt.Release();
  CHECK_EQ(rig.Spread(), "- 1");
  rig.Served();
  CHECK_EQ(rig.Spread(), "- 1 1");
  for (int i = 0; i < 4; ++i) rig.Served();
  CHECK_EQ(rig.Spread(), "- 3 3");
}

TEST("pool: streams come back in any order") {
  std::vector<size_t> order{0, 1, 2, 3};
  do {
    PoolRig rig(Settings(1));
    for (int i = 0; i < 4; ++i) rig.Served();
    for (const size_t at : order) {
      CHECK_EQ(rig.context().counters.upstream_idle, 0u);
      rig.users[at]->attempt.Release();
    }
    CHECK_EQ(rig.Spread(), "0");
    CHECK_EQ(rig.context().counters.upstream_idle, 1u);
    CHECK(!rig.At(0)->shut);
    // It is closed if nobody wants it for a while.
    rig.Pass(3'100);
    CHECK_EQ(rig.Spread(), "-");
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST("pool: one stream that is reset leaves the others of its connection alone") {
  PoolRig rig(Settings(1));
  PoolUser& first = rig.Served();
  PoolUser& second = rig.Served();
  first.attempt.Reset();
  second.attempt.Close();
  CHECK(!rig.At(0)->shut);
  CHECK_EQ(rig.context().counters.upstream_idle, 1u);
  rig.Served();
  CHECK_EQ(rig.Spread(), "1");
  // With HTTP/1 the reset is that of the connection.
  PoolUser& alone = rig.Served(Protocol::kHttp1);
  alone.attempt.Reset();
  CHECK(rig.At(1)->shut_with_reset);
}

TEST("pool: a lender that turns out to be of no use is passed over, and gone with its last stream") {
  PoolRig rig(Settings(2));
  PoolUser& first = rig.Served();
  rig.Served();
  rig.At(0)->stale = true;
  rig.Served();
  rig.Served();
  // It was asked and drains; another one is dialled in its place.
  CHECK_EQ(rig.Spread(), "1 2 1");
  first.attempt.Release();
  CHECK_EQ(rig.Spread(), "- 2 1");
}

TEST("pool: at the limit who has a caller that has ended makes room with a stream, without a dial") {
  PoolRig rig(Settings(1, 1));
  rig.streams_at_a_time = 2;
  PoolUser& gone = rig.Served();
  rig.Served();
  gone.attempt.MakeDisplaceable();
  PoolUser& next = rig.User();
  CHECK(next.Ask() == Attempt::Result::kLent);
  CHECK_EQ(gone.displaced, 1);
  CHECK_EQ(rig.context().counters.upstream_connects, 1u);
  CHECK_EQ(rig.Spread(), "2");
  // A mirror does not displace an exchange.
  next.attempt.MakeDisplaceable();
  CHECK(rig.User(Protocol::kHttp2, {.may_queue = false, .may_displace = false}).Ask() ==
        Attempt::Result::kNone);
  CHECK_EQ(next.displaced, 0);
  // A request with another protocol gets the connection's place when the connection has no streams.
  rig.users[1]->attempt.MakeDisplaceable();
  CHECK(rig.User(Protocol::kHttp1).Ask() == Attempt::Result::kLent);
  CHECK_EQ(rig.Spread(), "- 1");
}

TEST("pool: who speaks what gets a connection that does, whatever others are idle") {
  PoolRig rig(Settings(1));
  rig.Served(Protocol::kHttp1).attempt.Release();
  rig.Served(Protocol::kHttp2).attempt.Release();
  CHECK_EQ(rig.context().counters.upstream_idle, 2u);
  CHECK(rig.Served(Protocol::kHttp2).connection().protocol() == Protocol::kHttp2);
  CHECK(rig.Served(Protocol::kHttp1).connection().protocol() == Protocol::kHttp1);
  CHECK_EQ(rig.Spread(), "1 1");
  // The backend's own protocol has priority.
  rig.backend().SetProtocol(Protocol::kHttp2);
  CHECK(rig.Served(Protocol::kHttp1).connection().protocol() == Protocol::kHttp2);
  rig.backend().SetProtocol(Protocol::kHttp1);
  CHECK(rig.Served(Protocol::kHttp2).connection().protocol() == Protocol::kHttp1);
}

TEST("pool: neither protocol keeps the other one waiting at the limit") {
  PoolRig rig(Settings(1, 1));
  rig.streams_at_a_time = 1;
  PoolUser* holder = &rig.Served(Protocol::kHttp1);
  PoolUser& old = rig.User(Protocol::kHttp1);
  PoolUser& young = rig.User(Protocol::kHttp2);
  old.Ask();
  young.Ask();
  int turns = 0;
  while (young.lent == 0 && ++turns < 4) {
    holder->attempt.Close();
    // While they wait, no later attempt overtakes them.
    for (const Protocol protocol : {Protocol::kHttp1, Protocol::kHttp2}) {
      CHECK(rig.User(protocol).Ask() == Attempt::Result::kLater);
    }
    rig.EndTurn();
    for (const auto& user : rig.users) {
      if (user->has_stream()) holder = user.get();
    }
    holder->connection().Stand();
  }
  CHECK_EQ(young.lent, 1);
}

TEST("pool: addresses that are gone let streams end, and a backend with none left can be retired") {
  PoolRig rig(Settings(2));
  PoolUser& first = rig.Served();
  PoolUser& second = rig.Served();
  second.attempt.Release();
  CHECK_EQ(rig.Spread(), "1 0");
  rig.backends.Set(0, {});
  CHECK_EQ(rig.Spread(), "1 -");
  CHECK(rig.User().Ask() == Attempt::Result::kNone);
  CHECK(!rig.backends.Drop(0));
  rig.backends.Set(0, {rig.address});
  // A connection that was told to drain continues to do so.
  rig.Served();
  CHECK_EQ(rig.Spread(), "1 - 1");
  first.attempt.Release();
  CHECK_EQ(rig.Spread(), "- - 1");
  rig.users.back()->attempt.Release();
  CHECK(rig.backends.Drop(0));
  rig.EndTurn();
  CHECK(rig.backends.open().empty());
  rig.backends.Set(0, {});
}

TEST("pool: a stream that is wanted fresh dials, and joins the others then") {
  PoolRig rig(Settings(1));
  rig.Served();
  PoolUser& fresh = rig.User(Protocol::kHttp2, {.may_reuse = false});
  CHECK(fresh.Ask() == Attempt::Result::kLent);
  CHECK_EQ(rig.Spread(), "1 1");
  fresh.connection().Stand();
  // The end of a caller does not matter to a connection with many streams.
  CHECK(rig.User(Protocol::kHttp2, {.caller_ended = true}).Ask() == Attempt::Result::kLent);
  CHECK_EQ(rig.context().counters.upstream_connects, 2u);
}

TEST("pool: a load of many connections at a time finds all of them again") {
  PoolRig rig;
  constexpr size_t kMany = 300;
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < kMany; ++i) rig.Served(Protocol::kHttp1);
    for (auto& user : rig.users) user->attempt.Release();
    rig.users.clear();
    rig.EndTurn();
    CHECK_EQ(rig.context().counters.upstream_idle, kMany);
    CHECK_EQ(rig.context().counters.upstream_connects, kMany);
  }
}

// Compared with a model that only knows who has which stream.
TEST("pool: whatever happens in whatever order, each stream has one user, and all that is counted is there") {
  Random random(20'261'128);
  const auto below = [&random](uint32_t count) { return static_cast<uint32_t>(random.Below(count)); };
  for (int round = 0; round < 60; ++round) {
    EngineSettings settings = Settings(1 + below(3), 2 + below(3));
    settings.upstream_max_requests = 1 + below(12);
    settings.max_queued_requests = 4;
    settings.max_upstream_idle = below(3);
    PoolRig rig(settings);
    for (int i = 0; i < 6; ++i) rig.User(below(3) == 0 ? Protocol::kHttp1 : Protocol::kHttp2);
    for (int step = 0; step < 300; ++step) {
      PoolUser& user = *rig.users[below(6)];
      ScriptedConnection* const connection =
          rig.connections.empty() ? nullptr : rig.At(random.Below(rig.connections.size()));
      const bool there = connection != nullptr && !connection->shut;
      rig.streams_at_a_time = 1 + below(4);
      switch (below(12)) {
        case 0:
        case 1:
        case 2:
          if (user.attempt.state() == Attempt::State::kNone) user.Ask();
          break;
        case 3:
          user.attempt.Release();
          break;
        case 4:
          user.attempt.Reset();
          break;
        case 5:
          if (user.has_stream()) user.attempt.MakeDisplaceable();
          break;
        case 6:
          if (there && !connection->stands()) connection->Stand();
          break;
        case 7:
          if (there && !connection->stands()) connection->FailToConnect();
          break;
        case 8:
          if (there && connection->stands()) connection->Break();
          break;
        case 9:
          if (there && connection->protocol() == Protocol::kHttp2) connection->Allow(below(4));
          break;
        case 10:
          if (there) connection->Drain();
          break;
        default:
          below(2) == 0 ? rig.Pass(below(400)) : rig.EndTurn();
          if (below(20) == 0) rig.backends.Set(0, {});
          if (below(2) == 0) rig.backends.Set(0, {rig.address});
          break;
      }
      size_t with_stream = 0, lent = 0, open = 0, idle = 0;
      for (const auto& each : rig.users) with_stream += each->has_stream();
      for (const ScriptedConnection* each : rig.connections) {
        if (each == nullptr || each->shut) continue;
        ++open;
        lent += each->streams.size();
        CHECK_EQ(each->lent(), each->streams.size());
        idle += each->idle();
        CHECK(!each->idle() || (each->streams.empty() && each->linked()));
        // A connection that can lend is in the list of lenders, and only such a connection is.
        CHECK(!each->linked() || each->has_room());
        CHECK(each->linked() || !each->has_room());
      }
      CHECK_EQ(with_stream, lent);
      CHECK_EQ(rig.context().counters.upstream_open, open);
      CHECK_EQ(rig.context().counters.upstream_idle, idle);
      CHECK(open <= settings.max_upstream_connections);
    }
  }
}

}  // namespace
}  // namespace sideroute::test

// Every state of an exchange and every way out of it: regular, by a reset of either side, and by each of its
// timers.
#include <string>

#include "check.h"
#include "engine_stage.h"

namespace sideroute::test {
namespace {

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

EngineSettings Quick() {
  EngineSettings settings;
  settings.header_timeout_ms = 5'000;
  settings.downstream_idle_ms = 7'000;
  settings.stall_timeout_ms = 9'000;
  return settings;
}

Policy WithRetries(uint32_t attempts, uint16_t status = 503) {
  Policy policy;
  policy.attempts = attempts;
  policy.codes.set(status - 400u);
  return policy;
}

TEST("a request and its response pass, the outcome is told, and both connections serve the next one") {
  Stage stage;
  auto [client, upstream] = stage.Exchange(kGet);
  CHECK_EQ(upstream.received, kGet);
  upstream.Send(kOk);
  CHECK(stage.Receives(client, "ok"));
  CHECK_EQ(client.received, kOk);
  CHECK(stage.Reports(1));
  CHECK_EQ(stage.Last().status, 200);
  CHECK_EQ(stage.LastReason(), "");
  client.Send(kGet);
  CHECK(stage.Until([&up = upstream] { return up.received.size() == 2 * kGet.size(); }));
  upstream.Send(kOk);
  CHECK(stage.Reports(2));
  CHECK_EQ(stage.engine->counters().upstream_connects, 1u);
  CHECK_EQ(stage.engine->counters().upstream_reused, 1u);
  CHECK_EQ(stage.engine->counters().requests_open, 0u);
}

TEST(
    "a head that does not come to its end is answered when its time is over, a request of which nothing came "
    "is not") {
  for (const bool begun : {true, false}) {
    Stage stage(Quick());
    End& client = stage.Connect();
    if (begun) client.Send("GET / HT");
    stage.Pass(begun ? 4'990 : 6'990);
    CHECK(client.received.empty() && !client.ended());
    stage.Pass(20);
    CHECK(stage.Until([&client] { return client.fin || client.reset; }));
    CHECK(client.fin);
    CHECK_EQ(client.received.find("reason: request_timeout") != std::string::npos, begun);
    CHECK_EQ(stage.host.refused.size(), begun ? 1u : 0u);
  }
}

TEST("the whole request has its time: before the response it is answered, in the middle of it cut off") {
  for (const bool begun : {false, true}) {
    Stage stage;
    Policy policy;
    policy.request_timeout_ms = 500;
    stage.SetPolicy(policy);
    auto [client, upstream] = stage.Exchange(kGet);
    if (begun) {
      upstream.Send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
      CHECK(stage.Receives(client, "ab"));
    }
    stage.Pass(490);
    CHECK(stage.host.outcomes.empty());
    stage.Pass(20);
    CHECK(stage.Reports(1));
    CHECK_EQ(stage.LastReason(), "timeout");
    CHECK_EQ(stage.Last().status, begun ? 200 : 504);
    CHECK(stage.Ends(upstream) && upstream.reset);
    if (begun) {
      CHECK(stage.Ends(client));
    } else {
      CHECK(stage.Receives(client, "reason: timeout"));
      CHECK(!client.ended());
    }
  }
}

TEST("an attempt that takes too long gives way to the next, on another connection, until they are used up") {
  Stage stage;
  Policy policy = WithRetries(2, 504);
  policy.attempt_timeout_ms = 100;
  policy.backoff_ms = 40;
  stage.SetPolicy(policy);
  auto [client, upstream] = stage.Exchange(kGet);
  End* current = &upstream;
  for (uint64_t retry = 1; retry <= 2; ++retry) {
    stage.Pass(85);
    CHECK(!current->ended());
    stage.Pass(25);
    CHECK(stage.Ends(*current) && current->reset);
    // Not at once: after the backoff.
    CHECK_EQ(stage.engine->counters().upstream_connects, retry);
    for (int i = 0; i < 50 && stage.engine->counters().upstream_connects == retry; ++i) stage.Pass(5);
    End& next = stage.Accepted();
    CHECK(stage.Receives(next, "\r\n\r\n"));
    current = &next;
  }
  stage.Pass(110);
  CHECK(stage.Reports(1));
  CHECK_EQ(stage.Last().retries, 2);
  CHECK(stage.Receives(client, "HTTP/1.1 5"));
  CHECK(!stage.LastReason().empty());
}

TEST("a response that the route retries is sent again, one that it does not is passed on") {
  for (const uint16_t status : {uint16_t{503}, uint16_t{500}}) {
    Stage stage;
    stage.SetPolicy(WithRetries(1));
    auto [client, upstream] = stage.Exchange(kGet);
    upstream.Send("HTTP/1.1 " + std::to_string(status) + " No\r\nContent-Length: 2\r\n\r\nno");
    if (status == 503) {
      CHECK(stage.Until([&stage] { return stage.engine->counters().retries_policy == 1; }));
      stage.Pass(100);
      CHECK(stage.Until([&up = upstream] { return up.received.size() == 2 * kGet.size(); }));
      upstream.Send(kOk);
      CHECK(stage.Receives(client, "ok"));
      CHECK_EQ(client.received, kOk);
    } else {
      CHECK(stage.Receives(client, "\r\n\r\nno"));
    }
    CHECK(stage.Reports(1));
    CHECK_EQ(stage.Last().status, status == 503 ? 200 : 500);
    CHECK_EQ(stage.Last().retries, status == 503 ? 1 : 0);
  }
}

TEST("an upstream that resets before a response is no answer, and on a used connection cause to send again") {
  for (const bool reused : {false, true}) {
    Stage stage;
    auto [client, upstream] = stage.Exchange(kGet);
    if (reused) {
      upstream.Send(kOk);
      CHECK(stage.Reports(1));
      client.Send(kGet);
      CHECK(stage.Until([&up = upstream] { return up.received.size() == 2 * kGet.size(); }));
    }
    upstream.Reset();
    if (reused) {
      End& fresh = stage.Accepted();
      CHECK(stage.Receives(fresh, "\r\n\r\n"));
      fresh.Send(kOk);
      CHECK(stage.Reports(2));
      CHECK_EQ(stage.Last().status, 200);
      CHECK_EQ(stage.Last().retries, 0);
      CHECK_EQ(stage.engine->counters().retries_reset, 1u);
    } else {
      CHECK(stage.Reports(1));
      CHECK_EQ(stage.LastReason(), "upstream_reset");
      CHECK(stage.Receives(client, "reason: upstream_reset"));
    }
  }
}

TEST("what is no response is said to be none, and its connection goes") {
  Stage stage;
  auto [client, upstream] = stage.Exchange(kGet);
  upstream.Send("220 hello\r\n\r\n");
  CHECK(stage.Reports(1));
  CHECK_EQ(stage.LastReason(), "upstream_protocol");
  CHECK(stage.Ends(upstream));
  CHECK_EQ(stage.engine->counters().upstream_open, 0u);
  CHECK(stage.Receives(client, "reason: upstream_protocol"));
}

TEST("a response that ends early is visibly not whole") {
  for (const bool chunked : {false, true}) {
    Stage stage;
    auto [client, upstream] = stage.Exchange(kGet);
    upstream.Send(chunked ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"
                          : "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
    CHECK(stage.Receives(client, "ab"));
    upstream.Finish();
    CHECK(stage.Reports(1));
    CHECK_EQ(stage.LastReason(), "upstream_reset");
    CHECK(stage.Ends(client));
    CHECK(client.received.find("0\r\n\r\n") == std::string::npos);
  }
}

TEST("a caller that resets takes the upstream along, whatever has come of the response") {
  for (const int come : {0, 1, 2}) {
    Stage stage;
    auto [client, upstream] = stage.Exchange(kGet);
    if (come == 1) upstream.Send("HTTP/1.1 200 OK\r\n");
    if (come == 2) {
      upstream.Send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
      CHECK(stage.Receives(client, "ab"));
    }
    client.Reset();
    CHECK(stage.Reports(1));
    CHECK_EQ(stage.LastReason(), "downstream_reset");
    CHECK(stage.Ends(upstream) && upstream.reset);
    CHECK_EQ(stage.engine->connections(), 0u);
  }
}

TEST(
    "a backend that refuses is dialled again and again, within a second of the clock, and then answered "
    "for") {
  Stage stage;
  stage.Refuse();
  End& client = stage.Connect();
  client.Send(kGet);
  CHECK(stage.Until([&stage] { return stage.engine->counters().upstream_connect_failures >= 2; }));
  stage.Pass(1'000);
  CHECK(stage.Reports(1));
  CHECK_EQ(stage.LastReason(), "connect_failure");
  CHECK_EQ(stage.engine->counters().upstream_connect_failures, 16u);
  CHECK_EQ(stage.engine->counters().redials, 15u);
  CHECK(stage.Receives(client, "reason: connect_failure"));
  CHECK(!client.ended());
}

TEST("a backend without an address, and a decision for none, are unresolved") {
  for (const int32_t backend : {0, 7}) {
    Stage stage;
    stage.engine->backends().Set(0, {});
    stage.host.decision.backend = backend;
    End& client = stage.Connect();
    client.Send(kGet);
    CHECK(stage.Reports(1));
    CHECK_EQ(stage.LastReason(), "unresolved");
    CHECK(stage.Receives(client, "reason: unresolved"));
  }
}

TEST("a host that fails is answered for, and a reply of its own needs no backend") {
  Stage stage;
  stage.host.works = false;
  End& client = stage.Connect();
  client.Send(kGet);
  CHECK(stage.Reports(1));
  CHECK_EQ(stage.LastReason(), "internal");
  stage.host.works = true;
  LocalReply reply;
  reply.head = "HTTP/1.1 404 Not Found\r\n";
  reply.body = "nothing";
  reply.status = 404;
  stage.host.decision.kind = DecisionKind::kLocal;
  stage.host.decision.reply = stage.engine->AddReply(reply);
  End& other = stage.Connect();
  other.Send(kGet);
  CHECK(stage.Receives(other, "nothing"));
  CHECK(stage.Reports(2));
  CHECK_EQ(stage.Last().status, 404);
  CHECK_EQ(stage.engine->counters().upstream_connects, 0u);
}

TEST("a refusal is answered whole, whatever replies are added while the host is told of it") {
  Stage stage;
  stage.host.then = [&stage] {
    for (int i = 0; i < 1'000; ++i) stage.engine->AddReply({});
  };
  End& client = stage.Connect();
  client.Send("not a request\r\n\r\n");
  CHECK(stage.Receives(client, "reason: bad_request"));
  CHECK_EQ(stage.host.refused.size(), 1u);
}

TEST("a backend that loses its addresses while somebody makes room for another is unresolved") {
  EngineSettings settings;
  settings.max_upstream_connections = 1;
  Stage stage(settings);
  // The caller may have left, so its response may have no reader.
  auto [first, upstream] = stage.Exchange(kGet);
  first.Finish();
  CHECK(stage.Until([&up = upstream] { return (up.Look(), up.fin); }));
  stage.host.then = [&stage] {
    stage.host.then = nullptr;
    stage.engine->backends().Set(0, {});
  };
  End& second = stage.Connect();
  second.Send(kGet);
  CHECK(stage.Reports(2));
  CHECK(stage.Receives(second, "reason: unresolved"));
}

TEST("who finds every connection taken waits for one, and no longer than the queue allows") {
  EngineSettings settings;
  settings.max_upstream_connections = 1;
  settings.queue_timeout_ms = 300;
  Stage stage(settings);
  auto [first, upstream] = stage.Exchange(kGet);
  End& second = stage.Connect();
  second.Send(kGet);
  CHECK(stage.Until([&stage] { return stage.Waiting() == 1; }));
  End& third = stage.Connect();
  third.Send(kGet);
  CHECK(stage.Until([&stage] { return stage.Waiting() == 2; }));
  stage.Pass(200);
  upstream.Send(kOk);
  CHECK(stage.Receives(first, "ok"));
  CHECK(stage.Until([&up = upstream] { return up.received.size() == 2 * kGet.size(); }));
  CHECK_EQ(stage.Waiting(), 1u);
  stage.Pass(200);
  CHECK(stage.Receives(third, "reason: overflow"));
  CHECK_EQ(stage.LastReason(), "overflow");
  upstream.Send(kOk);
  CHECK(stage.Receives(second, "ok"));
  CHECK_EQ(stage.Waiting(), 0u);
}

TEST("a queue that is full turns away at once") {
  EngineSettings settings;
  settings.max_upstream_connections = 1;
  settings.max_queued_requests = 1;
  Stage stage(settings);
  stage.Exchange(kGet);
  stage.Connect().Send(kGet);
  CHECK(stage.Until([&stage] { return stage.Waiting() == 1; }));
  End& third = stage.Connect();
  third.Send(kGet);
  CHECK(stage.Receives(third, "reason: overflow"));
}

TEST("a body waits for the 100 that was asked for, and goes on its own when none comes") {
  constexpr std::string_view kHead =
      "POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
  for (const bool answered : {true, false}) {
    Stage stage;
    auto [client, upstream] = stage.Exchange(std::string(kHead) + "body");
    stage.Pass(990);
    CHECK(upstream.received.find("body") == std::string::npos);
    if (answered) {
      upstream.Send("HTTP/1.1 100 Continue\r\n\r\n");
    } else {
      stage.Pass(20);
    }
    CHECK(stage.Receives(upstream, "\r\n\r\nbody"));
    upstream.Send(kOk);
    CHECK(stage.Receives(client, "ok"));
    CHECK_EQ(client.received.starts_with("HTTP/1.1 100"), answered);
    CHECK(stage.Reports(1));
  }
}

TEST("a body that stands still ends its exchange, on either side, and each byte is a new start") {
  Stage stage(Quick());
  auto [client, upstream] = stage.Exchange("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nb");
  stage.Pass(8'000);
  client.Send("o");
  stage.Pass(8'000);
  CHECK(stage.host.outcomes.empty());
  stage.Pass(1'010);
  CHECK(stage.Ends(upstream) && upstream.reset);
  // The rest of the request has one more second to arrive, so that the connection can be kept.
  CHECK(stage.host.outcomes.empty());
  stage.Pass(1'010);
  CHECK(stage.Reports(1));
  CHECK_EQ(stage.LastReason(), "timeout");
  CHECK(stage.Receives(client, "reason: timeout"));
}

TEST("a caller that does not read its response is given up") {
  Stage stage(Quick());
  auto [client, upstream] = stage.Exchange(kGet);
  client.reads = false;
  upstream.Send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
  const std::string piece(512 * 1024, 'x');
  // Until the kernel takes no more.
  for (int refused = 0; refused < 5;) {
    refused = upstream.SendSome(piece) == 0 ? refused + 1 : 0;
    stage.Pass(1);
  }
  // The buffered bytes are bounded.
  CHECK(stage.engine->buffered_bytes() <= 256 * 1024);
  CHECK(stage.host.outcomes.empty());
  stage.Pass(9'100);
  CHECK(stage.Reports(1));
  CHECK_EQ(stage.LastReason(), "downstream_reset");
  CHECK(stage.Ends(upstream));
}

TEST("an answer that comes before the body waits a second for the rest of it, to keep the connection") {
  for (const bool comes : {true, false}) {
    Stage stage;
    stage.host.decision.kind = DecisionKind::kLocal;
    LocalReply reply;
    reply.head = "HTTP/1.1 403 No\r\n";
    reply.status = 403;
    stage.host.decision.reply = stage.engine->AddReply(reply);
    End& client = stage.Connect();
    client.Send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo");
    stage.Pass(500);
    CHECK_EQ(stage.host.asked, 1);
    CHECK(client.received.empty());
    if (comes) {
      client.Send("dy");
    } else {
      stage.Pass(510);
    }
    CHECK(stage.Receives(client, "\r\n\r\n"));
    CHECK_EQ(client.received.find("Connection: close") == std::string::npos, comes);
  }
}

// Times are varied by up to a quarter.
TEST("a connection to a backend that nobody uses is closed after its idle time") {
  Stage stage;
  auto [client, upstream] = stage.Exchange(kGet);
  upstream.Send(kOk);
  CHECK(stage.Reports(1));
  stage.Pass(2'200);
  CHECK(!upstream.ended());
  stage.Pass(1'600);
  CHECK(stage.Ends(upstream) && upstream.fin);
  CHECK_EQ(stage.engine->counters().upstream_open, 0u);
  CHECK(!client.ended());
}

TEST("an idle connection that was closed before its idle time ended is closed once") {
  Stage stage;
  auto [client, upstream] = stage.Exchange(kGet);
  upstream.Send(kOk);
  CHECK(stage.Reports(1));
  CHECK_EQ(stage.engine->counters().upstream_idle, 1u);
  // The thread was busy after that time and closed the connection before its timer fired.
  stage.loop.Advance(EngineSettings().upstream_idle_ms + 10);
  stage.engine->backends().Set(0, {});
  CHECK_EQ(stage.engine->counters().upstream_open, 0u);
  stage.Pass(20);
  CHECK(stage.Ends(upstream));
  CHECK_EQ(stage.engine->counters().upstream_open, 0u);
  CHECK_EQ(stage.engine->counters().upstream_idle, 0u);
}

TEST("a connection to a backend that is used again and again is replaced when it is old") {
  EngineSettings settings;
  settings.upstream_max_age_ms = 8'000;
  Stage stage(settings);
  auto [client, first] = stage.Exchange(kGet);
  first.Send(kOk);
  CHECK(stage.Reports(1));
  End* upstream = &first;
  int rounds = 0;
  for (; upstream == &first && rounds < 20; ++rounds) {
    stage.Pass(1'000);
    const uint64_t received = stage.engine->counters().upstream_reused;
    client.Send(kGet);
    CHECK(stage.Until([&stage, received] {
      return stage.engine->counters().upstream_connects == 2 ||
             stage.engine->counters().upstream_reused > received;
    }));
    if (stage.engine->counters().upstream_connects == 2) upstream = &stage.Accepted();
    upstream->Send(kOk);
    CHECK(stage.Reports(static_cast<size_t>(rounds) + 2));
  }
  CHECK(rounds >= 6 && rounds <= 11);
  CHECK(stage.Ends(first) && first.fin);
}

TEST("a tunnel carries bytes both ways and half-closes, without any timer") {
  Stage stage(Quick());
  auto [client, upstream] =
      stage.Exchange("GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
  upstream.Send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello");
  CHECK(stage.Receives(client, "hello"));
  CHECK_EQ(stage.engine->counters().relays_open, 1u);
  stage.Pass(100'000);
  client.Send("up");
  CHECK(stage.Receives(upstream, "up"));
  client.Finish();
  CHECK(stage.Ends(upstream) && upstream.fin);
  upstream.Send("down");
  CHECK(stage.Receives(client, "down"));
  upstream.Finish();
  CHECK(stage.Ends(client) && client.fin);
  CHECK(stage.Reports(1));
  CHECK_EQ(stage.Last().status, 101);
  CHECK_EQ(stage.engine->counters().relays_open, 0u);
}

TEST("a mirror gets what the backend gets, and ends by itself: answered, reset, refused to answer") {
  for (const MirrorResult result : {MirrorResult::kAnswered, MirrorResult::kReset, MirrorResult::kTimeout}) {
    Stage stage;
    stage.SetMirror();
    auto [client, upstream] = stage.Exchange("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
    End& copy = stage.Mirrored();
    CHECK(stage.Receives(copy, "body"));
    CHECK(stage.Receives(upstream, "body"));
    upstream.Send(kOk);
    CHECK(stage.Receives(client, "ok"));
    CHECK(stage.Reports(1));
    CHECK(stage.host.mirrors.empty());
    if (result == MirrorResult::kAnswered) copy.Send(kOk);
    if (result == MirrorResult::kReset) copy.Reset();
    if (result == MirrorResult::kTimeout) {
      stage.Pass(14'900);
      CHECK(stage.host.mirrors.empty());
      stage.Pass(200);
    }
    CHECK(stage.Until([&stage] { return !stage.host.mirrors.empty(); }));
    CHECK_EQ(static_cast<int>(stage.host.mirrors.front()), static_cast<int>(result));
  }
}

TEST("a mirror whose request breaks off is aborted, and holds nobody up meanwhile") {
  Stage stage;
  stage.SetMirror();
  auto [client, upstream] = stage.Exchange("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo");
  End& copy = stage.Mirrored();
  CHECK(stage.Receives(copy, "bo"));
  client.Reset();
  CHECK(stage.Reports(1));
  CHECK(stage.Ends(copy) && copy.reset);
  CHECK_EQ(stage.host.mirrors.size(), 1u);
  CHECK_EQ(static_cast<int>(stage.host.mirrors.front()), static_cast<int>(MirrorResult::kAborted));
}

TEST("memory that an engine has freed is asked of nobody else") {
  for (const size_t wanted : {size_t{1}, size_t{20'000}, size_t{1'000'000}}) {
    Stage stage;
    std::vector<End*> clients;
    for (int i = 0; i < 3; ++i) {
      clients.push_back(&stage.Connect());
      clients.back()->Send("GET / HTTP/1.1\r\nX: " + std::string(12'000, 'x'));
    }
    CHECK(stage.Until([&] { return stage.engine->buffered_bytes() >= 3 * 16 * 1024; }));
    MemoryHolders::Demand demand{wanted, false, 0};
    const size_t closed = stage.engine->CloseLargest(demand);
    CHECK_EQ(closed, wanted == 1 ? 1u : wanted == 20'000 ? 2u : 3u);
    CHECK_EQ(demand.bytes, wanted < 1'000'000 ? 0u : wanted - 3 * 16 * 1024);
  }
}

TEST("an engine that drains ends what is idle, and what is busy with its response") {
  Stage stage;
  auto [client, upstream] = stage.Exchange(kGet);
  End& idle = stage.Connect();
  stage.Pass(1);
  stage.engine->Drain();
  stage.Pass(5'000);
  CHECK(stage.Ends(idle) && idle.fin);
  CHECK(!client.ended());
  upstream.Send(kOk);
  CHECK(stage.Receives(client, "ok"));
  CHECK(client.received.find("Connection: close") != std::string::npos);
  CHECK(stage.Ends(client) && client.fin);
  CHECK_EQ(stage.engine->connections(), 0u);
}

TEST("an engine that closes says so where nothing of a response has left, and resets the rest") {
  for (const bool begun : {false, true}) {
    Stage stage;
    stage.SetMirror();
    auto [client, upstream] = stage.Exchange(kGet);
    End& copy = stage.Mirrored();
    End& idle = stage.Connect();
    if (begun) {
      upstream.Send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
      CHECK(stage.Receives(client, "ab"));
    }
    stage.Pass(1);
    stage.engine->Close();
    CHECK(stage.Ends(client));
    CHECK_EQ(client.reset, begun);
    CHECK_EQ(client.received.find("reason: shutdown") != std::string::npos, !begun);
    CHECK(stage.Ends(upstream) && upstream.reset);
    CHECK(stage.Ends(copy) && stage.Ends(idle));
    CHECK_EQ(stage.host.outcomes.size(), 1u);
    CHECK_EQ(stage.LastReason(), "shutdown");
    CHECK_EQ(stage.host.mirrors.size(), 1u);
    CHECK_EQ(stage.engine->connections(), 0u);
    CHECK_EQ(stage.engine->counters().upstream_open, 0u);
  }
}

}  // namespace
}  // namespace sideroute::test

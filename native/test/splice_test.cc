// Long bodies that the engine does not read: that they arrive as they are, that everything else about them is
// as with those that it reads, and which ones it reads.
#include <algorithm>
#include <string>
#include <string_view>

#include "check.h"
#include "descriptors.h"
#include "engine_stage.h"

namespace sideroute::test {
namespace {

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

// Bytes that differ, so that none can be missing, or stand elsewhere, unnoticed.
std::string Pattern(size_t length) {
  std::string bytes(length, '\0');
  for (size_t i = 0; i < length; ++i) bytes[i] = static_cast<char>('a' + i * 31 % 23 + i / 4096 % 3);
  return bytes;
}

std::string ResponseHead(size_t length) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
}

std::string RequestHead(size_t length, std::string_view method = "POST") {
  return std::string(method) + " /a HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(length) +
         "\r\n\r\n";
}

// As fast as it is taken. False: it is taken no longer.
bool Feed(Stage& stage, End& from, std::string_view bytes, size_t at_a_time = kMiB) {
  return stage.Until([&] {
    const size_t sent = from.SendSome(bytes.substr(0, std::min(at_a_time, bytes.size())));
    bytes.remove_prefix(sent);
    return bytes.empty();
  });
}

bool Has(Stage& stage, const End& end, size_t bytes) {
  return stage.Until([&] { return end.received.size() >= bytes; });
}

TEST("a long response goes on unread, is counted, and leaves both connections to the next request") {
  const size_t before = CountDescriptors();
  {
    Stage stage;
    auto [client, upstream] = stage.Exchange(kGet);
    const std::string whole = ResponseHead(kMiB) + Pattern(kMiB);
    CHECK(Feed(stage, upstream, whole));
    CHECK(stage.Reports(1));
    CHECK(Has(stage, client, whole.size()));
    CHECK(client.received == whole);
    CHECK_EQ(stage.Last().status, 200);
    CHECK_EQ(stage.LastReason(), "");
    CHECK_EQ(stage.engine->counters().bytes_downstream, whole.size());
    CHECK(stage.engine->counters().bytes_spliced > kMiB / 2);
    client.received.clear();
    client.Send(kGet);
    CHECK(stage.Until([&up = upstream] { return up.received.size() == 2 * kGet.size(); }));
    upstream.Send(kOk);
    CHECK(stage.Reports(2));
    CHECK(stage.Receives(client, kOk));
    CHECK_EQ(stage.engine->counters().upstream_connects, 1u);
  }
  CHECK_EQ(CountDescriptors(), before);
}

TEST("a long request goes on unread, is counted, and what follows it on its connection is the next one") {
  Stage stage;
  const std::string head = RequestHead(kMiB), body = Pattern(kMiB);
  auto [client, upstream] = stage.Exchange(head);
  CHECK(Feed(stage, client, body + std::string(kGet)));
  CHECK(stage.Until([&up = upstream, &head] { return up.received.size() >= head.size() + kMiB; }));
  CHECK(upstream.received == head + body);
  CHECK_EQ(stage.engine->counters().bytes_upstream, upstream.received.size());
  CHECK(stage.engine->counters().bytes_spliced > kMiB / 2);
  upstream.Send(kOk);
  CHECK(stage.Receives(upstream, kGet));
  upstream.Send(kOk);
  CHECK(stage.Reports(2));
  CHECK(stage.Receives(client, std::string(kOk) + std::string(kOk)));
  CHECK_EQ(stage.engine->counters().upstream_connects, 1u);
}

TEST("a short body, one in chunks and the end of a long one are read") {
  for (const bool chunked : {false, true}) {
    Stage stage;
    auto [client, upstream] = stage.Exchange(kGet);
    const std::string body = Pattern(31 * kKiB);
    std::string whole = ResponseHead(body.size()) + body;
    if (chunked) {
      whole = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
      for (int i = 0; i < 8; ++i) whole += "7c00\r\n" + body + "\r\n";
      whole += "0\r\n\r\n";
    }
    // The head first, so that none of the body comes with it.
    const size_t head = whole.find("\r\n\r\n") + 4;
    CHECK(Feed(stage, upstream, whole.substr(0, head)));
    CHECK(stage.Receives(client, "\r\n\r\n"));
    CHECK(Feed(stage, upstream, whole.substr(head)));
    CHECK(stage.Reports(1));
    CHECK(stage.Receives(client, body));
    CHECK_EQ(stage.engine->counters().bytes_spliced, 0u);
  }
}

TEST("a body of which a mirror has a copy is read") {
  Stage stage;
  stage.SetMirror();
  const std::string head = RequestHead(256 * kKiB), body = Pattern(256 * kKiB);
  auto [client, upstream] = stage.Exchange(head);
  End& mirror = stage.Mirrored();
  // No more at a time than a mirror may be behind.
  CHECK(Feed(stage, client, body, 8 * kKiB));
  CHECK(stage.Until([&up = upstream, &head] { return up.received.size() == head.size() + 256 * kKiB; }));
  CHECK(Has(stage, mirror, 256 * kKiB));
  CHECK(stage.Until([&] { return mirror.received.ends_with(body); }));
  CHECK(upstream.received == head + body);
  CHECK_EQ(stage.engine->counters().bytes_spliced, 0u);
}

TEST("a body that is kept for another attempt is read, and sent again whole") {
  Stage stage;
  Policy policy;
  policy.attempts = 1;
  policy.codes.set(103);
  stage.SetPolicy(policy);
  const std::string head = RequestHead(60 * kKiB, "PUT"), body = Pattern(60 * kKiB);
  auto [client, upstream] = stage.Exchange(head);
  CHECK(Feed(stage, client, body));
  CHECK(stage.Until([&up = upstream, &head] { return up.received.size() == head.size() + 60 * kKiB; }));
  CHECK_EQ(stage.engine->counters().bytes_spliced, 0u);
  upstream.Send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
  CHECK(stage.Until([&stage] { return stage.engine->counters().retries_policy == 1; }));
  stage.Pass(200);
  CHECK(stage.Until([&up = upstream, &head] { return up.received.size() == 2 * (head.size() + 60 * kKiB); }));
  CHECK(upstream.received == head + body + head + body);
}

TEST("a receiver that takes nothing holds the sender up, and gets all of it when it goes on") {
  for (const bool down : {true, false}) {
    Stage stage;
    const size_t length = 24 * kMiB;
    const std::string body = Pattern(length);
    auto [client, upstream] = stage.Exchange(down ? std::string(kGet) : RequestHead(length));
    End& from = down ? upstream : client;
    End& to = down ? client : upstream;
    const std::string whole = down ? ResponseHead(length) + body : body;
    const size_t known = to.received.size();
    to.reads = false;
    size_t sent = 0;
    for (int idle = 0; idle < 50; ++idle) {
      const size_t more = from.SendSome(std::string_view(whole).substr(sent));
      sent += more;
      if (more > 0) idle = 0;
      stage.loop.Turn();
    }
    CHECK(sent < whole.size());
    const uint64_t moved = stage.engine->counters().bytes_spliced;
    CHECK(moved > kMiB / 4);
    // Stands still, and asks for nothing meanwhile.
    stage.loop.Turns(3);
    CHECK(stage.loop.waited());
    CHECK_EQ(stage.engine->counters().bytes_spliced, moved);
    to.reads = true;
    CHECK(Feed(stage, from, std::string_view(whole).substr(sent)));
    CHECK(Has(stage, to, known + whole.size()));
    CHECK(to.received.substr(known) == whole);
  }
}

TEST("a caller that does not take its long response is given up in time, one that takes some is not") {
  EngineSettings settings;
  settings.stall_timeout_ms = 9'000;
  const size_t before = CountDescriptors();
  {
    Stage stage(settings);
    auto [client, upstream] = stage.Exchange(kGet);
    client.reads = false;
    const std::string whole = ResponseHead(64 * kMiB) + Pattern(16 * kMiB);
    size_t sent = 0;
    for (int i = 0; i < 200; ++i) {
      sent += upstream.SendSome(std::string_view(whole).substr(sent));
      stage.loop.Turn();
    }
    CHECK(stage.engine->counters().bytes_spliced > kMiB / 4);
    stage.Pass(8'000);
    CHECK(stage.host.outcomes.empty());
    client.reads = true;
    stage.Pass(10);
    client.reads = false;
    for (int i = 0; i < 200; ++i) {
      sent += upstream.SendSome(std::string_view(whole).substr(sent));
      stage.loop.Turn();
    }
    stage.Pass(8'000);
    CHECK(stage.host.outcomes.empty());
    stage.Pass(1'100);
    CHECK(stage.Reports(1));
    CHECK_EQ(stage.LastReason(), "downstream_reset");
    CHECK(stage.Ends(upstream));
  }
  CHECK_EQ(CountDescriptors(), before);
}

TEST("in the middle of a long body the end of one side is that of the other, visibly") {
  enum class Way : uint8_t { kUpstreamFin, kUpstreamReset, kClientReset, kClientFin };
  for (const Way way : {Way::kUpstreamFin, Way::kUpstreamReset, Way::kClientReset, Way::kClientFin}) {
    for (const bool down : {true, false}) {
      // A caller that has sent FIN may still read; a backend that has does not go on with its response.
      if (way == Way::kClientFin && down) continue;
      const size_t before = CountDescriptors();
      {
        Stage stage;
        const size_t half = 512 * kKiB;
        auto [client, upstream] = stage.Exchange(down ? std::string(kGet) : RequestHead(2 * half));
        End& from = down ? upstream : client;
        End& to = down ? client : upstream;
        const std::string part = (down ? ResponseHead(2 * half) : std::string()) + Pattern(half);
        const size_t known = to.received.size();
        CHECK(Feed(stage, from, part));
        CHECK(Has(stage, to, known + part.size()));
        CHECK(stage.engine->counters().bytes_spliced > half / 2);
        if (way == Way::kUpstreamFin) upstream.Finish();
        if (way == Way::kUpstreamReset) upstream.Reset();
        if (way == Way::kClientReset) client.Reset();
        if (way == Way::kClientFin) client.Finish();
        const bool of_upstream = way == Way::kUpstreamFin || way == Way::kUpstreamReset;
        // The reply waits for the rest of the request, for a while.
        if (of_upstream && !down) {
          CHECK(stage.Until([&stage] { return stage.engine->counters().upstream_open == 0; }));
          stage.Pass(1'100);
        }
        CHECK(stage.Reports(1));
        CHECK_EQ(stage.LastReason(), of_upstream ? "upstream_reset" : "downstream_reset");
        if (!of_upstream) CHECK(stage.Ends(upstream));
        if (of_upstream && down) CHECK(stage.Ends(client));
        if (of_upstream && !down) CHECK(stage.Receives(client, "reason: upstream_reset"));
      }
      CHECK_EQ(CountDescriptors(), before);
    }
  }
}

TEST("what has come of a response that breaks off still reaches a caller that was slow to take it") {
  Stage stage;
  auto [client, upstream] = stage.Exchange(kGet);
  client.reads = false;
  const std::string whole = ResponseHead(64 * kMiB) + Pattern(24 * kMiB);
  size_t sent = 0;
  for (int i = 0; i < 300; ++i) {
    sent += upstream.SendSome(std::string_view(whole).substr(sent));
    stage.loop.Turn();
  }
  const uint64_t passed = stage.engine->counters().bytes_downstream;
  upstream.Reset();
  stage.loop.Turns(3);
  client.reads = true;
  CHECK(stage.Ends(client));
  CHECK(client.received.size() >= passed - 64 * kKiB);
  CHECK(whole.starts_with(client.received));
}

TEST("an urgent byte in a long body is passed over, as by a read, and neither its end nor a standstill") {
  for (const bool down : {true, false}) {
    for (const bool ends : {false, true}) {
      Stage stage;
      const size_t part = 200 * kKiB;
      const std::string body = Pattern(2 * part);
      auto [client, upstream] = stage.Exchange(down ? std::string(kGet) : RequestHead(body.size()));
      End& from = down ? upstream : client;
      End& to = down ? client : upstream;
      const std::string head = down ? ResponseHead(body.size()) : std::string();
      const size_t known = to.received.size();
      CHECK(Feed(stage, from, head + body.substr(0, part)));
      CHECK(Has(stage, to, known + head.size() + part));
      from.SendUrgent('!');
      if (ends) {
        // With FIN behind it splice finds an end in front of it.
        from.Finish();
        CHECK(stage.Reports(1));
        CHECK_EQ(stage.LastReason(), down ? "upstream_reset" : "downstream_reset");
      } else {
        stage.loop.Turns(5);
        CHECK(stage.loop.waited());
        CHECK(Feed(stage, from, body.substr(part, part / 2)));
        from.SendUrgent('?');
        CHECK(Feed(stage, from, body.substr(part + part / 2)));
        CHECK(Has(stage, to, known + head.size() + body.size()));
        CHECK(to.received.substr(known) == head + body);
      }
      CHECK(stage.engine->counters().bytes_spliced > 0);
    }
  }
}

TEST("without a descriptor for a pipe, and while memory is short, a long body is read") {
  for (const bool memory : {false, true}) {
    Stage stage;
    auto [client, upstream] = stage.Exchange(kGet);
    const std::string whole = ResponseHead(kMiB) + Pattern(kMiB);
    {
      const FewDescriptors few(memory ? 8 : 0);
      if (memory) stage.engine->SetWindow(16 * kKiB);
      CHECK(Feed(stage, upstream, whole));
      CHECK(Has(stage, client, whole.size()));
    }
    CHECK(client.received == whole);
    CHECK_EQ(stage.engine->counters().bytes_spliced, 0u);
  }
}

TEST("a long body that comes in small pieces is read") {
  Stage stage;
  auto [client, upstream] = stage.Exchange(kGet);
  const std::string body = Pattern(256 * kKiB);
  const std::string head = ResponseHead(body.size());
  CHECK(Feed(stage, upstream, head));
  for (size_t at = 0; at < body.size(); at += kKiB) {
    upstream.Send(std::string_view(body).substr(at, kKiB));
    CHECK(Has(stage, client, head.size() + at + kKiB));
  }
  CHECK(client.received == head + body);
  CHECK(stage.engine->counters().bytes_spliced <= kKiB);
}

}  // namespace
}  // namespace sideroute::test

// Connections that come with their request: the kernel is asked to tell of them only where something has to
// be waited for, and what it has not told is found out before they are closed.
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "accept/detection.h"
#include "check.h"
#include "engine_stage.h"

namespace {

// While true, the kernel seems to have no room for further registrations (fs.epoll.max_user_watches).
bool refuses_registrations = false;
// Runs once, at the next close().
std::function<void()> before_close;

}  // namespace

// Takes the place of libc's function in this program.
extern "C" int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) {
  if (refuses_registrations && operation == EPOLL_CTL_ADD) {
    errno = ENOSPC;
    return -1;
  }
  return static_cast<int>(syscall(SYS_epoll_ctl, epoll, operation, fd, event));
}

extern "C" int close(int fd) {
  if (const auto run = std::exchange(before_close, nullptr); run != nullptr) run();
  return static_cast<int>(syscall(SYS_close, fd));
}

namespace sideroute::test {
namespace {

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view kLastGet = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST(
    "where requests are not there yet they are looked for ever more seldom, once they are with every "
    "connection") {
  EagerReads eager;
  std::vector<int> passed_over;
  for (int miss = 0; miss < 7; ++miss) {
    passed_over.push_back(0);
    while (!eager.Tries()) ++passed_over.back();
    eager.Note(false);
  }
  CHECK(passed_over == (std::vector<int>{0, 1, 3, 7, 15, 31, 31}));
  while (!eager.Tries()) continue;
  eager.Note(true);
  CHECK(eager.Tries());
  eager.Note(false);
  CHECK(!eager.Tries());
  CHECK(eager.Tries());
}

TEST(
    "a connection for one request that is answered soon is served, and ends, before the kernel tells of it") {
  Stage stage;
  End& client = stage.Arrive(kLastGet);
  End& upstream = stage.Accepted();
  CHECK(stage.Receives(upstream, "\r\n\r\n"));
  stage.Pass(10);
  CHECK(!stage.TellsOfArrival());
  upstream.Send(kOk);
  CHECK(stage.Ends(client));
  CHECK(client.fin && client.received.ends_with("ok"));
  CHECK(stage.Reports(1));
  CHECK_EQ(stage.LastReason(), "");
  CHECK_EQ(stage.engine->counters().downstream_open, 0u);
}

TEST("a connection that goes on after its first request is told of") {
  Stage stage;
  End& client = stage.Arrive(kGet);
  End& upstream = stage.Accepted();
  CHECK(stage.Receives(upstream, "\r\n\r\n"));
  CHECK(!stage.TellsOfArrival());
  // Another one stands there already, of which nobody has been told.
  client.Send(kGet);
  upstream.Send(kOk);
  CHECK(stage.Reports(1));
  CHECK(stage.TellsOfArrival());
  CHECK(stage.Until([&] { return upstream.received.size() == 2 * kGet.size(); }));
  upstream.Send(kOk);
  CHECK(stage.Reports(2));
  // The time of an exchange is not that of what is idle.
  stage.Pass(1'000);
  CHECK(!client.ended());
  client.Send(kGet);
  CHECK(stage.Until([&] { return upstream.received.size() == 3 * kGet.size(); }));
}

TEST("a connection that cannot be registered after its response ends with FIN, not with a reset") {
  Stage stage;
  End& client = stage.Arrive(kGet);
  End& upstream = stage.Accepted();
  CHECK(stage.Receives(upstream, "\r\n\r\n"));
  refuses_registrations = true;
  upstream.Send(kOk);
  const bool ended = stage.Ends(client);
  refuses_registrations = false;
  CHECK(ended);
  CHECK(client.fin && client.received.ends_with("ok"));
  CHECK(stage.Reports(1));
  CHECK_EQ(stage.engine->counters().downstream_open, 0u);
}

TEST("bytes that arrive while the connection is closed do not cost the response") {
  Stage stage;
  End& client = stage.Arrive(kLastGet);
  End& upstream = stage.Accepted();
  CHECK(stage.Receives(upstream, "\r\n\r\n"));
  before_close = [&client] { client.Send("\r\n"); };
  upstream.Send(kOk);
  CHECK(stage.Ends(client));
  CHECK(before_close == nullptr);
  CHECK(client.received.ends_with("ok"));
}

TEST("the rest of a request is waited for") {
  Stage stage;
  End& client = stage.Arrive("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
  CHECK(stage.TellsOfArrival());
  End& upstream = stage.Accepted();
  client.Send("cd");
  CHECK(stage.Receives(upstream, "abcd"));
  End& slow = stage.Arrive("GET /a HT");
  CHECK(stage.TellsOfArrival());
  slow.Send("TP/1.1\r\nHost: b\r\n\r\n");
  CHECK(stage.Receives(stage.Accepted(), "Host: b"));
}

TEST("that the caller of a slow response has left is noticed, whether it was before or after it is told of") {
  for (const bool before : {true, false}) {
    Stage stage;
    End& client = stage.Arrive(kLastGet);
    End& upstream = stage.Accepted();
    CHECK(stage.Receives(upstream, "\r\n\r\n"));
    if (before) client.Reset();
    stage.Pass(30);
    if (!before) CHECK(stage.TellsOfArrival());
    if (!before) client.Reset();
    CHECK(stage.Ends(upstream));
    CHECK(stage.Reports(1));
    CHECK_EQ(stage.LastReason(), "downstream_reset");
  }
}

TEST("a FIN behind the request of which nobody was told is passed on, and the response reaches who sent it") {
  Stage stage;
  End& client = stage.Arrive(kLastGet);
  End& upstream = stage.Accepted();
  CHECK(stage.Receives(upstream, "\r\n\r\n"));
  client.Finish();
  upstream.Send(kOk);
  CHECK(stage.Ends(client));
  CHECK(client.fin && client.received.ends_with("ok"));
  CHECK_EQ(stage.engine->counters().downstream_open, 0u);
}

TEST(
    "bytes behind the last request of which nobody was told do not turn the end of the response into a "
    "reset") {
  Stage stage;
  End& client = stage.Arrive(kLastGet);
  End& upstream = stage.Accepted();
  CHECK(stage.Receives(upstream, "\r\n\r\n"));
  client.Send("\r\n");
  upstream.Send(kOk);
  CHECK(stage.Ends(client));
  CHECK(client.fin && !client.reset);
  CHECK(client.received.ends_with("ok"));
}

TEST("a response that its caller does not take at once is told of when there is room, and comes whole") {
  constexpr size_t kMost = 16 * 1024 * 1024;
  Stage stage;
  End& client = stage.Arrive(kLastGet);
  client.reads = false;
  End& upstream = stage.Accepted();
  CHECK(stage.Receives(upstream, "\r\n\r\n"));
  upstream.Send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kMost) + "\r\n\r\n");
  const std::string piece(64 * 1024, 'x');
  size_t sent = 0;
  const auto feed = [&] {
    if (sent < kMost) sent += upstream.SendSome(std::string_view(piece).substr(0, kMost - sent));
  };
  CHECK(stage.Until([&] {
    feed();
    return stage.TellsOfArrival();
  }));
  client.reads = true;
  CHECK(stage.Until([&] {
    feed();
    return client.ended();
  }));
  CHECK(client.fin);
  CHECK(client.received.size() > kMost);
}

}  // namespace
}  // namespace sideroute::test

// The cost of an exchange in the engine, in units that can be counted exactly: a scripted exchange is
// repeated on connections whose other ends, client and backend, are held by this program. `npm run guard`
// runs it under callgrind, which counts instructions only while Measured() runs, and without callgrind to
// count allocations.
//
//     build/exchanges CASE COUNT
//
// Prints one line of JSON. The decision, which JavaScript makes in production, costs nothing here; the log
// has its default settings.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "check.h"
#include "cost/allocations.h"
#include "engine_stage.h"
#include "http2/hpack.h"
#include "http2_frames.h"
#include "log/request_log.h"
#include "net/socket.h"

namespace sideroute::test {

void Fail(const char* file, int line, std::string_view message) {
  std::fprintf(stderr, "%s:%d: %.*s\n", file, line, static_cast<int>(message.size()), message.data());
  std::exit(1);
}

}  // namespace sideroute::test

namespace sideroute::cost {

using namespace std::string_view_literals;
using http2::FrameType;
using test::End;
using test::Stage;

namespace {

constexpr int kWaitMs = 60'000;
// After this many exchanges tables, spares and buffers have their final sizes.
constexpr uint64_t kWarmUp = 200;
// The engine's clock advances one millisecond per this many exchanges.
constexpr uint64_t kPerMillisecond = 16;

constexpr auto kGet = "GET / HTTP/1.1\r\nHost: my-server\r\nUser-Agent: wrk\r\nVersion: new\r\n\r\n"sv;
constexpr auto kLastGet =
    "GET / HTTP/1.1\r\nHost: my-server\r\nUser-Agent: wrk\r\nVersion: new\r\nConnection: close\r\n\r\n"sv;
constexpr auto kOk =
    "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 23 Nov 2025 19:00:00 GMT\r\n"
    "Content-Type: text/plain\r\nContent-Length: 21\r\nConnection: keep-alive\r\n\r\nHello from Version 1\n"sv;
constexpr size_t kBodyBytes = 16 * 1024;

class Log final : public RequestLog {
 public:
  Log() : RequestLog({}) { mode_ = AccessLogMode::kErrors; }
  void Tap(const http::RequestHead&, int32_t, RequestFacts*) override {}
  // No request fails here, so none is logged.
  void OnRequest(const RequestEntry&, const RequestFacts&) override { CHECK(false); }
};

// One connection is used for all exchanges; new connections have a case of their own.
EngineSettings Settings() {
  EngineSettings settings;
  settings.upstream_spread = 1;
  settings.upstream_max_requests = settings.shared_max_requests = 1'000'000'000;
  settings.upstream_max_age_ms = settings.shared_max_age_ms = 1'000'000'000;
  return settings;
}

bool Waits(int fd, int ms) {
  pollfd waiting{fd, POLLIN, 0};
  return ::poll(&waiting, 1, ms) == 1;
}

// The only epoll instance in the process is the reactor's: it is readable while a descriptor is ready.
int FindEpoll() {
  for (int fd = 3; fd < 1'000; ++fd) {
    char what[64];
    const ssize_t length = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), what, sizeof what);
    if (length > 0 && std::string_view(what, static_cast<size_t>(length)) == "anon_inode:[eventpoll]")
      return fd;
  }
  CHECK(false);
  return -1;
}

}  // namespace

// A call of the engine.
struct Step {
  virtual void Take() = 0;
};

// The two are equal; callgrind is given the name of the first one.
__attribute__((noinline)) void Measured(Step& step) {
  counting = true;
  step.Take();
  counting = false;
}
__attribute__((noinline)) void WarmingUp(Step& step) { step.Take(); }

namespace {

class Case {
 public:
  virtual ~Case() = default;
  virtual void Exchange() = 0;

  void Run(uint64_t count) {
    for (uint64_t i = 0; i < kWarmUp + count; ++i) {
      measures_ = i >= kWarmUp;
      if (i % kPerMillisecond == 0) stage.loop.Advance(1);
      Exchange();
      // The outcome is reported before the response arrives, or right after.
      while (stage.host.outcomes.empty()) Serve();
      CHECK_EQ(stage.host.outcomes.size(), 1u);
      CHECK_EQ(stage.Last().status, 200);
      CHECK_EQ(stage.LastReason(), "");
      stage.host.outcomes.clear();
    }
    CHECK_EQ(stage.engine->counters().upstream_connects, 1u);
  }

 protected:
  Case() : stage(Settings()) { stage.engine->SetAccessLog(std::make_shared<Log>()); }

  // Waits until there is something to do, so that no round of the loop is empty.
  void Serve() {
    CHECK(Waits(epoll_fd_, kWaitMs));
    struct Serving final : Step {
      explicit Serving(test::ScriptedLoop& of) : loop(of) {}
      void Take() override { loop.Serve(); }
      test::ScriptedLoop& loop;
    } serving(stage.loop);
    Run(serving);
  }
  void Run(Step& step) { (measures_ ? Measured : WarmingUp)(step); }
  // Serves until the other end has received `bytes` more bytes.
  void Until(End& end, size_t bytes) {
    for (;;) {
      end.Look();
      CHECK(end.received.size() <= bytes);
      if (end.received.size() == bytes) break;
      CHECK(!end.ended());
      Serve();
    }
    end.received.clear();
  }

  Stage stage;
  const int epoll_fd_ = FindEpoll();
  bool measures_ = false;
};

// A kept-alive connection, with the same request and response each time.
class Http1 final : public Case {
 public:
  Http1(std::string request, std::string response)
      : request_(std::move(request)),
        response_(std::move(response)),
        passed_on_(response_.size() -
                   (response_.find(kKeepAlive) == std::string::npos ? 0 : kKeepAlive.size())),
        client_(stage.Connect()),
        upstream_([this]() -> End& {
          client_.Send(request_);
          return stage.Accepted();
        }()) {
    CHECK(stage.Until([this] { return upstream_.received.size() == request_.size(); }));
    upstream_.Send(response_);
    CHECK(stage.Until([this] { return client_.received.size() == passed_on_; }));
    CHECK(stage.Reports(1));
    client_.received.clear();
    upstream_.received.clear();
    stage.host.outcomes.clear();
  }

  void Exchange() override {
    client_.Send(request_);
    Until(upstream_, request_.size());
    upstream_.Send(response_);
    Until(client_, passed_on_);
  }

 private:
  // This field concerns only the backend's connection and is not relayed.
  static constexpr auto kKeepAlive = "Connection: keep-alive\r\n"sv;

  const std::string request_, response_;
  const size_t passed_on_;
  End& client_;
  End& upstream_;
};

// Each request has its own connection.
class NewConnection final : public Case {
 public:
  NewConnection() : upstream_(nullptr) {
    int error = 0;
    const char* call = nullptr;
    front_ = Listen(NetAddress::Parse("127.0.0.1", 0).value(), &address_, &error, &call);
    CHECK(static_cast<bool>(front_));
  }

  void Exchange() override {
    int error = 0;
    End client(StartConnect(address_, kDefaultHops, &error));
    CHECK(Waits(front_.get(), kWaitMs));
    client.Send(kLastGet);
    Adopting adopting(*this);
    Run(adopting);
    if (upstream_ == nullptr) upstream_ = &stage.Accepted();
    // The Connection field is not forwarded.
    Until(*upstream_, kGet.size());
    upstream_->Send(kOk);
    while (!client.fin) {
      client.Look();
      if (!client.fin) Serve();
    }
    CHECK(client.received.ends_with("Version 1\n"));
    client.Finish();
    while (stage.engine->connections() > 0) Serve();
  }

 private:
  struct Adopting final : Step {
    explicit Adopting(NewConnection& of) : self(of) {}
    void Take() override {
      UniqueFd fd(accept4(self.front_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      CHECK_EQ(self.stage.engine->Adopt(std::move(fd), 0, self.address_), 0);
    }
    NewConnection& self;
  };

  NetAddress address_;
  UniqueFd front_;
  End* upstream_;
};

// Unary gRPC calls, one at a time, on one connection per side.
class Http2 final : public Case {
 public:
  Http2() : caller_(stage.Connect(true)) {
    stage.engine->backends().Find(0)->SetProtocol(Protocol::kHttp2);
    caller_.Send(test::Hello() + kWide);
  }

  void Exchange() override {
    caller_.Send(Headers(to_engine_, stream_,
                         {{":method", "POST"},
                          {":scheme", "http"},
                          {":path", "/helloworld.Greeter/SayHello"},
                          {":authority", "my-server"},
                          {"te", "trailers"},
                          {"content-type", "application/grpc"},
                          {"user-agent", "grpc-node-js/1.14.7"}}) +
                 test::Data(stream_, kMessage, true));
    if (backend_ == nullptr) {
      backend_ = &stage.Accepted();
      backend_->Send(test::MakeFrame(FrameType::kSettings, 0, 0) + kWide);
    }
    const uint32_t answered = Ended(*backend_);
    // One after another, because each changes the encoder's table.
    std::string answer =
        Headers(to_caller_, answered, {{":status", "200"}, {"content-type", "application/grpc"}});
    answer += test::Data(answered, kMessage);
    answer += Headers(to_caller_, answered, {{"grpc-status", "0"}}, true);
    backend_->Send(answer);
    CHECK_EQ(Ended(caller_), stream_);
    stream_ += 2;
  }

 private:
  static constexpr auto kMessage = "\0\0\0\0\7\n\5world"sv;
  // The largest possible connection window.
  const std::string kWide =
      test::MakeFrame(FrameType::kWindowUpdate, 0, 0, test::Number(0x7fffffff - 65'535));

  static std::string Headers(http2::HpackEncoder& encoder, uint32_t stream,
                             std::initializer_list<std::pair<std::string_view, std::string_view>> fields,
                             bool last = false) {
    std::vector<http2::HeaderField> list;
    for (const auto& [name, value] : fields) list.push_back(http2::HeaderField::Of(name, value));
    std::string block(encoder.Bound(list), '\0');
    block.resize(encoder.Encode(list, block.data(), block.size()));
    const uint8_t flags = http2::kFlagEndHeaders | (last ? http2::kFlagEndStream : 0);
    return test::MakeFrame(FrameType::kHeaders, flags, stream, block);
  }

  // Serves until the peer has received the end of a stream; returns its number.
  uint32_t Ended(End& end) {
    for (;;) {
      end.Look();
      CHECK(!end.ended());
      for (const test::Frame& frame : test::FramesOf(end.received)) {
        const bool carries =
            frame.header.type == FrameType::kData || frame.header.type == FrameType::kHeaders;
        CHECK(frame.header.type != FrameType::kGoaway && frame.header.type != FrameType::kRstStream);
        if (!carries || (frame.header.flags & http2::kFlagEndStream) == 0) continue;
        end.received.clear();
        return frame.header.stream;
      }
      Serve();
    }
  }

  End& caller_;
  End* backend_ = nullptr;
  http2::HpackEncoder to_engine_, to_caller_;
  uint32_t stream_ = 1;
};

std::string BrowserRequest() {
  std::string request =
      "GET /api/v1/devices/42?fields=name,state&limit=20 HTTP/1.1\r\n"
      "Host: my-server.devopssong.svc.cluster.local\r\n"
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
      "Accept: application/json, text/plain, */*\r\nAccept-Language: en-US,en;q=0.5\r\n"
      "Accept-Encoding: gzip, deflate, br\r\nVersion: new\r\n"
      "Cookie: session=4f2a9c0d1b7e8f6a5c3d; theme=dark; _ga=GA1.2.1234567890.1700000000\r\n";
  for (int i = 7; i < 30; ++i)
    request +=
        "X-Forwarded-Client-Context-" + std::to_string(i) + ": 7c0f2ce1-7e0b-4c57-9d9e-6f5b8a3a1d11\r\n";
  return request + "\r\n";
}

std::unique_ptr<Case> Make(std::string_view name) {
  const std::string get(kGet), ok(kOk);
  if (name == "get") return std::make_unique<Http1>(get, ok);
  if (name == "browser-get") return std::make_unique<Http1>(BrowserRequest(), ok);
  if (name == "post") {
    const std::string length = std::to_string(kBodyBytes), body(kBodyBytes, 'x');
    return std::make_unique<Http1>(
        "POST / HTTP/1.1\r\nHost: my-server\r\nContent-Length: " + length + "\r\n\r\n" + body,
        "HTTP/1.1 200 OK\r\nContent-Length: " + length + "\r\n\r\n" + body);
  }
  if (name == "new-connection") return std::make_unique<NewConnection>();
  if (name == "call") return std::make_unique<Http2>();
  return nullptr;
}

}  // namespace
}  // namespace sideroute::cost

int main(int argc, char** argv) {
  using namespace sideroute::cost;
  const uint64_t count = argc == 3 ? std::strtoull(argv[2], nullptr, 10) : 0;
  const std::unique_ptr<Case> scripted = argc == 3 ? Make(argv[1]) : nullptr;
  if (scripted == nullptr || count == 0) {
    std::fprintf(stderr, "exchanges get|browser-get|post|new-connection|call COUNT\n");
    return 2;
  }
  scripted->Run(count);
  std::printf("{\"exchanges\":%llu,\"allocations\":%llu,\"bytes\":%llu}\n",
              static_cast<unsigned long long>(count), static_cast<unsigned long long>(allocations.count),
              static_cast<unsigned long long>(allocations.bytes));
  return 0;
}

// The cost of a relay that does only what the kernel requires: it does not parse, choose or count anything.
// One thread, one connection to the server for each connection of the client, both watched from the
// beginning.
//
//     floor --to 10.96.0.11:80 [--copy PORT] [--close PORT] [--splice PORT]
//
// On the port of `--copy` bytes are read and written: four calls for a request and its response, and the
// wait. `--splice` moves them through a pipe, which is cheaper for many bytes. `--close` is for clients that
// ask for a connection per request: connections to the server are kept, which means overwriting one word of
// their heads, and the client's connection is closed after the first read of a response.
// written over for, and the client's is closed after the first read of a response.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/unique_fd.h"

namespace {

using sideroute::UniqueFd;

enum class Mode { kCopy, kClose, kSplice };

constexpr int kPipeBytes = 1024 * 1024;

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "floor: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

struct Pair;

// The descriptor of an event; a listener has no pair.
struct End {
  int fd;
  Mode mode;
  Pair* pair;
  bool is_client;
};

struct Pair {
  UniqueFd client;
  UniqueFd server;
  End client_end;
  End server_end;
};

class Floor {
 public:
  explicit Floor(const sockaddr_in& to) : to_(to), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0) Fail("pipe2");
    pipe_out_.Reset(ends[0]);
    pipe_in_.Reset(ends[1]);
    fcntl(pipe_in_.get(), F_SETPIPE_SZ, kPipeBytes);
  }

  void Listen(Mode mode, int port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) Fail("bind");
    if (listen(fd, 4096) < 0) Fail("listen");
    socklen_t length = sizeof address;
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    std::printf("listening %d\n", ntohs(address.sin_port));
    std::fflush(stdout);
    listeners_.push_back(std::make_unique<End>(End{fd, mode, nullptr, false}));
    Watch(EPOLL_CTL_ADD, *listeners_.back());
  }

  [[noreturn]] void Run() {
    epoll_event events[64];
    for (;;) {
      const int count = epoll_wait(epoll_.get(), events, 64, -1);
      for (int at = 0; at < count; ++at) {
        End& end = *static_cast<End*>(events[at].data.ptr);
        if (end.pair == nullptr)
          Accept(end);
        else if (end.fd >= 0)
          Carry(end);
      }
      // Later events of the same turn may refer to these pairs.
      ended_.clear();
    }
  }

 private:
  void Watch(int operation, End& end) {
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &end}};
    if (epoll_ctl(epoll_.get(), operation, end.fd, &event) < 0) Fail("epoll_ctl");
  }

  UniqueFd Connect() {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&to_), sizeof to_) < 0) return UniqueFd();
    const int yes = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(fd.get(), F_SETFL, O_NONBLOCK);
    return fd;
  }

  void Accept(End& listener) {
    UniqueFd client(accept4(listener.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!client) return;
    if (listener.mode == Mode::kClose && !kept_.empty()) {
      Pair* pair = kept_.back().release();
      kept_.pop_back();
      pair->client = std::move(client);
      pair->client_end.fd = pair->client.get();
      Watch(EPOLL_CTL_ADD, pair->client_end);
      return;
    }
    const int yes = 1;
    setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    UniqueFd server = Connect();
    if (!server) return;
    auto* pair = new Pair{std::move(client), std::move(server), {}, {}};
    pair->client_end = End{pair->client.get(), listener.mode, pair, true};
    pair->server_end = End{pair->server.get(), listener.mode, pair, false};
    Watch(EPOLL_CTL_ADD, pair->client_end);
    Watch(EPOLL_CTL_ADD, pair->server_end);
  }

  void Carry(End& end) {
    Pair& pair = *end.pair;
    const int to = end.is_client ? pair.server_end.fd : pair.client_end.fd;
    const bool goes_on = end.mode == Mode::kSplice ? Splice(end.fd, to) : Copy(end, to);
    if (!goes_on) {
      End_(pair);
    } else if (end.mode == Mode::kClose && !end.is_client) {
      shutdown(pair.client.get(), SHUT_WR);
      pair.client.Reset();
      pair.client_end.fd = -1;
      kept_.emplace_back(&pair);
    }
  }

  void End_(Pair& pair) {
    pair.client.Reset();
    pair.server.Reset();
    pair.client_end.fd = pair.server_end.fd = -1;
    for (size_t at = 0; at < kept_.size(); ++at) {
      if (kept_[at].get() != &pair) continue;
      ended_.push_back(std::move(kept_[at]));
      kept_.erase(kept_.begin() + static_cast<ptrdiff_t>(at));
      return;
    }
    ended_.emplace_back(&pair);
  }

  // Returns false if the connection has ended. A send that does not fit blocks the whole relay, for a short
  // time.
  bool Copy(const End& from, int to) {
    const ssize_t count = recv(from.fd, buffer_, sizeof buffer_, 0);
    if (count < 0) return errno == EAGAIN;
    if (count == 0 || to < 0) return false;
    if (from.mode == Mode::kClose) KeepServer({buffer_, static_cast<size_t>(count)}, from.is_client);
    for (ssize_t written = 0; written < count;) {
      const ssize_t each = send(to, buffer_ + written, static_cast<size_t>(count - written), MSG_NOSIGNAL);
      if (each < 0 && (errno != EAGAIN || !IsWritable(to))) return false;
      if (each > 0) written += each;
    }
    return true;
  }

  bool Splice(int from, int to) {
    ssize_t left =
        splice(from, nullptr, pipe_in_.get(), nullptr, kPipeBytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (left < 0) return errno == EAGAIN;
    if (left == 0) return false;
    while (left > 0) {
      const ssize_t each = splice(pipe_out_.get(), nullptr, to, nullptr, static_cast<size_t>(left),
                                  SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
      if (each < 0 && (errno != EAGAIN || !IsWritable(to))) return Drop();
      if (each > 0) left -= each;
    }
    return true;
  }

  // The pipe still holds bytes for a connection that is gone.
  bool Drop() {
    while (read(pipe_out_.get(), buffer_, sizeof buffer_) > 0) continue;
    return false;
  }

  static bool IsWritable(int fd) {
    pollfd one{.fd = fd, .events = POLLOUT, .revents = 0};
    return poll(&one, 1, 10'000) == 1 && (one.revents & POLLOUT) != 0;
  }

  // Replaces the field by one of the same length with the opposite meaning.
  static void KeepServer(std::string_view bytes, bool is_request) {
    const std::string_view said = is_request ? "Connection: close" : "Connection: keep-alive";
    const std::string_view instead = is_request ? "Connected: closed" : "Connection:      close";
    const size_t at = bytes.find(said);
    if (at != std::string_view::npos)
      std::memcpy(const_cast<char*>(bytes.data()) + at, instead.data(), instead.size());
  }

  const sockaddr_in to_;
  const UniqueFd epoll_;
  UniqueFd pipe_in_;
  UniqueFd pipe_out_;
  std::vector<std::unique_ptr<End>> listeners_;
  // Pairs with a connection to the server and no client.
  std::vector<std::unique_ptr<Pair>> kept_;
  std::vector<std::unique_ptr<Pair>> ended_;
  char buffer_[64 * 1024];
};

}  // namespace

int main(int argc, char** argv) {
  // splice(2) has no flag like MSG_NOSIGNAL.
  signal(SIGPIPE, SIG_IGN);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  std::vector<std::pair<Mode, int>> ports;
  for (int at = 1; at + 1 < argc; at += 2) {
    const std::string_view flag = argv[at];
    std::string value = argv[at + 1];
    if (flag == "--to") {
      const size_t colon = value.find(':');
      to.sin_port = htons(static_cast<uint16_t>(std::atoi(value.c_str() + colon + 1)));
      inet_pton(AF_INET, value.substr(0, colon).c_str(), &to.sin_addr);
    } else {
      const Mode mode = flag == "--close" ? Mode::kClose : flag == "--splice" ? Mode::kSplice : Mode::kCopy;
      ports.emplace_back(mode, std::atoi(value.c_str()));
    }
  }
  const auto floor = std::make_unique<Floor>(to);
  for (const auto& [mode, port] : ports) floor->Listen(mode, port);
  floor->Run();
}

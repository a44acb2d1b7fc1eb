// One connection of the load generator: sends one message after another and finds the ends of the responses.
// It never blocks.
#ifndef SIDEROUTE_BENCH_CLIENT_H_
#define SIDEROUTE_BENCH_CLIENT_H_

#include <netinet/in.h>

#include <cstdint>

#include "messages.h"
#include "net/unique_fd.h"
#include "response_reader.h"

namespace bench {

uint64_t NowNs();

class Client {
 public:
  enum class Progress { kWaiting, kAnswered, kEnded, kFailed };

  // Starts to connect, and watches the socket with `data`.
  void Connect(const sockaddr_in& to, int epoll, uint64_t data);
  // `message` must live until it has been answered.
  void Send(const Message& message);
  // Called after an event. kAnswered: every request of the message was answered; kEnded: the same, and the
  // other side has closed, or said that it will, so the next message needs another connection.
  Progress Proceed(bool until_the_end);

  // The time at which the message was due to be sent.
  uint64_t intended_ns = 0;
  // Number of all responses that have ended.
  uint64_t responses = 0;

 private:
  bool Write();
  // A response may come before the body of its request has been sent. The rest has to be sent before the next
  // message.
  bool IsBusy() const { return unanswered_ > 0 || message_ != nullptr; }

  sideroute::UniqueFd fd_;
  ResponseReader reader_;
  const Message* message_ = nullptr;
  size_t written_ = 0;
  uint32_t unanswered_ = 0;
};

}  // namespace bench

#endif  // SIDEROUTE_BENCH_CLIENT_H_

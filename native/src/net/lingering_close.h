// Sends a last response and closes without losing it. close() on a socket with unread bytes sends RST, and
// the peer may then discard the response (RFC 9112 section 9.6). So this writes, sends FIN, discards what
// still arrives, and closes after the peer's FIN or at the deadline.
#ifndef SIDEROUTE_NET_LINGERING_CLOSE_H_
#define SIDEROUTE_NET_LINGERING_CLOSE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "net/connection.h"
#include "net/unique_fd.h"

namespace sideroute {

class LingeringClose final : public Connection, private Watcher, private Deadline {
 public:
  LingeringClose(Reactor& reactor, DeadlineQueue& deadlines, ConnectionList& list, UniqueFd fd,
                 std::vector<uint8_t> response);
  LingeringClose(const LingeringClose&) = delete;

  // May be finished and disposed of when it returns.
  void Start();
  void Abandon() override;
  size_t HeldBytes(bool sockets) const override;

 private:
  void OnReady(uint32_t events) override;
  void OnDeadline() override;
  // Returns true if the peer is gone, or has sent its FIN after it took the response.
  bool Advance();
  bool Discard();
  void Finish();

  Reactor& reactor_;
  DeadlineQueue& deadlines_;
  ConnectionList& list_;
  UniqueFd fd_;
  const std::vector<uint8_t> response_;
  Share share_;
  size_t sent_ = 0;
  bool fin_sent_ = false;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_LINGERING_CLOSE_H_

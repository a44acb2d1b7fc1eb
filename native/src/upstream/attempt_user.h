// Who has begun an attempt, and what it is told.
#ifndef SIDEROUTE_UPSTREAM_ATTEMPT_USER_H_
#define SIDEROUTE_UPSTREAM_ATTEMPT_USER_H_

#include <cstdint>

namespace sideroute {

// Why there is no stream.
enum class NoStream : uint8_t {
  // Too many wait, or it has waited for too long, or it is not to wait.
  kOverflow,
  kNoAddress,
  // No address has accepted, often enough.
  kRefused,
  // The same, and one of them has not even answered.
  kTimedOut,
};

// Calls come from the loop or a timer, never from within Begin; but OnConnected may come from within
// SendHead.
class AttemptUser {
 public:
  // A stream has been lent after Begin had answered kLater, or another one in place of one whose connection
  // did not come to stand: the request is sent, from its beginning.
  virtual void OnStreamLent() = 0;
  virtual void OnNoStream(NoStream why) = 0;
  // Its turn in the queue has come, before anything was dialled.
  virtual void OnTurn() = 0;
  virtual void OnConnected() = 0;
  // As StreamUser.
  virtual void OnStreamEvent() = 0;
  // Its connection is needed by somebody whose caller is there.
  virtual void OnDisplaced() = 0;

 protected:
  ~AttemptUser() = default;
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_ATTEMPT_USER_H_

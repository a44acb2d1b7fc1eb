// The user of an attempt, and what it is told.
#ifndef SIDEROUTE_UPSTREAM_ATTEMPT_USER_H_
#define SIDEROUTE_UPSTREAM_ATTEMPT_USER_H_

#include <cstdint>

namespace sideroute {

// Why there is no stream.
enum class NoStream : uint8_t {
  // Too many attempts wait, or this one has waited too long or must not wait.
  kOverflow,
  kNoAddress,
  // No address accepted, in as many dials as the plan allows.
  kRefused,
  // The same, and at least one address did not answer at all.
  kTimedOut,
};

// Calls come from the loop or from a timer, never from within Begin; only OnConnected may come from within
// SendHead.
class AttemptUser {
 public:
  // A stream was lent after Begin had returned kLater, or replaces one whose connection could not be
  // established. The request has to be sent from its beginning.
  virtual void OnStreamLent() = 0;
  virtual void OnNoStream(NoStream why) = 0;
  // The attempt's turn in the queue has come, and nothing was dialled before.
  virtual void OnTurn() = 0;
  virtual void OnConnected() = 0;
  // See StreamUser.
  virtual void OnStreamEvent() = 0;
  // Its connection is needed by an exchange whose caller is still there.
  virtual void OnDisplaced() = 0;

 protected:
  ~AttemptUser() = default;
};

}  // namespace sideroute

#endif  // SIDEROUTE_UPSTREAM_ATTEMPT_USER_H_

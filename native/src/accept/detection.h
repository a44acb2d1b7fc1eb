// Waits for the first bytes of a downstream whose frontend is HTTP and says who carries the connection. Stage
// before: acceptor. Stage after: an HTTP engine or passthrough, which find all bytes: either they are only
// peeked at, or they are read and handed on with the connection.
//
//   waiting --bytes--> reading head --decided--> OnHttp / OnRequest / OnTunnel
//      |  \ (a deadline for the whole head starts with its first byte; a complete head never waits for it)
//      |   \-- EOF without a byte --> closed
//      +-- silent until the deadline --> the destination is dialled:
//            upstream speaks first  --> OnTunnel(kServerFirst)
//            downstream speaks      --> upstream dropped, reading head
//            upstream refuses       --> dialled again, some times
//            upstream fails or ends --> upstream dropped, waiting without deadline (a preconnected HTTP
//            client)
#ifndef SIDEROUTE_ACCEPT_DETECTION_H_
#define SIDEROUTE_ACCEPT_DETECTION_H_

#include <sys/types.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "http1/head_gate.h"
#include "net/arrival.h"
#include "net/connection.h"
#include "net/net_address.h"
#include "net/unique_fd.h"

namespace sideroute {

class Detection;
class StateRecords;

// What the first head says; the members of HttpConnection in src/addon/binding.ts.
enum class HeadVerdict : uint8_t { kAdmit, kRefuse, kInvalid };

struct HeadFinding {
  HeadVerdict verdict;
  // Names of REQUEST_REASONS in src/errors.ts; null for kAdmit.
  const char* reason;
  // The preface of HTTP/2 and no head, with kRefuse.
  bool http2 = false;
};

class DetectionHost {
 public:
  // HTTP. `detection` has let go of `downstream` and is disposed of by the host, as in the other calls.
  virtual void OnHttp(Detection* detection, UniqueFd downstream, HeadFinding finding) = 0;
  // The same where bytes are read: as soon as it is clear that they are meant as HTTP/1.x, or are the preface
  // of HTTP/2.
  virtual void OnRequest(Detection* detection, Arrival arrival) = 0;
  // No HTTP. `upstream` is empty unless the destination was dialled already. `read`: goes there first.
  virtual void OnTunnel(Detection* detection, UniqueFd downstream, UniqueFd upstream, ConnectionReason reason,
                        std::span<const char> read) = 0;
  // The downstream left without a byte, or by a reset; it is closed. `error`: it was reset, because the
  // kernel did not let it be watched (negative errno); else 0.
  virtual void OnDetectionClosed(Detection* detection, int error) = 0;

 protected:
  ~DetectionHost() = default;
};

// Decides whether a connection is read from as soon as it is accepted. Under load its request has arrived by
// then. If it has not, the read was in vain, so after each miss more connections are skipped.
class EagerReads {
 public:
  bool Tries() {
    if (left_ == 0) return true;
    --left_;
    return false;
  }
  // The result of a try: there were bytes.
  void Note(bool found) {
    left_ = passed_over_ = found ? 0 : std::min(2 * passed_over_ + 1, kMostPassedOver);
  }

 private:
  static constexpr uint32_t kMostPassedOver = 31;

  // Connections to skip after a miss, and those that are left of them.
  uint32_t passed_over_ = 0;
  uint32_t left_ = 0;
};

// Shared by the detections of one acceptor.
struct DetectionSettings {
  HeadLimits limits;
  // Where heads are read or peeked into: one byte more than the limit at least, so that too long is told from
  // complete.
  std::vector<char> scratch;
  // Bytes are read, so many at a time at most, and the host is called with OnRequest.
  bool reads = false;
  size_t window = SIZE_MAX;
  EagerReads eager{};
};

class Detection final : public Connection, private Deadline {
 public:
  Detection(ConnectionContext& context, DetectionHost& host, DetectionSettings& settings, UniqueFd downstream,
            const NetAddress& destination, const NetAddress& peer, int64_t frontend);
  Detection(const Detection&) = delete;

  void Start();
  void Abandon() override;
  size_t HeldBytes(bool sockets) const override;

  const NetAddress& destination() const { return destination_; }
  const NetAddress& peer() const { return peer_; }
  int64_t frontend() const { return frontend_; }
  void Describe(StateRecords& records) const;

 private:
  enum class State : uint8_t { kWaiting, kReadingHead };

  struct DownstreamWatcher final : Watcher {
    explicit DownstreamWatcher(Detection& detection) : detection(detection) {}
    void OnReady(uint32_t events) override { detection.OnDownstreamReady(events); }
    Detection& detection;
  };
  struct UpstreamWatcher final : Watcher {
    explicit UpstreamWatcher(Detection& detection) : detection(detection) {}
    void OnReady(uint32_t events) override { detection.OnUpstreamReady(events); }
    Detection& detection;
  };

  // Adds the downstream to the epoll instance. False if the kernel refuses; then the connection is closed.
  bool WatchDownstream();
  void OnDownstreamReady(uint32_t events);
  void OnUpstreamReady(uint32_t events);
  void OnDeadline() override;
  // Looks and decides; true when the connection has left this stage. `timed_out`: what is there must do.
  bool Examine(bool timed_out);
  // Everything that has come so far, to the scratch buffer. Negative errno, 0 at an end without a byte.
  ssize_t Look();
  ssize_t Read();
  bool Decide(size_t length, bool timed_out);
  void Keep(size_t length);
  void DialSilent();
  void DropUpstream();
  UniqueFd TakeDownstream();
  // Everything but the downstream itself.
  void LetGo();
  void Close();
  void Http(size_t length, HeadVerdict verdict, const char* reason, bool http2 = false);
  void Tunnel(size_t length, ConnectionReason reason);
  void CloseQuietly(int error = 0);

  ConnectionContext& context_;
  DetectionHost& host_;
  DetectionSettings& settings_;
  const NetAddress destination_;
  const NetAddress peer_;
  const int64_t frontend_;
  State state_ = State::kWaiting;
  // The downstream is in the epoll instance.
  bool watched_ = false;
  bool peer_ended_ = false;
  bool buffer_grown_ = false;
  // The last read has left something, perhaps.
  bool more_ = false;
  bool upstream_connected_ = false;
  int dials_ = 0;
  DownstreamWatcher downstream_watcher_;
  UpstreamWatcher upstream_watcher_;
  UniqueFd downstream_;
  UniqueFd upstream_;
  // Read, and not enough to decide.
  std::vector<char> kept_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_ACCEPT_DETECTION_H_

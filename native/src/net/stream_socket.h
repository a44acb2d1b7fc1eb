// One TCP connection of the HTTP engine: edge-triggered readiness, bytes read but not used, bytes to write
// that the kernel has not taken. Bytes that need not be looked at can be moved to another connection within
// the kernel: see stream_splice.cc.
//
// Stage before: the reactor. Stage after: downstream and upstream connections, and the exchange that joins
// two of them. Reads go into one scratch buffer that all connections share; only what cannot be used at once
// is kept.
#ifndef SIDEROUTE_NET_STREAM_SOCKET_H_
#define SIDEROUTE_NET_STREAM_SOCKET_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "net/arrival.h"
#include "net/byte_buffer.h"
#include "net/pipe_pool.h"
#include "net/reactor.h"
#include "net/scratch.h"
#include "net/socket.h"
#include "net/unique_fd.h"

namespace sideroute {

// The next bytes of a socket to look at. `data` may be changed in place. In the scratch buffer it is valid
// only until the next Fill of any socket.
struct Window {
  char* data = nullptr;
  size_t length = 0;
  bool in_scratch = false;
};

enum class FillResult : uint8_t { kBytes, kAgain, kEnd, kError };

// `kUnfit`: the next bytes have to be read.
enum class SpliceResult : uint8_t { kMoved, kAgain, kUnfit, kError };

class StreamSocket : public Watcher {
 public:
  StreamSocket(Reactor& reactor, BlockPool& blocks, Scratch& scratch)
      : reactor_(reactor), scratch_(scratch), in_(blocks), out_(blocks) {}
  StreamSocket(const StreamSocket&) = delete;
  StreamSocket& operator=(const StreamSocket&) = delete;

  // Takes `fd` and registers it once for all events. Returns 0 or a negative errno.
  int Open(UniqueFd fd);
  // Takes the descriptor and its registration; the bytes that were read already stay with the caller. If the
  // descriptor is not in the epoll instance yet, events come only after Attend.
  void Open(Arrival& arrival);
  // Adds the descriptor to the epoll instance if it is not there yet. Reads that find nothing and writes that
  // find no room do this themselves. Returns false if the kernel refuses: the connection has failed.
  bool Attend() { return attention_ != Attention::kNone || Attend(Attention::kReads); }
  bool attended() const { return attention_ != Attention::kNone; }
  // The kernel has refused the registration, so no events come. What was sent still reaches the peer.
  bool attend_refused() const { return attend_refused_; }
  // Unregisters and closes. `reset`: with RST, so that the peer cannot take it for a regular end.
  void Close(bool reset);
  // Unregisters the descriptor and hands it over.
  UniqueFd Detach();
  bool open() const { return static_cast<bool>(fd_); }

  // Gives unread bytes: those kept, otherwise from a new read. `more`: the kept bytes are not enough, so it
  // reads more and appends. Returns kAgain also when this connection has used its share of the turn; OnEvent
  // is called again then.
  FillResult Fill(bool more, Window* window);
  // Drops the first `used` bytes of the window and keeps the others.
  void Use(const Window& window, size_t used) {
    if (!window.in_scratch) {
      in_.Consume(used);
    } else if (used < window.length) {
      in_.Append(window.data + used, window.length - used);
    }
  }
  bool has_kept() const { return !in_.empty(); }
  void DropKept() { in_.Clear(); }
  // There may be something to read: kept bytes, bytes in the kernel, or the end.
  bool readable() const { return readable_ || !in_.empty(); }
  // The peer has sent FIN or RST; unread bytes may precede it.
  bool peer_ended() const { return peer_ended_; }
  // Asks the kernel: open, and nothing has arrived that was not read.
  bool Quiet() const;
  // True if nothing has arrived that was not read. Asks the kernel if no events come yet.
  bool NothingUnread();
  // Asks the kernel: bytes or the end have arrived without an event so far. They can be read from here on.
  bool Arrived() {
    if (Quiet()) return false;
    readable_ = true;
    return true;
  }
  // Asks the kernel if the last read does not show it: nothing can be read until more arrives, unless
  // something has arrived already.
  void Settle() {
    if (readable_ && Quiet()) readable_ = false;
  }
  // Asks the kernel: the next thing to read is the peer's FIN.
  bool AtEnd() const;
  // Reset, or closed in both directions: nothing can be written any more.
  bool gone() const { return gone_; }
  // Reset; unread bytes may precede the reset.
  bool failed() const { return failed_; }

  // Sends, and keeps what the kernel does not take now. Returns false if the connection takes nothing any
  // more. `last`: when everything is sent, the connection will be closed or handed to a lingering close, so
  // FIN is sent in the segment with the last bytes.
  bool Send(std::span<iovec> parts, bool last = false);
  bool Send(const char* bytes, size_t length, bool last = false) {
    iovec part{const_cast<char*>(bytes), length};
    return Send({&part, 1}, last);
  }
  // Moves up to `most` bytes, the next that `source` would read, to this socket within the kernel; keeps what
  // it does not take now. Only while nothing is unsent. `moved` is set with kMoved.
  SpliceResult SpliceFrom(StreamSocket& source, PipePool& pipes, uint64_t most, size_t* moved);
  // Sends kept bytes, if the kernel takes them now.
  bool Flush();
  bool has_unsent() const { return !out_.empty(); }
  size_t unsent() const { return out_.size(); }
  bool write_failed() const { return write_failed_; }
  // Bytes of its buffers, and bytes the kernel holds beyond that.
  size_t held_bytes() const { return in_.capacity() + out_.capacity(); }
  size_t QueuedBytes() const { return open() ? sideroute::QueuedBytes(fd_.get()) : 0; }
  // Since when the peer has taken none of the unsent bytes.
  uint64_t blocked_since_ms() const { return blocked_since_ms_; }
  // For an object that continues to send in its place.
  std::vector<uint8_t> TakeUnsent();
  // Sends FIN after the unsent bytes.
  void ShutdownWrite();
  bool write_ended() const { return write_ended_; }

  // Whether more work fits into this turn; if not, OnEvent is called again in a later turn. Fill checks this
  // itself.
  bool MayGoOn() {
    if (reactor_.MayGoOn(share_)) return true;
    reactor_.Again(this);
    return false;
  }
  // Charges work that is not a read.
  void Spend(size_t cost) { reactor_.Spend(&share_, cost); }

  void OnReady(uint32_t events) final;

 protected:
  ~StreamSocket();

  // Called after the flags were updated.
  virtual void OnEvent() = 0;

  int fd() const { return fd_.get(); }

 private:
  // Events that the descriptor is registered for: none, reads, or reads and EPOLLOUT.
  enum class Attention : uint8_t { kNone, kReads, kRoom };

  void Begin(UniqueFd fd, bool readable, bool peer_ended);
  bool Attend(Attention attention);
  void KeepUnsent(std::span<iovec> parts, size_t sent);
  // Empties `pipe`, which holds `length` bytes. Returns false if the connection takes nothing any more.
  bool FlushPipe(const Pipe& pipe, size_t length);
  void FailWrite();
  // The kernel takes no more now: waits for EPOLLOUT.
  void AwaitRoom();

  Reactor& reactor_;
  Scratch& scratch_;
  UniqueFd fd_;
  Share share_;
  bool readable_ = false;
  bool writable_ = false;
  Attention attention_ = Attention::kNone;
  bool attend_refused_ = false;
  bool peer_ended_ = false;
  bool gone_ = false;
  bool failed_ = false;
  bool write_failed_ = false;
  bool write_ended_ = false;
  bool shutdown_wanted_ = false;
  // The kernel holds sent bytes back until FIN (MSG_MORE).
  bool fin_due_ = false;
  // A splice stopped: there are no more bytes, or something that only a read can pass. The next read finds
  // out.
  bool splice_stopped_ = false;
  // The data comes in small pieces, which are cheaper to copy than to splice.
  bool trickles_ = false;
  uint64_t blocked_since_ms_ = 0;
  ByteBuffer in_;
  ByteBuffer out_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_STREAM_SOCKET_H_

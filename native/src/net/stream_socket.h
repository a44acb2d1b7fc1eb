// One TCP connection of the HTTP engine: edge-triggered readiness, bytes read but not used, bytes written but
// not taken. Bytes that nobody has to look at may pass from one to another within the kernel: see
// stream_splice.cc.
//
// Stage before: the reactor. Stage after: downstream and upstream connections, and the exchange that joins
// two of them. Reads go into one scratch buffer that all connections share, and only what cannot be used at
// once is kept.
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

// What a socket has to be looked at next. `data` may be changed in place. In the scratch buffer it is good
// only until the next Fill of any socket.
struct Window {
  char* data = nullptr;
  size_t length = 0;
  bool in_scratch = false;
};

enum class FillResult : uint8_t { kBytes, kAgain, kEnd, kError };

// `kUnfit`: what comes next has to be read.
enum class SpliceResult : uint8_t { kMoved, kAgain, kUnfit, kError };

class StreamSocket : public Watcher {
 public:
  StreamSocket(Reactor& reactor, BlockPool& blocks, Scratch& scratch)
      : reactor_(reactor), scratch_(scratch), in_(blocks), out_(blocks) {}
  StreamSocket(const StreamSocket&) = delete;
  StreamSocket& operator=(const StreamSocket&) = delete;

  // Takes `fd` and registers it once for everything. 0 or a negative errno.
  int Open(UniqueFd fd);
  // Takes the descriptor and its registration; what was read of it is the caller's.
  void Open(Arrival& arrival);
  // Unregisters and closes. `reset`: with RST, so that the peer cannot take the end for an orderly one.
  void Close(bool reset);
  // Unregisters and hands the descriptor over.
  UniqueFd Detach();
  bool open() const { return static_cast<bool>(fd_); }

  // Unread bytes: those kept, else a new read. `more`: what is kept is not enough, read behind it. kAgain,
  // too, when this connection has had its share of the turn: OnEvent is called again.
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
  // Something may be read: kept bytes, the kernel's, or the end.
  bool readable() const { return readable_ || !in_.empty(); }
  // The peer has sent FIN or RST, though unread bytes may come before it.
  bool peer_ended() const { return peer_ended_; }
  // Asks the kernel: open, and nothing has arrived that was not read.
  bool Quiet() const;
  // Asks the kernel: something, if only the end, has arrived that no event has told of. It can be read from
  // here on.
  bool Arrived() {
    if (Quiet()) return false;
    readable_ = true;
    return true;
  }
  // Asks the kernel, where what was read last does not tell: from here on nothing can be read until more has
  // arrived, unless something has.
  void Settle() {
    if (readable_ && Quiet()) readable_ = false;
  }
  // Asks the kernel: the peer's FIN is what comes next.
  bool AtEnd() const;
  // Reset, or closed in both directions: nothing can be written any more.
  bool gone() const { return gone_; }
  // Reset, though unread bytes may come before it.
  bool failed() const { return failed_; }

  // Sends, and keeps what the kernel does not take now. False when the connection takes nothing any more.
  // `last`: the connection is closed, or handed to who closes it, as soon as all of it is sent; FIN goes in
  // the segment of the last bytes.
  bool Send(std::span<iovec> parts, bool last = false);
  bool Send(const char* bytes, size_t length, bool last = false) {
    iovec part{const_cast<char*>(bytes), length};
    return Send({&part, 1}, last);
  }
  // Takes up to `most` bytes that `source` would read next, past the memory of the process, and sends them;
  // what the kernel does not take now is kept. While nothing is unsent. `moved`: with kMoved.
  SpliceResult SpliceFrom(StreamSocket& source, PipePool& pipes, uint64_t most, size_t* moved);
  // Sends what was kept, if the kernel takes it now.
  bool Flush();
  bool has_unsent() const { return !out_.empty(); }
  size_t unsent() const { return out_.size(); }
  bool write_failed() const { return write_failed_; }
  // Memory that its buffers take, and what the kernel holds for it beyond that.
  size_t held_bytes() const { return in_.capacity() + out_.capacity(); }
  size_t QueuedBytes() const { return open() ? sideroute::QueuedBytes(fd_.get()) : 0; }
  // Since when the peer has taken nothing of what is unsent.
  uint64_t blocked_since_ms() const { return blocked_since_ms_; }
  // For whoever goes on sending in its place.
  std::vector<uint8_t> TakeUnsent();
  // FIN, after what is unsent.
  void ShutdownWrite();
  bool write_ended() const { return write_ended_; }

  // Whether another piece of work fits into this turn; if not, OnEvent is called again in a later one. Fill
  // asks by itself.
  bool MayGoOn() {
    if (reactor_.MayGoOn(share_)) return true;
    reactor_.Again(this);
    return false;
  }
  // Work that no byte read accounts for.
  void Spend(size_t cost) { reactor_.Spend(&share_, cost); }

  void OnReady(uint32_t events) final;

 protected:
  ~StreamSocket();

  // After the flags were updated.
  virtual void OnEvent() = 0;

  int fd() const { return fd_.get(); }

 private:
  void Begin(UniqueFd fd, bool readable, bool peer_ended);
  void KeepUnsent(std::span<iovec> parts, size_t sent);
  // Empties `pipe` of its `length` bytes. False when the connection takes nothing any more.
  bool FlushPipe(const Pipe& pipe, size_t length);
  void FailWrite();
  // The kernel takes no more now.
  void AwaitRoom();

  Reactor& reactor_;
  Scratch& scratch_;
  UniqueFd fd_;
  Share share_;
  bool readable_ = false;
  bool writable_ = false;
  // Registered for room to write, too.
  bool watches_room_ = false;
  bool peer_ended_ = false;
  bool gone_ = false;
  bool failed_ = false;
  bool write_failed_ = false;
  bool write_ended_ = false;
  bool shutdown_wanted_ = false;
  // The kernel has bytes that wait for FIN.
  bool fin_due_ = false;
  // Splice has stopped: there is no more, or something that only a read passes. A read finds out.
  bool splice_stopped_ = false;
  // It comes in small pieces, which are copied sooner than spliced.
  bool trickles_ = false;
  uint64_t blocked_since_ms_ = 0;
  ByteBuffer in_;
  ByteBuffer out_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_STREAM_SOCKET_H_

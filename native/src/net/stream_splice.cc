// Bytes from one connection to another through a pipe of the kernel, past the memory of the process: for long
// bodies, of which nothing but the length has to be known.
//
// Stage before: a stream that knows how many bytes follow as they are. Stage after: the other connection,
// whose unsent bytes they are from here on. Splice says the same where nothing more has come and where an
// urgent byte comes next, which it never passes, and there is none at the end once FIN has come. A read tells
// these apart, and passes over that byte: so wherever splice stops, what comes next is read. Into a broken
// connection splice raises SIGPIPE, which Node ignores.
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "net/stream_socket.h"
#include "net/syscalls.h"

namespace sideroute {

namespace {

// Less than this at a time is copied for less than a call more costs.
constexpr size_t kTrickleBytes = 8 * 1024;

// Nothing is wrong with the connection: it can be read.
bool CanBeRead(int error) {
  return error == EAGAIN || error == EINVAL || error == ENOSYS || error == EPERM || error == ENOMEM;
}

}  // namespace

// Hot path.
SpliceResult StreamSocket::SpliceFrom(StreamSocket& source, PipePool& pipes, uint64_t most, size_t* moved) {
  // While memory is short no more is taken at a time than the guard allows.
  if (source.splice_stopped_ || source.trickles_ || source.has_kept() || write_failed_ || has_unsent() ||
      scratch_.window < PipePool::kPipeBytes) {
    return SpliceResult::kUnfit;
  }
  if (!source.readable_) return source.Attend() ? SpliceResult::kAgain : SpliceResult::kError;
  if (!source.MayGoOn()) return SpliceResult::kAgain;
  Pipe pipe = pipes.Acquire();
  if (!pipe) return SpliceResult::kUnfit;
  const size_t wanted = most < PipePool::kPipeBytes ? static_cast<size_t>(most) : PipePool::kPipeBytes;
  const ssize_t taken = Splice(source.fd_.get(), pipe.write_end.get(), wanted);
  if (taken <= 0) {
    const bool readable = taken == 0 || CanBeRead(errno);
    pipes.Release(std::move(pipe));
    source.splice_stopped_ = true;
    return readable ? SpliceResult::kUnfit : SpliceResult::kError;
  }
  *moved = static_cast<size_t>(taken);
  source.Spend(*moved);
  source.splice_stopped_ = *moved < wanted;
  source.trickles_ = *moved < kTrickleBytes;
  blocked_since_ms_ = reactor_.NowMs();
  if (FlushPipe(pipe, *moved)) {
    pipes.Release(std::move(pipe));
  } else {
    FailWrite();
    pipes.Discard(std::move(pipe));
  }
  return SpliceResult::kMoved;
}

// What the connection does not take now is kept where what was read is kept: there is one account of it for
// whoever asks, and a connection that stands still holds no descriptors.
bool StreamSocket::FlushPipe(const Pipe& pipe, size_t length) {
  while (length > 0) {
    ssize_t left;
    if (writable_) {
      left = Splice(pipe.read_end.get(), fd_.get(), length);
      if (left < 0 && errno == EAGAIN) {
        // The pipe is not empty, so it is the socket that is full.
        AwaitRoom();
        if (write_failed_) return false;
        continue;
      }
    } else {
      left = read(pipe.read_end.get(), out_.Reserve(length), length);
      if (left > 0) out_.Commit(static_cast<size_t>(left));
    }
    if (left <= 0) return false;
    length -= static_cast<size_t>(left);
  }
  return true;
}

}  // namespace sideroute

#include "accept/passthrough.h"

#include <sys/socket.h>
#include <uv.h>

#include <cerrno>
#include <utility>

#include "net/socket.h"
#include "net/state_records.h"
#include "net/syscalls.h"

namespace sideroute {

namespace {

constexpr uint32_t kEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI;
// Read at most behind an urgent byte, which has to be read over.
constexpr size_t kBehindUrgent = 4 * 1024;

}  // namespace

Passthrough::Passthrough(ConnectionContext& context, PassthroughHost& host, PassthroughBytes& bytes,
                         UniqueFd downstream, const NetAddress& destination, ConnectionReason reason)
    : context_(context),
      host_(host),
      destination_(destination),
      reason_(reason),
      started_ns_(uv_hrtime()),
      downstream_(*this),
      upstream_(*this),
      up_{downstream_, upstream_, bytes.upstream, {}},
      down_{upstream_, downstream_, bytes.downstream, {}} {
  downstream_.fd = std::move(downstream);
}

void Passthrough::SetRead(std::span<const char> read) {
  up_.ahead.assign(read.begin(), read.end());
  context_.kept_bytes += read.size();
}

void Passthrough::Dial(int captures) {
  int error = 0;
  upstream_.fd = context_.own_dials.Dial(destination_, &error, captures);
  if (error == -EMFILE || error == -ENFILE) {
    context_.pipes.Trim();
    context_.downstreams.CloseIdleUpstream();
    upstream_.fd = context_.own_dials.Dial(destination_, &error, captures);
  }
  // Watched while dialling, so that a downstream that resets does not leave the dial behind.
  if (error == 0) error = context_.reactor.Watch(downstream_.fd.get(), kEvents, &downstream_);
  if (error == 0) error = context_.reactor.Watch(upstream_.fd.get(), kEvents, &upstream_);
  if (error != 0) return FailDial(error);
  context_.connect_deadlines.Add(this);
}

void Passthrough::Adopt(UniqueFd upstream) {
  upstream_.fd = std::move(upstream);
  int error = context_.reactor.Watch(downstream_.fd.get(), kEvents, &downstream_);
  if (error == 0) error = context_.reactor.Watch(upstream_.fd.get(), kEvents, &upstream_);
  if (error != 0) return FailDial(error);
  // The first events of the fresh registrations say what is ready.
  Established();
}

void Passthrough::OnSideReady(Side& side, uint32_t events) {
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) side.readable = true;
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) side.writable = true;
  if ((events & EPOLLERR) != 0) side.failed = true;
  if ((events & EPOLLPRI) != 0) side.readable = side.urgent = true;
  if (!dialling_) {
    if (events != 0 && context_.reactor.MustWait(share_)) return context_.reactor.Again(&side);
    return PumpBoth();
  }

  if (&side == &upstream_) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
      OnConnectResult(TakeSocketError(upstream_.fd.get()));
  } else if (side.failed) {
    host_.OnTunnelDecided(reason_);
    Finish(true, 0);
  }
}

void Passthrough::OnConnectResult(int error) {
  if (error != 0) return FailDial(error);
  Established();
  PumpBoth();
}

void Passthrough::Established() {
  Cancel();
  dialling_ = false;
  host_.OnTunnelDecided(reason_);
}

void Passthrough::OnDeadline() {
  if (dialling_) return FailDial(-ETIMEDOUT);
  // A direction waits for a pipe.
  PumpBoth();
}

void Passthrough::PumpBoth() {
  Flow& first = down_first_ ? down_ : up_;
  const uint64_t moved = first.moved;
  const Pumped one = Pump(first);
  const Pumped other = one == Pumped::kFailed ? one : Pump(down_first_ ? up_ : down_);
  if (other == Pumped::kFailed) return Finish(true, 0);
  // One share for both: whoever finds it used up by the other begins the next time.
  if (other == Pumped::kMore && first.moved != moved) down_first_ = !down_first_;
  if (one == Pumped::kMore || other == Pumped::kMore) return;
  // A reset is passed on after what the kernel still had to give, and even while its side is not being read.
  if (downstream_.failed || upstream_.failed) return Finish(true, 0);
  if (up_.ended && down_.ended) Finish(false, 0);
}

Passthrough::Pumped Passthrough::Pump(Flow& flow) {
  if (flow.ended) return Pumped::kWaiting;
  for (;;) {
    if (Flush(flow) == Pumped::kFailed) return Pumped::kFailed;
    if (flow.buffered > 0 || !flow.ahead.empty()) return Pumped::kWaiting;
    if (flow.source_ended || !flow.from.readable) break;
    if (!context_.reactor.MayGoOn(share_)) {
      context_.reactor.Again(&flow.from);
      if (flow.pipe) context_.pipes.Release(std::move(flow.pipe));
      return Pumped::kMore;
    }
    if (!flow.pipe) flow.pipe = context_.pipes.Acquire();
    if (!flow.pipe) {
      if (!pending()) context_.retry_deadlines.Add(this);
      return Pumped::kWaiting;
    }
    // The pipe is empty here, so EAGAIN can only mean that the socket is, or that an urgent byte comes next.
    const ssize_t moved = Splice(flow.from.fd.get(), flow.pipe.write_end.get(), PipePool::kPipeBytes);
    if (moved > 0) {
      flow.buffered = static_cast<size_t>(moved);
      continue;
    }
    if (moved < 0 && errno != EAGAIN) return Pumped::kFailed;
    // Before an urgent byte splice says the same as at the end, once FIN has come.
    if ((moved == 0 || flow.from.urgent) && sockatmark(flow.from.fd.get()) == 1) {
      context_.pipes.Release(std::move(flow.pipe));
      if (const Pumped passed = PassUrgent(flow); passed != Pumped::kMore) return passed;
      continue;
    }
    // One that comes later raises an event.
    flow.from.urgent = false;
    if (moved == 0) {
      flow.source_ended = true;
    } else {
      flow.from.readable = false;
    }
  }
  if (flow.pipe) context_.pipes.Release(std::move(flow.pipe));
  if (flow.source_ended) {
    shutdown(flow.to.fd.get(), SHUT_WR);
    flow.ended = true;
  }
  return Pumped::kWaiting;
}

// The source is at its mark, and everything before that has gone on. `kMore`: the mark is behind.
Passthrough::Pumped Passthrough::PassUrgent(Flow& flow) {
  const int from = flow.from.fd.get();
  if (!flow.to.writable) return Pumped::kWaiting;
  char urgent;
  // Peeked at: if it cannot go on yet it stays where it is.
  const ssize_t got = recv(from, &urgent, 1, MSG_OOB | MSG_PEEK | MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) {
    // Announced, and still to come.
    flow.from.readable = false;
    return Pumped::kWaiting;
  }
  if (got > 0) {
    const ssize_t sent = SendBytes(flow.to.fd.get(), &urgent, 1, MSG_OOB | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return Pumped::kFailed;
    if (sent < 0) {
      flow.to.writable = false;
      return Pumped::kWaiting;
    }
    Count(flow, 1);
  }
  // A read passes over it, and gives what is behind it.
  flow.ahead.resize(kBehindUrgent);
  const ssize_t behind = Receive(from, flow.ahead.data(), flow.ahead.size(), MSG_DONTWAIT);
  const int error = errno;
  flow.ahead.resize(behind > 0 ? static_cast<size_t>(behind) : 0);
  context_.kept_bytes += flow.ahead.size();
  if (behind == 0) flow.source_ended = true;
  if (behind < 0 && error == EAGAIN) flow.from.readable = false;
  return behind < 0 && error != EAGAIN ? Pumped::kFailed : Pumped::kMore;
}

Passthrough::Pumped Passthrough::FlushAhead(Flow& flow) {
  while (!flow.ahead.empty() && flow.to.writable) {
    const ssize_t sent = SendBytes(flow.to.fd.get(), flow.ahead.data(), flow.ahead.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      flow.ahead.erase(flow.ahead.begin(), flow.ahead.begin() + sent);
      context_.kept_bytes -= static_cast<size_t>(sent);
      Count(flow, static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      flow.to.writable = false;
    } else if (errno != EINTR) {
      return Pumped::kFailed;
    }
  }
  return Pumped::kWaiting;
}

void Passthrough::Count(Flow& flow, size_t moved) {
  flow.total += moved;
  flow.moved += moved;
  context_.reactor.Spend(&share_, moved);
}

Passthrough::Pumped Passthrough::Flush(Flow& flow) {
  if (FlushAhead(flow) == Pumped::kFailed) return Pumped::kFailed;
  while (flow.buffered > 0 && flow.to.writable) {
    const ssize_t moved = Splice(flow.pipe.read_end.get(), flow.to.fd.get(), flow.buffered);
    if (moved > 0) {
      flow.buffered -= static_cast<size_t>(moved);
      Count(flow, static_cast<size_t>(moved));
    } else if (moved < 0 && errno == EAGAIN) {
      flow.to.writable = false;
    } else {
      return Pumped::kFailed;
    }
  }
  return Pumped::kWaiting;
}

void Passthrough::FailDial(int error) {
  // Whatever the cause, the downstream learns by a reset that its connection failed: a FIN would look like an
  // answer.
  Finish(true, error);
}

void Passthrough::CloseSides(bool reset) {
  Cancel();
  reset_ = reset;
  for (Side* side : {&downstream_, &upstream_}) {
    if (!side->fd) continue;
    context_.reactor.Forget(side);
    if (reset) ResetOnClose(side->fd.get());
    side->fd.Reset();
  }
  for (Flow* flow : {&up_, &down_}) {
    if (flow->pipe) context_.pipes.Discard(std::move(flow->pipe));
    context_.kept_bytes -= flow->ahead.size();
    flow->ahead.clear();
  }
}

void Passthrough::Finish(bool reset, int error) {
  CloseSides(reset);
  host_.OnTunnelClosed(this, error);
}

void Passthrough::Abandon() {
  CloseSides(true);
  host_.OnTunnelAbandoned(*this);
}

size_t Passthrough::HeldBytes(bool sockets) const {
  size_t bytes = up_.ahead.size() + down_.ahead.size();
  if (!sockets) return bytes;
  bytes += up_.buffered + down_.buffered;
  for (const Side* side : {&downstream_, &upstream_}) {
    if (side->fd) bytes += QueuedBytes(side->fd.get());
  }
  return bytes;
}

void Passthrough::Describe(StateRecords& records) const {
  records.Number(static_cast<double>(reason_));
  records.Number(dialling_ ? 1 : 0);
  records.Address(destination_);
  records.Socket(downstream_.fd.get());
}

}  // namespace sideroute

#include "accept/acceptor.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "accept/original_destination.h"
#include "log/access_log.h"
#include "net/socket.h"

namespace sideroute {

namespace {

constexpr uint64_t kPipeRetryMs = 20;
constexpr uint64_t kResumeRetryMs = 100;
// A head that ends exactly at the limit must be seen to end, one that goes on must be seen to go on.
constexpr size_t kScratchBeyondLimit = 1024;
constexpr int kMaxIdlePipes = 32;
// Of the connections that wait for a request so many are closed at a time: a part of all there may be, with a
// bound.
constexpr size_t kIdleShare = 256;
constexpr size_t kMaxIdleClosed = 32;

int DescriptorTotal() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX) return INT_MAX;
  return static_cast<int>(limit.rlim_cur);
}

// Should others in the process hold more descriptors than they did at the start: an eighth stays free of
// downstream connections, whatever DescriptorBudget says.
int DescriptorLimit() {
  const int total = DescriptorTotal();
  return total - std::clamp(total / 8, 8, 1024);
}

bool IsOutOfResources(int error) {
  // ENOSPC: fs.epoll.max_user_watches.
  return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM || error == -ENOSPC;
}

}  // namespace

Acceptor::Acceptor(Reactor& reactor, OwnDials& own_dials, Downstreams& downstreams,
                   DescriptorBudget& descriptors, const MemoryGuard& memory, AcceptorHost& host,
                   const AcceptorLimits& limits)
    : reactor_(reactor),
      own_dials_(own_dials),
      downstreams_(downstreams),
      descriptors_(descriptors),
      memory_(memory),
      host_(host),
      limits_(limits),
      descriptor_limit_(DescriptorLimit()),
      detection_settings_{limits.head, std::vector<char>(limits.head.max_head_bytes + kScratchBeyondLimit)},
      pipes_(descriptors, static_cast<size_t>(std::min(DescriptorTotal() / 64, kMaxIdlePipes))),
      detect_deadlines_(reactor, limits.detect_timeout_ms),
      connect_deadlines_(reactor, limits.connect_timeout_ms),
      retry_deadlines_(reactor, kPipeRetryMs),
      resume_deadlines_(reactor, kResumeRetryMs),
      context_{reactor,           own_dials,          downstreams,     pipes_,
               detect_deadlines_, connect_deadlines_, retry_deadlines_},
      detections_(reactor),
      tunnels_(reactor) {
  reactor_.AddTurnClient(this);
}

Acceptor::~Acceptor() {
  Close();
  reactor_.RemoveTurnClient(this);
}

int Acceptor::Bind(const NetAddress& address, const char** syscall, PortSharing sharing) {
  NetAddress bound;
  int error = 0;
  UniqueFd fd = Listen(address, &bound, &error, syscall, sharing);
  if (fd) listeners_.push_back(std::make_unique<Listener>(reactor_, own_dials_, *this, std::move(fd), bound));
  return error;
}

int Acceptor::Start() {
  accepting_ = true;
  descriptors_.Measure();
  for (const auto& listener : listeners_) {
    if (const int error = listener->Start(); error != 0) return error;
  }
  return 0;
}

void Acceptor::StopAccepting() {
  accepting_ = false;
  SetCrowded(false);
  paused_ = false;
  Cancel();
  for (const auto& listener : listeners_) listener->Close();
}

void Acceptor::Close() {
  StopAccepting();
  detections_.Clear();
  tunnels_.Clear();
}

AcceptorCounters Acceptor::Counters() const {
  AcceptorCounters counters = counters_;
  counters.detecting_open = detections_.size();
  counters.tunnels_open = tunnels_.size();
  return counters;
}

StateRecords Acceptor::DescribeDetections(const StateRange& range) const {
  StateRecords records;
  DescribeRange(detections_.connections(), range, [&](const Connection& connection) {
    const auto& detection = static_cast<const Detection&>(connection);
    records.Count(detection.number());
    records.Count(reactor_.NowMs() - detection.since_ms());
    detection.Describe(records);
  });
  return records;
}

StateRecords Acceptor::DescribeTunnels(const StateRange& range) const {
  StateRecords records;
  DescribeRange(tunnels_.connections(), range, [&](const Connection& connection) {
    const auto& tunnel = static_cast<const Passthrough&>(connection);
    records.Count(tunnel.number());
    records.Count(reactor_.NowMs() - tunnel.since_ms());
    tunnel.Describe(records);
  });
  return records;
}

void Acceptor::OnAcceptable(Listener& listener, int most) {
  // Whether anybody still waits then is seen at the end alone.
  if (crowded_) most = Listener::kMostPerTurn;
  for (int i = 0; i < most; ++i) {
    // Also after a callback that closed or stopped the acceptor.
    if (!accepting_ || paused_) return;
    AcceptLimit limit;
    if (!TakeRoom(&limit)) {
      // At the limit it matters whether anybody waits: nobody is closed for a connection that does not come.
      if (!listener.HasWaiting()) return SetCrowded(false);
      if (!MakeRoom()) return Pause(limit);
    }
    int error = 0;
    NetAddress peer;
    UniqueFd fd = listener.Accept(&peer, &error);
    if (error == -EAGAIN) return SetCrowded(false);
    if (IsOutOfResources(error)) {
      OnShortage();
      return Pause(AcceptLimit::kDescriptors);
    }
    // Anything else concerns this one connection, which is gone (ECONNABORTED and network errors, accept(2)).
    if (!fd) continue;
    ++counters_.accepted;
    if (fd.get() >= descriptor_limit_ / 2) probe_descriptors_ = true;
    Classify(listener, std::move(fd), peer);
  }
  if (crowded_) listener.Again();
}

void Acceptor::Classify(const Listener& listener, UniqueFd fd, const NetAddress& peer) {
  NetAddress destination = listener.address();
  const int error = GetOriginalDestination(fd.get(), listener.address().family(), &destination);
  if (error != 0 || IsOwnAddress(listener, fd.get(), destination)) {
    fd.Reset();
    return DropUnserved(ConnectionReason::kLoop, peer, destination, error, false);
  }
  const int captures = CapturesOfOwnDial(fd.get(), peer, destination);
  if (captures >= 0 && captures < OwnDials::kMostCaptures) {
    return StartTunnel({.downstream = std::move(fd),
                        .destination = destination,
                        .peer = peer,
                        .reason = ConnectionReason::kOwnDial,
                        .captures = captures + 1});
  }
  if (captures >= 0) {
    // What waits at the other end learns that its connection failed: a FIN would look like an answer.
    ResetOnClose(fd.get());
    fd.Reset();
    return DropUnserved(ConnectionReason::kLoop, peer, destination, -ELOOP, true);
  }
  const Frontend* frontend = frontends_.Find(destination);
  if (frontend == nullptr || frontend->mode == FrontendMode::kOpaque) {
    return StartTunnel(
        {.downstream = std::move(fd),
         .destination = destination,
         .peer = peer,
         .reason = frontend == nullptr ? ConnectionReason::kUnrouted : ConnectionReason::kOpaque});
  }
  auto detection = std::make_unique<Detection>(context_, *this, detection_settings_, std::move(fd),
                                               destination, peer, frontend->id);
  Detection* started = detection.get();
  detections_.Add(std::move(detection));
  started->Start();
}

void Acceptor::DropUnserved(ConnectionReason reason, const NetAddress& peer, const NetAddress& destination,
                            int error, bool reset) {
  if (logs()) {
    ConnectionEntry entry;
    entry.reason = reason;
    entry.error = error;
    entry.reset = reset;
    entry.started_ns = uv_hrtime();
    entry.downstream = peer;
    entry.destination = destination;
    log_->OnConnection(entry);
  }
  Drop(reason, destination, error);
}

bool Acceptor::IsOwnAddress(const Listener& listener, int fd, const NetAddress& destination) const {
  for (const auto& each : listeners_) {
    if (each->address() == destination) return true;
  }
  // A direct dial to a listener on a wildcard address went to the very address it was accepted on. Any other
  // listener accepts on its own.
  return listener.address().is_wildcard() && LocalAddress(fd) == destination;
}

int Acceptor::CapturesOfOwnDial(int fd, const NetAddress& peer, const NetAddress& destination) {
  if (!own_dials_.Suspect(peer, destination) &&
      !(own_dials_.MayBeNews() && own_dials_.Suspect(peer, destination))) {
    return -1;
  }
  const int captures = OwnDials::CapturesBefore(fd);
  if (captures >= 0) return captures;
  // If it is one, the dial that it leads to comes back with the proof.
  own_dials_.Mark();
  return -1;
}

void Acceptor::StartTunnel(NewTunnel made) {
  auto tunnel = std::make_unique<Passthrough>(context_, *this, counters_.bytes, std::move(made.downstream),
                                              made.destination, made.reason);
  Passthrough* started = tunnel.get();
  started->SetPeer(made.peer);
  tunnels_.Add(std::move(tunnel));
  if (made.upstream) return started->Adopt(std::move(made.upstream));
  started->SetRead(made.read);
  started->Dial(made.captures);
}

void Acceptor::OnHttp(Detection* detection, UniqueFd downstream, HeadFinding finding) {
  ++counters_.handed_over;
  detections_.Remove(detection);
  host_.OnHttp(std::move(downstream), detection->frontend(), detection->destination(), finding);
}

void Acceptor::OnRequest(Detection* detection, Arrival arrival) {
  ++counters_.handed_over;
  detections_.Remove(detection);
  host_.OnRequest(std::move(arrival));
}

void Acceptor::OnTunnel(Detection* detection, UniqueFd downstream, UniqueFd upstream, ConnectionReason reason,
                        std::span<const char> read) {
  detections_.Remove(detection);
  StartTunnel({.downstream = std::move(downstream),
               .upstream = std::move(upstream),
               .destination = detection->destination(),
               .peer = detection->peer(),
               .reason = reason,
               .read = read});
}

void Acceptor::OnDetectionClosed(Detection* detection, int error) {
  detections_.Remove(detection);
  if (error == 0) return;
  if (IsOutOfResources(error)) OnShortage();
  DropUnserved(ConnectionReason::kAcceptLimit, detection->peer(), detection->destination(), error, true);
}

void Acceptor::OnTunnelDecided(ConnectionReason reason) { Count(reason); }

void Acceptor::OnTunnelClosed(Passthrough* tunnel, int error) {
  tunnels_.Remove(tunnel);
  if (error == 0) return LogTunnel(*tunnel, tunnel->reason(), 0);
  const bool short_of_resources = IsOutOfResources(error);
  if (short_of_resources) OnShortage();
  const ConnectionReason reason =
      short_of_resources ? ConnectionReason::kAcceptLimit : ConnectionReason::kConnectFailure;
  LogTunnel(*tunnel, reason, error);
  Drop(reason, tunnel->destination(), error);
}

void Acceptor::OnTunnelAbandoned(const Passthrough& tunnel) { LogTunnel(tunnel, tunnel.reason(), 0); }

bool Acceptor::logs() const { return log_ != nullptr && log_->on(); }

void Acceptor::LogTunnel(const Passthrough& tunnel, ConnectionReason reason, int error) {
  if (!logs()) return;
  ConnectionEntry entry;
  entry.reason = reason;
  entry.error = error;
  entry.reset = tunnel.reset();
  entry.started_ns = tunnel.started_ns();
  entry.bytes_received = tunnel.bytes_upstream();
  entry.bytes_sent = tunnel.bytes_downstream();
  entry.downstream = tunnel.peer();
  entry.destination = tunnel.destination();
  log_->OnConnection(entry);
}

void Acceptor::Drop(ConnectionReason reason, const NetAddress& destination, int error) {
  Count(reason);
  host_.OnDropped(reason, destination, error);
}

size_t Acceptor::max_connections() const {
  return std::min(limits_.max_connections, descriptors_.max_connections());
}

bool Acceptor::HasRoom(AcceptLimit* limit) const {
  *limit = AcceptLimit::kMemory;
  if (memory_.refusing()) return false;
  *limit = AcceptLimit::kConnections;
  if (downstreams_.connections() >= limits_.max_connections) return false;
  *limit = AcceptLimit::kDescriptors;
  return descriptors_.HasRoom() &&
         (!probe_descriptors_ || listeners_.front()->LowestFreeDescriptor() < descriptor_limit_);
}

bool Acceptor::TakeRoom(AcceptLimit* limit) {
  if (!HasRoom(limit)) return false;
  if (downstreams_.Reserve(limits_.max_connections)) return true;
  *limit = AcceptLimit::kConnections;
  return false;
}

// As nginx does: a connection that is kept only for a request to come gives way to one that has come. A few
// at a time, so that those are not looked for with each.
bool Acceptor::MakeRoom() {
  // The guard of the memory closes what waits by itself.
  if (memory_.refusing()) return false;
  CloseSomeIdle();
  AcceptLimit limit;
  return TakeRoom(&limit);
}

void Acceptor::CloseSomeIdle() {
  downstreams_.CloseIdle(std::clamp<size_t>(max_connections() / kIdleShare, 1, kMaxIdleClosed));
}

void Acceptor::Pause(AcceptLimit limit) {
  paused_ = true;
  ++counters_.accept_pauses[static_cast<size_t>(limit)];
  SetCrowded(true);
  pipes_.Trim();
  // Some may have waited long enough by then; and descriptors may be freed where this acceptor cannot see it.
  resume_deadlines_.Add(this);
  host_.OnPaused(limit);
}

size_t Acceptor::CloseLargest(MemoryHolders::Demand& demand) {
  // Who has less is no reason for the shortage.
  constexpr size_t kLeastHeld = 8 * 1024;
  struct Holder {
    size_t bytes;
    Connection* connection;
    bool tunnel;
  };
  std::vector<Holder> holders;
  for (const ConnectionList* list : {&detections_, &tunnels_}) {
    const IntrusiveList<Connection>& all = list->connections();
    for (Connection* each = all.Front(); each != nullptr; each = all.After(each)) {
      // How long it has stood still nobody knows, but not for longer than it is there.
      if (each->since_ms() + demand.still_ms > reactor_.NowMs()) continue;
      const size_t held = each->HeldBytes(demand.sockets);
      if (held >= kLeastHeld) holders.push_back({held, each, list == &tunnels_});
    }
  }
  std::sort(holders.begin(), holders.end(),
            [](const Holder& a, const Holder& b) { return a.bytes > b.bytes; });
  size_t freed = 0;
  std::vector<NetAddress> dropped;
  for (const Holder& holder : holders) {
    if (freed >= demand.bytes) break;
    freed += holder.bytes;
    if (holder.tunnel) {
      auto* tunnel = static_cast<Passthrough*>(holder.connection);
      dropped.push_back(tunnel->destination());
      tunnel->Shed();
      LogTunnel(*tunnel, ConnectionReason::kOverload, 0);
      tunnels_.Remove(tunnel);
    } else {
      auto* detection = static_cast<Detection*>(holder.connection);
      dropped.push_back(detection->destination());
      detection->Abandon();
      detections_.Remove(detection);
    }
  }
  demand.bytes -= std::min(demand.bytes, freed);
  // Calls back, and whoever is called may close everything.
  for (const NetAddress& destination : dropped) Drop(ConnectionReason::kOverload, destination, 0);
  return dropped.size();
}

// Others hold more descriptors than they did at the start, or the limit was lowered: whoever comes next waits
// until the kernel has some, instead of being accepted and lacking the one for its dial as well.
void Acceptor::OnShortage() {
  probe_descriptors_ = true;
  descriptor_limit_ = DescriptorLimit();
}

// From the first pause until nobody waits any more. Meanwhile who waits would be heard of in every turn.
void Acceptor::SetCrowded(bool crowded) {
  if (crowded_ == crowded) return;
  crowded_ = crowded;
  for (const auto& listener : listeners_) listener->SetWatched(!crowded);
  downstreams_.SetCrowded(crowded);
}

void Acceptor::OnDeadline() {
  descriptor_limit_ = DescriptorLimit();
  MakeRoom();
  ResumeIfPossible();
  if (paused_) resume_deadlines_.Add(this);
}

// Connections end in many places; here it is seen soon enough.
void Acceptor::OnBatchEnd() {
  if (paused_) ResumeIfPossible();
}

void Acceptor::ResumeIfPossible() {
  AcceptLimit limit;
  if (!paused_ || !HasRoom(&limit)) return;
  paused_ = false;
  Cancel();
  for (const auto& listener : listeners_) listener->Again();
}

}  // namespace sideroute

#include "pool_rig.h"

#include <algorithm>
#include <utility>

#include "net/socket.h"

namespace sideroute::test {

ScriptedConnection::ScriptedConnection(PoolRig& rig, Endpoint& endpoint, Protocol protocol, uint32_t limit)
    : UpstreamConnection(rig.context(), endpoint, protocol, limit),
      rig_(rig),
      place_(rig.connections.size()) {
  rig.connections.push_back(this);
}

ScriptedConnection::~ScriptedConnection() {
  CHECK(streams.empty());
  rig_.connections[place_] = nullptr;
}

int ScriptedConnection::Open(UniqueFd fd) {
  ResetOnClose(fd.get());
  return 0;
}

UpstreamStream* ScriptedConnection::BeginStream(StreamUser& user, bool) {
  CHECK(!shut && !draining());
  if (stale) return nullptr;
  return streams.emplace_back(std::make_unique<LentStream>(*this, user, stands())).get();
}

bool ScriptedConnection::EndStream(UpstreamStream& stream, GivenBack how, StreamError why) {
  CHECK_EQ(std::erase_if(streams, [&](const auto& each) { return each.get() == &stream; }), 1u);
  told.push_back(why);
  return !broken_ && (protocol() != Protocol::kHttp1 || how == GivenBack::kDone);
}

void ScriptedConnection::Shut(bool reset) {
  CHECK(!shut);
  shut = true;
  shut_with_reset = reset;
}

template <typename Tell>
void ScriptedConnection::TellAll(const Tell& tell) {
  std::vector<LentStream*> all;
  for (const auto& stream : streams) all.push_back(stream.get());
  for (LentStream* each : all) {
    // Telling one user may have ended another stream.
    const bool there =
        std::any_of(streams.begin(), streams.end(), [&](const auto& stream) { return stream.get() == each; });
    if (there) tell(*each);
  }
}

void ScriptedConnection::Stand() {
  NoteStands();
  for (const auto& stream : streams) stream->Stand();
  TellAll([](LentStream& stream) { stream.user.OnConnected(); });
}

void ScriptedConnection::FailToConnect() {
  TellAll([](LentStream& stream) { stream.user.OnConnectFailed(); });
  NoteFailed();
}

void ScriptedConnection::Break() {
  broken_ = true;
  Drain();
  TellAll([](LentStream& stream) { stream.user.OnStreamEvent(); });
}

PoolUser::PoolUser(PoolRig& pool_rig, Protocol protocol, Attempt::Options options)
    : rig(pool_rig), attempt(pool_rig.context(), *this), options_(options) {
  options_.protocol = protocol;
}

Attempt::Result PoolUser::Ask() {
  if (!rig.in_one_burst) ++rig.context().burst;
  const Attempt::Result result = attempt.Begin(rig.backend(), options_);
  if (result == Attempt::Result::kLent) ++lent;
  return result;
}

PoolRig::PoolRig(const EngineSettings& settings)
    : reactor_(loop.MakeReactor()),
      descriptors_(std::make_unique<DescriptorBudget>(nobody_)),
      memory_(std::make_unique<MemoryGuard>(*reactor_, nobody_)),
      linger_deadlines_(std::make_unique<DeadlineQueue>(*reactor_, 2'000)),
      lingering_(std::make_unique<ConnectionList>(*reactor_)),
      context_(*reactor_, own_dials_, *descriptors_, *memory_, host_, backends,
               static_cast<RequestServers&>(*this), readers_, *linger_deadlines_, *lingering_, settings),
      backends(context_, *this) {
  int error = 0;
  const char* call = nullptr;
  listener_ = Listen(NetAddress::Parse("127.0.0.1", 0).value(), &address, &error, &call);
  CHECK(static_cast<bool>(listener_));
  reactor_->AddTurnClient(this);
  backends.Set(0, {address});
}

PoolRig::~PoolRig() {
  users.clear();
  context_.closing = true;
  EndTurn();
  backends.CloseIdle();
  EndTurn();
  CHECK(backends.open().empty());
  CHECK(std::all_of(connections.begin(), connections.end(), [](auto* each) { return each == nullptr; }));
  CHECK_EQ(context_.counters.upstream_open, 0u);
  CHECK_EQ(context_.counters.upstream_idle, 0u);
  reactor_->RemoveTurnClient(this);
  backends.Clear();
}

PoolUser& PoolRig::User(Protocol protocol, Attempt::Options options) {
  return *users.emplace_back(std::make_unique<PoolUser>(*this, protocol, options));
}

PoolUser& PoolRig::Served(Protocol protocol) {
  PoolUser& user = User(protocol);
  CHECK(user.Ask() == Attempt::Result::kLent);
  if (user.has_stream() && !user.connection().stands()) user.connection().Stand();
  return user;
}

std::string PoolRig::Spread() const {
  std::string text;
  for (const ScriptedConnection* each : connections) {
    if (!text.empty()) text += ' ';
    text += each == nullptr || each->shut ? "-" : std::to_string(each->streams.size());
  }
  return text;
}

std::unique_ptr<UpstreamConnection> PoolRig::Make(Endpoint& endpoint, Protocol protocol) {
  const uint32_t limit = protocol == Protocol::kHttp1 ? 1 : streams_at_a_time;
  return std::make_unique<ScriptedConnection>(*this, endpoint, protocol, limit);
}

void PoolRig::OnBatchEnd() {
  for (size_t i = 0; i < context_.backends_to_serve.size(); ++i)
    context_.backends_to_serve[i]->ServeWaiting();
  context_.backends_to_serve.clear();
  context_.buried.clear();
}

}  // namespace sideroute::test

// The reactor on a loop that the test turns: descriptors, turns and their shares, deadlines, and the disposal
// of objects.
#include "net/reactor.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "descriptors.h"
#include "scripted_loop.h"

namespace sideroute::test {
namespace {

constexpr size_t kPiece = 32 * 1024;

// One end of a socket pair, watched; the test has the other end.
class Peer final : public Watcher {
 public:
  explicit Peer(Reactor& reactor) : reactor_(reactor) {
    std::tie(fd_, other) = MakeSocketPair();
    CHECK_EQ(reactor.Watch(fd_.get(), EPOLLIN | EPOLLRDHUP, this), 0);
  }
  ~Peer() { Stop(); }
  void Stop() { reactor_.Unwatch(fd_.get(), this); }

  void Speak() const { CHECK(write(other.get(), "x", 1) == 1); }
  void OnReady(uint32_t events) override {
    ++called;
    if (then) then(events);
  }

  UniqueFd other;
  int called = 0;
  std::function<void(uint32_t)> then;

 private:
  Reactor& reactor_;
  UniqueFd fd_;
};

TEST("a watcher hears of a change once, and of a pending one when it begins to watch") {
  ScriptedLoop loop;
  auto reactor = loop.MakeReactor();
  Peer peer(*reactor);
  // A new socket is writable, but was not registered for that.
  loop.Turns(3);
  CHECK_EQ(peer.called, 0);
  peer.Speak();
  loop.Turns(3);
  CHECK_EQ(peer.called, 1);
  peer.Speak();
  loop.Turns(3);
  CHECK_EQ(peer.called, 2);
  uint32_t events = 0;
  peer.then = [&events](uint32_t seen) { events = seen; };
  peer.other.Reset();
  loop.Turns(3);
  CHECK_EQ(peer.called, 3);
  CHECK((events & EPOLLRDHUP) != 0);
}

TEST("watched descriptors hold the loop open, deadlines do not") {
  struct Nothing final : Deadline {
    void OnDeadline() override {}
  };
  ScriptedLoop loop;
  auto reactor = loop.MakeReactor();
  DeadlineQueue queue(*reactor, 10);
  Nothing deadline;
  queue.Add(&deadline);
  CHECK(!loop.alive());
  {
    Peer first(*reactor);
    Peer second(*reactor);
    CHECK(loop.alive());
    first.Stop();
    CHECK(loop.alive());
    // A second call has no effect.
    first.Stop();
    CHECK(loop.alive());
  }
  CHECK(!loop.alive());
}

TEST("what is unwatched in a batch hears nothing of it any more") {
  ScriptedLoop loop;
  auto reactor = loop.MakeReactor();
  Peer first(*reactor), second(*reactor);
  first.then = [&second](uint32_t) { second.Stop(); };
  second.then = [&first](uint32_t) { first.Stop(); };
  first.Speak();
  second.Speak();
  loop.Turns(3);
  CHECK_EQ(first.called + second.called, 1);
}

TEST("who asks again is called in a later turn, without an event, and the loop does not wait meanwhile") {
  ScriptedLoop loop;
  auto reactor = loop.MakeReactor();
  Peer peer(*reactor);
  std::vector<uint32_t> seen;
  peer.then = [&](uint32_t events) {
    seen.push_back(events);
    if (seen.size() < 4) reactor->Again(&peer);
  };
  peer.Speak();
  loop.Turn();
  // At most once in the turn itself.
  const size_t at_once = seen.size();
  CHECK(at_once <= 2);
  loop.Turn();
  CHECK(!loop.waited());
  CHECK(seen.size() > at_once);
  loop.Turns(5);
  CHECK_EQ(seen.size(), 4u);
  for (size_t i = 1; i < seen.size(); ++i) CHECK_EQ(seen[i], 0u);
  CHECK(loop.waited());
}

TEST("asking again for one that is not watched any more, and stopping one that waits, calls nobody") {
  ScriptedLoop loop;
  auto reactor = loop.MakeReactor();
  Peer waits(*reactor), gone(*reactor);
  reactor->Again(&waits);
  waits.Stop();
  gone.Stop();
  reactor->Again(&gone);
  loop.Turns(3);
  CHECK_EQ(waits.called + gone.called, 0);
  CHECK(loop.waits_by_itself());
}

TEST("sockets are served turn by turn without a round of the loop, until the loop wants one") {
  ScriptedLoop loop;
  auto reactor = loop.MakeReactor();
  constexpr int kWaitMs = 60'000;
  loop.LetWait(kWaitMs);
  Peer ping(*reactor), pong(*reactor);
  const auto answer = [](Peer& peer, Peer& other) { peer.then = [&other](uint32_t) { other.Speak(); }; };
  answer(ping, pong);
  answer(pong, ping);
  ping.Speak();
  // Events without end: the loop gets a round only after many turns, although it has not asked for one.
  loop.Turn();
  CHECK(ping.called + pong.called >= 16);
  CHECK(loop.asked() >= 16);
  CHECK(!loop.waits_by_itself());
  // Something of the loop is ready.
  loop.Want(true);
  const int before = ping.called + pong.called;
  loop.Turn();
  CHECK_EQ(loop.asked(), 1);
  CHECK(ping.called + pong.called <= before + 2);
  CHECK(!loop.waits_by_itself());
  loop.Want(false);
  // Timers of the loop, or something else of it, are due.
  loop.LetWait(0);
  loop.Turn();
  CHECK_EQ(loop.asked(), 1);
  // JavaScript has run.
  loop.LetWait(kWaitMs);
  ping.then = [&](uint32_t) {
    reactor->NoteJavaScript();
    pong.Speak();
  };
  loop.Turn();
  CHECK(loop.asked() <= 2);
}

TEST("the thread waits among the sockets for as long as the loop has time, and comes back for the loop") {
  ScriptedLoop loop;
  auto reactor = loop.MakeReactor();
  loop.LetWait(60'000);
  // Without a socket the loop waits by itself.
  loop.Turn();
  CHECK_EQ(loop.asked(), 0);
  CHECK(loop.waits_by_itself());
  {
    Peer peer(*reactor);
    loop.Want(true);
    loop.Turn();
    CHECK_EQ(loop.asked(), 1);
    CHECK(!loop.waits_by_itself());
    CHECK_EQ(peer.called, 0);
    loop.Want(false);
    // For at most this long.
    loop.LetWait(1);
    loop.Turn();
    CHECK_EQ(loop.asked(), 1);
    peer.then = [&peer](uint32_t) { peer.Stop(); };
    peer.Speak();
    loop.LetWait(60'000);
    loop.Turn();
    CHECK_EQ(peer.called, 1);
  }
  loop.Turn();
  CHECK(loop.waits_by_itself());
}

TEST("an object that is disposed of lives until the batch ends, and goes at once outside of one") {
  struct Object final : Disposable {
    explicit Object(bool* gone) : gone(gone) {}
    ~Object() override { *gone = true; }
    bool* gone;
  };
  ScriptedLoop loop;
  auto reactor = loop.MakeReactor();
  bool outside = false;
  reactor->Dispose(std::make_unique<Object>(&outside));
  CHECK(outside);
  Peer peer(*reactor);
  bool inside = false, in_batch = true;
  peer.then = [&](uint32_t) {
    reactor->Dispose(std::make_unique<Object>(&inside));
    in_batch = !inside && reactor->dispatching();
  };
  peer.Speak();
  loop.Turn();
  CHECK(in_batch);
  CHECK(inside);
  CHECK(!reactor->dispatching());
}

TEST("an object whose end disposes of another one takes it along") {
  struct Chain final : Disposable {
    Chain(Reactor& reactor, int left, int* gone) : reactor(reactor), left(left), gone(gone) {}
    ~Chain() override {
      ++*gone;
      if (left > 0) reactor.Dispose(std::make_unique<Chain>(reactor, left - 1, gone));
    }
    Reactor& reactor;
    int left;
    int* gone;
  };
  ScriptedLoop loop;
  auto reactor = loop.MakeReactor();
  Peer peer(*reactor);
  int gone = 0;
  peer.then = [&](uint32_t) { reactor->Dispose(std::make_unique<Chain>(*reactor, 3, &gone)); };
  peer.Speak();
  loop.Turns(2);
  CHECK_EQ(gone, 4);
}

// Records when it is called.
struct Noting final : Deadline {
  Noting(ScriptedLoop& loop, std::vector<std::pair<const char*, uint64_t>>& notes, const char* name)
      : loop(loop), notes(notes), name(name) {}
  void OnDeadline() override {
    notes.emplace_back(name, loop.now_ms());
    if (then) then();
  }
  ScriptedLoop& loop;
  std::vector<std::pair<const char*, uint64_t>>& notes;
  const char* name;
  std::function<void()> then;
};

TEST("deadlines come when they are due, those of all queues, and starting one again puts it off") {
  ScriptedLoop loop;
  auto reactor = loop.MakeReactor();
  DeadlineQueue quick(*reactor, 20), slow(*reactor, 50);
  std::vector<std::pair<const char*, uint64_t>> notes;
  Noting first(loop, notes, "first"), second(loop, notes, "second"), put_off(loop, notes, "put off"),
      cancelled(loop, notes, "cancelled");
  const uint64_t start = loop.now_ms();
  slow.Add(&first);
  quick.Add(&second);
  quick.Add(&put_off);
  quick.Add(&cancelled);
  cancelled.Cancel();
  CHECK(!cancelled.pending() && put_off.pending());
  loop.Pass(10);
  quick.Add(&put_off);
  loop.Pass(200);
  CHECK_EQ(notes.size(), 3u);
  CHECK(notes[0] == std::make_pair("second", start + 20));
  CHECK(notes[1] == std::make_pair("put off", start + 30));
  CHECK(notes[2] == std::make_pair("first", start + 50));
  CHECK(!first.pending());
  CHECK_EQ(loop.next_timer_ms(), UINT64_MAX);
}

TEST("a deadline may start itself again, end another one, and make and remove queues") {
  ScriptedLoop loop;
  auto reactor = loop.MakeReactor();
  auto queue = std::make_unique<DeadlineQueue>(*reactor, 10);
  std::unique_ptr<DeadlineQueue> made;
  std::vector<std::pair<const char*, uint64_t>> notes;
  Noting again(loop, notes, "again"), ended(loop, notes, "ended"), last(loop, notes, "last"),
      later(loop, notes, "later");
  int left = 3;
  again.then = [&] {
    ended.Cancel();
    if (--left > 0) queue->Add(&again);
  };
  last.then = [&] {
    made = std::make_unique<DeadlineQueue>(*reactor, 5);
    made->Add(&later);
    queue.reset();
  };
  queue->Add(&again);
  queue->Add(&ended);
  loop.Pass(15);
  CHECK_EQ(notes.size(), 1u);
  queue->Add(&last);
  loop.Pass(100);
  CHECK_EQ(ended.pending(), false);
  CHECK_EQ(left, 1);
  CHECK_EQ(std::string(notes.back().first), "later");
  CHECK(!again.pending());
}

TEST("what arrived in time is served before what is due, where the thread has not run") {
  ScriptedLoop loop;
  auto reactor = loop.MakeReactor();
  DeadlineQueue queue(*reactor, 100);
  std::vector<std::pair<const char*, uint64_t>> notes;
  Noting deadline(loop, notes, "due");
  Peer peer(*reactor);
  peer.then = [&](uint32_t) { deadline.Cancel(); };
  queue.Add(&deadline);
  peer.Speak();
  // The thread was held up: both are there when the loop comes back, and its timers come first.
  loop.Advance(5'000);
  loop.Turns(2);
  CHECK_EQ(peer.called, 1);
  loop.Pass(1'000);
  CHECK(notes.empty());
  // If nothing has arrived, the deadline expires within a few turns.
  queue.Add(&deadline);
  loop.Advance(5'000);
  loop.Pass(20);
  CHECK_EQ(notes.size(), 1u);
}

TEST("bulk leaves a turn to others, and comes on in the next one") {
  ScriptedLoop loop;
  auto reactor = loop.MakeReactor();
  // What each has moved, turn by turn; the first ones have much to move.
  struct Mover {
    std::unique_ptr<Peer> peer;
    Share share;
    size_t left = 0;
    std::vector<size_t> turns;
  };
  int turn = 0;
  std::vector<Mover> movers(12);
  for (size_t i = 0; i < movers.size(); ++i) {
    Mover& mover = movers[i];
    mover.peer = std::make_unique<Peer>(*reactor);
    mover.left = i < 4 ? 4 * 1024 * 1024 : 1'000;
    mover.peer->then = [&reactor, &mover, &turn](uint32_t events) {
      mover.turns.resize(static_cast<size_t>(turn) + 1);
      if (events != 0 && reactor->MustWait(mover.share)) return reactor->Again(mover.peer.get());
      while (mover.left > 0) {
        if (!reactor->MayGoOn(mover.share)) return reactor->Again(mover.peer.get());
        const size_t moved = std::min(mover.left, kPiece);
        mover.left -= moved;
        mover.turns.back() += moved;
        reactor->Spend(&mover.share, moved);
      }
    };
    mover.peer->Speak();
  }
  while (turn < 500 && movers[0].left + movers[1].left + movers[2].left + movers[3].left > 0) {
    loop.Turn();
    if (turn == 0) {
      for (size_t i = 4; i < movers.size(); ++i) CHECK_EQ(movers[i].left, 0u);
    }
    size_t moved = 0;
    for (Mover& mover : movers) {
      mover.turns.resize(static_cast<size_t>(turn) + 1);
      moved += mover.turns.back();
      // No share is larger, except for the piece that exceeded it.
      CHECK(mover.turns.back() <= 2 * (256 * 1024 + kPiece));
    }
    CHECK(moved > 0);
    CHECK(moved <= 2 * 1024 * 1024 + 4 * kPiece);
    ++turn;
  }
  CHECK(turn < 500);
  loop.Turns(3);
  CHECK(loop.waited());
  movers.clear();
}

// Counts turns and batches, and has a clock of its own.
struct Client final : TurnClient {
  void OnBatchEnd() override { ++batches; }
  void OnTurnEnd() override {
    ++turns;
    if (then) then();
  }
  uint64_t NextDueMs() const override { return due_ms; }
  void OnTime(uint64_t now_ms) override {
    if (now_ms < due_ms) return;
    due_ms = UINT64_MAX;
    ++timed;
  }
  int batches = 0, turns = 0, timed = 0;
  uint64_t due_ms = UINT64_MAX;
  std::function<void()> then;
};

TEST("a client of the turns hears of each batch, of the end of each turn, and of its own time") {
  ScriptedLoop loop;
  auto reactor = loop.MakeReactor();
  Client client;
  reactor->AddTurnClient(&client);
  Peer peer(*reactor);
  loop.Turns(3);
  CHECK_EQ(client.turns, 0);
  peer.Speak();
  loop.Turn();
  CHECK(client.batches >= 1);
  CHECK(client.turns >= 1);
  client.due_ms = loop.now_ms() + 30;
  reactor->WakeAt(client.due_ms);
  loop.Pass(29);
  CHECK_EQ(client.timed, 0);
  loop.Pass(1);
  CHECK_EQ(client.timed, 1);
  // Earlier than the time it waited for.
  client.due_ms = loop.now_ms() + 1'000;
  reactor->WakeAt(client.due_ms);
  client.due_ms = loop.now_ms() + 10;
  reactor->WakeAt(client.due_ms);
  loop.Pass(10);
  CHECK_EQ(client.timed, 2);
  reactor->RemoveTurnClient(&client);
  const int turns = client.turns;
  peer.Speak();
  loop.Turns(2);
  CHECK_EQ(client.turns, turns);
}

TEST("the loop tells when it has let go of a reactor that is gone") {
  ScriptedLoop loop;
  auto reactor = loop.MakeReactor();
  bool closed = false;
  reactor->SetClosedCallback([](void* data) { *static_cast<bool*>(data) = true; }, &closed);
  reactor.reset();
  CHECK(!closed);
  loop.Turn();
  CHECK(closed);
}

TEST("without a descriptor there is no reactor, and nothing is left open") {
  ScriptedLoop loop;
  const size_t before = CountDescriptors();
  {
    const FewDescriptors few(0);
    int error = 0;
    CHECK(Reactor::Create(loop.get(), &error) == nullptr);
    CHECK_EQ(error, -EMFILE);
  }
  CHECK_EQ(CountDescriptors(), before);
}

}  // namespace
}  // namespace sideroute::test

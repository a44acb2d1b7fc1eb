// The exchange between scripted streams: each state, and each way out of it.
#include "exchange_rig.h"

namespace sideroute::test {
namespace {

using Answer = Backend::Answer;

Coming Piece(std::string bytes, bool last = false) { return {.bytes = std::move(bytes), .last = last}; }
Coming Head(uint16_t status, http::BodyKind body = http::BodyKind::kNone) {
  return {.status = status, .body = body};
}
constexpr auto kChunked = http::BodyKind::kChunked;
const Coming kEnd{.result = ReadResult::kEnded};
const Coming kReset{.result = ReadResult::kReset};
const Coming kMalformed{.result = ReadResult::kMalformed};

Policy WithRetries(uint32_t attempts, std::initializer_list<uint16_t> statuses) {
  Policy policy;
  policy.attempts = attempts;
  policy.backoff_ms = 20;
  for (const uint16_t status : statuses) policy.codes.set(status - 400u);
  return policy;
}

TEST("streams: a request goes up, its response comes down, and the stream is given back") {
  Rig rig;
  rig.Request();
  CHECK_EQ(rig.upstream().sent, "/a $");
  CHECK_EQ(rig.Outcome(), "none");
  rig.upstream().coming = {Head(103), Head(200, kChunked), Piece("ab")};
  rig.UpstreamEvent();
  CHECK_EQ(rig.downstream.sent, "[103]<200>ab");
  rig.upstream().coming = {Piece("cd", true)};
  rig.UpstreamEvent();
  CHECK_EQ(rig.downstream.sent, "[103]<200>abcd$");
  CHECK_EQ(rig.Outcome(), "200");
  CHECK(rig.upstream().fate == Fate::kReleased);
  CHECK(rig.downstream.end == StreamEnd::kComplete);
  CHECK_EQ(rig.downstream.next, 1);
}

TEST("streams: a body goes up while the response comes down, each as far as the other side takes") {
  Rig rig;
  rig.downstream.coming = {Piece("one")};
  rig.Request("POST", true);
  CHECK_EQ(rig.upstream().sent, "/a one");
  rig.upstream().blocked = 10;
  rig.downstream.coming = {Piece("two")};
  rig.DownstreamEvent();
  CHECK_EQ(rig.upstream().sent, "/a one");
  rig.upstream().coming = {Head(200, kChunked), Piece("x")};
  rig.downstream.blocked = 5;
  rig.UpstreamEvent();
  CHECK_EQ(rig.downstream.sent, "");
  rig.upstream().blocked = rig.downstream.blocked = 0;
  rig.UpstreamEvent();
  CHECK_EQ(rig.upstream().sent, "/a onetwo");
  CHECK_EQ(rig.downstream.sent, "<200>x");
  rig.downstream.coming = {Piece("", true)};
  rig.DownstreamEvent();
  CHECK_EQ(rig.upstream().sent, "/a onetwo$");
  rig.upstream().coming = {Piece("y", true)};
  rig.downstream.blocked = 1;
  rig.UpstreamEvent();
  // Everything is sent, but not everything was taken.
  rig.downstream.blocked = 0;
  rig.DownstreamEvent();
  CHECK_EQ(rig.downstream.sent, "<200>xy$");
  CHECK_EQ(rig.Outcome(), "200");
}

TEST("streams: the shortest way, a body at hand on an idle stream, sends it once") {
  Rig rig;
  rig.backend().has_idle = true;
  rig.downstream.at_hand = true;
  rig.downstream.coming = {Piece("all", true)};
  rig.Request("POST", true);
  CHECK_EQ(rig.upstream().sent, "/a all$");
  CHECK_EQ(rig.backend().streams.size(), 1u);
  rig.upstream().coming = {Head(204)};
  rig.UpstreamEvent();
  CHECK_EQ(rig.Outcome(), "204");
}

TEST("streams: what the caller speaks is what is asked for, for the request and its copies") {
  for (const Protocol protocol : {Protocol::kHttp1, Protocol::kHttp2}) {
    Rig rig;
    rig.SetMirror();
    rig.downstream.Speak(protocol);
    rig.Request();
    CHECK(rig.backend().asked.back().protocol == protocol);
    CHECK(rig.mirror_backend().asked.back().protocol == protocol);
  }
}

TEST("streams: where there is none, the reason says why") {
  struct Row {
    Answer answer;
    const char* outcome;
  };
  for (const Row& row :
       {Row{Answer::kRefused, "500 connect_failure"}, Row{Answer::kTimedOut, "500 connect_timeout"},
        Row{Answer::kOverflow, "500 overflow"}, Row{Answer::kNoAddress, "500 unresolved"}}) {
    Rig rig;
    rig.backend().script = {row.answer};
    rig.Request();
    CHECK_EQ(rig.Outcome(), row.outcome);
    CHECK(rig.downstream.sent.ends_with(" keep}"));
  }
  for (const bool works : {true, false}) {
    Rig rig;
    rig.host.works = works;
    rig.host.decision.backend = 9;
    rig.Request();
    CHECK_EQ(rig.Outcome(), works ? "500 unresolved" : "500 internal");
  }
}

TEST("streams: one that is lent later is sent the request then, one that comes to stand later as well") {
  Rig rig;
  rig.backend().script = {Answer::kLater};
  rig.Request();
  CHECK(rig.backend().streams.empty());
  rig.backend().attempt->Lend(false);
  CHECK_EQ(rig.upstream().sent, "/a $");
  rig.backend().attempt->Connect();
  rig.upstream().coming = {Head(200)};
  rig.UpstreamEvent();
  CHECK_EQ(rig.Outcome(), "200");

  Rig full;
  full.backend().script = {Answer::kLater};
  full.Request();
  full.backend().attempt->Fail(NoStream::kOverflow);
  CHECK_EQ(full.Outcome(), "500 overflow");
}

TEST("streams: while one is connecting a body waits, and the next one in its place gets all of it") {
  Rig rig;
  rig.backend().script = {Answer::kConnecting};
  rig.downstream.coming = {Piece("body", true)};
  rig.Request("POST", true);
  CHECK_EQ(rig.upstream().sent, "/a ");
  // Its dial has failed, and another one follows.
  rig.backend().attempt->Reset();
  rig.backend().attempt->Lend(false);
  CHECK_EQ(rig.upstream().sent, "/a ");
  rig.backend().attempt->Connect();
  CHECK_EQ(rig.upstream().sent, "/a body$");
  rig.upstream().coming = {Head(200)};
  rig.UpstreamEvent();
  CHECK_EQ(rig.Outcome(), "200");
}

TEST("streams: what ends an upstream before, in the middle of and instead of a response") {
  struct Row {
    std::deque<Coming> coming;
    const char* outcome;
    StreamEnd end;
  };
  for (const Row& row :
       {Row{{kReset}, "500 upstream_reset", StreamEnd::kComplete},
        Row{{kEnd}, "500 upstream_reset", StreamEnd::kComplete},
        Row{{kMalformed}, "500 upstream_protocol", StreamEnd::kComplete},
        Row{{Head(200, kChunked), Piece("a"), kReset}, "200 upstream_reset", StreamEnd::kTruncated},
        Row{{Head(200, kChunked), Piece("a"), kEnd}, "200 upstream_reset", StreamEnd::kTruncated},
        Row{{Head(200, kChunked), Piece("a"), kMalformed}, "200 upstream_protocol", StreamEnd::kTruncated}}) {
    Rig rig;
    rig.Request();
    rig.upstream().coming = row.coming;
    rig.UpstreamEvent();
    CHECK(rig.downstream.end == row.end);
    CHECK_EQ(rig.Outcome(), row.outcome);
    CHECK(rig.backend().streams.back()->fate == Fate::kReset);
  }
}

TEST("streams: what has come of a response that will not be whole is delivered, where that is worth it") {
  Rig rig;
  Policy policy;
  policy.request_timeout_ms = 100;
  rig.SetPolicy(policy);
  rig.Request();
  rig.upstream().coming = {Head(200, kChunked), Piece("a")};
  rig.UpstreamEvent();
  rig.downstream.blocked = 1;
  rig.downstream.delivers_rest = true;
  rig.Pass(110);
  CHECK(rig.upstream().fate == Fate::kReset);
  CHECK_EQ(rig.Outcome(), "none");
  rig.downstream.blocked = 0;
  rig.DownstreamEvent();
  CHECK_EQ(rig.Outcome(), "200 timeout");
  CHECK(rig.downstream.end == StreamEnd::kComplete);
}

TEST(
    "streams: one that was used before and says nothing is followed by a fresh one, once, where that is "
    "safe") {
  for (const char* method : {"GET", "POST"}) {
    Rig rig;
    rig.backend().script = {Answer::kUsedBefore, Answer::kUsedBefore};
    rig.Request(method);
    rig.upstream().coming = {kReset};
    rig.UpstreamEvent();
    if (std::string_view(method) == "POST") {
      CHECK_EQ(rig.Outcome(), "500 upstream_reset");
      continue;
    }
    CHECK_EQ(rig.backend().streams.size(), 2u);
    CHECK(!rig.backend().asked.back().may_reuse);
    CHECK_EQ(rig.upstream().sent, "/a $");
    rig.upstream().coming = {kReset};
    rig.UpstreamEvent();
    CHECK_EQ(rig.Outcome(), "500 upstream_reset");
  }
}

TEST("streams: a route's retries, by status and by reset, after a wait, until they are used up") {
  Rig rig;
  rig.SetPolicy(WithRetries(2, {502, 503}));
  rig.Request();
  rig.upstream().coming = {Head(503)};
  rig.UpstreamEvent();
  CHECK(rig.backend().streams[0]->fate == Fate::kReleased);
  rig.Pass(15);
  CHECK_EQ(rig.backend().streams.size(), 1u);
  rig.Pass(20);
  CHECK_EQ(rig.backend().streams.size(), 2u);
  rig.upstream().coming = {kReset};
  rig.UpstreamEvent();
  rig.Pass(100);
  CHECK_EQ(rig.backend().streams.size(), 3u);
  CHECK_EQ(rig.upstream().sent, "/a $");
  rig.upstream().coming = {kReset};
  rig.UpstreamEvent();
  CHECK_EQ(rig.Outcome(), "500 retries_exhausted after 2");

  Rig last;
  last.SetPolicy(WithRetries(1, {503}));
  last.Request();
  for (int i = 0; i < 2; ++i) {
    last.upstream().coming = {Head(503, kChunked), Piece("no", true)};
    last.UpstreamEvent();
    last.Pass(100);
  }
  // The last response is relayed.
  CHECK_EQ(last.downstream.sent, "<503>no$");
  CHECK_EQ(last.Outcome(), "503 after 1");
}

TEST("streams: a body that has grown too large for it is not sent again") {
  EngineSettings settings;
  settings.max_replay_bytes = 4;
  Rig rig(settings);
  rig.SetPolicy(WithRetries(1, {503}));
  rig.downstream.coming = {Piece("large", true)};
  rig.Request("POST", true);
  rig.upstream().coming = {Head(503)};
  rig.UpstreamEvent();
  CHECK_EQ(rig.Outcome(), "503");
  CHECK(rig.host.outcomes[0].denial == RetryDenial::kBody);
}

TEST("streams: retries draw on the backend's budget") {
  Rig rig;
  rig.SetPolicy(WithRetries(1, {503}));
  while (rig.backend().budget().Withdraw(rig.loop.now_ms())) {
  }
  rig.Request();
  rig.upstream().coming = {Head(503)};
  rig.UpstreamEvent();
  CHECK_EQ(rig.Outcome(), "503");
  CHECK(rig.host.outcomes[0].denial == RetryDenial::kBudget);
}

TEST("streams: the deadlines of an attempt and of the whole request") {
  Rig rig;
  Policy policy = WithRetries(1, {504});
  policy.attempt_timeout_ms = 100;
  policy.request_timeout_ms = 180;
  rig.SetPolicy(policy);
  rig.Request();
  rig.Pass(95);
  CHECK_EQ(rig.backend().streams.size(), 1u);
  rig.Pass(40);
  CHECK_EQ(rig.backend().streams.size(), 2u);
  CHECK(rig.backend().streams[0]->fate == Fate::kReset);
  CHECK(!rig.backend().asked.back().may_reuse);
  rig.Pass(60);
  CHECK_EQ(rig.Outcome(), "500 timeout after 1");
  CHECK_EQ(rig.downstream.sent, "{timeout keep}");

  Rig begun;
  begun.SetPolicy(policy);
  begun.Request();
  begun.upstream().coming = {Head(200, kChunked), Piece("a")};
  begun.UpstreamEvent();
  begun.Pass(200);
  CHECK_EQ(begun.Outcome(), "200 timeout");
  CHECK(begun.downstream.end == StreamEnd::kTruncated);
}

TEST(
    "streams: a body held back for a 100 goes on with it, without it after a while, and not after an "
    "answer") {
  for (const int come : {100, 0, 417}) {
    Rig rig;
    rig.expects = true;
    rig.downstream.coming = {Piece("body", true)};
    rig.Request("POST", true);
    CHECK_EQ(rig.upstream().sent, "/a ");
    if (come == 100) {
      rig.upstream().coming = {Head(100)};
      rig.UpstreamEvent();
      CHECK_EQ(rig.downstream.sent, "[100]");
    } else if (come == 0) {
      rig.Pass(990);
      CHECK_EQ(rig.upstream().sent, "/a ");
      rig.Pass(20);
    } else {
      rig.upstream().coming = {Head(417)};
      rig.UpstreamEvent();
      CHECK_EQ(rig.Outcome(), "417");
      CHECK_EQ(rig.upstream().sent, "/a ");
      continue;
    }
    CHECK_EQ(rig.upstream().sent, "/a body$");
    rig.upstream().coming = {Head(200)};
    rig.UpstreamEvent();
    CHECK_EQ(rig.Outcome(), "200");
  }
}

TEST("streams: interim responses without end are none") {
  EngineSettings settings;
  settings.max_interim_responses = 3;
  Rig rig(settings);
  rig.Request();
  rig.upstream().coming = {Head(103), Head(103), Head(103), Head(103)};
  rig.UpstreamEvent();
  CHECK_EQ(rig.downstream.sent, "[103][103][103]{upstream_protocol keep}");
  CHECK_EQ(rig.Outcome(), "500 upstream_protocol");
}

TEST("streams: a request that breaks takes its upstream along") {
  for (const ReadResult result : {ReadResult::kReset, ReadResult::kEnded, ReadResult::kMalformed}) {
    for (const bool answered : {false, true}) {
      Rig rig;
      rig.downstream.coming = {Piece("a")};
      rig.Request("POST", true);
      if (answered) {
        rig.upstream().coming = {Head(200, kChunked), Piece("x")};
        rig.UpstreamEvent();
      }
      rig.downstream.coming = {{.result = result}};
      rig.DownstreamEvent();
      const bool malformed = result == ReadResult::kMalformed;
      CHECK_EQ(rig.Outcome(), std::string(answered    ? "200"
                                          : malformed ? "500"
                                                      : "0") +
                                  (malformed ? " bad_request" : " downstream_reset"));
      CHECK(rig.upstream().fate == Fate::kReset);
      CHECK_EQ(rig.downstream.sent, answered ? "<200>x" : malformed ? "{bad_request close}" : "");
    }
  }
}

TEST("streams: a caller that is gone ends its exchange in every state") {
  for (int state = 0; state < 4; ++state) {
    Rig rig;
    if (state == 0) rig.backend().script = {Answer::kLater};
    if (state == 1) rig.backend().script = {Answer::kConnecting};
    rig.Request();
    if (state == 3) {
      rig.upstream().coming = {Head(200, kChunked), Piece("x")};
      rig.UpstreamEvent();
    }
    rig.downstream.is_gone = true;
    rig.DownstreamEvent();
    CHECK_EQ(rig.Outcome(), state == 3 ? "200 downstream_reset" : "0 downstream_reset");
    CHECK(rig.downstream.end == StreamEnd::kReset);
  }
}

TEST("streams: a caller that ends its side is passed on, is not tried for again, and makes way for others") {
  Rig rig;
  rig.SetPolicy(WithRetries(1, {502, 503}));
  rig.Request();
  rig.downstream.caller_ended = true;
  rig.DownstreamEvent();
  CHECK(rig.upstream().send_ended());
  CHECK(rig.backend().attempt->displaceable);
  rig.upstream().coming = {kReset};
  rig.UpstreamEvent();
  CHECK_EQ(rig.Outcome(), "500 downstream_reset");

  Rig displaced;
  displaced.Request();
  displaced.downstream.caller_ended = true;
  displaced.DownstreamEvent();
  displaced.backend().attempt->user().OnDisplaced();
  CHECK_EQ(displaced.Outcome(), "500 downstream_reset");

  // While it waits for the next attempt.
  Rig waiting;
  waiting.SetPolicy(WithRetries(1, {503}));
  waiting.Request();
  waiting.upstream().coming = {Head(503)};
  waiting.UpstreamEvent();
  waiting.downstream.caller_ended = true;
  waiting.DownstreamEvent();
  CHECK_EQ(waiting.Outcome(), "500 downstream_reset after 1");
}

TEST("streams: an answer of the host's own throws the body away, a second long and 256 KiB at most") {
  for (const int way : {0, 1, 2}) {
    Rig rig;
    rig.host.decision.kind = DecisionKind::kLocal;
    rig.host.decision.reply = 3;
    rig.Request("POST", true);
    CHECK_EQ(rig.downstream.sent, "");
    if (way == 0) rig.downstream.coming = {Piece("a"), Piece("b", true)};
    if (way == 2) rig.downstream.coming = {Piece(std::string(300 * 1024, 'x'))};
    if (way == 1) {
      rig.Pass(1'010);
    } else {
      rig.DownstreamEvent();
    }
    CHECK_EQ(rig.downstream.sent, way == 0 ? "{upstream_reset keep}" : "{upstream_reset close}");
    CHECK(rig.backend().streams.empty());
  }
}

TEST("streams: a transfer that stands still ends, whichever side is slow") {
  EngineSettings settings;
  settings.stall_timeout_ms = 300;
  settings.discard_timeout_ms = 50;
  Rig slow(settings);
  slow.downstream.coming = {Piece("a")};
  slow.Request("POST", true);
  slow.Pass(290);
  slow.downstream.coming = {Piece("b")};
  slow.DownstreamEvent();
  slow.Pass(290);
  CHECK_EQ(slow.Outcome(), "none");
  slow.Pass(80);
  CHECK_EQ(slow.Outcome(), "500 timeout");

  Rig unread(settings);
  unread.Request();
  unread.upstream().coming = {Head(200, kChunked), Piece("a")};
  unread.UpstreamEvent();
  unread.downstream.blocked = 1;
  unread.upstream().coming = {Piece("b")};
  unread.UpstreamEvent();
  unread.Pass(310);
  CHECK_EQ(unread.Outcome(), "200 downstream_reset");

  // A backend may take its time for an answer.
  Rig thinking(settings);
  thinking.Request();
  thinking.Pass(100'000);
  CHECK_EQ(thinking.Outcome(), "none");
}

TEST("streams: a relay passes both ways, ends when both have ended, and breaks when either does") {
  for (const int way : {0, 1, 2}) {
    Rig rig;
    rig.upgrades = true;
    rig.Request();
    rig.upstream().coming = {Head(101, http::BodyKind::kSwitched), Piece("hello")};
    rig.UpstreamEvent();
    rig.downstream.coming = {Piece("up")};
    rig.DownstreamEvent();
    CHECK_EQ(rig.downstream.sent, "<101>hello");
    CHECK_EQ(rig.upstream().sent, "/a $up");
    CHECK_EQ(rig.context().counters.relays_open, 1u);
    rig.Pass(1'000'000);
    CHECK_EQ(rig.Outcome(), "none");
    if (way == 0) {
      rig.downstream.coming = {kEnd};
      rig.DownstreamEvent();
      CHECK(rig.upstream().send_ended());
      rig.upstream().coming = {Piece("last"), kEnd};
      rig.UpstreamEvent();
      CHECK_EQ(rig.downstream.sent, "<101>hellolast|");
      CHECK(rig.downstream.end == StreamEnd::kRelayed);
      CHECK(rig.upstream().fate == Fate::kClosed);
    } else {
      (way == 1 ? rig.downstream.coming : rig.upstream().coming) = {kReset};
      rig.UpstreamEvent();
      CHECK(rig.downstream.end == StreamEnd::kReset);
      CHECK(rig.upstream().fate == Fate::kReset);
    }
    CHECK_EQ(rig.Outcome(), "101");
  }
}

TEST("streams: what the peer promises not to have begun is sent again, whatever its method, as what it was") {
  for (const char* method : {"GET", "POST"}) {
    Rig rig;
    rig.backend().script = {Answer::kRefusable, Answer::kRefusable};
    rig.downstream.coming = {Piece("one"), Piece("two", true)};
    rig.Request(method, true);
    rig.upstream().BreakOff(StreamError::kRefused, Executed::kNothing);
    rig.UpstreamEvent();
    CHECK_EQ(rig.backend().streams.size(), 2u);
    CHECK_EQ(rig.upstream().sent, "/a onetwo$");
    CHECK(rig.backend().streams[0]->fate == Fate::kReset);
    // A refused stream says nothing about other connections.
    CHECK(rig.backend().asked.back().may_reuse);
    rig.upstream().coming = {Head(200)};
    rig.UpstreamEvent();
    // It does not count as a retry of the route, which has none.
    CHECK_EQ(rig.Outcome(), "200");
  }
}

TEST("streams: a body of which only a part had come is sent again with the rest of it") {
  Rig rig;
  rig.backend().script = {Answer::kRefusable, Answer::kRefusable};
  rig.downstream.coming = {Piece("one")};
  rig.Request("POST", true);
  rig.upstream().BreakOff(StreamError::kRefused, Executed::kNothing);
  rig.UpstreamEvent();
  rig.downstream.coming = {Piece("two", true)};
  rig.DownstreamEvent();
  CHECK_EQ(rig.upstream().sent, "/a onetwo$");
  rig.upstream().coming = {Head(200)};
  rig.UpstreamEvent();
  CHECK_EQ(rig.Outcome(), "200");
}

TEST(
    "streams: who refuses one request after the other is asked five times, and all but once out of the "
    "budget") {
  for (const bool poor : {false, true}) {
    Rig rig;
    rig.backend().script = {6, Answer::kRefusable};
    if (poor) {
      while (rig.backend().budget().Withdraw(rig.loop.now_ms())) {
      }
    }
    rig.Request("POST");
    while (rig.host.outcomes.empty()) {
      rig.upstream().BreakOff(StreamError::kRefused, Executed::kNothing);
      rig.UpstreamEvent();
    }
    CHECK_EQ(rig.backend().streams.size(), poor ? 2u : 5u);
    CHECK_EQ(rig.Outcome(), "500 upstream_reset");
  }

  // Retries of the route come after that and after a backoff, for every method too.
  Rig rig;
  rig.backend().script = {6, Answer::kRefusable};
  rig.SetPolicy(WithRetries(1, {503}));
  rig.Request("POST");
  for (int i = 0; i < 5; ++i) {
    rig.upstream().BreakOff(StreamError::kRefused, Executed::kNothing);
    rig.UpstreamEvent();
  }
  CHECK_EQ(rig.backend().streams.size(), 5u);
  rig.Pass(50);
  CHECK_EQ(rig.backend().streams.size(), 6u);
  rig.upstream().coming = {Head(200)};
  rig.UpstreamEvent();
  CHECK_EQ(rig.Outcome(), "200 after 1");
}

TEST(
    "streams: a promise does not help an answer that has begun, a caller that has left, a route that sends "
    "once") {
  for (const int why : {0, 1, 2, 3}) {
    EngineSettings settings;
    settings.max_replay_bytes = 4;
    Rig rig(settings);
    rig.backend().script = {Answer::kRefusable, Answer::kRefusable};
    if (why == 2) {
      Policy policy;
      policy.once = true;
      rig.SetPolicy(policy);
    }
    // More than is kept.
    if (why == 3) rig.downstream.coming = {Piece("large", true)};
    rig.Request("POST", why == 3);
    if (why == 0) {
      rig.upstream().coming = {Head(103)};
      rig.UpstreamEvent();
    }
    if (why == 1) {
      rig.downstream.caller_ended = true;
      rig.DownstreamEvent();
    }
    rig.upstream().BreakOff(StreamError::kRefused, Executed::kNothing);
    rig.UpstreamEvent();
    CHECK_EQ(rig.backend().streams.size(), 1u);
    CHECK_EQ(rig.Outcome(), why == 1 ? "500 downstream_reset" : "500 upstream_reset");
  }
}

TEST("streams: a reset goes on with its code, from the backend to the caller and back") {
  for (const StreamError why :
       {StreamError::kNone, StreamError::kEnhanceYourCalm, StreamError::kHttp11Required}) {
    Rig down;
    down.Request();
    down.upstream().coming = {Head(200, kChunked), Piece("a")};
    down.upstream().BreakOff(why);
    down.UpstreamEvent();
    CHECK(down.downstream.end == StreamEnd::kTruncated);
    CHECK(down.downstream.told == why);

    Rig up;
    up.Request("POST", true);
    up.downstream.resets_with = why;
    up.downstream.is_gone = true;
    up.DownstreamEvent();
    CHECK(up.upstream().told == why);

    for (const bool from_caller : {false, true}) {
      Rig relay;
      relay.upgrades = true;
      relay.Request();
      relay.upstream().coming = {Head(101, http::BodyKind::kSwitched)};
      relay.UpstreamEvent();
      if (from_caller) {
        relay.downstream.resets_with = why;
        relay.downstream.coming = {kReset};
        relay.DownstreamEvent();
        CHECK(relay.upstream().told == why);
      } else {
        relay.upstream().BreakOff(why);
        relay.UpstreamEvent();
        CHECK(relay.downstream.told == why);
      }
    }
  }
}

TEST("streams: a reset of our own says why, to each side what concerns it") {
  struct Row {
    const char* what;
    StreamError upstream;
    StreamError downstream;
  };
  for (const Row& row : {Row{"malformed response", StreamError::kProtocol, StreamError::kInternal},
                         Row{"malformed request", StreamError::kCancelled, StreamError::kProtocol},
                         Row{"timeout", StreamError::kCancelled, StreamError::kInternal},
                         Row{"overload", StreamError::kCancelled, StreamError::kEnhanceYourCalm}}) {
    Rig rig;
    Policy policy;
    policy.request_timeout_ms = 100;
    rig.SetPolicy(policy);
    rig.Request("POST", true);
    rig.upstream().coming = {Head(200, kChunked), Piece("a")};
    rig.UpstreamEvent();
    const std::string_view what = row.what;
    if (what == "malformed response") {
      rig.upstream().coming = {kMalformed};
      rig.UpstreamEvent();
    } else if (what == "malformed request") {
      rig.downstream.coming = {kMalformed};
      rig.DownstreamEvent();
    } else if (what == "timeout") {
      rig.Pass(110);
    } else {
      rig.exchange->Cut(Reason::kOverload);
    }
    CHECK(rig.upstream().told == row.upstream);
    CHECK(rig.downstream.told == row.downstream);
  }
}

TEST("streams: the end of the engine is said where nothing of a response has left") {
  for (const bool begun : {false, true}) {
    Rig rig;
    rig.Request();
    if (begun) {
      rig.upstream().coming = {Head(200, kChunked), Piece("x")};
      rig.UpstreamEvent();
    }
    rig.exchange->Cut(Reason::kShutdown);
    CHECK_EQ(rig.downstream.sent, begun ? "<200>x" : "{shutdown close}");
    CHECK_EQ(rig.Outcome(), begun ? "200 shutdown" : "500 shutdown");
  }
}

TEST("streams: a mirror is sent what the backend is sent, and its end is nobody's but its own") {
  struct Row {
    std::deque<Coming> coming;
    MirrorResult result;
  };
  for (const Row& row : {Row{{Head(200, kChunked), Piece("x", true)}, MirrorResult::kAnswered},
                         Row{{Head(204)}, MirrorResult::kAnswered}, Row{{kReset}, MirrorResult::kReset},
                         Row{{kMalformed}, MirrorResult::kReset}}) {
    for (const bool early : {true, false}) {
      Rig rig;
      rig.SetMirror();
      rig.mirror_backend().script = {Answer::kConnecting};
      rig.downstream.coming = {Piece("a")};
      rig.Request("POST", true);
      ScriptedUpstream& copy = *rig.mirror_backend().streams.back();
      CHECK_EQ(copy.sent, "");
      rig.mirror_backend().attempt->Connect();
      CHECK_EQ(copy.sent, "copy /a a");
      if (early) {
        copy.coming = row.coming;
        rig.mirror_backend().attempt->user().OnStreamEvent();
        CHECK_EQ(rig.host.mirrors.size(), 1u);
      }
      rig.downstream.coming = {Piece("b", true)};
      rig.DownstreamEvent();
      CHECK_EQ(rig.upstream().sent, "/a ab$");
      if (!early) {
        CHECK_EQ(copy.sent, "copy /a ab$");
        copy.coming = row.coming;
        rig.mirror_backend().attempt->user().OnStreamEvent();
      }
      CHECK_EQ(rig.host.mirrors.size(), 1u);
      CHECK(!rig.host.mirrors.empty() && rig.host.mirrors[0] == row.result);
      // A mirror's connection that answered before its request was complete cannot be reused.
      CHECK((copy.fate == Fate::kReleased) == (row.result == MirrorResult::kAnswered && !early));
      rig.upstream().coming = {Head(200)};
      rig.UpstreamEvent();
      CHECK_EQ(rig.Outcome(), "200");
    }
  }
}

TEST("streams: a mirror that cannot be is told of, one that takes nothing or says nothing is given up") {
  for (const int way : {0, 1, 2, 3, 4, 5}) {
    EngineSettings settings;
    settings.max_mirror_bytes = 10;
    settings.mirror_timeout_ms = 200;
    Rig rig(settings);
    rig.SetMirror();
    MirrorResult wanted = MirrorResult::kConnectFailure;
    if (way == 0) rig.mirror_backend().script = {Answer::kRefused};
    if (way == 1) {
      rig.mirror_backend().most_mirrors = 0;
      wanted = MirrorResult::kOverflow;
    }
    if (way == 2) {
      rig.upgrades = true;
      wanted = MirrorResult::kSkipped;
    }
    rig.downstream.coming = {Piece("a")};
    rig.Request("POST", true);
    if (way == 3) {
      rig.mirror_backend().streams.back()->blocked = 11;
      rig.downstream.coming = {Piece("b")};
      rig.DownstreamEvent();
      wanted = MirrorResult::kOverflow;
    }
    if (way == 4) {
      rig.Pass(210);
      wanted = MirrorResult::kTimeout;
    }
    if (way == 5) {
      rig.downstream.is_gone = true;
      rig.DownstreamEvent();
      wanted = MirrorResult::kAborted;
    }
    CHECK_EQ(rig.host.mirrors.size(), 1u);
    CHECK(!rig.host.mirrors.empty() && rig.host.mirrors[0] == wanted);
    CHECK_EQ(rig.host.outcomes.size(), way == 5 ? 1u : 0u);
  }
}

}  // namespace
}  // namespace sideroute::test

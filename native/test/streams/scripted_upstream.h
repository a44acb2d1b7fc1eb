// An upstream stream that gives what the test sets, takes what the test allows, and records what it is sent.
#ifndef SIDEROUTE_TEST_STREAMS_SCRIPTED_UPSTREAM_H_
#define SIDEROUTE_TEST_STREAMS_SCRIPTED_UPSTREAM_H_

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "http/stream.h"

namespace sideroute {
class Attempt;
}

namespace sideroute::test {

// How a stream was given back.
enum class Fate : uint8_t { kLent, kReleased, kReset, kClosed };

// Something to read: a head, a piece of a body, or an end.
struct Coming {
  ReadResult result = ReadResult::kGiven;
  // 0: no head.
  uint16_t status = 0;
  http::BodyKind body = http::BodyKind::kNone;
  std::string bytes = {};
  bool last = false;
};

class ScriptedUpstream final : public UpstreamStream {
 public:
  ScriptedUpstream(Attempt& attempt, bool stands, Executed executed) : attempt(attempt) {
    connecting_ = !stands;
    executed_ = executed;
  }

  void SendHead(const http::RequestHead& head, const HeaderPlan*, RequestCopy copy,
                const BodyPiece& first) override {
    (copy == RequestCopy::kMirror ? sent += "copy " : sent) += head.target.path.In(head.data);
    sent += ' ';
    Note(first);
  }
  void SendBody(const BodyPiece& piece) override { Note(piece); }
  void SendEnd() override { send_ended_ = true; }
  bool send_ended() const override { return send_ended_; }
  bool Flush() override { return !breaks; }
  size_t unsent() const override { return blocked; }
  bool write_failed() const override { return breaks; }

  ReadResult ReadHead(const http::ResponseHead** head) override {
    if (coming.empty()) return ReadResult::kAgain;
    if (coming.front().result != ReadResult::kGiven) return coming.front().result;
    begun_ = true;
    executed_ = Executed::kPossibly;
    head_ = {};
    head_.status = coming.front().status;
    head_.body = coming.front().body;
    *head = &head_;
    coming.pop_front();
    behind_head_ = !head_.interim();
    return ReadResult::kGiven;
  }
  ReadResult ReadBody(BodyPiece* piece) override {
    const bool behind_head = behind_head_;
    behind_head_ = false;
    if (behind_head && !head_.has_body()) {
      piece->last = true;
      return ReadResult::kGiven;
    }
    if (coming.empty() || (behind_head && coming.front().result != ReadResult::kGiven))
      return ReadResult::kAgain;
    if (coming.front().result != ReadResult::kGiven) return coming.front().result;
    read_ = coming.front();
    coming.pop_front();
    *piece = {.bytes = read_.bytes, .last = read_.last, .trailers = {}, .wire_bytes = read_.bytes.size()};
    return ReadResult::kGiven;
  }
  void Took() override {}
  std::string_view fault() const override { return "scripted"; }
  bool failed() const override { return false; }
  size_t held_bytes() const override { return 0; }
  size_t QueuedBytes() const override { return 0; }
  uint64_t blocked_since_ms() const override { return 0; }

  void Stand() { connecting_ = false; }
  void MayRefuse() { refusable_ = true; }
  // The peer resets the stream; `executed` holds for a request without any part of a response.
  void BreakOff(StreamError why, Executed executed = Executed::kPossibly) {
    error_ = why;
    if (!begun_) executed_ = executed;
    coming.push_back({.result = ReadResult::kReset});
  }

  Attempt& attempt;
  // The path, the bytes of the body, and `$` for its end.
  std::string sent;
  std::deque<Coming> coming;
  size_t blocked = 0;
  bool breaks = false;
  Fate fate = Fate::kLent;
  // Error code of a reset.
  StreamError told = StreamError::kNone;

 private:
  void Note(const BodyPiece& piece) {
    sent += piece.bytes;
    if (piece.last) sent += '$';
  }

  http::ResponseHead head_;
  Coming read_;
  bool behind_head_ = false;
  bool send_ended_ = false;
};

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_STREAMS_SCRIPTED_UPSTREAM_H_

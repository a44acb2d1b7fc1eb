// Taps: who looks at requests as they end, each at those that its filter lets through. docs/tap.md is its
// reference.
//
// Stage before: access_log, which asks for each request whether anybody wants it, and has the line that is
// told. Stage after: JavaScript, which takes the lines of each tap from its buffer. Used on the loop's thread
// only. Cheap tests come first: what a tap does not want is neither kept nor written.
#ifndef SIDEROUTE_LOG_TAPS_H_
#define SIDEROUTE_LOG_TAPS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/grpc.h"
#include "http/head.h"
#include "log/json_line.h"
#include "log/request_facts.h"
#include "log/request_log.h"

namespace sideroute {

// A bit for each.
using TapSet = uint8_t;
static_assert(kMaxTaps == 8 * sizeof(TapSet));

struct TapField {
  // Lower case.
  std::string name;
  // Where it is given, one field of this name has it.
  std::string value;
  bool has_value = false;
};

struct TapFilter {
  // Share of requests, from 0 to 1, before everything else.
  double sample = 1;
  // What the members of its series begin with (AccessLog::SetSeries).
  std::string route;
  // What the path begins with.
  std::string path;
  // All of them; their values are told.
  std::vector<TapField> fields;
  uint16_t min_status = 0;
  uint16_t max_status = 999;
  // http::kNoCall: whatever it is, and whether or not it is a call.
  int8_t grpc_status = http::kNoCall;
};

class Taps {
 public:
  static constexpr size_t kMaxFields = 8;
  // Of what waits to be taken, per tap.
  static constexpr size_t kBufferBytes = 512 * 1024;

  struct Taken {
    std::string lines;
    // Lines in it, and what did not fit since the last time.
    uint64_t records = 0;
    uint64_t dropped = 0;
  };

  bool any() const { return count_ > 0; }
  // Ids grow from tap to tap, from 1 on. False: there are as many as there can be.
  bool Add(uint32_t id, TapFilter filter);
  void Remove(uint32_t id);
  // Nothing for a tap that there is not.
  Taken Take(uint32_t id);

  // `route`: the members of its series.
  void Begin(const http::RequestHead& head, std::string_view route, RequestFacts* facts);
  // Of those that want it by its head, those that want it as it has ended. One that was refused before it was
  // decided is judged here.
  TapSet Wanting(const RequestEntry& entry, const RequestFacts& facts);
  void Append(TapSet taps, std::string_view line, const RequestFacts& facts);

 private:
  struct Tap {
    // 0: free.
    uint32_t id = 0;
    // Of 53 bits at random, those below are sampled.
    uint64_t threshold = 0;
    TapFilter filter;
    Taken waiting;
  };

  Tap* Find(uint32_t id);
  bool Samples(const Tap& tap);
  TapSet WantingRefused(const RequestTexts& texts);
  bool TakeFields(size_t at, const http::RequestHead& head, RequestFacts* facts);

  std::array<Tap, kMaxTaps> taps_;
  size_t count_ = 0;
  uint32_t newest_ = 0;
  uint64_t random_ = 0x7a95;
  JsonLine fields_line_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_LOG_TAPS_H_

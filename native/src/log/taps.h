// Taps: each one gets the requests that pass its filter, as they end. docs/tap.md is their reference.
//
// Stage before: access_log, which asks for each request whether a tap wants it, and makes the line. Stage
// after: JavaScript, which takes the lines of each tap from its buffer. Used only on the loop's thread. Cheap
// tests come first: for a request that no tap wants, nothing is kept or written.
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

// One bit per tap.
using TapSet = uint8_t;
static_assert(kMaxTaps == 8 * sizeof(TapSet));

struct TapField {
  // In lower case.
  std::string name;
  // If `has_value`, one field with this name must have this value.
  std::string value;
  bool has_value = false;
};

struct TapFilter {
  // Share of requests from 0 to 1, drawn before the other tests.
  double sample = 1;
  // Prefix of the members of its series (AccessLog::SetSeries).
  std::string route;
  // Prefix of the path.
  std::string path;
  // All of these fields must be present; the record has their values.
  std::vector<TapField> fields;
  uint16_t min_status = 0;
  uint16_t max_status = 999;
  // http::kNoCall: any request, whether or not it is a gRPC call.
  int8_t grpc_status = http::kNoCall;
};

class Taps {
 public:
  static constexpr size_t kMaxFields = 8;
  // Limit for the lines waiting to be taken, per tap.
  static constexpr size_t kBufferBytes = 512 * 1024;

  struct Taken {
    std::string lines;
    // Number of lines, and number of lines that did not fit, since the last Take.
    uint64_t records = 0;
    uint64_t dropped = 0;
  };

  bool any() const { return count_ > 0; }
  // Ids start from 1 and increase from tap to tap. Returns false if the maximum number of taps is reached.
  bool Add(uint32_t id, TapFilter filter);
  void Remove(uint32_t id);
  // Returns nothing for an unknown tap.
  Taken Take(uint32_t id);

  // `route`: the JSON members of its series.
  void Begin(const http::RequestHead& head, std::string_view route, RequestFacts* facts);
  // Of the taps whose filter the head has passed, returns those that want the request as it ended. A request
  // that was refused before it was decided is tested here as a whole.
  TapSet Wanting(const RequestEntry& entry, const RequestFacts& facts);
  void Append(TapSet taps, std::string_view line, const RequestFacts& facts);

 private:
  struct Tap {
    // 0: the place is free.
    uint32_t id = 0;
    // A request is sampled if 53 random bits are below this value.
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

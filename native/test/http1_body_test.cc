// Properties of the body decoder that a table of small inputs cannot show: no copies, many chunks, default
// limits, reuse.
#include <array>
#include <cstdio>
#include <string>

#include "check.h"
#include "random.h"
#include "summary.h"

namespace sideroute::test {
namespace {

using http1::BodyDecoder;
using http1::BodyEvent;
using http1::BodyKind;
using http1::BodyLimits;
using http1::BodyStep;
using http1::Field;

TEST("payload is told as parts of the caller's buffer") {
  std::array<Field, 4> storage;
  BodyDecoder decoder(http1::SectionKind::kRequestTrailer, storage, BodyLimits{});
  decoder.Start(BodyKind::kChunked, 0);
  const std::string input = "5;x\r\nabcde\r\n0\r\n\r\n";
  const BodyStep step = decoder.Next(input.data(), input.size());
  CHECK(step.event == BodyEvent::kData);
  CHECK(step.bytes.data() == input.data() + 5);
  CHECK_EQ(step.bytes.size(), 5u);
  CHECK_EQ(step.consumed, 10u);
}

TEST("a million chunks of one byte") {
  std::array<Field, 4> storage;
  BodyDecoder decoder(http1::SectionKind::kRequestTrailer, storage, BodyLimits{});
  decoder.Start(BodyKind::kChunked, 0);
  std::string input;
  for (int i = 0; i < 1000; ++i) input += "1\r\nx\r\n";
  size_t payload = 0;
  for (int i = 0; i < 1000; ++i) {
    for (size_t taken = 0;;) {
      const BodyStep step = decoder.Next(input.data() + taken, input.size() - taken);
      taken += step.consumed;
      if (step.event != BodyEvent::kData) {
        CHECK(step.event == BodyEvent::kNeedMore);
        break;
      }
      payload += step.bytes.size();
    }
  }
  CHECK_EQ(payload, 1'000'000u);
}

TEST("16 KiB of extensions in a small message, and as many as payload in a large one") {
  const auto body = [](int chunks, const char* chunk) {
    std::string text;
    for (int i = 0; i < chunks; ++i) text += chunk;
    return text + "0\r\n\r\n";
  };
  const BodyInput chunked{BodyKind::kChunked, 0, BodyLimits{}, false};
  CHECK(RunBody(body(2048, "1;3456789\r\nx\r\n"), {}, chunked, false).starts_with("done"));
  CHECK(RunBody(body(2049, "1;3456789\r\nx\r\n"), {}, chunked, false)
            .starts_with("400 chunk-extensions-too-long"));
  CHECK(RunBody(body(20'000, "9;3456789\r\nxxxxxxxxx\r\n"), {}, chunked, false).starts_with("done"));
}

TEST("trailers up to 16 KiB in one buffer, and no more fields than there is room for") {
  const BodyInput chunked{BodyKind::kChunked, 0, BodyLimits{}, false};
  const std::string fits = "0\r\nX: " + std::string(16384 - 7, 'x') + "\r\n\r\n";
  const std::string over = "0\r\nX: " + std::string(16384 - 6, 'x') + "\r\n\r\n";
  CHECK(RunBody(fits, {}, chunked).starts_with("done"));
  CHECK(RunBody(over, {}, chunked).starts_with("431 head-too-large"));
  std::string many = "0\r\n";
  for (int i = 0; i < 17; ++i) many += "X: 1\r\n";
  CHECK(RunBody(many + "\r\n", {}, chunked).starts_with("431 too-many-fields"));
}

TEST("a decoder is reused after a message, after trailers and after an error") {
  std::array<Field, 4> storage;
  BodyDecoder decoder(http1::SectionKind::kRequestTrailer, storage, BodyLimits{});
  const auto drain = [&decoder](std::string_view input) {
    for (;;) {
      const BodyStep step = decoder.Next(input.data(), input.size());
      if (step.event != BodyEvent::kData) return step.event;
      input.remove_prefix(step.consumed);
    }
  };
  decoder.Start(BodyKind::kChunked, 0);
  CHECK(drain("1\r\nx\r\n0\r\nX: 1\r\n\r\n") == BodyEvent::kDone);
  CHECK_EQ(decoder.trailers().size(), 1u);
  decoder.Start(BodyKind::kChunked, 0);
  CHECK(drain("1\r\nxx") == BodyEvent::kError);
  CHECK(drain("\r\n") == BodyEvent::kError);
  CHECK(decoder.Finish().event == BodyEvent::kError);
  decoder.Start(BodyKind::kLength, 2);
  CHECK(drain("xx") == BodyEvent::kDone);
  CHECK(decoder.trailers().empty());
  CHECK(decoder.Finish().event == BodyEvent::kDone);
}

TEST("any payload in any chunks, cut anywhere, comes out as it was, and what follows is left alone") {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    Random random(seed);
    const std::string payload = random.Bytes(random.Spread(11));
    std::string input;
    for (size_t at = 0; at < payload.size();) {
      const size_t length = 1 + random.Below(payload.size() - at);
      char size[32];
      std::snprintf(size, sizeof size, random.OneIn(2) ? "%zx\r\n" : "0%zX;a=\"b\"\r\n", length);
      input += size + payload.substr(at, length) + "\r\n";
      at += length;
    }
    input += random.OneIn(2) ? "0\r\n\r\n" : "000\r\nX-Sum: 1\r\n\r\n";
    const size_t message = input.size();
    input += random.Bytes(random.Below(20));
    Cuts cuts;
    for (size_t at = 0; at < input.size(); ++at) {
      if (random.OneIn(7)) cuts.push_back(at);
    }
    const std::string result = RunBody(
        input, cuts, {BodyKind::kChunked, 0, BodyLimits{}, false, http1::SectionKind::kRequestTrailer});
    CHECK(result.starts_with("done \"" + Quote(payload) + '"'));
    const std::string rest = " rest:" + std::to_string(input.size() - message);
    CHECK_EQ(result.ends_with(rest), input.size() > message);
    // Without its last byte the message is incomplete.
    const BodyInput whole{BodyKind::kChunked, 0, BodyLimits{}, false};
    CHECK(RunBody(std::string_view(input).substr(0, message - 1), cuts, whole).starts_with("more"));
  }
}

}  // namespace
}  // namespace sideroute::test

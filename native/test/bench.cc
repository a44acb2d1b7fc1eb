// Cost of the parsers per message in nanoseconds: the median of many short runs, which other load of the
// machine disturbs little.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string_view>
#include <vector>

#include "http1/body.h"
#include "http1/head.h"

namespace sideroute::bench {
namespace {

using namespace std::string_view_literals;
using http1::Field;

constexpr auto kBrowserRequest =
    "GET /api/v1/devices/42?fields=name,state&limit=20 HTTP/1.1\r\n"
    "Host: my-server.devopssong.svc.cluster.local\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: application/json, text/plain, */*\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Version: new\r\n"
    "X-Request-Id: 7c0f2ce1-7e0b-4c57-9d9e-6f5b8a3a1d11\r\n"
    "Cookie: session=4f2a9c0d1b7e8f6a5c3d; theme=dark; _ga=GA1.2.1234567890.1700000000\r\n"
    "Connection: keep-alive\r\n"
    "\r\n"sv;

constexpr auto kShortRequest = "GET / HTTP/1.1\r\nHost: my-server\r\nVersion: new\r\n\r\n"sv;

constexpr auto kResponse =
    "HTTP/1.1 200 OK\r\n"
    "Server: nginx/1.22.1\r\n"
    "Date: Sun, 23 Nov 2025 19:00:00 GMT\r\n"
    "Content-Type: application/json; charset=utf-8\r\n"
    "Content-Length: 1234\r\n"
    "Connection: keep-alive\r\n"
    "ETag: W/\"4d2-9f8b7c6d5e4f3a2b\"\r\n"
    "Cache-Control: no-cache, no-store, must-revalidate\r\n"
    "Vary: Accept-Encoding\r\n"
    "\r\n"sv;

constexpr int kRuns = 301;
constexpr int kCallsPerRun = 2000;

// Keeps the optimiser from dropping a result.
volatile uint64_t sink;

template <typename Call>
void Measure(const char* title, size_t bytes, Call call) {
  std::vector<double> nanoseconds;
  for (int run = 0; run < kRuns; ++run) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kCallsPerRun; ++i) sink = call();
    const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - begin;
    nanoseconds.push_back(taken.count() / kCallsPerRun);
  }
  std::sort(nanoseconds.begin(), nanoseconds.end());
  const double median = nanoseconds[kRuns / 2];
  std::printf("%-44s %7.1f ns (best %.1f), %5.2f GB/s\n", title, median, nanoseconds[0],
              static_cast<double>(bytes) / median);
}

void MeasureRequest(const char* title, std::string_view input) {
  std::array<Field, 200> storage;
  http1::RequestHeadParser parser(storage, HeadLimits{});
  Measure(title, input.size(), [&]() -> uint64_t {
    parser.Reset();
    return parser.Parse(input.data(), input.size()) == http1::ParseStatus::kComplete ? parser.head().length
                                                                                     : 0;
  });
}

void MeasureAll() {
  MeasureRequest("request head, 9 fields", kBrowserRequest);
  MeasureRequest("request head, 2 fields", kShortRequest);
  {
    std::array<Field, 200> storage;
    http1::ResponseHeadParser parser(storage, HeadLimits{});
    Measure("response head, 8 fields", kResponse.size(), [&]() -> uint64_t {
      parser.Reset(http1::ResponseContext{});
      return parser.Parse(kResponse.data(), kResponse.size()) == http1::ParseStatus::kComplete
                 ? parser.head().length
                 : 0;
    });
  }
  std::array<Field, 16> storage;
  http1::BodyDecoder decoder(http1::SectionKind::kRequestTrailer, storage, http1::BodyLimits{});
  constexpr auto kChunk = "10\r\n0123456789abcdef\r\n"sv;
  decoder.Start(http1::BodyKind::kChunked, 0);
  Measure("chunk of 16 bytes", kChunk.size(), [&]() -> uint64_t {
    size_t taken = 0;
    for (;;) {
      const http1::BodyStep step = decoder.Next(kChunk.data() + taken, kChunk.size() - taken);
      taken += step.consumed;
      if (step.event != http1::BodyEvent::kData) return taken;
    }
  });
}

}  // namespace
}  // namespace sideroute::bench

int main() { sideroute::bench::MeasureAll(); }

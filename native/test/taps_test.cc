#include "log/taps.h"

#include <string>
#include <utility>
#include <vector>

#include "check.h"

namespace sideroute {

namespace {

constexpr std::string_view kRoute = "\"route\":\"shop/web\",\"rule\":\"blue\",\"backend\":null";

// A head that owns its bytes.
struct Request {
  Request(std::string_view path, const std::vector<std::pair<std::string, std::string>>& fields) {
    bytes = path;
    for (const auto& [name, value] : fields) {
      http::Field field{};
      field.name_offset = static_cast<uint32_t>(bytes.size());
      field.name_length = static_cast<uint16_t>(name.size());
      bytes += name;
      field.value_offset = static_cast<uint32_t>(bytes.size());
      field.value_length = static_cast<uint32_t>(value.size());
      bytes += value;
      kept.push_back(field);
    }
    head.data = bytes.data();
    head.target.path = {0, static_cast<uint32_t>(path.size())};
    head.fields = kept;
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  std::string bytes;
  std::vector<http::Field> kept;
  http::RequestHead head;
};

RequestEntry Ended(uint16_t status, int8_t grpc_status = http::kNoCall, int32_t series = 1) {
  RequestEntry entry;
  entry.status = status;
  entry.grpc_status = grpc_status;
  entry.series = series;
  return entry;
}

TapSet Asked(Taps& taps, const Request& request, const RequestEntry& entry, std::string_view route = kRoute) {
  RequestFacts facts;
  taps.Begin(request.head, route, &facts);
  const TapSet wanting = taps.Wanting(entry, facts);
  taps.Append(wanting, "{\"a\":1}\n", facts);
  return wanting;
}

}  // namespace

TEST("each tap gets what its filter lets through") {
  Taps taps;
  CHECK(!taps.any());
  TapFilter routed, pathed, failing, call;
  routed.route = "\"route\":\"shop/web\",\"rule\":\"blue\",";
  pathed.path = "/blue";
  failing.min_status = 500;
  failing.max_status = 599;
  call.grpc_status = 14;
  uint32_t id = 0;
  for (const TapFilter& filter : {routed, pathed, failing, call}) CHECK(taps.Add(++id, filter));
  CHECK(taps.any());
  const Request blue("/blue/1", {}), red("/red", {});
  CHECK_EQ(Asked(taps, blue, Ended(200)), 0b0011);
  CHECK_EQ(Asked(taps, red, Ended(503), "\"route\":\"shop/webs\",\"rule\":\"blue\","), 0b0100);
  CHECK_EQ(Asked(taps, red, Ended(200, 14), "\"route\":null"), 0b1000);
  CHECK_EQ(taps.Take(1).records, 1u);
  CHECK_EQ(taps.Take(2).lines, "{\"a\":1}\n");
  CHECK_EQ(taps.Take(2).records, 0u);
}

TEST("a tap for fields gets their values, and no secrets") {
  Taps taps;
  TapFilter user, secret, all;
  user.fields = {{"x-user", "a\"b", true}, {"x-other", {}, false}};
  secret.fields = {{"authorization", {}, false}, {"x-marked", {}, false}};
  taps.Add(1, user);
  taps.Add(2, secret);
  taps.Add(3, all);
  const Request wanted("/", {{"X-User", "first"}, {"x-user", "a\"b"}, {"X-OTHER", std::string(500, 'y')}});
  const Request no_other("/", {{"x-user", "a\"b"}}), no_value("/", {{"x-user", "a"}, {"x-other", "1"}});
  CHECK_EQ(Asked(taps, wanted, Ended(200)), 0b101);
  CHECK_EQ(Asked(taps, no_other, Ended(200)), 0b100);
  CHECK_EQ(Asked(taps, no_value, Ended(200)), 0b100);
  CHECK_EQ(taps.Take(1).lines, "{\"a\":1,\"headers\":{\"x-user\":\"first, a\\\"b\",\"x-other\":\"" +
                                   std::string(256, 'y') + "\"}}\n");
  CHECK_EQ(taps.Take(3).lines, "{\"a\":1}\n{\"a\":1}\n{\"a\":1}\n");
  Request held("/", {{"authorization", "Bearer t"}, {"x-marked", "t"}});
  held.kept[1].flags = http::kFieldSensitive;
  CHECK_EQ(Asked(taps, held, Ended(200)), 0b110);
  CHECK_EQ(taps.Take(2).lines,
           "{\"a\":1,\"headers\":{\"authorization\":\"(hidden)\",\"x-marked\":\"(hidden)\"}}\n");
}

TEST("a share of the requests is sampled") {
  Taps taps;
  TapFilter tenth, none;
  tenth.sample = 0.1;
  none.sample = 0;
  taps.Add(1, tenth);
  taps.Add(2, none);
  taps.Add(3, {});
  const Request request("/", {});
  for (int i = 0; i < 10'000; ++i) {
    RequestFacts facts;
    taps.Begin(request.head, kRoute, &facts);
    taps.Append(taps.Wanting(Ended(200), facts), "{}\n", facts);
  }
  const uint64_t some = taps.Take(1).records;
  CHECK(some > 850 && some < 1'150);
  CHECK_EQ(taps.Take(2).records, 0u);
  CHECK_EQ(taps.Take(3).records, 10'000u);
}

TEST("there are so many taps, and what a tap does not take is dropped and counted") {
  Taps taps;
  for (uint32_t id = 1; id <= kMaxTaps; ++id) CHECK(taps.Add(id, {}));
  CHECK(!taps.Add(9, {}));
  const Request request("/", {});
  RequestFacts facts;
  taps.Begin(request.head, kRoute, &facts);
  const std::string line(100 * 1024, '-');
  for (int i = 0; i < 7; ++i) taps.Append(1, line, facts);
  const Taps::Taken taken = taps.Take(1);
  CHECK_EQ(taken.records, 5u);
  CHECK_EQ(taken.dropped, 2u);
  CHECK_EQ(taken.lines.size(), 5 * line.size());
  CHECK_EQ(taps.Take(1).dropped, 0u);
  for (uint32_t id = 1; id <= kMaxTaps; ++id) taps.Remove(id);
  taps.Remove(1);
  CHECK(!taps.any());
  CHECK_EQ(taps.Take(1).records, 0u);
}

TEST("a tap that takes the place of another gets nothing that began before it") {
  Taps taps;
  taps.Add(1, {});
  const Request request("/", {});
  RequestFacts facts;
  taps.Begin(request.head, kRoute, &facts);
  CHECK_EQ(taps.Wanting(Ended(200), facts), 1);
  taps.Remove(1);
  CHECK_EQ(taps.Wanting(Ended(200), facts), 0);
  taps.Add(2, {});
  CHECK_EQ(taps.Wanting(Ended(200), facts), 0);
}

TEST("a request that was refused before it was decided has no route and no fields") {
  Taps taps;
  TapFilter routed, fields, path, code;
  routed.route = "\"route\":";
  fields.fields = {{"host", {}, false}};
  path.path = "/a";
  code.min_status = code.max_status = 400;
  uint32_t id = 0;
  for (const TapFilter& filter : {TapFilter{}, routed, fields, path, code}) taps.Add(++id, filter);
  RequestFacts facts;
  CHECK_EQ(taps.Wanting(Ended(400, http::kNoCall, -1), facts), 0b10001);
  facts.texts.Set(RequestText::kPath, "/ab");
  CHECK_EQ(taps.Wanting(Ended(431, http::kNoCall, -1), facts), 0b01001);
}

}  // namespace sideroute

#include "log/taps.h"

#include <algorithm>
#include <utility>

#include "http/scan.h"

namespace sideroute {

namespace {

// Limit for the value of a field, in bytes.
constexpr size_t kMaxShownBytes = 256;
constexpr std::string_view kHidden = "(hidden)";

// Fields whose values are hidden from every tap.
bool IsSecret(const http::Field& field, std::string_view name) {
  constexpr std::string_view kSecrets[] = {"authorization", "cookie", "proxy-authorization"};
  return field.sensitive() || std::find(std::begin(kSecrets), std::end(kSecrets), name) != std::end(kSecrets);
}

}  // namespace

bool Taps::Add(uint32_t id, TapFilter filter) {
  Tap* const tap = Find(0);
  if (tap == nullptr) return false;
  tap->id = newest_ = id;
  constexpr double kRandomEnd = 1ull << 53;
  tap->threshold = static_cast<uint64_t>(std::clamp(filter.sample, 0.0, 1.0) * kRandomEnd);
  tap->filter = std::move(filter);
  tap->waiting = {};
  ++count_;
  return true;
}

void Taps::Remove(uint32_t id) {
  Tap* const tap = id == 0 ? nullptr : Find(id);
  if (tap == nullptr) return;
  *tap = {};
  --count_;
}

Taps::Taken Taps::Take(uint32_t id) {
  Tap* const tap = id == 0 ? nullptr : Find(id);
  return tap == nullptr ? Taken{} : std::exchange(tap->waiting, {});
}

Taps::Tap* Taps::Find(uint32_t id) {
  const auto found = std::find_if(taps_.begin(), taps_.end(), [id](const Tap& tap) { return tap.id == id; });
  return found == taps_.end() ? nullptr : &*found;
}

bool Taps::Samples(const Tap& tap) {
  random_ = random_ * 6364136223846793005ull + 1442695040888963407ull;
  return random_ >> 11 < tap.threshold;
}

// Hot path while there is a tap.
void Taps::Begin(const http::RequestHead& head, std::string_view route, RequestFacts* facts) {
  const std::string_view path = head.target.path.In(head.data);
  TapSet taps = 0;
  for (size_t at = 0; at < kMaxTaps; ++at) {
    const Tap& tap = taps_[at];
    if (tap.id == 0 || !Samples(tap)) continue;
    const TapFilter& filter = tap.filter;
    if (!route.starts_with(filter.route) || !path.starts_with(filter.path)) continue;
    if (!filter.fields.empty() && !TakeFields(at, head, facts)) continue;
    taps |= static_cast<TapSet>(1u << at);
  }
  facts->taps = taps;
  facts->newest_tap = newest_;
}

// Several values with the same name are given as one list.
bool Taps::TakeFields(size_t at, const http::RequestHead& head, RequestFacts* facts) {
  std::string values;
  fields_line_.Begin();
  for (const TapField& wanted : taps_[at].filter.fields) {
    bool found = false, fits = !wanted.has_value;
    values.clear();
    for (const http::Field& field : head.fields) {
      if (!http::NamesEqual(field.Name(head.data), wanted.name)) continue;
      const std::string_view value = field.Value(head.data);
      if (found) values.append(", ");
      values.append(IsSecret(field, wanted.name) ? kHidden : value.substr(0, kMaxShownBytes));
      found = true;
      fits = fits || value == wanted.value;
    }
    if (!found || !fits) return false;
    fields_line_.String(wanted.name, std::string_view(values).substr(0, kMaxShownBytes));
  }
  std::string_view object = fields_line_.End();
  object.remove_suffix(1);
  if (facts->tapped_fields == nullptr) facts->tapped_fields = std::make_unique<TappedFields>();
  (*facts->tapped_fields)[at] = object;
  return true;
}

TapSet Taps::Wanting(const RequestEntry& entry, const RequestFacts& facts) {
  const bool refused = entry.series < 0;
  const TapSet by_head = refused ? WantingRefused(facts.texts) : facts.taps;
  TapSet taps = 0;
  for (size_t at = 0; by_head >> at != 0; ++at) {
    const Tap& tap = taps_[at];
    // A tap that has taken a freed place does not get requests that began before it was added.
    if ((by_head >> at & 1) == 0 || tap.id == 0 || (!refused && tap.id > facts.newest_tap)) continue;
    const TapFilter& filter = tap.filter;
    if (entry.status < filter.min_status || entry.status > filter.max_status) continue;
    if (filter.grpc_status != http::kNoCall && entry.grpc_status != filter.grpc_status) continue;
    taps |= static_cast<TapSet>(1u << at);
  }
  return taps;
}

// Such a request has no route, and its fields are not known.
TapSet Taps::WantingRefused(const RequestTexts& texts) {
  TapSet taps = 0;
  for (size_t at = 0; at < kMaxTaps; ++at) {
    const Tap& tap = taps_[at];
    const TapFilter& filter = tap.filter;
    if (tap.id == 0 || !filter.route.empty() || !filter.fields.empty() || !Samples(tap)) continue;
    if (texts.Get(RequestText::kPath).starts_with(filter.path)) taps |= static_cast<TapSet>(1u << at);
  }
  return taps;
}

void Taps::Append(TapSet taps, std::string_view line, const RequestFacts& facts) {
  constexpr std::string_view kHeaders = ",\"headers\":", kEnd = "}\n";
  for (size_t at = 0; taps >> at != 0; ++at) {
    if ((taps >> at & 1) == 0) continue;
    Taken& waiting = taps_[at].waiting;
    const bool has_fields = facts.tapped_fields != nullptr && !taps_[at].filter.fields.empty();
    const std::string_view fields =
        has_fields ? std::string_view((*facts.tapped_fields)[at]) : std::string_view();
    const size_t size = line.size() + (has_fields ? kHeaders.size() + fields.size() : 0);
    if (waiting.lines.size() + size > kBufferBytes) {
      ++waiting.dropped;
      continue;
    }
    ++waiting.records;
    if (!has_fields) {
      waiting.lines.append(line);
      continue;
    }
    waiting.lines.append(line.substr(0, line.size() - kEnd.size())).append(kHeaders).append(fields);
    waiting.lines.append(kEnd);
  }
}

}  // namespace sideroute

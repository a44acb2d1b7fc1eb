// Reports many objects of one kind to JavaScript: as flat records, a bounded number at a time.
//
// Stage before: engine_state and the acceptor, for the private endpoint. Stage after: binding/state_value,
// and src/addon/engine-state.ts, which knows the layouts.
#ifndef SIDEROUTE_NET_STATE_RECORDS_H_
#define SIDEROUTE_NET_STATE_RECORDS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sideroute {

class NetAddress;

// All records are two values, however many there are: one object per record would cost ten calls of Node-API.
class StateRecords {
 public:
  void Number(double number) { numbers_.push_back(number); }
  void Count(uint64_t count) { numbers_.push_back(static_cast<double>(count)); }
  // A text field must not contain a line feed; no part of a request head does.
  void Text(std::string_view bytes) { text_.append(bytes).push_back('\n'); }
  // The host as a text field, the port as a number.
  void Address(const NetAddress& address);
  // What the kernel knows about a connected socket: its peer as an address, then the bytes received and sent,
  // -1 if unknown. Needs no counters of ours, and two system calls.
  void Socket(int fd);

  const std::vector<double>& numbers() const { return numbers_; }
  // Each text field ends with a line feed.
  const std::string& text() const { return text_; }

 private:
  std::vector<double> numbers_;
  std::string text_;
};

// A part of a list: at most `max` elements with numbers above `after`. Lists are ordered by number, so the
// next part begins after the last number of this one, whatever has ended meanwhile.
struct StateRange {
  uint64_t after;
  size_t max;
};

// Calls `describe(element)` for the elements of an IntrusiveList in `range`.
template <typename List, typename Describe>
void DescribeRange(const List& list, const StateRange& range, const Describe& describe) {
  size_t left = range.max;
  for (const auto* element = list.Front(); element != nullptr && left > 0; element = list.After(element)) {
    if (element->number() <= range.after) continue;
    describe(*element);
    --left;
  }
}

}  // namespace sideroute

#endif  // SIDEROUTE_NET_STATE_RECORDS_H_

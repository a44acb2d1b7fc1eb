// How the addon tells JavaScript of many things of one kind: as flat records, a bounded number at a time.
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

// Records as two values, however many they are: an object for each would cost ten calls across Node-API.
class StateRecords {
 public:
  void Number(double number) { numbers_.push_back(number); }
  void Count(uint64_t count) { numbers_.push_back(static_cast<double>(count)); }
  // A text field must not hold a line feed, which no part of a request head does.
  void Text(std::string_view bytes) { text_.append(bytes).push_back('\n'); }
  // The host as a text field, the port as a number.
  void Address(const NetAddress& address);
  // What the kernel knows of a connected socket: its peer as an address, then the bytes received and sent, -1
  // when it does not say. Costs no counter of ours, and two system calls.
  void Socket(int fd);

  const std::vector<double>& numbers() const { return numbers_; }
  // Each text field ended by a line feed.
  const std::string& text() const { return text_; }

 private:
  std::vector<double> numbers_;
  std::string text_;
};

// Which part of a list: at most `max` elements whose number is above `after`. Lists are in the order of their
// numbers, so that the last number of one part is where the next one goes on, whatever has ended meanwhile.
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

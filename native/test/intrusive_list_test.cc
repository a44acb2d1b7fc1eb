// Intrusive lists compared with std::list: order, size, moving between lists, and the first element.
#include "net/intrusive_list.h"

#include <algorithm>
#include <list>
#include <memory>
#include <vector>

#include "check.h"
#include "random.h"

namespace sideroute::test {
namespace {

struct Idle;
struct Element : ListNode<Element>, ListNode<Element, Idle> {
  using ListNode<Element>::linked;
  using ListNode<Element>::Unlink;
};
using Plain = IntrusiveList<Element>;
using OfIdle = IntrusiveList<Element, Idle>;

// Checks the order and both ends.
template <typename List>
bool Holds(const List& list, const std::list<Element*>& expected) {
  if (list.size() != expected.size() || list.empty() != expected.empty()) return false;
  if (expected.empty()) return list.Front() == nullptr && list.Back() == nullptr;
  if (list.Front() != expected.front() || list.Back() != expected.back()) return false;
  const Element* at = list.Front();
  for (const Element* element : expected) {
    if (at != element) return false;
    at = list.After(at);
  }
  return at == nullptr;
}

TEST("lists hold what was put into them, in that order, and an element is in one list of a kind at most") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Random random(seed);
    std::vector<Plain> plain(3);
    OfIdle idle;
    std::vector<std::unique_ptr<Element>> elements(12);
    for (auto& element : elements) element = std::make_unique<Element>();
    std::vector<std::list<Element*>> expected(3);
    std::list<Element*> expected_idle;
    const auto forget = [&](Element* element) {
      for (auto& list : expected) list.remove(element);
    };
    for (int step = 0; step < 3'000; ++step) {
      auto& owner = elements[random.Below(elements.size())];
      Element* element = owner.get();
      const size_t at = random.Below(plain.size());
      switch (random.Below(6)) {
        case 0:
          forget(element);
          expected[at].push_back(element);
          plain[at].PushBack(element);
          break;
        case 1:
          forget(element);
          expected[at].push_front(element);
          plain[at].PushFront(element);
          break;
        case 2:
          forget(element);
          element->Unlink();
          break;
        case 3:
          expected_idle.remove(element);
          expected_idle.push_back(element);
          idle.PushBack(element);
          break;
        case 4:
          expected_idle.remove(element);
          element->ListNode<Element, Idle>::Unlink();
          break;
        default:
          // The element removes itself from all lists.
          forget(element);
          expected_idle.remove(element);
          owner = std::make_unique<Element>();
      }
      for (size_t i = 0; i < plain.size(); ++i) CHECK(Holds(plain[i], expected[i]));
      CHECK(Holds(idle, expected_idle));
    }
  }
}

TEST("a list that goes before its elements leaves them in none") {
  Element first, second;
  {
    Plain list;
    list.PushBack(&first);
    list.PushBack(&second);
    CHECK(first.linked() && second.linked());
  }
  CHECK(!first.linked() && !second.linked());
  first.Unlink();
  Plain other;
  other.PushBack(&second);
  CHECK(second.linked());
  CHECK_EQ(other.size(), 1u);
}

}  // namespace
}  // namespace sideroute::test

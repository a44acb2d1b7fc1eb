// Counts what a program takes from the heap: malloc and the like, and so what `new` takes.
#ifndef SIDEROUTE_TEST_COST_ALLOCATIONS_H_
#define SIDEROUTE_TEST_COST_ALLOCATIONS_H_

#include <cstdint>

namespace sideroute::cost {

struct Allocations {
  uint64_t count = 0;
  uint64_t bytes = 0;
};

// Those that were made while `counting`.
extern Allocations allocations;
extern bool counting;

}  // namespace sideroute::cost

#endif  // SIDEROUTE_TEST_COST_ALLOCATIONS_H_

// Counts what a program allocates: by malloc and its relatives, and so also by `new`.
#ifndef SIDEROUTE_TEST_COST_ALLOCATIONS_H_
#define SIDEROUTE_TEST_COST_ALLOCATIONS_H_

#include <cstdint>

namespace sideroute::cost {

struct Allocations {
  uint64_t count = 0;
  uint64_t bytes = 0;
};

// The allocations made while `counting`.
extern Allocations allocations;
extern bool counting;

}  // namespace sideroute::cost

#endif  // SIDEROUTE_TEST_COST_ALLOCATIONS_H_

// Random numbers for property tests: the same in every run, so that failures can be repeated.
#ifndef SIDEROUTE_TEST_RANDOM_H_
#define SIDEROUTE_TEST_RANDOM_H_

#include <cstdint>
#include <string>

namespace sideroute::test {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  // splitmix64.
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // From 0 to `count` - 1.
  size_t Below(size_t count) { return static_cast<size_t>(Next() % count); }
  bool OneIn(size_t count) { return Below(count) == 0; }
  // Small numbers are as frequent as those of each larger size.
  uint64_t Spread(unsigned bits) { return Next() & ((uint64_t{1} << Below(bits + 1)) - 1); }
  std::string Bytes(size_t length) {
    std::string bytes;
    while (bytes.size() < length) bytes += static_cast<char>(Next());
    return bytes;
  }

 private:
  uint64_t state_;
};

}  // namespace sideroute::test

#endif  // SIDEROUTE_TEST_RANDOM_H_

// A minimal test harness: cases register themselves, main() runs them and prints TAP.
//
//   TEST("what holds") { CHECK_EQ(Actual(), "expected"); }
//
// A table calls Report once per row, so that each row is an assertion of its own.
#ifndef SIDEROUTE_TEST_CHECK_H_
#define SIDEROUTE_TEST_CHECK_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace sideroute::test {

using TestFunction = void (*)();

struct Registration {
  Registration(const char* title, TestFunction function);
};

// One TAP line. `detail` explains a failure.
void Report(bool ok, std::string_view title, std::string_view detail = {});

// Number of checks made. A TEST that returns without any has shown nothing, and fails.
inline std::atomic<uint64_t> looked{0};

// Records a failure of the running TEST, which is reported when the test returns.
void Fail(const char* file, int line, std::string_view message);

template <typename T>
std::string Show(const T& value) {
  if constexpr (std::is_convertible_v<T, std::string_view>) {
    return std::string(std::string_view(value));
  } else {
    return std::to_string(value);
  }
}

}  // namespace sideroute::test

#define SIDEROUTE_CONCAT2(a, b) a##b
#define SIDEROUTE_CONCAT(a, b) SIDEROUTE_CONCAT2(a, b)
#define SIDEROUTE_TEST(title, name)                                                                 \
  static void name();                                                                               \
  static const ::sideroute::test::Registration SIDEROUTE_CONCAT(name, _registration)(title, &name); \
  static void name()
#define TEST(title) SIDEROUTE_TEST(title, SIDEROUTE_CONCAT(test_at_line_, __LINE__))

#define CHECK(condition)                                                               \
  do {                                                                                 \
    ::sideroute::test::looked.fetch_add(1, std::memory_order_relaxed);                 \
    if (!(condition)) ::sideroute::test::Fail(__FILE__, __LINE__, "not: " #condition); \
  } while (false)

#define CHECK_EQ(actual, expected)                                                               \
  do {                                                                                           \
    ::sideroute::test::looked.fetch_add(1, std::memory_order_relaxed);                           \
    const auto& actual_value = (actual);                                                         \
    const auto& expected_value = (expected);                                                     \
    if (!(actual_value == expected_value)) {                                                     \
      ::sideroute::test::Fail(__FILE__, __LINE__,                                                \
                              "expected " + ::sideroute::test::Show(expected_value) + ", got " + \
                                  ::sideroute::test::Show(actual_value));                        \
    }                                                                                            \
  } while (false)

#endif  // SIDEROUTE_TEST_CHECK_H_

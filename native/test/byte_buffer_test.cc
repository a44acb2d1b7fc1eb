// Buffers compared with a string, and the pool of their blocks. A sanitizer detects access out of bounds.
#include "net/byte_buffer.h"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "random.h"

namespace sideroute::test {
namespace {

TEST("a buffer holds what was appended and not consumed, whatever the order") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    BlockPool pool;
    {
      ByteBuffer buffer(pool);
      std::string expected;
      for (int step = 0; step < 1'500; ++step) {
        const size_t length = random.Spread(14);
        switch (random.Below(5)) {
          case 0:
          case 1: {
            const std::string bytes = random.Bytes(length);
            buffer.Append(bytes);
            expected += bytes;
            break;
          }
          case 2: {
            // Reserves room and writes only part of it.
            const std::string bytes = random.Bytes(random.Below(length + 1));
            char* room = buffer.Reserve(length);
            if (length > 0) std::memset(room, 0, length);
            if (!bytes.empty()) std::memcpy(room, bytes.data(), bytes.size());
            buffer.Commit(bytes.size());
            expected += bytes;
            break;
          }
          default: {
            const size_t taken = random.Below(expected.size() + 1);
            buffer.Consume(taken);
            expected.erase(0, taken);
          }
        }
        CHECK(buffer.view() == expected);
        CHECK_EQ(buffer.size(), expected.size());
        CHECK_EQ(buffer.empty(), expected.empty());
        CHECK(buffer.capacity() >= buffer.size());
        CHECK_EQ(pool.in_use(), buffer.capacity());
      }
      buffer.Append("rest");
    }
    CHECK_EQ(pool.in_use(), 0u);
  }
}

TEST("a buffer gives its block back with the last byte") {
  BlockPool pool;
  ByteBuffer buffer(pool);
  CHECK_EQ(buffer.capacity(), 0u);
  buffer.Append("");
  CHECK_EQ(pool.in_use(), 0u);
  buffer.Append("abc");
  CHECK_EQ(pool.in_use(), BlockPool::kSmallest);
  buffer.Consume(2);
  CHECK_EQ(pool.in_use(), BlockPool::kSmallest);
  buffer.Consume(1);
  CHECK_EQ(pool.in_use(), 0u);
  CHECK_EQ(buffer.capacity(), 0u);
}

TEST("a buffer through which bytes flow does not grow") {
  BlockPool pool;
  ByteBuffer buffer(pool);
  const std::string piece(1'000, 'x');
  buffer.Append(piece);
  for (int i = 0; i < 100'000; ++i) {
    buffer.Append(piece);
    buffer.Consume(piece.size());
  }
  CHECK_EQ(buffer.size(), piece.size());
  CHECK_EQ(buffer.capacity(), BlockPool::kSmallest);
}

TEST("blocks are powers of two that hold what was asked for, and are used again") {
  BlockPool pool;
  for (const size_t size : {size_t{1}, size_t{4096}, size_t{4097}, size_t{70'000}, size_t{131'072},
                            size_t{131'073}, size_t{1'000'000}}) {
    size_t capacity = 0;
    char* block = pool.Take(size, &capacity);
    CHECK(capacity >= size && (capacity & (capacity - 1)) == 0);
    CHECK(capacity < 2 * size || capacity == BlockPool::kSmallest);
    std::memset(block, 1, capacity);
    CHECK_EQ(pool.in_use(), capacity);
    pool.Give(block, capacity);
    CHECK_EQ(pool.in_use(), 0u);
    size_t again = 0;
    char* second = pool.Take(size, &again);
    CHECK_EQ(again, capacity);
    // Blocks larger than the classes go back to the allocator.
    if (size <= 131'072) CHECK(second == block);
    pool.Give(second, again);
  }
  // More blocks than are kept; a lost one would be found as a leak.
  std::vector<char*> blocks;
  size_t capacity = 0;
  for (int i = 0; i < 100; ++i) blocks.push_back(pool.Take(5'000, &capacity));
  CHECK_EQ(pool.in_use(), 100 * capacity);
  for (char* block : blocks) pool.Give(block, capacity);
  pool.Trim();
  CHECK_EQ(pool.in_use(), 0u);
  pool.Give(pool.Take(5'000, &capacity), capacity);
}

}  // namespace
}  // namespace sideroute::test

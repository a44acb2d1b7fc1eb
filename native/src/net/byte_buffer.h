// A byte queue: contiguous, written at the end, consumed at the front, in pooled blocks.
//
// An idle connection holds no block, and bytes that can be passed on at once are never stored here.
#ifndef SIDEROUTE_NET_BYTE_BUFFER_H_
#define SIDEROUTE_NET_BYTE_BUFFER_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace sideroute {

// Blocks of 4 KiB times a power of two. A bounded number of each size is kept for reuse.
class BlockPool {
 public:
  static constexpr size_t kSmallest = 4096;

  BlockPool() = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  ~BlockPool() { Trim(); }

  // Returns a block of at least `size` bytes; `capacity` is its size. Ends the process if there is no memory,
  // as operator new does.
  char* Take(size_t size, size_t* capacity) {
    *capacity = std::bit_ceil(size < kSmallest ? kSmallest : size);
    in_use_ += *capacity;
    if (Class* size_class = ClassOf(*capacity); size_class != nullptr && size_class->count > 0) {
      return size_class->free[--size_class->count];
    }
    auto* block = static_cast<char*>(std::malloc(*capacity));
    if (block == nullptr) std::abort();
    return block;
  }

  void Give(char* block, size_t capacity) {
    in_use_ -= capacity;
    Class* size_class = ClassOf(capacity);
    if (size_class == nullptr || size_class->count == size_class->free.size()) {
      std::free(block);
    } else {
      size_class->free[size_class->count++] = block;
    }
  }

  size_t in_use() const { return in_use_; }

  // Frees the blocks kept for reuse.
  void Trim() {
    for (Class& size_class : classes_) {
      while (size_class.count > 0) std::free(size_class.free[--size_class.count]);
    }
  }

 private:
  struct Class {
    std::array<char*, 32> free;
    size_t count = 0;
  };
  // Sizes from 4 KiB to 128 KiB; together at most 8 MiB are kept.
  static constexpr size_t kClasses = 6;

  Class* ClassOf(size_t capacity) {
    const size_t index = static_cast<size_t>(std::countr_zero(capacity / kSmallest));
    return index < kClasses ? &classes_[index] : nullptr;
  }

  std::array<Class, kClasses> classes_;
  size_t in_use_ = 0;
};

class ByteBuffer {
 public:
  explicit ByteBuffer(BlockPool& pool) : pool_(pool) {}
  ByteBuffer(const ByteBuffer&) = delete;
  ByteBuffer& operator=(const ByteBuffer&) = delete;
  ~ByteBuffer() { Clear(); }

  bool empty() const { return begin_ == end_; }
  size_t size() const { return end_ - begin_; }
  // Size of the block it holds, in bytes.
  size_t capacity() const { return capacity_; }
  char* data() { return block_ + begin_; }
  const char* data() const { return block_ + begin_; }
  std::string_view view() const { return {block_ + begin_, size()}; }

  // Makes room for `bytes` after the last byte; Commit says how many were written. May move the contents.
  char* Reserve(size_t bytes) {
    if (capacity_ - end_ < bytes) Grow(bytes);
    return block_ + end_;
  }
  void Commit(size_t bytes) { end_ += bytes; }

  void Append(const char* bytes, size_t length) {
    if (length == 0) return;
    std::memcpy(Reserve(length), bytes, length);
    end_ += length;
  }
  void Append(std::string_view bytes) { Append(bytes.data(), bytes.size()); }

  // Gives back the block when the last byte is consumed.
  void Consume(size_t bytes) {
    begin_ += bytes;
    if (begin_ == end_) Clear();
  }

  void Clear() {
    if (block_ != nullptr) pool_.Give(block_, capacity_);
    block_ = nullptr;
    begin_ = end_ = capacity_ = 0;
  }

  // Drops the bytes but keeps the block, unless it is large: for a buffer that is filled and emptied all the
  // time.
  void Restart() {
    if (capacity_ > kKept) return Clear();
    begin_ = end_ = 0;
  }

 private:
  static constexpr size_t kKept = 4 * BlockPool::kSmallest;

  void Grow(size_t bytes) {
    const size_t used = size();
    // More than half is free: moving the bytes to the front is enough, and stays cheap on average.
    if (begin_ > used && capacity_ - used >= bytes) {
      std::memmove(block_, block_ + begin_, used);
    } else {
      size_t capacity;
      char* block = pool_.Take(used + bytes, &capacity);
      if (used > 0) std::memcpy(block, block_ + begin_, used);
      if (block_ != nullptr) pool_.Give(block_, capacity_);
      block_ = block;
      capacity_ = capacity;
    }
    begin_ = 0;
    end_ = used;
  }

  BlockPool& pool_;
  char* block_ = nullptr;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t capacity_ = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_BYTE_BUFFER_H_

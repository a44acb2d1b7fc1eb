// A constant object that lives as long as someone holds it, for example the table of plans or an exchange
// that applies a plan. Its counter is not atomic: everything happens on the loop's thread.
#ifndef SIDEROUTE_NET_SHARED_H_
#define SIDEROUTE_NET_SHARED_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sideroute {

template <typename T>
class Shared {
 public:
  Shared() = default;
  // `live` counts the existing objects, and must outlive them.
  Shared(T object, size_t& live) : box_(new Box{std::move(object), live}) { ++live; }
  Shared(const Shared& other) : box_(other.box_) {
    if (box_ != nullptr) ++box_->holders;
  }
  Shared(Shared&& other) noexcept : box_(std::exchange(other.box_, nullptr)) {}
  Shared& operator=(Shared other) noexcept {
    std::swap(box_, other.box_);
    return *this;
  }
  ~Shared() { Reset(); }

  void Reset() {
    Box* const box = std::exchange(box_, nullptr);
    if (box == nullptr || --box->holders > 0) return;
    --box->live;
    delete box;
  }

  // Null if it holds no object.
  const T* get() const { return box_ == nullptr ? nullptr : &box_->object; }
  const T* operator->() const { return &box_->object; }
  explicit operator bool() const { return box_ != nullptr; }

 private:
  struct Box {
    const T object;
    size_t& live;
    size_t holders = 1;
  };
  Box* box_ = nullptr;
};

// Objects by the numbers that TypeScript uses for them. A number is valid until Clear; an object found by it
// can be held longer.
template <typename T>
class SharedTable {
 public:
  int32_t Add(T object) {
    objects_.emplace_back(std::move(object), live_);
    return static_cast<int32_t>(objects_.size() - 1);
  }
  // Hot path. Empty for an unknown number, such as -1.
  Shared<T> Find(int32_t number) const {
    return static_cast<size_t>(number) < objects_.size() ? objects_[static_cast<size_t>(number)]
                                                         : Shared<T>();
  }
  void Clear() { std::vector<Shared<T>>().swap(objects_); }
  // Number of existing objects, including those that Clear removed and that are still held.
  size_t live() const { return live_; }

 private:
  // Declared before the objects, which decrement it when they are destroyed.
  size_t live_ = 0;
  std::vector<Shared<T>> objects_;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_SHARED_H_

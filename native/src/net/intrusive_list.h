// A doubly linked list whose links are members of its elements: adding and removing never allocate or search.
//
// An element is in at most one list per Tag, and removes itself when it is destroyed. An element with several
// tags selects with `using` which one its unqualified `linked` and `Unlink` refer to.
#ifndef SIDEROUTE_NET_INTRUSIVE_LIST_H_
#define SIDEROUTE_NET_INTRUSIVE_LIST_H_

#include <cstddef>

namespace sideroute {

template <typename T, typename Tag = void>
class IntrusiveList;

template <typename T, typename Tag = void>
class ListNode {
 public:
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;

  bool linked() const { return list_ != nullptr; }

  void Unlink() {
    if (list_ == nullptr) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    --list_->size_;
    prev_ = next_ = nullptr;
    list_ = nullptr;
  }

 protected:
  ~ListNode() { Unlink(); }

 private:
  friend class IntrusiveList<T, Tag>;
  ListNode* prev_ = nullptr;
  ListNode* next_ = nullptr;
  IntrusiveList<T, Tag>* list_ = nullptr;
};

template <typename T, typename Tag>
class IntrusiveList {
  using Node = ListNode<T, Tag>;

 public:
  IntrusiveList() { root_.prev_ = root_.next_ = &root_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  ~IntrusiveList() {
    while (Front() != nullptr) Front()->Node::Unlink();
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Null if the list is empty.
  T* Front() const { return empty() ? nullptr : static_cast<T*>(root_.next_); }

  // Null for the last element.
  T* After(const T* element) const {
    Node* next = static_cast<const Node*>(element)->next_;
    return next == &root_ ? nullptr : static_cast<T*>(next);
  }

  T* Back() const { return empty() ? nullptr : static_cast<T*>(root_.prev_); }

  void PushBack(T* element) {
    Node* node = element;
    node->Unlink();
    node->prev_ = root_.prev_;
    node->next_ = &root_;
    root_.prev_->next_ = node;
    root_.prev_ = node;
    node->list_ = this;
    ++size_;
  }

  void PushFront(T* element) {
    Node* node = element;
    node->Unlink();
    node->next_ = root_.next_;
    node->prev_ = &root_;
    root_.next_->prev_ = node;
    root_.next_ = node;
    node->list_ = this;
    ++size_;
  }

 private:
  friend class ListNode<T, Tag>;
  struct Root : Node {};
  Root root_;
  size_t size_ = 0;
};

}  // namespace sideroute

#endif  // SIDEROUTE_NET_INTRUSIVE_LIST_H_

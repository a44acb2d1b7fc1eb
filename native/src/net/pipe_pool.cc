#include "net/pipe_pool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace sideroute {

namespace {

constexpr size_t kDescriptors = 2;

}  // namespace

PipePool::PipePool(DescriptorBudget& descriptors, size_t max_idle, size_t reserve)
    : descriptors_(descriptors), reserve_(reserve), max_idle_(std::max(max_idle, reserve)) {
  idle_.reserve(max_idle_);
  for (size_t i = 0; i < reserve_; ++i) {
    if (Pipe pipe = Open()) idle_.push_back(std::move(pipe));
  }
}

PipePool::~PipePool() {
  while (!idle_.empty()) {
    Close(std::move(idle_.back()));
    idle_.pop_back();
  }
}

// The reserve is opened whatever the budget: without any pipe no tunnel makes progress.
Pipe PipePool::Open() {
  const bool spare = open_ >= reserve_;
  if (spare && !descriptors_.TakeSpare(kDescriptors)) return {};
  int fds[2];
  if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) {
    if (spare) descriptors_.GiveSpare(kDescriptors);
    return {};
  }
  ++open_;
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

void PipePool::Close(Pipe pipe) {
  pipe = Pipe();
  if (--open_ >= reserve_) descriptors_.GiveSpare(kDescriptors);
}

Pipe PipePool::Acquire() {
  if (idle_.empty()) return Open();
  Pipe pipe = std::move(idle_.back());
  idle_.pop_back();
  return pipe;
}

void PipePool::Release(Pipe pipe) {
  if (idle_.size() < max_idle_) {
    idle_.push_back(std::move(pipe));
  } else {
    Close(std::move(pipe));
  }
}

void PipePool::Discard(Pipe pipe) {
  Close(std::move(pipe));
  if (idle_.size() >= reserve_) return;
  if (Pipe fresh = Open()) idle_.push_back(std::move(fresh));
}

void PipePool::Trim() {
  while (idle_.size() > reserve_) {
    Close(std::move(idle_.back()));
    idle_.pop_back();
  }
}

}  // namespace sideroute

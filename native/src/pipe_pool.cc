#include "pipe_pool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace sideroute {

namespace {

constexpr size_t kReserve = 2;

Pipe OpenPipe() {
  int fds[2];
  if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) return {};
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

}  // namespace

PipePool::PipePool(size_t max_idle) : max_idle_(std::max(max_idle, kReserve)) {
  idle_.reserve(max_idle_);
  for (size_t i = 0; i < kReserve; ++i) {
    if (Pipe pipe = OpenPipe()) idle_.push_back(std::move(pipe));
  }
}

Pipe PipePool::Acquire() {
  if (idle_.empty()) return OpenPipe();
  Pipe pipe = std::move(idle_.back());
  idle_.pop_back();
  return pipe;
}

void PipePool::Release(Pipe pipe) {
  if (idle_.size() < max_idle_) idle_.push_back(std::move(pipe));
}

void PipePool::Discard(Pipe pipe) {
  pipe = Pipe();
  if (idle_.size() >= kReserve) return;
  if (Pipe fresh = OpenPipe()) idle_.push_back(std::move(fresh));
}

void PipePool::Trim() {
  if (idle_.size() > kReserve) idle_.resize(kReserve);
}

}  // namespace sideroute

#include "upstream/backends.h"

#include <utility>

namespace sideroute {

void Backends::Set(uint32_t id, const std::vector<NetAddress>& addresses) {
  if (id >= backends_.size()) backends_.resize(id + 1);
  if (backends_[id] == nullptr) backends_[id] = std::make_unique<Backend>(context_, static_cast<int32_t>(id));
  backends_[id]->SetAddresses(addresses);
}

Backend* Backends::Find(int32_t id) {
  return id >= 0 && static_cast<size_t>(id) < backends_.size() ? backends_[static_cast<size_t>(id)].get()
                                                               : nullptr;
}

bool Backends::Drop(int32_t id) {
  Backend* backend = Find(id);
  if (backend == nullptr) return true;
  if (!backend->Retire()) return false;
  context_.Bury(std::move(backends_[static_cast<size_t>(id)]));
  return true;
}

Backend* Backends::Original(const NetAddress& address) {
  const auto known = originals_.find(address);
  if (known != originals_.end()) return known->second.get();
  for (auto at = originals_.begin(); originals_.size() >= kMaxOriginals && at != originals_.end();) {
    if (!at->second->Retire()) {
      ++at;
      continue;
    }
    context_.Bury(std::move(at->second));
    at = originals_.erase(at);
  }
  auto backend = std::make_unique<Backend>(context_, Backend::kOriginal);
  backend->SetAddresses({address});
  return originals_.emplace(address, std::move(backend)).first->second.get();
}

bool Backends::CloseOneIdle() {
  for (auto& backend : backends_) {
    if (backend != nullptr && backend->CloseOneIdle()) return true;
  }
  for (auto& [address, backend] : originals_) {
    if (backend->CloseOneIdle()) return true;
  }
  return false;
}

void Backends::CloseIdle() {
  for (auto& backend : backends_) {
    if (backend != nullptr) backend->CloseIdle();
  }
  for (auto& [address, backend] : originals_) backend->CloseIdle();
}

void Backends::Clear() {
  backends_.clear();
  originals_.clear();
}

}  // namespace sideroute

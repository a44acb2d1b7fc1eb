#include "binding/instance.h"

namespace sideroute {

Process& Process::Get() {
  // Never freed: threads may live longer than static objects.
  static auto* const process = new Process;
  return *process;
}

Instance::~Instance() {
  if (share) reactor->RemoveTurnClient(this);
}

void Instance::Share(size_t workers) {
  share.emplace(Process::Get().totals, workers);
  descriptors.Share(*share);
  own_dials.Share();
  reactor->AddTurnClient(this);
}

void Instance::OnTurnEnd() { share->Settle(own_connections(), HeldBytes()); }

size_t Instance::connections() const {
  return own_connections() + (share ? share->connections_elsewhere() : 0);
}

bool Instance::Reserve(size_t most) { return !share || share->Reserve(own_connections(), most); }

size_t Instance::BytesElsewhere() const { return share ? share->bytes_elsewhere() : 0; }

size_t Instance::own_connections() const {
  size_t total = lingering.size() + elsewhere;
  for (const AcceptorBinding* each = acceptors.Front(); each != nullptr; each = acceptors.After(each)) {
    total += each->connections();
  }
  for (const HttpEngineBinding* each = engines.Front(); each != nullptr; each = engines.After(each)) {
    total += each->engine()->connections();
  }
  return total;
}

void Instance::CloseIdle(size_t count) {
  for (HttpEngineBinding* each = engines.Front(); each != nullptr; each = engines.After(each)) {
    each->engine()->CloseIdle(count);
  }
}

void Instance::SetCrowded(bool now_crowded) {
  crowded = now_crowded;
  for (HttpEngineBinding* each = engines.Front(); each != nullptr; each = engines.After(each)) {
    each->engine()->SetCrowded(crowded);
  }
}

bool Instance::CloseIdleUpstream() {
  for (HttpEngineBinding* each = engines.Front(); each != nullptr; each = engines.After(each)) {
    if (each->engine()->backends().CloseOneIdle()) return true;
  }
  return false;
}

size_t Instance::HeldBytes() const {
  // For its exchange and what the kernel holds for it.
  constexpr size_t kConnectionBytes = 8 * 1024;
  size_t total = 0;
  for (const HttpEngineBinding* each = engines.Front(); each != nullptr; each = engines.After(each)) {
    total += each->engine()->buffered_bytes() + kConnectionBytes * each->engine()->connections();
  }
  for (const AcceptorBinding* each = acceptors.Front(); each != nullptr; each = acceptors.After(each)) {
    total += each->held_bytes();
  }
  return total;
}

void Instance::SetWindow(size_t bytes) {
  for (HttpEngineBinding* each = engines.Front(); each != nullptr; each = engines.After(each)) {
    each->engine()->SetWindow(bytes);
  }
  for (AcceptorBinding* each = acceptors.Front(); each != nullptr; each = acceptors.After(each)) {
    each->SetWindow(bytes);
  }
}

void Instance::CloseIdleConnections() {
  constexpr size_t kAtATime = 32;
  CloseIdle(kAtATime);
  while (CloseIdleUpstream()) {
  }
}

// What one engine or acceptor has freed, the others need not free.
size_t Instance::CloseLargest(const Demand& demand) {
  Demand left = demand;
  size_t closed = 0;
  for (HttpEngineBinding* each = engines.Front(); each != nullptr && left.bytes > 0;
       each = engines.After(each)) {
    closed += each->engine()->CloseLargest(left);
  }
  for (AcceptorBinding* each = acceptors.Front(); each != nullptr && left.bytes > 0;
       each = acceptors.After(each)) {
    closed += each->CloseLargest(left);
  }
  return closed;
}

void Instance::FreeSpares() {
  for (HttpEngineBinding* each = engines.Front(); each != nullptr; each = engines.After(each)) {
    each->engine()->FreeSpares();
  }
}

void Instance::OnMemoryLevel() {
  // A copy, because the callback may replace itself.
  const std::function<void(bool)> told = on_overload;
  if (!told) return;
  reactor->NoteJavaScript();
  told(memory.refusing());
}

}  // namespace sideroute

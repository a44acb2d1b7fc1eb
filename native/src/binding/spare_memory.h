// Gives back what the process does not need while it has nothing to do: `returnMemory()` of
// src/addon/binding.ts.
//
// Garbage of JavaScript, and the room that V8 keeps for more of it; what the engine keeps for reuse, and what
// malloc does; and those pages of program files that have been mapped for what ran once. The call takes as
// long as some collections of all garbage, 20 ms for a small heap, so it is for a loop that has been quiet.
// Stage before: src/observe/idle-memory.ts, and a further worker when it has started.
#ifndef SIDEROUTE_BINDING_SPARE_MEMORY_H_
#define SIDEROUTE_BINDING_SPARE_MEMORY_H_

namespace sideroute {

struct Instance;

// Of every thread, from now on: the end of a heap of malloc goes back when it is free. Once, before there is
// a large configuration.
void KeepHeapsTrimmed();

void ReturnMemory(Instance& instance);

}  // namespace sideroute

#endif  // SIDEROUTE_BINDING_SPARE_MEMORY_H_

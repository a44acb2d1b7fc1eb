#include "http2/hpack.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/types.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

// The nghttp2 functions in use have been part of its ABI since 1.0, so any copy works.
extern "C" {
int nghttp2_hd_deflate_new(nghttp2_hd_deflater** deflater, size_t max_table_size);
void nghttp2_hd_deflate_del(nghttp2_hd_deflater* deflater);
int nghttp2_hd_deflate_change_table_size(nghttp2_hd_deflater* deflater, size_t table_size);
ssize_t nghttp2_hd_deflate_hd(nghttp2_hd_deflater* deflater, uint8_t* out, size_t room,
                              const sideroute::http2::HeaderField* fields, size_t count);
size_t nghttp2_hd_deflate_bound(nghttp2_hd_deflater* deflater, const sideroute::http2::HeaderField* fields,
                                size_t count);
int nghttp2_hd_inflate_new(nghttp2_hd_inflater** inflater);
void nghttp2_hd_inflate_del(nghttp2_hd_inflater* inflater);
ssize_t nghttp2_hd_inflate_hd2(nghttp2_hd_inflater* inflater, sideroute::http2::HeaderField* field,
                               int* flags, const uint8_t* in, size_t length, int final);
int nghttp2_hd_inflate_end_headers(nghttp2_hd_inflater* inflater);
}

namespace sideroute::http2 {

namespace {

// NGHTTP2_HD_INFLATE_FINAL and NGHTTP2_HD_INFLATE_EMIT.
constexpr int kInflateFinal = 1;
constexpr int kInflateEmit = 2;

constexpr const char* kFunctions[] = {
    "nghttp2_hd_deflate_new", "nghttp2_hd_deflate_del",   "nghttp2_hd_deflate_change_table_size",
    "nghttp2_hd_deflate_hd",  "nghttp2_hd_deflate_bound", "nghttp2_hd_inflate_new",
    "nghttp2_hd_inflate_del", "nghttp2_hd_inflate_hd2",   "nghttp2_hd_inflate_end_headers",
};

// The program or library that a function is part of. dladdr would also look for the name of the function
// among the 70,000 that Node exports, which took 23 ms of the start for all of these together.
struct Module {
  uintptr_t address = 0;
  uintptr_t base = 0;
  const char* file = "";
};

// Called by dl_iterate_phdr for each module; returns 1 for the one that has the address.
int IsModule(dl_phdr_info* info, size_t /*size*/, void* data) {
  Module& module = *static_cast<Module*>(data);
  for (int at = 0; at < info->dlpi_phnum; ++at) {
    const ElfW(Phdr)& part = info->dlpi_phdr[at];
    if (part.p_type != PT_LOAD) continue;
    if (module.address - info->dlpi_addr - part.p_vaddr >= part.p_memsz) continue;
    module.base = info->dlpi_addr;
    // The program itself has no name there.
    module.file = *info->dlpi_name != '\0' ? info->dlpi_name : "/proc/self/exe";
    return 1;
  }
  return 0;
}

}  // namespace

// Ends the process if there is no memory, as operator new does.
HpackEncoder::HpackEncoder() {
  if (nghttp2_hd_deflate_new(&deflater_, kHeaderTableBytes) != 0) std::abort();
}

HpackEncoder::~HpackEncoder() { nghttp2_hd_deflate_del(deflater_); }

void HpackEncoder::SetTableSize(uint32_t bytes) {
  if (nghttp2_hd_deflate_change_table_size(deflater_, std::min(bytes, kHeaderTableBytes)) != 0) std::abort();
}

size_t HpackEncoder::Bound(std::span<const HeaderField> fields) const {
  return nghttp2_hd_deflate_bound(deflater_, fields.data(), fields.size());
}

// Fails only if there is no memory, or too little room, which the caller rules out with Bound.
size_t HpackEncoder::Encode(std::span<const HeaderField> fields, char* to, size_t room) {
  const ssize_t written =
      nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<uint8_t*>(to), room, fields.data(), fields.size());
  if (written < 0) std::abort();
  return static_cast<size_t>(written);
}

HpackDecoder::HpackDecoder() {
  if (nghttp2_hd_inflate_new(&inflater_) != 0) std::abort();
}

HpackDecoder::~HpackDecoder() { nghttp2_hd_inflate_del(inflater_); }

HpackDecoder::Step HpackDecoder::Next(std::string_view* name, std::string_view* value) {
  for (;;) {
    HeaderField field{};
    int flags = 0;
    const ssize_t used = nghttp2_hd_inflate_hd2(
        inflater_, &field, &flags, reinterpret_cast<const uint8_t*>(rest_.data()), rest_.size(), 1);
    if (used < 0) return Step::kError;
    rest_.remove_prefix(static_cast<size_t>(used));
    if ((flags & kInflateEmit) != 0) {
      *name = {field.name, field.name_length};
      *value = {field.value, field.value_length};
      sensitive_ = (field.flags & HeaderField::kSensitive) != 0;
      return Step::kField;
    }
    if ((flags & kInflateFinal) != 0) {
      nghttp2_hd_inflate_end_headers(inflater_);
      return Step::kEnd;
    }
    // Nothing was consumed and nothing was given: the block ends within a field.
    if (used == 0) return Step::kError;
  }
}

HpackBinding CheckHpackBinding() {
  HpackBinding binding;
  Module first;
  for (const char* name : kFunctions) {
    Module module{.address = reinterpret_cast<uintptr_t>(dlsym(RTLD_DEFAULT, name))};
    if (module.address == 0 || dl_iterate_phdr(IsModule, &module) == 0) {
      binding.missing = name;
      return binding;
    }
    if (name == kFunctions[0]) {
      first = module;
      binding.file = module.file;
      binding.one_copy = true;
    } else if (module.base != first.base) {
      binding.one_copy = false;
    }
  }
  return binding;
}

}  // namespace sideroute::http2

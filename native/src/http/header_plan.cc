#include "http/header_plan.h"

#include <algorithm>
#include <utility>

#include "http/scan.h"

namespace sideroute {

namespace {
uint64_t LengthBit(size_t length) { return 1ull << std::min<size_t>(length, 63); }
}  // namespace

void HeaderEdits::Add(HeaderEdit edit) {
  if (edit.kind != HeaderEdit::Kind::kAdd) lengths_ |= LengthBit(edit.name.size());
  appended_ += edit.line;
  edits_.push_back(std::move(edit));
}

bool HeaderEdits::Removes(std::string_view name) const {
  if ((lengths_ & LengthBit(name.size())) == 0) return false;
  return std::any_of(edits_.begin(), edits_.end(), [name](const HeaderEdit& edit) {
    return edit.kind != HeaderEdit::Kind::kAdd && http::NamesEqual(name, edit.name);
  });
}

bool HeaderEdits::Touches(std::string_view name) const {
  return std::any_of(edits_.begin(), edits_.end(),
                     [name](const HeaderEdit& edit) { return http::NamesEqual(name, edit.name); });
}

}  // namespace sideroute

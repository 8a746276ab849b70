#include <lathe/tensor/offsets.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace lathe {

Offsets::Offsets(std::vector<std::int32_t> offsets) {
  if (offsets.empty() || offsets.front() != 0) throw InputError("[offsets] expected offsets that begin with 0");
  auto data = std::make_shared<Data>();
  for (std::size_t s = 1; s < offsets.size(); ++s) {
    if (offsets[s] < offsets[s - 1])
      throw InputError(str("[offsets] expected offsets that never descend, got ", offsets[s - 1], " before ", offsets[s]));
    data->max_length = std::max<Index>(data->max_length, offsets[s] - offsets[s - 1]);
  }
  data->offsets = std::move(offsets);
  data_ = std::move(data);
}

Offsets Offsets::from_lengths(std::span<const std::int32_t> lengths) {
  std::vector<std::int32_t> offsets{0};
  offsets.reserve(lengths.size() + 1);
  std::int64_t total = 0;
  for (const std::int32_t length : lengths) {
    if (length < 0) throw InputError(str("[offsets] expected lengths of at least 0, got ", length));
    total += length;
    if (total > std::numeric_limits<std::int32_t>::max()) throw InputError("[offsets] expected fewer than 2^31 tokens in a batch");
    offsets.push_back(static_cast<std::int32_t>(total));
  }
  return Offsets(std::move(offsets));
}

}  // namespace lathe

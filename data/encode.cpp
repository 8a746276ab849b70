#include <lathe/base/text.h>
#include <lathe/data/encode.h>

#include <algorithm>

namespace lathe::data {

EncodedDataset encode(const Examples& examples, const tokenizer::Tokenizer& tokenizer, std::int64_t max_tokens) {
  if (max_tokens < 0) throw InputError(str("data.max_tokens = ", max_tokens, ", expected 0 (no limit) or more"));
  tokenizer::EncodeOptions options;
  options.max_tokens = static_cast<std::size_t>(max_tokens);
  const std::int32_t unknown = tokenizer.special().unk;
  EncodedDataset out;
  out.offsets.reserve(examples.size() + 1);
  out.labels.reserve(examples.size());
  for (std::size_t row = 0; row < examples.size(); ++row) {
    const std::size_t before = out.ids.size();
    std::size_t dropped = 0;
    try {
      if (examples.is_pair())
        tokenizer.append_pair(examples.text[row], examples.pair[row], out.ids, out.types, options, &dropped);
      else
        tokenizer.append(examples.text[row], out.ids, options, &dropped);
    } catch (const InputError& e) {
      throw InputError(str(examples.place(row), ": ", e.what()));
    }
    if (out.ids.size() == before) {
      if (unknown == tokenizer::SpecialIds::kNone)
        throw InputError(str(examples.place(row), ": the text has no token, and the vocabulary no unknown token to stand for it"));
      out.ids.push_back(unknown);
      if (examples.is_pair()) out.types.push_back(0);
    }
    out.unknown_tokens += std::count(out.ids.begin() + static_cast<std::ptrdiff_t>(before), out.ids.end(), unknown);
    out.cut_rows += dropped > 0;
    out.offsets.push_back(static_cast<std::int64_t>(out.ids.size()));
    out.labels.push_back(examples.label[row]);
  }
  return out;
}

EncodedSplits encode(const ClassificationData& data, const tokenizer::Tokenizer& tokenizer, std::int64_t max_tokens) {
  EncodedSplits out{encode(data.train, tokenizer, max_tokens), encode(data.valid, tokenizer, max_tokens),
                    encode(data.test, tokenizer, max_tokens)};
  out.hash = data_hash(out.train, out.valid, out.test, data.label_names, to_hex(tokenizer.hash()));
  return out;
}

}  // namespace lathe::data

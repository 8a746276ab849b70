// Text to ids: added tokens, template, truncation. The model does the rest.
#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/tokenizer/state.h>

#include <algorithm>
#include <array>
#include <limits>

namespace lathe::tokenizer {
namespace detail {
namespace {

/// Where one call writes. The optional vectors run parallel to ids.
struct Output {
  std::vector<std::int32_t>& ids;
  std::vector<std::int32_t>* type_ids = nullptr;
  std::vector<Offset>* offsets = nullptr;
};

void append_text(const State& state, std::string_view text, const EncodeOptions& options, const Output& out) {
  if (text.size() > std::numeric_limits<std::uint32_t>::max())
    throw InputError(str("[tokenizer] a text of ", text.size(), " bytes is too long, expected at most 4,294,967,295"));
  if (!options.match_special) return state.model->append(text, 0, text.size(), out.ids, out.offsets);
  for (std::size_t at = 0, search = 0; at < text.size();) {
    const AddedTokens::Match match = state.added.next(text, at, search);
    if (match.begin > at) state.model->append(text, at, match.begin, out.ids, out.offsets);
    if (match.token) {
      out.ids.push_back(match.token->id);
      if (out.offsets) out.offsets->push_back({static_cast<std::uint32_t>(match.begin), static_cast<std::uint32_t>(match.end)});
    }
    at = match.end;
    search = match.resume;
  }
}

/// Shortens the part of `out` from `begin` on (which is its end) to `keep` tokens.
void cut(const Output& out, std::size_t begin, std::size_t keep, Keep side) {
  const auto shorten = [&](auto& v) {
    const auto first = v.begin() + static_cast<std::ptrdiff_t>(begin);
    if (side == Keep::kEnd) std::copy(v.end() - static_cast<std::ptrdiff_t>(keep), v.end(), first);
    v.resize(begin + keep);
  };
  if (out.offsets) shorten(*out.offsets);
  shorten(out.ids);
}

struct Lengths {
  std::size_t first, second;
};

/// How many tokens of each text stay if together they may have `budget`.
Lengths fit(Lengths n, std::size_t budget, Truncation strategy) {
  if (n.first + n.second <= budget) return n;
  const std::size_t excess = n.first + n.second - budget;
  if (strategy != Truncation::kLongestFirst) {
    std::size_t& cuttable = strategy == Truncation::kOnlyFirst ? n.first : n.second;
    if (cuttable <= excess)
      throw InputError(str("[tokenizer] max_tokens leaves ", budget, " tokens for a pair, but the other text alone has ",
                           n.first + n.second - cuttable, "; expected a larger max_tokens or Truncation::kLongestFirst"));
    cuttable -= excess;
    return n;
  }
  const bool swapped = n.first > n.second;
  std::size_t shorter = std::min(n.first, n.second);
  std::size_t longer = shorter > budget ? shorter : std::max(shorter, budget - shorter);
  if (shorter + longer > budget) {
    shorter = budget / 2;
    longer = budget - shorter;
  }
  return swapped ? Lengths{longer, shorter} : Lengths{shorter, longer};
}

/// One text or a pair with its template; `texts` has as many elements as `pieces` has sequences.
void append_filled(const State& state, const Template& pieces, std::span<const std::string_view> texts,
                   const EncodeOptions& options, std::size_t* dropped, const Output& out) {
  std::size_t specials = 0;
  if (options.add_special)
    for (const TemplatePiece& piece : pieces) specials += piece.ids.size();
  if (options.max_tokens != 0 && options.max_tokens < specials)
    throw InputError(
        str("[tokenizer] max_tokens ", options.max_tokens, " is below the ", specials, " special tokens around the text"));
  const std::size_t budget = options.max_tokens == 0 ? std::numeric_limits<std::size_t>::max() : options.max_tokens - specials;

  // First everything uncut, remembering where each text lies; then the texts are cut from the last to the first.
  const std::size_t start = out.ids.size();
  std::array<std::size_t, 2> begin{}, length{};
  for (const TemplatePiece& piece : pieces) {
    const std::size_t piece_begin = out.ids.size();
    if (piece.sequence >= 0) {
      const auto s = static_cast<std::size_t>(piece.sequence);
      begin[s] = piece_begin;
      append_text(state, texts[s], options, out);
      length[s] = out.ids.size() - piece_begin;
      if (texts.size() == 1 && length[s] > budget) cut(out, piece_begin, budget, options.keep);
    } else if (options.add_special) {
      out.ids.insert(out.ids.end(), piece.ids.begin(), piece.ids.end());
      if (out.offsets) out.offsets->resize(out.ids.size());
    }
    if (out.type_ids) out.type_ids->resize(out.ids.size(), piece.type_id);
  }
  const std::size_t total = length[0] + length[1];
  if (dropped) *dropped = total > budget ? total - budget : 0;
  if (texts.size() < 2 || total <= budget) return;

  const Lengths keep = fit({length[0], length[1]}, budget, options.truncation);
  const std::array<std::size_t, 2> kept{keep.first, keep.second};
  const auto erase = [&](auto& v, std::size_t from, std::size_t count) {
    const auto first = v.begin() + static_cast<std::ptrdiff_t>(from);
    v.erase(first, first + static_cast<std::ptrdiff_t>(count));
  };
  for (const std::size_t s : begin[0] < begin[1] ? std::array<std::size_t, 2>{1, 0} : std::array<std::size_t, 2>{0, 1}) {
    const std::size_t from = options.keep == Keep::kBegin ? begin[s] + kept[s] : begin[s], count = length[s] - kept[s];
    erase(out.ids, from, count);
    if (out.type_ids) erase(*out.type_ids, from, count);
    if (out.offsets) erase(*out.offsets, from, count);
  }
  LATHE_CHECK(out.ids.size() - start <= options.max_tokens);
}

/// All or nothing: after an exception the vectors have their old contents.
std::size_t append_all(const State& state, std::span<const std::string_view> texts, const EncodeOptions& options,
                       std::size_t* dropped, const Output& out) {
  const std::size_t ids = out.ids.size();
  const std::size_t types = out.type_ids ? out.type_ids->size() : ids, offsets = out.offsets ? out.offsets->size() : ids;
  if (types != ids || offsets != ids)
    throw InputError(
        str("[tokenizer] the vectors to append to have ", ids, " ids but ", types != ids ? types : offsets, " others"));
  try {
    append_filled(state, texts.size() == 1 ? state.single : state.pair, texts, options, dropped, out);
  } catch (...) {
    out.ids.resize(ids);
    if (out.type_ids) out.type_ids->resize(ids);
    if (out.offsets) out.offsets->resize(ids);
    throw;
  }
  return out.ids.size() - ids;
}

}  // namespace
}  // namespace detail

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  std::vector<std::int32_t> ids;
  append(text, ids, options);
  return ids;
}

std::size_t Tokenizer::append(std::string_view text, std::vector<std::int32_t>& ids, const EncodeOptions& options,
                              std::size_t* dropped) const {
  return detail::append_all(*state_, {&text, 1}, options, dropped, {ids});
}

std::size_t Tokenizer::append_pair(std::string_view first, std::string_view second, std::vector<std::int32_t>& ids,
                                   std::vector<std::int32_t>& type_ids, const EncodeOptions& options, std::size_t* dropped) const {
  const std::array<std::string_view, 2> texts{first, second};
  return detail::append_all(*state_, texts, options, dropped, {ids, &type_ids});
}

Encoding Tokenizer::encode_full(std::string_view text, const EncodeOptions& options) const {
  Encoding out;
  detail::append_all(*state_, {&text, 1}, options, &out.dropped, {out.ids, &out.type_ids, &out.offsets});
  return out;
}

Encoding Tokenizer::encode_full_pair(std::string_view first, std::string_view second, const EncodeOptions& options) const {
  Encoding out;
  const std::array<std::string_view, 2> texts{first, second};
  detail::append_all(*state_, texts, options, &out.dropped, {out.ids, &out.type_ids, &out.offsets});
  return out;
}

}  // namespace lathe::tokenizer
